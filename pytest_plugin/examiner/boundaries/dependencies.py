"""Members that may not be given beside something else."""

from collections.abc import Callable
from dataclasses import replace

from qwenmock.pytest_plugin.examiner.bodies import at, parts, put, smallest, take
from qwenmock.pytest_plugin.examiner.boundaries.edit import Edit, describe
from qwenmock.pytest_plugin.examiner.json_values import is_array, is_object
from qwenmock.pytest_plugin.examiner.results import Side
from qwenmock.schemas.models import Rule
from qwenmock.schemas.vocabulary import JSON, Path, Schema, dependencies, select, subschema


def edits(schema: Schema, rule: Rule) -> list[Edit]:
    """Return edits that give a member beside what it depends on, alone, and beside something else."""
    dependency = dependencies(schema)[rule.path]
    place = tuple(dependency["on"].split("/"))
    member = subschema(schema, rule.path)
    if "over" in dependency:
        return _number_edits(schema, rule, dependency)
    values: list[JSON] = dependency.get("values", [smallest(member)])
    others = [_without] if "absent" in dependency else [_with(dependency["is"]), _without]
    wrong = (
        [smallest(subschema(schema, place))]
        if "absent" in dependency
        else _others(subschema(schema, place), dependency)
    )
    kept: Side = "accept"
    broken: Side = "accept" if "advisory" in dependency else "reject"
    found: list[Edit] = []
    for value in values:
        found += [_edit(schema, rule, kept, value, place, change) for change in others]
        found += [_edit(schema, rule, broken, value, place, _with(other)) for other in wrong]
    return found


def with_most(schema: Schema, rule: Rule, edit: Edit) -> Edit:
    """Return an edit of the largest number of values, with what permits so many; any other edit as it is."""
    if not rule.keyword.endswith("maxItems"):
        return edit
    for member, dependency in dependencies(schema).items():
        counted = (member[:-1], "maxItems") if member[-1] == "*" else (member[:-2], f"{member[-1]}.maxItems")
        if "over" in dependency and (rule.path, rule.keyword) == counted:
            return _beside(schema, edit, tuple(dependency["on"].split("/")), dependency["is"])
    return edit


def _beside(schema: Schema, edit: Edit, place: Path, value: JSON) -> Edit:
    def changed(body: JSON) -> JSON:
        return put(schema, edit.change(body), place, value)

    return replace(edit, change=changed)


def _number_edits(schema: Schema, rule: Rule, dependency: Schema) -> list[Edit]:
    """Return edits with as many values as are always accepted, and with one more."""
    place = tuple(dependency["on"].split("/"))
    most: int = dependency["over"]
    others = _others(subschema(schema, place), dependency)

    def edit(side: Side, number: int, value: JSON) -> Edit:
        def changed(body: JSON) -> JSON:
            return put(schema, _with_number(schema, body, rule.path, number), place, value)

        return Edit(rule, side, f"{number} beside {describe(value)}", changed)

    kept = [edit("accept", most + 1, dependency["is"]), *(edit("accept", most, value) for value in others)]
    return [*kept, *(edit("reject", most + 1, value) for value in others)]


def _with_number(schema: Schema, body: JSON, member: Path, number: int) -> JSON:
    """Return a body with a number of items of a list, or of parts of one kind."""
    if member[-1] == "*":
        item = smallest(subschema(schema, member))
        return put(schema, body, member[:-1], [item] * number)
    array = _parts_of(schema, member)
    counts = {name: spec.get("minItems", 0) for name, spec in subschema(schema, array)["x-parts"].items()}
    return put(schema, body, array, parts(subschema(schema, array), {**counts, member[-1]: number}))


Change = Callable[[Schema, JSON, Path], JSON]


def _edit(schema: Schema, rule: Rule, side: Side, value: JSON, place: Path, change: Change) -> Edit:
    def changed(body: JSON) -> JSON:
        return change(schema, put(schema, body, rule.path, value), place)

    return Edit(rule, side, f"{describe(value)} beside {'/'.join(place)}", changed)


def _without(schema: Schema, body: JSON, place: Path) -> JSON:
    """Return a body without anything at the place."""
    if "*" in place:
        array = _parts_of(schema, place)
        counts = {name: spec.get("minItems", 0) for name, spec in subschema(schema, array)["x-parts"].items()}
        return put(schema, body, array, parts(subschema(schema, array), counts))
    return take(schema, body, place) if select(body, place) else body


def _with(value: JSON) -> Change:
    """Return what puts a value at the place: as a part of its own, where the place is a member of parts."""

    def change(schema: Schema, body: JSON, place: Path) -> JSON:
        if "*" not in place:
            return put(schema, body, place, value)
        array = _parts_of(schema, place)
        present = at(schema, body, array)
        items = present if is_array(present) else []
        kept = [part for part in items if not (is_object(part) and place[-1] in part)]
        return put(schema, body, array, [{place[-1]: value}, *kept])

    return change


def _parts_of(schema: Schema, place: Path) -> Path:
    """Return the path of the list of parts that a place is in."""
    array = place[:-2]
    assert "x-parts" in subschema(schema, array), "a member of the items of a list of parts"
    return array


def _others(schema: Schema, dependency: Schema) -> list[JSON]:
    """Return valid values of the other place that are not the expected one."""
    expected = dependency["is"]
    if isinstance(expected, bool):
        return [not expected]
    known: list[JSON] = [*schema.get("enum", ()), *(schema[name] for name in ("minimum", "maximum") if name in schema)]
    return [value for value in known if value != expected] or [smallest(schema)]
