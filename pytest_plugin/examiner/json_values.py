"""Reading of JSON values whose type a schema or another document states."""

from collections.abc import Iterable
from typing import TypeGuard

from qwenmock.schemas.vocabulary import JSON


def is_object(value: JSON) -> TypeGuard[dict[str, JSON]]:
    """Return whether a value is an object."""
    return isinstance(value, dict)


def is_array(value: JSON) -> TypeGuard[list[JSON]]:
    """Return whether a value is an array."""
    return isinstance(value, list)


def as_object(value: JSON) -> dict[str, JSON]:
    """Return a value that must be an object.

    Raises:
        TypeError: It is not an object.

    """
    if not isinstance(value, dict):
        raise TypeError(f"expected an object, got {value!r:.80}")
    return value


def as_text(value: JSON) -> str:
    """Return a value that must be a string.

    Raises:
        TypeError: It is not a string.

    """
    if not isinstance(value, str):
        raise TypeError(f"expected a string, got {value!r:.80}")
    return value


def texts(values: Iterable[JSON]) -> list[str]:
    """Return the strings among some values."""
    return [value for value in values if isinstance(value, str)]


def numbers(values: Iterable[JSON]) -> list[float]:
    """Return the numbers among some values."""
    return [value for value in values if isinstance(value, int | float)]


def integers(values: Iterable[JSON]) -> list[int]:
    """Return the integers among some values; 2.0 is one in JSON Schema."""
    return [int(value) for value in numbers(values) if float(value).is_integer()]
