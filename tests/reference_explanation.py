"""The explanation of invalid bodies by `jsonschema`, with which that of the server is compared.

Keywords and messages are written as functions of `jsonschema`, the walk over a schema is its own.
"""

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias, cast

import jsonschema
from jsonschema import validators
from jsonschema.exceptions import ValidationError

from qwenmock.mockserver.calls.keywords import CUSTOM_KEYWORDS, Breach, depends, format_value, is_local, is_uri, regex
from qwenmock.schemas.vocabulary import JSON, Schema

Engine: TypeAlias = Any
"""jsonschema's validator and its parts, which have no usable types."""
Limit: TypeAlias = Any
"""The value of a keyword, which the meta-schema has checked."""

TYPE_NAMES = {
    "string": "a string",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "object": "an object",
    "array": "an array",
    "null": "null",
}


def _keyword(check: Callable[[Limit, JSON], Iterator[Breach]]) -> Engine:
    """Return a keyword of `jsonschema` for a function that yields breaches."""

    def keyword(_engine: Engine, spec: Limit, instance: JSON, _schema: Schema) -> Iterator[ValidationError]:
        for name, message in check(spec, instance):
            yield ValidationError(message, validator=name)

    return keyword


def _simple(name: str, broken: Callable[[Limit, JSON], str | None]) -> Engine:
    """Return a keyword for a function that returns one message, or None for a value that keeps it."""

    def check(spec: Limit, instance: JSON) -> Iterator[Breach]:
        message = broken(spec, instance)
        if message is not None:
            yield name, message

    return _keyword(check)


def _type(engine: Engine, spec: Limit, instance: JSON, _schema: Schema) -> Iterator[ValidationError]:
    types = [spec] if isinstance(spec, str) else cast(list[str], spec)
    if not any(engine.is_type(instance, kind) for kind in types):
        expected = " or ".join(TYPE_NAMES[kind] for kind in types)
        yield ValidationError(f"must be {expected}, got {format_value(instance)}", validator="type")


def _required(_engine: Engine, spec: list[str], instance: JSON, schema: Schema) -> Iterator[ValidationError]:
    if isinstance(instance, dict):
        for member in spec:
            if member not in instance and "default" not in schema["properties"][member]:
                # The rule's path is that of the missing member.
                yield ValidationError("is required", validator="required", path=[member])


def _depends(_engine: Engine, spec: dict[str, Schema], instance: JSON, _schema: Schema) -> Iterator[ValidationError]:
    for member, message in depends(spec, instance):
        # The rule's path is that of the member.
        yield ValidationError(message, validator="depends", path=member.split("/"))


def _properties(engine: Engine, spec: dict[str, Schema], instance: JSON, _schema: Schema) -> Iterator[ValidationError]:
    if isinstance(instance, dict):
        for name, subschema in spec.items():
            if name in instance:
                yield from engine.descend(instance[name], subschema, path=name)


def _items(engine: Engine, spec: Schema, instance: JSON, _schema: Schema) -> Iterator[ValidationError]:
    if isinstance(instance, list):
        for index, item in enumerate(instance):
            yield from engine.descend(item, spec, path=index)


def _one_of(spec: list[dict[str, list[str]]], instance: JSON) -> str | None:
    names = [branch["required"][0] for branch in spec]
    if isinstance(instance, dict) and sum(name in instance for name in names) != 1:
        return f"must hold exactly one of {', '.join(names)}"
    return None


def _number(value: JSON) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


EXPLAINER: Engine = cast(Engine, validators.extend)(
    jsonschema.Draft202012Validator,
    {
        "type": _type,
        "required": _required,
        "properties": _properties,
        "items": _items,
        "enum": _simple(
            "enum",
            lambda spec, value: (
                None
                if any(value == item and type(value) is type(item) for item in spec)
                else f"must be one of {', '.join(map(str, spec))}, got {format_value(value)}"
            ),
        ),
        "const": _simple(
            "const",
            lambda spec, value: (
                None
                if value == spec and isinstance(value, bool) == isinstance(spec, bool)
                else f"must be {format_value(spec)}, got {format_value(value)}"
            ),
        ),
        "not": _simple("not", lambda _spec, _value: "is not accepted here"),
        "oneOf": _simple("oneOf", _one_of),
        "minimum": _simple(
            "minimum", lambda s, v: f"must be at least {s}, got {format_value(v)}" if _number(v) and v < s else None
        ),
        "maximum": _simple(
            "maximum", lambda s, v: f"must be at most {s}, got {format_value(v)}" if _number(v) and v > s else None
        ),
        "minLength": _simple(
            "minLength",
            lambda s, v: f"must have at least {s} characters" if isinstance(v, str) and len(v) < s else None,
        ),
        "maxLength": _simple(
            "maxLength",
            lambda s, v: (
                f"must have at most {s} characters, got {len(v)}" if isinstance(v, str) and len(v) > s else None
            ),
        ),
        "minItems": _simple(
            "minItems",
            lambda s, v: f"must have at least {s} items, got {len(v)}" if isinstance(v, list) and len(v) < s else None,
        ),
        "maxItems": _simple(
            "maxItems",
            lambda s, v: f"must have at most {s} items, got {len(v)}" if isinstance(v, list) and len(v) > s else None,
        ),
        "pattern": _simple(
            "pattern",
            lambda s, v: (
                f"must match {s}, got {format_value(v)}" if isinstance(v, str) and not regex(s).search(v) else None
            ),
        ),
        "format": _simple(
            "format",
            lambda s, v: f"must be a {s}, got {format_value(v)}" if isinstance(v, str) and not is_uri(v) else None,
        ),
        **{keyword: _keyword(check) for keyword, check in CUSTOM_KEYWORDS.items()},
        "x-depends": _depends,
    },
)
"""Validator class of `jsonschema`."""


def errors_of(schema: Schema, body: JSON, *, allow_local: bool = False) -> list[tuple[tuple[str | int, ...], str, str]]:
    """Return steps, keyword and message of each error of a body, in order."""
    return [
        (tuple(error.absolute_path), error.validator, error.message)
        for error in EXPLAINER(schema).iter_errors(body)
        if not (allow_local and error.validator in {"schemes", "publicHost"} and is_local(error.instance))
    ]
