"""Amounts of money: which are read, and that none changes on its way through a store."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwenmock.mockserver.money import LARGEST, MAX_PRICE, PLACES, UNIT, amount, from_units, plain, to_units

UNITS = st.integers(0, int(LARGEST) * 10**PLACES)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", "0"),
        ("0.18", "0.18"),
        (2, "2"),
        ("1e3", "1000"),
        ("0.000000001", "0.000000001"),
        ("999999999", "999999999"),
    ],
)
def test_amount(text: object, value: str) -> None:
    assert amount(text) == Decimal(value)


@pytest.mark.parametrize(
    "text",
    ["-0.000000001", "0.0000000001", "999999999.000000001", "1000000000", "1e30", "NaN", "Infinity", "-1", "", "x",
     None, True, False, [], "1,5", "1_000"],
)  # fmt: skip
def test_what_is_no_amount(text: object) -> None:
    with pytest.raises(ValueError, match=r"expected a decimal from 0 to 999999999 with at most 9 decimal places, got "):
        amount(text)


def test_largest_amounts_fit_what_keeps_them() -> None:
    assert PLACES == 9
    assert Decimal("0.000000001") == UNIT
    assert Decimal(999_999_999) == LARGEST
    assert to_units(LARGEST) < 2**63
    assert MAX_PRICE == 10_000
    assert MAX_PRICE * 900_000 * 10**PLACES < 2**63


@given(UNITS)
def test_units_are_exact(units: int) -> None:
    value = from_units(units)
    assert to_units(value) == units
    assert value == Decimal(units) / 10**PLACES
    assert amount(value) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("1E+3", "1000"),
        ("1E+1", "10"),
        ("100", "100"),
        ("7", "7"),
        ("0.180", "0.18"),
        ("0", "0"),
        ("0E-9", "0"),
        ("2.0", "2"),
    ],
)
def test_plain_amount_has_no_exponent_and_no_trailing_zeros(value: str, text: str) -> None:
    assert str(plain(Decimal(value))) == text
