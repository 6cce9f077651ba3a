"""Valid bodies, and changes to one place of a body."""

from collections.abc import Callable
from typing import Any

from qwenmock.pytest_plugin.examiner import sizes
from qwenmock.pytest_plugin.examiner.json_values import as_object
from qwenmock.pytest_plugin.examiner.sample_images import SAMPLES, picture_url
from qwenmock.pytest_plugin.examiner.schema_judge import is_kept
from qwenmock.schemas.models import Variant
from qwenmock.schemas.vocabulary import JSON, Path, Schema, dependencies, subschema

PROMPT = "A cat playing in the grass"
CALLBACK = "https://example.com/webhooks/image-task-completed"


def example(variant: Variant, model: str | None = None) -> dict[str, JSON]:
    """Return the smallest valid body of a variant, for its first model unless one is named."""
    body = as_object(smallest(variant.request.schema))
    body["model"] = model or variant.models[0]
    return body


def smallest(schema: Schema) -> JSON:
    """Return a small value that the schema accepts: with the required members only."""
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema["type"] if isinstance(schema["type"], str) else schema["type"][0]
    return _SMALLEST[kind](schema)


def _object(schema: Schema) -> JSON:
    members = list(schema.get("required", ()))
    members += [branch["required"][0] for branch in schema.get("oneOf", ())[:1]]
    return {name: smallest(schema["properties"][name]) for name in members}


def _array(schema: Schema) -> JSON:
    if "x-parts" in schema:
        return parts(schema, {member: spec.get("minItems", 0) for member, spec in schema["x-parts"].items()})
    return [smallest(schema["items"]) for _ in range(schema.get("minItems", 0))]


def parts(schema: Schema, counts: dict[str, int]) -> list[JSON]:
    """Return an array of parts with the given number of each member; a part that must be last is last."""
    members = sorted(counts, key=lambda member: "position" in schema["x-parts"][member])
    return [{m: smallest(schema["items"]["properties"][m])} for m in members for _ in range(counts[m])]


def _string(schema: Schema) -> str:
    if "x-image" in schema:
        return picture_url() if "data" in schema["x-image"]["schemes"] else SAMPLES[0]
    if "x-size" in schema:
        side = sizes.square(schema["x-size"])
        return sizes.write(schema["x-size"], side, side)
    if "x-callback" in schema:
        return CALLBACK
    return PROMPT[: schema.get("maxLength")].ljust(schema.get("minLength", 0), "-")


def _integer(schema: Schema) -> int:
    return schema.get("default", schema.get("minimum", 0))


_SMALLEST: dict[str, Callable[[Schema], JSON]] = {
    "object": _object,
    "array": _array,
    "string": _string,
    "integer": _integer,
    "number": _integer,
    "boolean": lambda schema: schema.get("default", False),
    "null": lambda _schema: None,
}


def largest(schema: Schema) -> JSON:
    """Return a value with all members of the schema, and the most items and highest numbers; texts stay short."""
    if "oneOf" in schema:
        return _object(schema)
    if "properties" in schema:
        body = {name: largest(member) for name, member in schema["properties"].items() if "not" not in member}
        return _without_dependent(schema, body)
    if "x-parts" in schema:
        return parts(schema, {member: spec.get("maxItems", 1) for member, spec in schema["x-parts"].items()})
    if "items" in schema:
        return [largest(schema["items"])] * schema.get("maxItems", 1)
    return True if schema["type"] == "boolean" else schema.get("maximum", smallest(schema))


def _without_dependent(schema: Schema, body: dict[str, JSON]) -> JSON:
    """Return a body without the members that may not stand beside the others."""
    whole: JSON = body
    for member, dependency in dependencies(schema).items():
        if is_kept(dependency, member, whole):
            continue
        if "over" in dependency:
            whole = put(schema, whole, tuple(dependency["on"].split("/")), dependency["is"])
        else:
            whole = take(schema, whole, member)
    return whole


def copied(value: JSON) -> JSON:
    """Return a copy of a value with nothing in common that can be changed; a quarter of the time of `deepcopy`."""
    if isinstance(value, dict):
        return {name: copied(member) for name, member in value.items()}
    return [copied(item) for item in value] if isinstance(value, list) else value


def put(schema: Schema, body: JSON, path: Path, value: JSON) -> JSON:
    """Return the body with a value at the path; missing containers are added."""
    if not path:
        return value
    changed = copied(body)
    holder, key = _holder(schema, changed, path)
    if path[-1] == "*" and key == len(holder):
        holder.append(None)  # an array that may be empty
    holder[key] = copied(value)
    return changed


def take(schema: Schema, body: JSON, path: Path) -> JSON:
    """Return the body without the member at the path."""
    changed = copied(body)
    holder, key = _holder(schema, changed, path)
    del holder[key]
    return changed


def at(schema: Schema, body: JSON, path: Path) -> JSON:
    """Return the first value at the path, or a small valid one where there is none."""
    if not path:
        return body
    changed = copied(body)
    holder, key = _holder(schema, changed, path)
    present = key < len(holder) if path[-1] == "*" else key in holder
    return holder[key] if present else smallest(subschema(schema, path))


def _holder(schema: Schema, body: JSON, path: Path) -> tuple[Any, Any]:
    """Return the container of the place and the key in it, and add missing containers."""
    value: Any = body
    for depth, step in enumerate(path):
        last = depth == len(path) - 1
        schema = schema["items"] if step == "*" else schema["properties"][step]
        key = step if step != "*" else _index(schema, value, path[depth + 1] if not last else None)
        if last:
            return value, key
        if step == "*":
            if key == len(value):
                value.append(_alternative(schema, path[depth + 1]) if "oneOf" in schema else smallest(schema))
        elif key not in value:
            value[key] = smallest(schema)
        elif "x-single" in schema and isinstance(value[key], str):
            value[key] = [value[key]]
        value = value[key]
    raise ValueError("the path is empty")


def _index(schema: Schema, items: list[JSON], member: str | None) -> int:
    """Return the index of the first item with the member; without one the end, if it is an alternative, or else 0."""
    for index, item in enumerate(items):
        if member is not None and isinstance(item, dict) and member in item:
            return index
    return len(items) if any(branch["required"] == [member] for branch in schema.get("oneOf", ())) else 0


def _alternative(schema: Schema, member: str) -> JSON:
    """Return an item with one of the alternatives."""
    return {member: smallest(schema["properties"][member])}
