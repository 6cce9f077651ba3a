"""Reading values from answers: a value of the type, or UnreadableAnswer that says what came instead."""

from collections.abc import Callable
from typing import Any

import pytest

from qwenmock.pytest_plugin.examiner import json_values as values
from qwenmock.pytest_plugin.examiner.results import UnreadableAnswer

KINDS: list[Any] = [None, True, 1, 2.0, 2.5, "text", ["a"], {"a": 1}]


@pytest.mark.parametrize(
    ("read", "readable", "expected"),
    [
        (values.read_object, [{"a": 1}], "an object"),
        (values.read_array, [["a"]], "an array"),
        (values.read_string, ["text"], "a string"),
        (values.read_integer, [1, 2.0], "an integer"),
        (values.read_number, [1, 2.0, 2.5], "a number"),
        (values.read_url, ["text"], "a string"),
    ],
)
def test_accessors(read: Callable[[Any, str], Any], readable: list[Any], expected: str) -> None:
    for value in KINDS:
        if any(value is each or (value == each and type(value) is type(each)) for each in readable):
            got = read(value, "name")
            assert got == value or read is values.read_url
        else:
            with pytest.raises(UnreadableAnswer, match=r"^name: expected (an?|a) [a-z]+, got ") as unreadable:
                read(value, "name")
            kinds = {expected, "a number"} if read is values.read_integer else {expected}
            assert any(f"expected {kind}, " in str(unreadable.value) for kind in kinds)


def test_integer_of_a_float_is_an_integer() -> None:
    assert isinstance(values.read_integer(2.0, "n"), int)


@pytest.mark.parametrize("number", [float("inf"), float("-inf"), float("nan"), 1e400])
def test_number_that_is_not_finite_is_no_integer(number: float) -> None:
    with pytest.raises(UnreadableAnswer, match="expected an integer"):
        values.read_integer(number, "n")
    assert values.integers([number, 1]) == [1]


def test_members() -> None:
    assert values.read_member({"a": None}, "a") is None
    assert values.read_member({"a": 1}, "a") == 1
    with pytest.raises(UnreadableAnswer, match=r"^no member b$"):
        values.read_member({"a": 1}, "b")
    with pytest.raises(UnreadableAnswer, match=r"^what should have the member b: expected an object, got 1$"):
        values.read_member(1, "b")
    assert values.read_first([1, 2], "id") == 1
    with pytest.raises(UnreadableAnswer, match=r"^no id$"):
        values.read_first([], "id")
    assert [values.read_stated(value, "id") for value in (0, "", False)] == [0, "", False]
    with pytest.raises(UnreadableAnswer, match=r"^no value for id$"):
        values.read_stated(None, "id")


def test_url() -> None:
    assert values.read_url("https://a.example/x?y", "link").query == "y"
    with pytest.raises(UnreadableAnswer, match=r"^link: expected a URL, got "):
        values.read_url("http://[::1", "link")


def test_value_that_is_shown_is_cut() -> None:
    with pytest.raises(UnreadableAnswer) as unreadable:
        values.read_number("猫" * 200, "n")
    assert str(unreadable.value) == 'n: expected a number, got "' + "猫" * 99


def test_selections() -> None:
    assert values.texts(KINDS) == ["text"]
    assert values.numbers([None, 1, 2.5, "3"]) == [1, 2.5]
    assert values.integers([None, 1, 2.0, 2.5, "3"]) == [1, 2]
    assert [values.is_object(value) for value in KINDS] == [False] * 7 + [True]
    assert [values.is_array(value) for value in KINDS] == [False] * 6 + [True, False]


def test_values_that_must_have_a_type() -> None:
    assert values.as_object({"a": 1}) == {"a": 1}
    assert values.as_text("text") == "text"
    with pytest.raises(TypeError, match=r"^expected an object, got 'text'$"):
        values.as_object("text")
    with pytest.raises(TypeError, match=r"^expected a string, got 1$"):
        values.as_text(1)
