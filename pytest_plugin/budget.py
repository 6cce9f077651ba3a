"""What a run may spend, asked before each request that could be billed."""

from dataclasses import dataclass
from decimal import Decimal


class OverBudget(Exception):  # noqa: N818, a reason to skip, no failure
    """A request could cost more than is left.

    Attributes:
        needed: What it could cost.
        left: What is left.

    """

    def __init__(self, needed: Decimal, left: Decimal, currency: str) -> None:
        super().__init__(f"could cost {needed:f} {currency}, and {left:f} {currency} of --live-budget are left")
        self.needed = needed
        self.left = left


@dataclass
class Budget:
    """Money that may be spent; None for a target that costs nothing.

    Attributes:
        reserved: The worst case of requests under way.
        spent: What answers say was spent.

    """

    limit: Decimal | None
    currency: str
    reserved: Decimal = Decimal(0)
    spent: Decimal = Decimal(0)

    @property
    def left(self) -> Decimal:
        """What may still be spent."""
        return (self.limit or Decimal(0)) - self.reserved - self.spent

    def reserve(self, worst: Decimal) -> None:
        """Set the worst case aside.

        Raises:
            OverBudget: It does not fit.

        """
        if self.limit is not None and worst > self.left:
            raise OverBudget(worst, self.left, self.currency)
        self.reserved += worst

    def settle(self, worst: Decimal, spent: Decimal) -> None:
        """Put what was really spent in the place of the worst case."""
        self.reserved -= worst
        self.spent += spent
