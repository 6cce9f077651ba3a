"""The keywords that contract schemas are written in, and the walk over them.

`vocabulary.schema.json` lists every keyword; a file that uses another one does not load. Which of the keywords state
a limit, and which rules follow from them, stands here once, for the server, the examiner and the documentation.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any, TypeAlias

JSON: TypeAlias = bool | int | float | str | Mapping[str, "JSON"] | Sequence["JSON"] | None
"""A JSON value. What is read from a document is a dict or a list; what is written may be any mapping or sequence."""

Schema: TypeAlias = dict[str, Any]
"""A schema with its references put in, or the object of one of its keywords; `vocabulary.schema.json` checks it."""

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
    "x-single",
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
        keyword: The limit's name, as in the rule's id.
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
    properties: dict[str, Schema] = schema.get("properties", {})
    for name, member in properties.items():
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
        for member, dependency in dependencies(owner).items():
            yield Constraint((*path, *member), "depends", dependency, owner)


def dependencies(owner: Schema) -> dict[Path, Schema]:
    """Return the dependencies that a subschema states, by the path of the member that depends on another."""
    stated: dict[str, Schema] = owner.get("x-depends", {})
    return {tuple(member.split("/")): dependency for member, dependency in stated.items()}


def separator_of(owner: Schema) -> str:
    """Return what stands between the width and the height of a size."""
    return owner.get("x-size", {}).get("separator", "*")


def _composed(owner: Schema) -> Iterator[tuple[str, JSON]]:
    """Yield the limits inside the keywords that hold several."""
    image: Schema = owner.get("x-image", {})
    for keyword in IMAGE_LIMITS:
        if keyword in image:
            yield keyword, image[keyword]
    if "mediaTypes" in image:
        yield "integrity", True
    if "data" in image.get("schemes", ()):
        yield "encoding", True
    parts: dict[str, Schema] = owner.get("x-parts", {})
    for member, counts in parts.items():
        for keyword, value in counts.items():
            yield f"{member}.{keyword}", value
    size: Schema = owner.get("x-size", {})
    for keyword, value in size.items():
        if keyword != "separator":
            yield keyword, value
    if "x-size" in owner:
        yield "syntax", f"W{separator_of(owner)}H"
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
    """Return the values at a path, in order; none if the document has no such place."""
    return _selector(path)(document)


@cache
def _selector(path: Path) -> Callable[[JSON], list[JSON]]:
    """Return `select` for one path: the same are asked for very often."""
    read = reader([[path]])
    return lambda document: read(document)[0]


def reader(
    groups: Sequence[Sequence[Path]], defaults: Mapping[int, JSON] = MappingProxyType({})
) -> Callable[[JSON], list[Any]]:
    """Return what reads the values of several groups of paths in one walk over a document.

    Args:
        groups: Paths, each in one group only; values are returned in the order of the groups.
        defaults: The groups, by their number, that have at most one value, and their defaults.
            The others give a list.

    """
    root = _Place()
    for slot, paths in enumerate(groups):
        for path in paths:
            place = root.at(path)
            place.slot, place.is_list = slot, slot not in defaults
    visit = root.visitor()
    empty = [defaults.get(slot) for slot in range(len(groups))]
    lists = [slot for slot in range(len(groups)) if slot not in defaults]

    def read(document: JSON) -> list[Any]:
        found: list[Any] = empty.copy()
        for slot in lists:
            found[slot] = []
        visit(document, found)
        return found

    return read


class _Place:
    """A place on the way to those that are read, and where its own value is to be put."""

    def __init__(self) -> None:
        self.slot: int | None = None
        self.is_list = False
        self._members: dict[str, _Place] = {}
        self._items: _Place | None = None

    def at(self, path: Path) -> "_Place":
        place = self
        for step in path:
            if step == "*":
                place._items = place._items or _Place()
                place = place._items
            else:
                place = place._members.setdefault(step, _Place())
        return place

    def visitor(self) -> Callable[[JSON, list[Any]], None]:
        """Return what puts a value into its slot, and enters it where there is more to read."""
        slot, is_list = self.slot, self.is_list
        # A value that is only put somewhere, as most are, needs no call of its own.
        plain = [(n, p.slot, p.is_list) for n, p in self._members.items() if not p._members and p._items is None]
        single = tuple((name, at) for name, at, is_list in plain if at is not None and not is_list)
        listed = tuple((name, at) for name, at, is_list in plain if at is not None and is_list)
        entered = tuple((n, p.visitor()) for n, p in self._members.items() if p._members or p._items is not None)
        enter_item = None if self._items is None else self._items.visitor()

        def visit(value: JSON, found: list[Any]) -> None:
            if slot is not None:
                if is_list:
                    found[slot].append(value)
                else:
                    found[slot] = value
            if isinstance(value, dict):
                for name, at in single:
                    if name in value:
                        found[at] = value[name]
                for name, at in listed:
                    if name in value:
                        found[at].append(value[name])
                for name, enter in entered:
                    if name in value:
                        enter(value[name], found)
            elif enter_item is not None and isinstance(value, list):
                for item in value:  # pyright: ignore[reportUnknownVariableType]
                    enter_item(item, found)

        return visit
