"""Amounts of money: `Decimal` in memory, integers in billionths in the stores."""

from decimal import Decimal, InvalidOperation

PLACES = 9
UNIT = Decimal(1).scaleb(-PLACES)
LARGEST = Decimal(10) ** 9 - 1
"""Largest amount: in billionths it fits a 64-bit integer, with room for sums."""

MAX_PRICE = Decimal(10_000)
"""Largest price of an image. Sums stay exact up to 9 * 10^9, so this leaves room for almost a million images."""


def amount(text: object) -> Decimal:
    """Read an amount.

    Raises:
        ValueError: It is not a finite decimal, is negative or too large, or has more than nine decimal places.
            `Decimal` also reads underscores between digits; they are refused.

    """
    written = str(text)
    try:
        value = Decimal(written)
        exact = value.is_finite() and value == value.quantize(UNIT) and "_" not in written
    except InvalidOperation:
        exact = False
        value = Decimal(0)
    if not exact or isinstance(text, bool) or not 0 <= value <= LARGEST:
        raise ValueError(f"expected a decimal from 0 to {LARGEST} with at most {PLACES} decimal places, got {text!r}")
    return value


def to_units(value: Decimal) -> int:
    """Return an amount in billionths."""
    return int(value.scaleb(PLACES))


def from_units(units: int) -> Decimal:
    """Return an amount from billionths, without trailing zeros."""
    return plain(Decimal(units).scaleb(-PLACES))


def plain(value: Decimal) -> Decimal:
    """Return the amount without trailing zeros and without an exponent."""
    value = value.normalize()
    return value if value.as_tuple().exponent <= 0 else value.quantize(Decimal(1))  # type: ignore[operator]
