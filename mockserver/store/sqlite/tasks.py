"""Tasks and their callbacks in SQLite."""

import math
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import replace

from qwenmock.mockserver.models import Charge, Delivery, Task
from qwenmock.mockserver.store.protocols import Selection
from qwenmock.mockserver.store.records import charge_row, dump, load_delivery, load_task
from qwenmock.mockserver.store.sqlite.database import Database, Value, where
from qwenmock.mockserver.store.sqlite.ledger import Hold, book, settle

INSERT_TASK = "INSERT INTO tasks VALUES (?, ?, ?, ?, ?, ?)"
MOST_REMEMBERED = 1024
"""Tasks that are remembered: clients ask for the same few again and again."""


class SqliteTasks(Database):
    """The tasks and callbacks. What was read last is remembered until it may have changed."""

    def __init__(self, path: str | None, journal_max: int) -> None:
        super().__init__(path, journal_max)
        self._remembered: dict[str, Task] = {}
        self._next_end: float | None = None

    def _clear_cache(self) -> None:
        super()._clear_cache()
        self._remembered.clear()
        self._next_end = None

    def _remember(self, task: Task) -> None:
        """Remember a task, which may be new."""
        if len(self._remembered) >= MOST_REMEMBERED:
            self._remembered.clear()
        self._remembered[task.id] = task
        if self._next_end is not None and not task.settled:
            self._next_end = min(self._next_end, task.ends)

    async def add_task(self, task: Task) -> None:
        """Add a new task. What is reserved for its request no longer ends by itself."""
        row = task_row(task)

        def step(db: sqlite3.Connection) -> None:
            db.execute(INSERT_TASK, row)
            db.execute("UPDATE holds SET until = NULL WHERE request_id = ?", (task.request_id,))

        await self._write(step)

    async def task(self, task_id: str) -> Task | None:
        """Return a task, or None if it does not exist."""
        self._refresh_cache()
        known = self._remembered.get(task_id)
        if known is not None:
            return known
        found = self._select(load_task, "SELECT task FROM tasks WHERE id = ?", task_id)
        if not found:
            return None
        self._remember(found[0])
        return found[0]

    async def tasks(self, selection: Selection) -> Sequence[Task]:
        """Return the tasks, newest first."""
        clause, values = where(selection, "provider", "key")
        query = f"SELECT task FROM tasks{clause} ORDER BY rowid DESC LIMIT ?"
        return self._select(load_task, query, *values, selection.limit)

    async def finished_tasks(self, now: float) -> Sequence[Task]:
        """Return the tasks that have ended and are not settled."""
        self._refresh_cache()
        if self._next_end is None:
            ends = "SELECT coalesce(min(ends), ?) FROM tasks WHERE settled = 0"
            self._next_end = self._select(float, ends, math.inf)[0]
        if now < self._next_end:
            return []
        return self._select(load_task, "SELECT task FROM tasks WHERE settled = 0 AND ends <= ? ORDER BY ends", now)

    async def finish_task(self, task: Task, charge: Charge | None, deliveries: Sequence[Delivery]) -> bool:
        """Settle a task once: book its charge or release its reservation, and add its callbacks."""
        settled = dump(replace(task, settled=True))
        row = None if charge is None else charge_row(charge)

        def step(db: sqlite3.Connection) -> bool:
            update = "UPDATE tasks SET settled = 1, task = ? WHERE id = ? AND settled = 0"
            if not db.execute(update, (settled, task.id)).rowcount:
                return False
            # If the ledger was reset meanwhile, there is no reservation any more, and nothing to charge.
            is_held = db.execute("SELECT 1 FROM holds WHERE request_id = ?", (task.request_id,)).fetchone() is not None
            if is_held and row is not None:
                book(db, row)
            elif is_held:
                settle(db, Hold(task.request_id, task.provider, task.key), 0)
            for delivery in deliveries:
                _put_delivery(db, delivery)
            return True

        return await self._write(step)

    async def claim_delivery(self, now: float, lease: float) -> Delivery | None:
        """Return a callback whose time has come; no other process gets it until the lease ends."""
        waiting = "SELECT id FROM deliveries WHERE state IN ('waiting', 'held')"
        ready = f"{waiting} AND due <= ? AND lease < ? ORDER BY due LIMIT 1"
        claim = f"UPDATE deliveries SET lease = ? WHERE id = ({ready}) RETURNING delivery"
        if not self._select(str, ready, now, time.time()):
            return None
        rows = await self._write(lambda db: db.execute(claim, (lease, now, time.time())).fetchall())
        return load_delivery(rows[0][0]) if rows else None

    async def set_delivery(self, delivery: Delivery) -> None:
        """Add a callback, or store its new state and end the claim to it."""
        await self._write(lambda db: _put_delivery(db, delivery))

    async def deliveries(self, task_id: str | None) -> Sequence[Delivery]:
        """Return the callbacks of a task, oldest first; None for those of all tasks."""
        query = "SELECT delivery FROM deliveries WHERE ?1 IS NULL OR task_id = ?1 ORDER BY rowid"
        return self._select(load_delivery, query, task_id)

    async def release_held(self, key: str, now: float) -> None:
        """Make the held callbacks of a key ready for delivery."""

        def step(db: sqlite3.Connection) -> None:
            rows = db.execute("SELECT delivery FROM deliveries WHERE state = 'held' AND key = ?", (key,)).fetchall()
            for row in rows:
                _put_delivery(db, replace(load_delivery(row[0]), state="waiting", due=now))

        await self._write(step)

    async def has_work(self) -> bool:
        """Tell whether a task is not settled, or a callback not delivered yet."""
        query = (
            "SELECT EXISTS (SELECT 1 FROM tasks WHERE settled = 0) "
            "OR EXISTS (SELECT 1 FROM deliveries WHERE state IN ('waiting', 'held'))"
        )
        return bool(self._select(int, query)[0])


def task_row(task: Task) -> tuple[Value, ...]:
    """Return a new task as it is stored."""
    return task.id, task.provider, task.key, task.ends, 0, dump(task)


def _put_delivery(db: sqlite3.Connection, delivery: Delivery) -> None:
    values = (delivery.id, delivery.task_id, delivery.key, delivery.due, delivery.state, 0.0, dump(delivery))
    db.execute("INSERT OR REPLACE INTO deliveries VALUES (?, ?, ?, ?, ?, ?, ?)", values)
