"""Values of a type and of other types; alternatives of an object."""

import json

from qwenmock.pytest_plugin.examiner.bodies import smallest
from qwenmock.pytest_plugin.examiner.boundaries.values import LINES, LONG, Values
from qwenmock.schemas.models import Rule
from qwenmock.schemas.vocabulary import JSON, Schema

WITH_A_FORM = frozenset({"enum", "const", "pattern", "format", "x-image", "x-size", "x-callback"})
"""Keywords of texts that must have a form."""


def type_(subschema: Schema, _rule: Rule) -> Values:
    """Return values of the type, and of other types."""
    kind = subschema["type"]
    good = smallest(subschema)
    if kind == "integer":
        whole = float(subschema.get("minimum", good))
        return [good, whole], [str(good), whole + 0.5, True, None, [good], ""]
    if kind == "string":
        # A text without a form of its own: any characters, and no limit that is not documented.
        more = [] if WITH_A_FORM & subschema.keys() else [LINES, LONG]
        return [good, *more], [1, None, True, [good], {}, {"url": good}]
    if kind == "boolean":
        return [True, False], ["true", "false", 1, 0, None, ""]
    if kind == "object":
        return [good], [[], [good], "x", None, 1, json.dumps(good)]
    if kind == "array":
        items = good if isinstance(good, list) else []
        return [good], [{}, "x", None, {"0": good}, *items[:1], json.dumps(good)]
    return [good], ["x"]


def one_of(subschema: Schema, _rule: Rule) -> Values:
    """Return an object with one alternative, with all and with none."""
    names = [branch["required"][0] for branch in subschema["oneOf"]]
    alone = [{name: smallest(subschema["properties"][name])} for name in names]
    both: dict[str, JSON] = {}
    for one in alone:
        both |= one
    return [alone[0]], [both, {}]
