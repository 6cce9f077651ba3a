"""Plain messages for what a JSON Schema refuses: `status: expected one of 400, 401, got 418`."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from qwenmock.schemas.vocabulary import JSON, Schema

if TYPE_CHECKING:  # importing it takes a tenth of the start of a server
    from jsonschema.exceptions import ValidationError

Limit: TypeAlias = Any
"""The value of a keyword, or what it applies to: the keyword decides their types."""
LONGEST_VALUE = 60
LONGEST_NUMBER = 10**12
"""Larger maxima are technical, and left out of messages."""
TYPES = {
    "string": "a string",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
    "array": "a list",
    "object": "an object",
}


def first_error(schema: Mapping[str, JSON], value: JSON) -> str | None:
    """Return a message for the first thing in a value that its schema refuses; None for a valid value.

    The schema's keywords are read in their order, so a schema decides which of several errors is reported.

    Args:
        schema: JSON Schema 2020-12; `type`, `enum`, limits of numbers, `additionalProperties`, `required`
            and an `anyOf` of required members get messages of their own.
        value: The value, as JSON was parsed.

    """
    import jsonschema

    error = next(iter(jsonschema.Draft202012Validator(schema).iter_errors(value)), None)
    if error is None:
        return None
    path = json_path(error.absolute_path)
    return f"{path}: {describe(error)}" if path else describe(error)


def json_path(steps: Iterable[str | int]) -> str:
    """Write a path as `[0].status`."""
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    return path.removeprefix(".")


def describe(error: "ValidationError") -> str:
    """Return what was expected and what was found instead, without the path."""
    write = _MESSAGES.get(str(error.validator))
    if write is None:
        return error.message[:1000]
    return write(cast(Limit, error.validator_value), cast(Limit, error.instance), cast(Schema, error.schema))


def format_json(value: JSON) -> str:
    """Write a value as JSON, never all of a long one."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"


def _listed(values: Iterable[JSON]) -> str:
    return ", ".join(value if isinstance(value, str) else format_json(value) for value in values)


def _type_or_limit(_limit: Limit, value: JSON, schema: Schema) -> str:
    return f"expected {_expected(schema)}, got {format_json(value)}"


def _expected(schema: Schema) -> str:
    """Return the types of a schema in words: `an integer from 0 to 10 or null`."""
    names: str | list[str] = schema.get("type", [])
    return " or ".join(
        TYPES[name] + (_range(schema) if name in {"integer", "number"} else "")
        for name in ([names] if isinstance(names, str) else names)
    )


def _range(schema: Schema) -> str:
    least, most = schema.get("minimum"), schema.get("maximum")
    if "exclusiveMinimum" in schema:
        return f" above {schema['exclusiveMinimum']}"
    if least is None:
        return ""
    return f" of at least {least}" if most is None or most > LONGEST_NUMBER else f" from {least} to {most}"


def _enum(accepted: list[JSON], value: JSON, _schema: Schema) -> str:
    return f"expected one of {_listed(accepted)}, got {format_json(value)}"


def _additional(_limit: Limit, value: Mapping[str, JSON], schema: Schema) -> str:
    known: list[str] = list(schema["properties"])
    unknown = next(name for name in value if name not in known)
    return f"unknown member {format_json(unknown)}; expected {_listed(known)}"


def _required(names: list[str], value: Mapping[str, JSON], _schema: Schema) -> str:
    return f"missing member {format_json(next(name for name in names if name not in value))}"


def _any_of(branches: list[dict[str, list[str]]], _value: JSON, _schema: Schema) -> str:
    return f"expected at least one of {_listed(branch['required'][0] for branch in branches)}"


def _pattern(pattern: str, value: JSON, schema: Schema) -> str:
    expected = f"a value such as {schema['examples'][0]}" if "examples" in schema else f"a match of {pattern}"
    return f"expected {expected}, got {format_json(value)}"


_MESSAGES: Mapping[str, Callable[[Limit, Limit, Schema], str]] = {
    "type": _type_or_limit,
    "enum": _enum,
    "minimum": _type_or_limit,
    "exclusiveMinimum": _type_or_limit,
    "maximum": _type_or_limit,
    "additionalProperties": _additional,
    "required": _required,
    "pattern": _pattern,
    "anyOf": _any_of,
}
