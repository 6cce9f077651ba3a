"""The keywords that contract schemas are written in, and the walk over them.

`vocabulary.schema.json` lists every keyword; a file that uses another one does not load. Which of the keywords state
a limit, and which rules follow from them, is told here, once, for the server, the examiner and the documentation.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias, cast

JSON: TypeAlias = Any
"""A JSON value: None, bool, int, float, str, list or dict."""

Schema: TypeAlias = dict[str, JSON]
"""A schema with its references put in."""

Path: TypeAlias = tuple[str, ...]
"""Where a value stands in a JSON document: member names, and `*` for "each item"."""

LIMITS = (
    "type",
    "enum",
    "const",
    "not",
    "oneOf",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "pattern",
    "format",
    "x-truncate",
)
"""The keywords of which each is one rule of the same name, `required` and those below aside."""

IMAGE_LIMITS = (
    "schemes",
    "mediaTypes",
    "minWidth",
    "maxWidth",
    "minHeight",
    "maxHeight",
    "maxBytes",
    "urlPattern",
)
"""The members of `x-image` that are a rule each."""


@dataclass(frozen=True, slots=True)
class Constraint:
    """One limit, as a schema states it.

    Attributes:
        path: The instance it holds for; for `required` and `not` the member that must or must not be there.
        keyword: The limit's name as it stands in the rule's id.
        value: Its operand: the number, the list, the pattern.
        owner: The subschema it was read from.

    """

    path: Path
    keyword: str
    value: JSON
    owner: Schema


def walk(schema: Schema, path: Path = ()) -> Iterator[tuple[Path, Schema]]:
    """Yield every subschema with the path of the instances it holds for, outermost first."""
    yield path, schema
    for name, member in cast(dict[str, Schema], schema.get("properties", {})).items():
        yield from walk(member, (*path, name))
    if "items" in schema:
        yield from walk(schema["items"], (*path, "*"))


def constraints(schema: Schema) -> Iterator[Constraint]:
    """Yield every limit that the schema states, each as one constraint."""
    for path, owner in walk(schema):
        for keyword in LIMITS:
            if keyword in owner:
                yield Constraint(path, keyword, owner[keyword], owner)
        for member in owner.get("required", ()):
            yield Constraint((*path, member), "required", True, owner)
        for keyword, value in _composed(owner):
            yield Constraint(path, keyword, value, owner)


def _composed(owner: Schema) -> Iterator[tuple[str, JSON]]:
    """Yield the limits inside the keywords that hold several."""
    image: dict[str, JSON] = owner.get("x-image", {})
    for keyword in IMAGE_LIMITS:
        if keyword in image:
            yield keyword, image[keyword]
    if "mediaTypes" in image:
        yield "integrity", True
    if "data" in image.get("schemes", ()):
        yield "encoding", True
    for member, counts in cast(dict[str, dict[str, JSON]], owner.get("x-parts", {})).items():
        for keyword, value in counts.items():
            yield f"{member}.{keyword}", value
    for keyword, value in cast(dict[str, JSON], owner.get("x-size", {})).items():
        yield keyword, value
    if "x-size" in owner:
        yield "syntax", "W*H"
    if "x-callback" in owner:
        yield "schemes", owner["x-callback"]["schemes"]
        yield "publicHost", True


def roles(schema: Schema) -> dict[str, tuple[Path, ...]]:
    """Return where the values of each role stand."""
    found: dict[str, tuple[Path, ...]] = {}
    for path, owner in walk(schema):
        role = owner.get("x-role")
        if role is not None:
            found[role] = (*found.get(role, ()), path)
    return found


def subschema(schema: Schema, path: Path) -> Schema:
    """Return the subschema for the instances at the path.

    Raises:
        KeyError: The schema says nothing of that place.

    """
    for step in path:
        schema = schema["items"] if step == "*" else schema["properties"][step]
    return schema


def select(document: JSON, path: Path) -> list[JSON]:
    """Return the values that stand at the path, in order; none where the document has no such place."""
    return selector(path)(document)


@cache
def selector(path: Path) -> Callable[[JSON], list[JSON]]:
    """Return `select` for one path, put together once for those who ask often."""
    if not path:
        return lambda document: [document]
    step, rest = path[0], selector(path[1:])
    if step == "*":
        return lambda document: (
            [found for item in cast(list[JSON], document) for found in rest(item)] if isinstance(document, list) else []
        )
    if len(path) == 1:
        return lambda document: [document[step]] if isinstance(document, dict) and step in document else []
    if len(path) == 2 and path[1] != "*":
        last = path[1]
        return lambda document: (
            [member[last]]
            if isinstance(document, dict)
            and isinstance(member := cast(dict[str, JSON], document).get(step), dict)
            and last in member
            else []
        )
    return lambda document: rest(document[step]) if isinstance(document, dict) and step in document else []
