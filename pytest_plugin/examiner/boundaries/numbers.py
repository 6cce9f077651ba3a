"""Numbers at their limits."""

from qwenmock.pytest_plugin.examiner.boundaries.values import Values
from qwenmock.schemas.models import Rule
from qwenmock.schemas.vocabulary import Schema


def minimum(subschema: Schema, _rule: Rule) -> Values:
    """Return the minimum, and lower numbers."""
    low = subschema["minimum"]
    return [low], [low - 1, -(2**31), -(2**63)]


def maximum(subschema: Schema, _rule: Rule) -> Values:
    """Return the maximum, and higher numbers."""
    high = subschema["maximum"]
    return [high], [high + 1, high + 2, high + 10**6, 2**53]
