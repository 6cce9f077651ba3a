"""The budget of a run: what may be spent, reserved before each request that could be billed."""

import sqlite3
import weakref
from contextlib import closing
from decimal import Decimal


class OverBudget(Exception):  # noqa: N818, a reason to skip, not a failure
    """A request could cost more than is left.

    Attributes:
        needed: What it could cost.
        left: What is left.

    """

    def __init__(self, needed: Decimal, left: Decimal, currency: str, option: str) -> None:
        super().__init__(f"could cost {needed:f} {currency}, and {left:f} {currency} of {option} are left")
        self.needed = needed
        self.left = left


class Budget:
    """Money that may be spent.

    Args:
        limit: The most that may be spent; None for a target that costs nothing.
        currency: Of all amounts.
        shared: SQLite file of the budget, if several processes spend from it.
        name: Of the budget in that file.
        option: The option that sets it.

    """

    def __init__(
        self,
        limit: Decimal | None,
        currency: str,
        shared: str | None = None,
        name: str = "",
        option: str = "--live-budget",
    ) -> None:
        self._option = option
        self.limit = limit
        self.currency = currency
        self._name = name
        self._db = sqlite3.connect(shared or ":memory:", isolation_level=None, timeout=60, check_same_thread=False)
        weakref.finalize(self, self._db.close)
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS budget (name TEXT PRIMARY KEY, reserved TEXT, spent TEXT, worst TEXT)"
        )
        self._db.execute("INSERT OR IGNORE INTO budget VALUES (?, '0', '0', '0')", (name,))

    def _read(self) -> tuple[Decimal, Decimal, Decimal]:
        with closing(
            self._db.execute("SELECT reserved, spent, worst FROM budget WHERE name = ?", (self._name,))
        ) as rows:
            reserved, spent, worst = rows.fetchone()
        return Decimal(reserved), Decimal(spent), Decimal(worst)

    @property
    def left(self) -> Decimal:
        """What may still be spent."""
        reserved, spent, _ = self._read()
        return (self.limit or Decimal(0)) - reserved - spent

    @property
    def spent(self) -> Decimal:
        """What answers say was spent."""
        return self._read()[1]

    @property
    def worst(self) -> Decimal:
        """The sum of what all requests could have cost."""
        return self._read()[2]

    def reserve(self, worst: Decimal) -> None:
        """Reserve the worst case.

        Raises:
            OverBudget: It exceeds what is left.

        """
        self._change(worst, Decimal(0), worst)

    def settle(self, worst: Decimal, spent: Decimal) -> None:
        """Replace a reserved worst case by what was spent."""
        self._change(-worst, spent, Decimal(0))

    def _change(self, reserve: Decimal, spend: Decimal, worst: Decimal) -> None:
        if not reserve and not spend:
            return
        self._db.execute("BEGIN IMMEDIATE")
        try:
            reserved, spent, all_worst = self._read()
            left = (self.limit or Decimal(0)) - reserved - spent
            if self.limit is not None and reserve > 0 and reserve > left:
                raise OverBudget(reserve, left, self.currency, self._option)
            values = (str(reserved + reserve), str(spent + spend), str(all_worst + worst), self._name)
            self._db.execute("UPDATE budget SET reserved = ?, spent = ?, worst = ? WHERE name = ?", values)
        finally:
            self._db.execute("COMMIT")
