"""Plain JSON Schemas made from the contract's schemas, which have custom keywords."""

from collections.abc import Iterator

from qwenmock.mockserver.calls.keywords import LONGEST_URL
from qwenmock.schemas.vocabulary import JSON, Schema

LIKELY_ITEMS = 10
"""Items considered of a member whose number no document limits."""


def to_json_schema(schema: Schema) -> Schema:
    """Return a schema in plain JSON Schema, as far as that can express it.

    A required member with a default may be missing: the default is used.
    """
    plain = {key: value for key, value in schema.items() if not key.startswith("x-")}
    if "required" in plain:
        plain["required"] = [name for name in plain["required"] if "default" not in plain["properties"][name]]
    if "properties" in plain:
        plain["properties"] = {name: to_json_schema(member) for name, member in plain["properties"].items()}
    if "items" in plain:
        plain["items"] = to_json_schema(plain["items"])
    if "x-parts" in schema:
        plain["allOf"] = [
            {
                "contains": {"required": [member]},
                "minContains": limits.get("minItems", 0),
                **({"maxContains": limits["maxItems"]} if "maxItems" in limits else {}),
            }
            for member, limits in schema["x-parts"].items()
        ]
    return plain


def strict_subset(schema: Schema) -> Schema:
    """Return a plain schema that accepts only valid values about which nothing is to be noted, but not all of them.

    A validator can check it without calling Python functions; what it rejects may be valid all the same.
    """
    strict = to_json_schema(schema)
    if "properties" in schema:
        members = {name: strict_subset(member) for name, member in schema["properties"].items()}
        strict |= {"properties": members, "additionalProperties": False}
    if "required" in schema:
        strict["required"] = schema["required"]
    if "items" in schema:
        strict["items"] = strict_subset(schema["items"])
    more = [*_image_patterns(schema.get("x-image")), *last_item_rules(schema.get("x-parts", {}))]
    if more:
        strict["allOf"] = [*strict.get("allOf", ()), *more]
    return strict


def dependency_schema(member: str, terms: Schema) -> Schema:
    """Return what must not stand elsewhere when a member is given, as a plain schema.

    It says what may be, not what may not: tools that make values from a schema cannot turn `contains` around.
    """
    refused: Schema = {"enum": terms["values"]} if "values" in terms else {}
    absent = _lacking(member.split("/"), refused, terms.get("over", 0))
    other = terms["on"].split("/")
    kept = _being(other, terms["is"]) if "is" in terms else _lacking(other, {}, 0)
    return {"anyOf": [absent, kept]}


def _lacking(path: list[str], value: Schema, most: int) -> Schema:
    """Return a schema of what has a value at a path in at most so many items of the last array on it, or not at all."""
    step, *rest = path
    if step == "*" and most and "*" not in rest:
        return {"contains": _having(rest, value), "minContains": 0, "maxContains": most}
    if step == "*":
        return {"items": _lacking(rest, value, most)}
    if rest:
        return {"properties": {step: _lacking(rest, value, most)}}
    return {"properties": {step: {"not": value}}} if value else {"not": {"required": [step]}}


def _having(path: list[str], value: Schema) -> Schema:
    """Return a schema of what has a value at a path of members."""
    if not path:
        return value
    return {"type": "object", "required": path[:1], "properties": {path[0]: _having(path[1:], value)}}


def _being(path: list[str], value: JSON) -> Schema:
    """Return a schema of what has a value at a path, or nothing."""
    return {"properties": {path[0]: _being(path[1:], value)}} if path else {"const": value}


def _image_patterns(spec: Schema | None) -> Iterator[Schema]:
    """Yield patterns for common image URLs: a plain host, then printable ASCII."""
    if spec is None:
        return
    web = "|".join(scheme for scheme in spec["schemes"] if scheme in {"http", "https"})
    kinds = [rf"(?:{web})://[A-Za-z0-9.-]+(?::[0-9]+)?(?:[/?#][!-~]*)?$"]
    if "data" in spec["schemes"]:
        kinds.append("data:")
    yield {"pattern": f"^(?:{'|'.join(kinds)})"}
    yield {"anyOf": [{"pattern": "^data:"}, {"maxLength": LONGEST_URL}]}
    if "urlPattern" in spec:
        yield {"anyOf": [{"pattern": "^data:"}, {"pattern": spec["urlPattern"]}]}


def last_item_rules(spec: dict[str, Schema]) -> Iterator[Schema]:
    """Yield, for a list of each length, that its last item has the required member."""
    longest = sum(limits.get("maxItems", LIKELY_ITEMS) for limits in spec.values())
    for member, limits in spec.items():
        if limits.get("position") == "last":
            yield {
                "anyOf": [
                    {"minItems": n, "maxItems": n, "prefixItems": [*[True] * (n - 1), {"required": [member]}]}
                    for n in range(1, longest + 1)
                ]
            }
