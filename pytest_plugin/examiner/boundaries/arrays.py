"""Arrays with as many items, and as many parts of each kind, as a rule allows."""

from qwenmock.pytest_plugin.examiner.bodies import parts, smallest
from qwenmock.pytest_plugin.examiner.boundaries.values import Values
from qwenmock.schemas.models import Rule
from qwenmock.schemas.vocabulary import Schema


def min_items(subschema: Schema, _rule: Rule) -> Values:
    """Return arrays with the fewest items, and with fewer."""
    item, fewest = smallest(subschema["items"]), subschema["minItems"]
    return [[item] * fewest], [[item] * count for count in range(fewest)]


def max_items(subschema: Schema, _rule: Rule) -> Values:
    """Return arrays with the most items, and with more."""
    item, largest = smallest(subschema["items"]), subschema["maxItems"]
    return [[item] * largest], [[item] * (largest + 1), [item] * (largest + 2)]


def single(subschema: Schema, _rule: Rule) -> Values:
    """Return an item without its array, and in it; both are accepted."""
    item = smallest(subschema["items"])
    return [item, [item]], []


def _counts(subschema: Schema) -> dict[str, int]:
    return {member: spec.get("minItems", 0) for member, spec in subschema["x-parts"].items()}


def min_parts(subschema: Schema, rule: Rule) -> Values:
    """Return arrays with the fewest parts of a kind, and with fewer."""
    member = rule.keyword.partition(".")[0]
    fewest: int = subschema["x-parts"][member]["minItems"]
    with_fewer = [parts(subschema, {**_counts(subschema), member: count}) for count in range(fewest)]
    return [parts(subschema, {**_counts(subschema), member: fewest})], list(with_fewer)


def max_parts(subschema: Schema, rule: Rule) -> Values:
    """Return arrays with every valid number of parts of a kind, and with more."""
    member = rule.keyword.partition(".")[0]
    largest: int = subschema["x-parts"][member]["maxItems"]
    accepted = [parts(subschema, {**_counts(subschema), member: count}) for count in range(1, largest + 1)]
    return list(accepted), [parts(subschema, {**_counts(subschema), member: largest + more}) for more in (1, 2)]


def position(subschema: Schema, _rule: Rule) -> Values:
    """Return arrays with a part in its place, and elsewhere."""
    right = parts(subschema, _counts(subschema))
    longer = parts(
        subschema, {m: s.get("maxItems", 2) if "position" not in s else 1 for m, s in subschema["x-parts"].items()}
    )
    return [right, longer], [right[::-1], longer[::-1], [*longer[:1], longer[-1], *longer[1:-1]]]
