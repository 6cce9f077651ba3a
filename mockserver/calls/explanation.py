"""Why a body is invalid: an explainer is compiled from a schema, and finds every rule that a body breaks, in our words.

It is one flat Python function for each schema, generated when the server starts, as those of `reading` are: it takes a
seventh of the time of `jsonschema`, and less than half of that of nested functions. A property test compares it with
`jsonschema`.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

from qwenmock.mockserver.calls.keywords import CUSTOM_KEYWORDS, format_value, is_uri, regex
from qwenmock.schemas.vocabulary import JSON, Schema

Steps: TypeAlias = tuple[str | int, ...]
"""Where a value stands in a body: names of members, and numbers of items."""
Limit: TypeAlias = Any
"""The value of a keyword, which the meta-schema has checked."""

TYPE_NAMES = {
    "string": "a string",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "object": "an object",
    "array": "an array",
    "null": "null",
}
IS_TYPE = {
    "string": "isinstance(VALUE, str)",
    # A float without a fraction is an integer too; True is one only in Python.
    "integer": "isinstance(VALUE, int) and not isinstance(VALUE, bool) or isinstance(VALUE, float) and VALUE % 1 == 0",
    "number": "isinstance(VALUE, (int, float)) and not isinstance(VALUE, bool)",
    "boolean": "isinstance(VALUE, bool)",
    "object": "isinstance(VALUE, dict)",
    "array": "isinstance(VALUE, list)",
    "null": "VALUE is None",
}


class Broken(NamedTuple):
    """A rule that a body breaks: its place and keyword, what is said about the value, and the value."""

    steps: Steps
    keyword: str
    message: str
    value: JSON


class Simple(NamedTuple):
    """A keyword that is one rule, as Python text in which VALUE and LIMIT stand for the value and the keyword's.

    Attributes:
        condition: Whether a value breaks the limit.
        message: An f-string: what is said about it then.

    """

    condition: str
    message: str


SHOWN = "got {format_value(VALUE)}"
SIMPLE: Mapping[str, Simple] = {
    "enum": Simple("not is_one_of(VALUE, LIMIT)", "must be one of {', '.join(map(str, LIMIT))}, " + SHOWN),
    "const": Simple("not is_same(VALUE, LIMIT)", "must be {format_value(LIMIT)}, " + SHOWN),
    "not": Simple("True", "is not accepted here"),
    "oneOf": Simple(
        "isinstance(VALUE, dict) and not has_one(VALUE, LIMIT)",
        "must hold exactly one of {', '.join(branch['required'][0] for branch in LIMIT)}",
    ),
    "minimum": Simple(
        "isinstance(VALUE, (int, float)) and VALUE < LIMIT and not isinstance(VALUE, bool)",
        "must be at least {LIMIT}, " + SHOWN,
    ),
    "maximum": Simple(
        "isinstance(VALUE, (int, float)) and VALUE > LIMIT and not isinstance(VALUE, bool)",
        "must be at most {LIMIT}, " + SHOWN,
    ),
    "minLength": Simple("isinstance(VALUE, str) and len(VALUE) < LIMIT", "must have at least {LIMIT} characters"),
    "maxLength": Simple(
        "isinstance(VALUE, str) and len(VALUE) > LIMIT", "must have at most {LIMIT} characters, got {len(VALUE)}"
    ),
    "minItems": Simple(
        "isinstance(VALUE, list) and len(VALUE) < LIMIT", "must have at least {LIMIT} items, got {len(VALUE)}"
    ),
    "maxItems": Simple(
        "isinstance(VALUE, list) and len(VALUE) > LIMIT", "must have at most {LIMIT} items, got {len(VALUE)}"
    ),
    "pattern": Simple("isinstance(VALUE, str) and not regex(LIMIT).search(VALUE)", "must match {LIMIT}, " + SHOWN),
    "format": Simple("isinstance(VALUE, str) and not is_uri(VALUE)", "must be a {LIMIT}, " + SHOWN),
}


def compile_explainer(schema: Schema) -> Callable[[JSON], list[Broken]]:
    """Return a function that finds all rules of a schema that a body breaks, in the order of the schema."""
    writer = _Writer()
    body = _Place("", 0, "    ")
    lines = ["def explain(v0):", "    found = []", *writer.of_schema(schema, body), "    return found"]
    exec("\n".join(lines), writer.names)
    return writer.names["explain"]


class _Place(NamedTuple):
    """Where statements check a value.

    Attributes:
        steps: Python text of its steps in the body, each with a comma: `'contents', i2, `.
        depth: Number of the steps.
        indent: Of the statements.

    """

    steps: str
    depth: int
    indent: str

    @property
    def value(self) -> str:
        """The variable with the value."""
        return f"v{self.depth}"

    def below(self, step: str, indent: str) -> "_Place":
        """Return the place of a member or an item."""
        return _Place(f"{self.steps}{step}, ", self.depth + 1, self.indent + indent)


class _Writer:
    """Writes the statements that check a value.

    Attributes:
        names: What the statements use.

    """

    def __init__(self) -> None:
        self.names: dict[str, Any] = {
            "Broken": Broken,
            "format_value": format_value,
            "has_one": _has_one,
            "is_one_of": _is_one_of,
            "is_same": _is_same,
            "is_uri": is_uri,
            "regex": regex,
        }

    def of_schema(self, schema: Schema, at: _Place) -> Iterator[str]:
        """Yield the statements for all keywords of a schema."""
        for keyword, limit in schema.items():
            if keyword in SIMPLE:
                yield from self._simple(keyword, SIMPLE[keyword], limit, at)
            elif keyword == "type":
                yield from self._simple(keyword, _type(limit), limit, at)
            elif keyword == "required":
                yield from _required([name for name in limit if "default" not in schema["properties"][name]], at)
            elif keyword == "properties":
                yield from self._properties(limit, at)
            elif keyword == "items":
                yield from self._items(limit, at)
            elif keyword in CUSTOM_KEYWORDS:
                yield from self._custom(keyword, limit, at)

    def _simple(self, keyword: str, simple: Simple, limit: Limit, at: _Place) -> Iterator[str]:
        name = self._named(limit)
        condition, message = (text.replace("VALUE", at.value).replace("LIMIT", name) for text in simple)
        yield f"{at.indent}if {condition}:"
        yield f"{at.indent}    found.append(Broken(({at.steps}), {keyword!r}, f{message!r}, {at.value}))"

    def _properties(self, members: dict[str, Schema], at: _Place) -> Iterator[str]:
        yield f"{at.indent}if isinstance({at.value}, dict):"
        for name, schema in members.items():
            below = at.below(repr(name), "        ")
            yield f"{at.indent}    if {name!r} in {at.value}:"
            yield f"{below.indent}{below.value} = {at.value}[{name!r}]"
            yield from self.of_schema(schema, below)
        yield f"{at.indent}    pass"

    def _items(self, schema: Schema, at: _Place) -> Iterator[str]:
        number = f"i{at.depth}"
        below = at.below(number, "        ")
        yield f"{at.indent}if isinstance({at.value}, list):"
        yield f"{at.indent}    for {number}, {below.value} in enumerate({at.value}):"
        yield from self.of_schema(schema, below)
        yield f"{below.indent}pass"

    def _custom(self, keyword: str, limit: Limit, at: _Place) -> Iterator[str]:
        look, name = self._named(CUSTOM_KEYWORDS[keyword]), self._named(limit)
        place = f"({at.steps}), name"
        if keyword == "x-depends":  # the rule's path is that of the member
            place = f"({at.steps}*name.split('/'), ), 'depends'"
        yield f"{at.indent}for name, message in {look}({name}, {at.value}):"
        yield f"{at.indent}    found.append(Broken({place}, message, {at.value}))"

    def _named(self, value: object) -> str:
        """Return the name of a value that the statements use."""
        name = f"c{len(self.names)}"
        self.names[name] = value
        return name


def _type(limit: str | list[str]) -> Simple:
    names = [limit] if isinstance(limit, str) else limit
    condition = f"not ({' or '.join(IS_TYPE[name] for name in names)})"
    return Simple(condition, f"must be {' or '.join(TYPE_NAMES[name] for name in names)}, {SHOWN}")


def _required(names: list[str], at: _Place) -> Iterator[str]:
    """Yield the statements that find missing members, whose path is that of the rule."""
    yield f"{at.indent}if isinstance({at.value}, dict):"
    for name in names:
        steps = f"({at.steps}{name!r}, )"
        yield f"{at.indent}    if {name!r} not in {at.value}:"
        yield f"{at.indent}        found.append(Broken({steps}, 'required', 'is required', {at.value}))"
    yield f"{at.indent}    pass"


def _is_one_of(value: JSON, items: list[JSON]) -> bool:
    return any(value == item and type(value) is type(item) for item in items)


def _is_same(value: JSON, other: JSON) -> bool:
    return value == other and isinstance(value, bool) == isinstance(other, bool)


def _has_one(value: Mapping[str, JSON], branches: list[Schema]) -> bool:
    """Return whether exactly one of the branches has its member."""
    number = 0
    for branch in branches:
        number += branch["required"][0] in value
    return number == 1
