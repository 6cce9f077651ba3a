"""Types of JSON values, for type checkers: what `isinstance` leaves unknown."""

from typing import TypeGuard

from qwenmock.schemas.vocabulary import JSON


def is_object(value: JSON) -> TypeGuard[dict[str, JSON]]:
    """Return whether a value is an object."""
    return isinstance(value, dict)


def is_array(value: JSON) -> TypeGuard[list[JSON]]:
    """Return whether a value is an array."""
    return isinstance(value, list)
