"""Reading values from answers: each accessor returns a value of its type, or raises `UnreadableAnswer`.

Nothing about an answer is certain. A check that reads one without an accessor would fail with an error of Python's,
which counts as an error of the examiner.
"""

import json
from collections.abc import Iterable
from typing import TypeGuard
from urllib.parse import SplitResult, urlsplit

from qwenmock.pytest_plugin.examiner.results import UnreadableAnswer
from qwenmock.schemas.vocabulary import JSON

SHOWN_MAX = 100


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


def read_object(value: JSON, name: str) -> dict[str, JSON]:
    """Return an object.

    Args:
        value: What the answer has.
        name: Of the value, for the error.

    Raises:
        UnreadableAnswer: It is not one.

    """
    if not is_object(value):
        raise _unexpected(name, "an object", value)
    return value


def read_array(value: JSON, name: str) -> list[JSON]:
    """Return an array, or raise UnreadableAnswer."""
    if not is_array(value):
        raise _unexpected(name, "an array", value)
    return value


def read_string(value: JSON, name: str) -> str:
    """Return a string, or raise UnreadableAnswer."""
    if not isinstance(value, str):
        raise _unexpected(name, "a string", value)
    return value


def read_integer(value: JSON, name: str) -> int:
    """Return an integer, or raise UnreadableAnswer; 2.0 is one, as in JSON Schema."""
    number = read_number(value, name)
    if isinstance(number, float) and not number.is_integer():
        raise _unexpected(name, "an integer", value)
    return int(number)


def read_number(value: JSON, name: str) -> float:
    """Return a number, or raise UnreadableAnswer."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _unexpected(name, "a number", value)
    return value


def read_stated(value: JSON, name: str) -> JSON:
    """Return a value that an answer must state, or raise UnreadableAnswer for null and a missing member."""
    if value is None:
        raise UnreadableAnswer(f"no value for {name}")
    return value


def read_member(value: JSON, name: str) -> JSON:
    """Return a member of an object.

    Raises:
        UnreadableAnswer: The value is no object, or has no such member.

    """
    members = read_object(value, f"what should have the member {name}")
    if name not in members:
        raise UnreadableAnswer(f"no member {name}")
    return members[name]


def read_first(values: list[JSON], name: str) -> JSON:
    """Return the first of the values found, or raise UnreadableAnswer if there is none."""
    if not values:
        raise UnreadableAnswer(f"no {name}")
    return values[0]


def read_url(value: JSON, name: str) -> SplitResult:
    """Return the parts of a URL, or raise UnreadableAnswer."""
    text = read_string(value, name)
    try:
        return urlsplit(text)
    except ValueError as error:
        raise _unexpected(name, "a URL", value) from error


def _unexpected(name: str, expected: str, value: JSON) -> UnreadableAnswer:
    shown = json.dumps(value, ensure_ascii=False, default=str)[:SHOWN_MAX]
    return UnreadableAnswer(f"{name}: expected {expected}, got {shown}")
