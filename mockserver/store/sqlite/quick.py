"""What the compiled path asks of a state in SQLite and books there, each at once or with one transaction.

Of a state in memory, which promises no durability, the accounts and tasks that are remembered are ahead of the tables:
what was sold and ordered is written together a moment later, or before the next read.
"""

import asyncio
import contextlib
import sqlite3
from collections import defaultdict

from qwenmock.mockserver.errors import StoreError
from qwenmock.mockserver.models import Task
from qwenmock.mockserver.store.compact import CompactEntry, dump_compact
from qwenmock.mockserver.store.protocols import InsufficientBalance
from qwenmock.mockserver.store.records import ChargeRow
from qwenmock.mockserver.store.sqlite.accounts import Owner, SqliteAccounts
from qwenmock.mockserver.store.sqlite.database import Outcome, Value, Waiter
from qwenmock.mockserver.store.sqlite.ledger import INSERT_HOLD, Hold, covers, reserve
from qwenmock.mockserver.store.sqlite.tasks import INSERT_TASK, SqliteTasks, task_row

SETTLE_SECONDS = 0.005
"""How long what was sold and ordered waits for its transaction, where the state is in memory."""
MOST_WAITING = 1000
"""Charges and tasks that wait at most: an event loop that has ended calls nothing any more."""


class SqliteQuick(SqliteAccounts, SqliteTasks):
    """Accounts and tasks for the compiled path."""

    def __init__(self, path: str | None, journal_max: int) -> None:
        super().__init__(path, journal_max)
        self._sold: list[ChargeRow] = []
        self._ordered: list[tuple[Task, int]] = []

    @property
    def quick(self) -> "SqliteQuick":
        """This store."""
        return self

    def quick_balance(self, provider: str, key: str) -> int | None:
        """Return the balance in billionths of an account without a request limit; None for another account."""
        try:
            self._refresh_cache()
            limits = self._limits_of((provider, key))
        except StoreError:
            return None
        return None if limits is None or limits.per_minute is not None else limits.balance

    def sell(self, row: ChargeRow, entry: CompactEntry) -> Waiter | None:
        """Book a charge for which nothing is reserved, with the journal entry of its request."""
        if self.is_shared:
            return self._charge_later(row, dump_compact(entry))
        self._take(row.provider, row.key, row.amount)
        self._sold.append(row)
        self._wrote_later(entry)
        return None

    def order(self, task: Task, cost: int, entry: CompactEntry) -> Waiter | None:
        """Reserve the cost of a new task and add it, with the journal entry of its request."""
        if self.is_shared:
            return self._order_later(task, cost, dump_compact(entry))
        self._take(task.provider, task.key, cost)
        self._ordered.append((task, cost))
        self._remember(task)
        self._wrote_later(entry)
        return None

    def _order_later(self, task: Task, cost: int, line: bytes) -> Waiter:
        """Order with the next transaction."""
        row = task_row(task)

        def step(db: sqlite3.Connection) -> None:
            reserve(db, Hold(task.request_id, task.provider, task.key), cost, None)
            db.execute(INSERT_TASK, row)
            self._lines.append(line)

        return self._write(step)

    def _take(self, provider: str, key: str, amount: int) -> None:
        """Take an amount off a balance that is ahead of the table."""
        limits = self._limits_of((provider, key))
        if limits is None or not covers(limits.balance, amount):
            raise InsufficientBalance
        limits.balance -= amount

    def _wrote_later(self, entry: CompactEntry) -> None:
        """Keep the entry of what was sold or ordered, and see to it that this is written."""
        waiting = len(self._sold) + len(self._ordered)
        if waiting == 1:
            asyncio.get_running_loop().call_later(SETTLE_SECONDS, self._settle_later)
        self._keep(entry)
        if waiting >= MOST_WAITING:
            self._settle_later()

    def _book_waiting(self) -> None:
        """Write what was answered before; it leaves the lists when it is committed."""
        if self._sold:
            spent: defaultdict[Owner, int] = defaultdict(int)
            for row in self._sold:
                spent[row.provider, row.key] += row.amount
            self._book([tuple(row) for row in self._sold], spent)
        if self._ordered:
            self._book_ordered()

    def _book_ordered(self) -> None:
        reserved: dict[Owner, int] = {}
        holds: list[tuple[Value, ...]] = []
        for task, cost in self._ordered:
            owner = (task.provider, task.key)
            reserved[owner] = reserved.get(owner, 0) + cost
            holds.append((task.request_id, *owner, cost, None))
        self._db.executemany(INSERT_HOLD, holds)
        self._db.executemany(INSERT_TASK, [task_row(task) for task, _ in self._ordered])
        update = "UPDATE accounts SET balance = balance - ?1, reserved = reserved + ?1 WHERE provider = ?2 AND key = ?3"
        self._db.executemany(update, [(amount, *owner) for owner, amount in reserved.items()])

    def _forget_waiting(self) -> None:
        self._sold.clear()
        self._ordered.clear()

    def _before_steps(self, outcomes: list[Outcome]) -> None:
        self._book_waiting()
        super()._before_steps(outcomes)

    def _after_commit(self) -> None:
        super()._after_commit()
        self._forget_waiting()

    def _settle(self) -> None:
        super()._settle()
        if not (self._sold or self._ordered) or self._db.in_transaction:
            return
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._book_waiting()
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        self._forget_waiting()

    def _settle_later(self) -> None:
        # If it fails, the next read tries again, and reports it.
        with contextlib.suppress(sqlite3.Error):
            self._settle()
