"""Amounts of money: `Decimal` everywhere, whole billionths where they are stored."""

from decimal import Decimal, InvalidOperation

PLACES = 9
UNIT = Decimal(1).scaleb(-PLACES)
LARGEST = Decimal(10) ** 9 - 1
"""What still fits a 64-bit whole number of billionths, with room for sums."""


def amount(text: object) -> Decimal:
    """Read an amount.

    Raises:
        ValueError: It is no finite decimal, is negative, is too large or has more than nine places.

    """
    try:
        value = Decimal(str(text))
        exact = value.is_finite() and value == value.quantize(UNIT)
    except InvalidOperation:
        exact = False
        value = Decimal(0)
    if not exact or isinstance(text, bool) or not 0 <= value <= LARGEST:
        raise ValueError(f"an amount is a decimal from 0 to {LARGEST} with at most {PLACES} places, got {text!r}")
    return value


def to_units(value: Decimal) -> int:
    """Return the amount in billionths."""
    return int(value.scaleb(PLACES))


def from_units(units: int) -> Decimal:
    """Return the amount for a number of billionths, without trailing zeros."""
    return plain(Decimal(units).scaleb(-PLACES))


def plain(value: Decimal) -> Decimal:
    """Drop trailing zeros, but never into an exponent."""
    value = value.normalize()
    return value if value.as_tuple().exponent <= 0 else value.quantize(Decimal(1))  # type: ignore[operator]
