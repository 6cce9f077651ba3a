"""Why a body is invalid: an explainer is compiled from a schema, and finds every rule that a body breaks, in our words.

Each keyword becomes a function over a value; nothing of the schema is read again with a request. `jsonschema` takes
six times as long for the same. A property test compares both.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias, TypeGuard

from qwenmock.mockserver.calls.keywords import CUSTOM_KEYWORDS, Breach, depends, format_value, is_uri, regex
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
PYTHON_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
    "null": (type(None),),
}
"""What JSON is in Python. True is an `int` there and no integer here; a float without a fraction is one."""


class Broken(NamedTuple):
    """A rule that a body breaks: its place and keyword, what is said about the value, and the value."""

    steps: Steps
    keyword: str
    message: str
    value: JSON


Check: TypeAlias = Callable[[JSON, Steps, list[Broken]], None]
"""Adds to the list what a value breaks that stands at the steps."""


def compile_explainer(schema: Schema) -> Callable[[JSON], list[Broken]]:
    """Return a function that finds all rules of a schema that a body breaks, in the order of the schema."""
    check = _of_schema(schema)

    def explain(body: JSON) -> list[Broken]:
        found: list[Broken] = []
        check(body, (), found)
        return found

    return explain


def _of_schema(schema: Schema) -> Check:
    checks = [KEYWORDS[keyword](value, schema) for keyword, value in schema.items() if keyword in KEYWORDS]

    def check(value: JSON, steps: Steps, found: list[Broken]) -> None:
        for each in checks:
            each(value, steps, found)

    return check


def _type(spec: Limit, _schema: Schema) -> Check:
    names: list[str] = [spec] if isinstance(spec, str) else spec
    types = tuple(each for name in names for each in PYTHON_TYPES[name])
    expected = " or ".join(TYPE_NAMES[name] for name in names)

    def check(value: JSON, steps: Steps, found: list[Broken]) -> None:
        is_right = isinstance(value, types)
        if isinstance(value, bool):
            is_right = "boolean" in names
        elif isinstance(value, float) and value.is_integer() and "integer" in names:
            is_right = True
        if not is_right:
            found.append(Broken(steps, "type", f"must be {expected}, got {format_value(value)}", value))

    return check


def _required(spec: Limit, schema: Schema) -> Check:
    names = [name for name in spec if "default" not in schema["properties"][name]]

    def check(value: JSON, steps: Steps, found: list[Broken]) -> None:
        if isinstance(value, dict):
            # The rule's path is that of the missing member.
            found.extend(
                Broken((*steps, name), "required", "is required", value) for name in names if name not in value
            )

    return check


def _properties(spec: Limit, _schema: Schema) -> Check:
    members = [(name, _of_schema(member)) for name, member in spec.items()]

    def check(value: JSON, steps: Steps, found: list[Broken]) -> None:
        if isinstance(value, dict):
            for name, check_member in members:
                if name in value:
                    check_member(value[name], (*steps, name), found)

    return check


def _items(spec: Limit, _schema: Schema) -> Check:
    check_item = _of_schema(spec)

    def check(value: JSON, steps: Steps, found: list[Broken]) -> None:
        if isinstance(value, list):
            for index, item in enumerate(value):
                check_item(item, (*steps, index), found)

    return check


def _custom(look: Callable[[Limit, JSON], Iterator[Breach]]) -> Callable[[Limit, Schema], Check]:
    """Return what compiles a custom keyword: each of its breaches has a name of its own."""

    def compiled(spec: Limit, _schema: Schema) -> Check:
        def check(value: JSON, steps: Steps, found: list[Broken]) -> None:
            found.extend(Broken(steps, name, message, value) for name, message in look(spec, value))

        return check

    return compiled


def _depends(spec: Limit, _schema: Schema) -> Check:
    def check(value: JSON, steps: Steps, found: list[Broken]) -> None:
        # The rule's path is that of the member.
        found.extend(
            Broken((*steps, *member.split("/")), "depends", message, value) for member, message in depends(spec, value)
        )

    return check


def _simple(name: str, broken: Callable[[Limit, JSON], str | None]) -> Callable[[Limit, Schema], Check]:
    """Return what compiles a keyword for which one function tells what is wrong, or None."""

    def compiled(spec: Limit, _schema: Schema) -> Check:
        def check(value: JSON, steps: Steps, found: list[Broken]) -> None:
            message = broken(spec, value)
            if message is not None:
                found.append(Broken(steps, name, message, value))

        return check

    return compiled


def _enum(spec: Sequence[JSON], value: JSON) -> str | None:
    for item in spec:
        if value == item and type(value) is type(item):
            return None
    return f"must be one of {', '.join(map(str, spec))}, got {format_value(value)}"


def _const(spec: JSON, value: JSON) -> str | None:
    if value == spec and isinstance(value, bool) == isinstance(spec, bool):
        return None
    return f"must be {format_value(spec)}, got {format_value(value)}"


def _one_of(spec: Sequence[Mapping[str, Sequence[str]]], value: JSON) -> str | None:
    names = [branch["required"][0] for branch in spec]
    if isinstance(value, dict) and sum(name in value for name in names) != 1:
        return f"must hold exactly one of {', '.join(names)}"
    return None


def _minimum(spec: float, value: JSON) -> str | None:
    return f"must be at least {spec}, got {format_value(value)}" if _is_number(value) and value < spec else None


def _maximum(spec: float, value: JSON) -> str | None:
    return f"must be at most {spec}, got {format_value(value)}" if _is_number(value) and value > spec else None


def _min_length(spec: int, value: JSON) -> str | None:
    return f"must have at least {spec} characters" if isinstance(value, str) and len(value) < spec else None


def _max_length(spec: int, value: JSON) -> str | None:
    if isinstance(value, str) and len(value) > spec:
        return f"must have at most {spec} characters, got {len(value)}"
    return None


def _min_items(spec: int, value: JSON) -> str | None:
    if isinstance(value, list) and len(value) < spec:
        return f"must have at least {spec} items, got {len(value)}"
    return None


def _max_items(spec: int, value: JSON) -> str | None:
    if isinstance(value, list) and len(value) > spec:
        return f"must have at most {spec} items, got {len(value)}"
    return None


def _pattern(spec: str, value: JSON) -> str | None:
    is_broken = isinstance(value, str) and not regex(spec).search(value)
    return f"must match {spec}, got {format_value(value)}" if is_broken else None


def _format(spec: str, value: JSON) -> str | None:
    return f"must be a {spec}, got {format_value(value)}" if isinstance(value, str) and not is_uri(value) else None


def _is_number(value: JSON) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


KEYWORDS: Mapping[str, Callable[[Limit, Schema], Check]] = {
    "type": _type,
    "required": _required,
    "properties": _properties,
    "items": _items,
    "enum": _simple("enum", _enum),
    "const": _simple("const", _const),
    "not": _simple("not", lambda _spec, _value: "is not accepted here"),
    "oneOf": _simple("oneOf", _one_of),
    "minimum": _simple("minimum", _minimum),
    "maximum": _simple("maximum", _maximum),
    "minLength": _simple("minLength", _min_length),
    "maxLength": _simple("maxLength", _max_length),
    "minItems": _simple("minItems", _min_items),
    "maxItems": _simple("maxItems", _max_items),
    "pattern": _simple("pattern", _pattern),
    "format": _simple("format", _format),
    **{keyword: _custom(look) for keyword, look in CUSTOM_KEYWORDS.items()},
    "x-depends": _depends,
}
"""What compiles each keyword that states a limit; the others state none."""
