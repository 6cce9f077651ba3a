"""Readers of bodies, generated as Python functions: a flat function takes a fifth of the time of nested calls."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from qwenmock.schemas.vocabulary import JSON, Path


class _Place:
    """A place on the way to those that are read, and where its own value is put."""

    def __init__(self) -> None:
        self.slot: int | None = None
        self.members: dict[str, _Place] = {}
        self.items: _Place | None = None

    def at(self, path: Path) -> "_Place":
        place = self
        for step in path:
            if step == "*":
                place.items = place.items or _Place()
                place = place.items
            else:
                place = place.members.setdefault(step, _Place())
        return place

    @property
    def is_entered(self) -> bool:
        return bool(self.members) or self.items is not None


def compile_reader(
    groups: Sequence[Sequence[Path]],
    defaults: Mapping[int, JSON] = MappingProxyType({}),
    ending: Sequence[str] = (),
    **names: Any,
) -> Callable[[JSON], Any]:
    """Return a function that reads the values of several groups of paths, as `schemas.vocabulary.reader` does.

    Args:
        groups: Paths, each in one group only; the function returns one entry for each group.
        defaults: By number, the groups that have at most one value, and what they give without it. The others give
            a list.
        ending: Statements that return something else; the values are in the variables `f0`, `f1` and so on, and the
            body is in `v0`.
        names: What these statements refer to.

    """
    root = _Place()
    for slot, paths in enumerate(groups):
        for path in paths:
            root.at(path).slot = slot
    slots = range(len(groups))
    lines = [
        "def read(v0):",
        *(f"    f{slot} = " + (f"defaults[{slot}]" if slot in defaults else "[]") for slot in slots),
        *_statements(root, 0, "    ", frozenset(defaults)),
        *(f"    {statement}" for statement in ending or (f"return ({''.join(f'f{slot}, ' for slot in slots)})",)),
    ]
    scope: dict[str, Any] = {**names, "defaults": dict(defaults)}
    exec("\n".join(lines), scope)
    return scope["read"]


def _statements(place: _Place, depth: int, indent: str, single: frozenset[int]) -> Iterator[str]:
    """Yield the statements that read what is at and below a place, whose value is in the variable `v{depth}`."""
    if place.slot is not None:
        yield f"{indent}" + (f"f{place.slot} = v{depth}" if place.slot in single else f"f{place.slot}.append(v{depth})")
    if place.members:
        yield f"{indent}if isinstance(v{depth}, dict):"
        # Those that are not entered first: the order of the values of a group is that of `schemas.vocabulary.reader`.
        for name, member in sorted(place.members.items(), key=lambda named: named[1].is_entered):
            yield f"{indent}    if {name!r} in v{depth}:"
            yield f"{indent}        v{depth + 1} = v{depth}[{name!r}]"
            yield from _statements(member, depth + 1, f"{indent}        ", single)
    if place.items is not None:
        yield f"{indent}if isinstance(v{depth}, list):"
        yield f"{indent}    for v{depth + 1} in v{depth}:"
        yield from _statements(place.items, depth + 1, f"{indent}        ", single)
