"""The connection to the SQLite database, and the transactions that all writes go through.

The standard library's `sqlite3` is called directly: a statement takes some microseconds, far less than handing it to
a thread. The writes of one turn of the event loop go into one transaction, and every caller waits until it is
committed. A state in memory is SQLite's own unnamed database, which moves to an unnamed file when it outgrows its
cache: a ledger of millions of charges must not fill the memory.
"""

import asyncio
import os
import sqlite3
import tempfile
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from qwenmock.mockserver.errors import StoreError
from qwenmock.mockserver.store.protocols import InsufficientBalance, Selection, TooManyRequests
from qwenmock.mockserver.store.sqlite.checkpoints import Checkpoints
from qwenmock.mockserver.store.sqlite.schema import SCHEMA, VERSION

CACHE_KIB = 4 * 1024
"""Page cache of a state in memory."""
BUSY_SECONDS = 0.0005
"""Between two attempts while another process writes."""
MAX_BUSY_SECONDS = 30.0
TRANSACTION_BYTES = 2**14
"""About what the log grows by with a transaction: it holds each page that was changed."""
MAX_TURNS = 3
"""Turns of the event loop that a transaction on a file waits for more writes: its commit costs as much as many rows."""

T = TypeVar("T")
Value: TypeAlias = str | bytes | int | float | None
Waiter: TypeAlias = asyncio.Future[Any]
"""What a caller waits for; each write has its own type of result."""
Step: TypeAlias = Callable[[sqlite3.Connection], object]
Outcome: TypeAlias = tuple[Waiter, object, Exception | None]
"""The result of one write, or why it was refused; delivered after the commit."""


class Database:
    """A connection whose writes are collected into transactions.

    Subclasses add their part of each transaction with `_before_steps`, `_after_steps`, `_after_commit` and `_discard`,
    what they remember of the database with `_clear_cache`, and what must be written before a read with `_settle`.

    Args:
        path: The file; None for memory.
        journal_max: Entries that the journal holds.

    Raises:
        StoreError: The file cannot be opened, or is not a database of this version.

    """

    def __init__(self, path: str | None, journal_max: int) -> None:
        self.is_shared = path is not None
        self._journal_max = journal_max
        self._max_turns = 0 if path is None else MAX_TURNS
        self._waiters: list[Waiter] = []
        self._steps: list[tuple[Waiter, Step]] = []
        self._waiting_since = 0.0
        self._part_bytes = 0
        """Of images, in the transaction that waits."""
        self._data_version = 0
        self._has_checked_version = False
        # SQLite remembers it so too, if the process changes its folder.
        self._path = None if path is None else str(Path(path).absolute())
        self._checkpoints = None if self._path is None else Checkpoints(self._path)
        try:
            self._db = sqlite3.connect(
                _in_memory() if path is None else path,
                isolation_level=None,
                timeout=MAX_BUSY_SECONDS,
                check_same_thread=False,
            )
            # A caller that runs no lifespan, such as httpx's ASGITransport, drops a double without closing it.
            weakref.finalize(self, self._db.close)
            self._prepare(path)
            self._identity = identity(self._path)
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"{path}: {error}") from error

    def _prepare(self, path: str | None) -> None:
        """Set the connection up, and create the tables of a new database."""
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        is_new = self._db.execute("SELECT NOT EXISTS (SELECT 1 FROM sqlite_master)").fetchone()[0]
        if version != VERSION and not is_new:
            raise StoreError(f"{path}: written by another version of qwenmock; expected a new file")
        if path is None:
            self._db.execute("PRAGMA journal_mode = MEMORY")
            self._db.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        else:
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA wal_autocheckpoint = 0")
        self._db.execute("PRAGMA synchronous = NORMAL")
        # Overwriting what is deleted takes three times as long as deleting it; some systems do that by default.
        self._db.execute("PRAGMA secure_delete = OFF")
        self._db.execute("BEGIN IMMEDIATE")
        for statement in SCHEMA.split(";"):
            self._db.execute(statement)
        self._create(path)
        self._db.execute("COMMIT")
        # From now on a wait must not block the event loop.
        self._db.execute("PRAGMA busy_timeout = 0")

    async def close(self) -> None:
        """Close the database."""
        if self._checkpoints is not None:
            self._checkpoints.end()
        self._settle()
        self._db.close()

    def _select(self, make: Callable[..., T], query: str, *values: Value) -> list[T]:
        """Return what a query finds, each row made into a value by a function of its columns."""
        try:
            self._settle()
            return [make(*row) for row in self._db.execute(query, values).fetchall()]
        except sqlite3.Error as error:
            raise StoreError(str(error)) from error

    def _select_blocking(self, make: Callable[..., T], statement: str, *values: Value) -> list[T]:
        """Run a statement at start-up, where waiting for another process blocks no request."""
        self._db.execute(f"PRAGMA busy_timeout = {int(MAX_BUSY_SECONDS * 1000)}")
        try:
            return self._select(make, statement, *values)
        finally:
            self._db.execute("PRAGMA busy_timeout = 0")

    def _write(self, step: Callable[[sqlite3.Connection], T]) -> "asyncio.Future[T]":
        """Run a step in the next transaction. A step that refuses must do so before it writes anything."""
        waiter = self._join()
        self._steps.append((waiter, step))
        return waiter

    def _join(self) -> Waiter:
        """Return a future for something in the next transaction, and plan that transaction."""
        loop = asyncio.get_running_loop()
        # An event loop that has ended while writes waited, as one of a test, calls nothing any more.
        if not self._waiters or self._waiters[-1].get_loop() is not loop:
            self._waiting_since = loop.time()
            loop.call_soon(self._collect, 0, 0)
        waiter = loop.create_future()
        self._waiters.append(waiter)
        return waiter

    def _collect(self, seen: int, turns: int) -> None:
        """Commit as soon as a turn of the event loop brings no more writes."""
        waiting = len(self._waiters)
        if waiting > seen and turns < self._max_turns:
            asyncio.get_running_loop().call_soon(self._collect, waiting, turns + 1)
        else:
            self._commit()

    def _commit(self) -> None:
        """Write everything that waits in one transaction, and then tell the callers."""
        if identity(self._path) != self._identity:
            self._fail(vanished(self._path))
            return
        try:
            self._db.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            loop = asyncio.get_running_loop()
            if _is_busy(error) and loop.time() - self._waiting_since < MAX_BUSY_SECONDS:
                loop.call_later(BUSY_SECONDS, self._commit)
            else:
                self._fail(error)
            return
        try:
            outcomes = self._run_all()
            self._db.execute("COMMIT")
        except Exception as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            self._fail(error)
            return
        self._after_commit()
        if self._checkpoints is not None:
            self._checkpoints.wrote(TRANSACTION_BYTES + self._part_bytes)
        self._part_bytes = 0
        if self._steps:
            self._clear_cache()  # a step may have changed anything
        self._steps.clear()
        self._waiters.clear()
        for waiter, result, refusal in outcomes:
            if waiter.cancelled() or waiter.get_loop().is_closed():
                continue
            if refusal is None:
                waiter.set_result(result)
            else:
                waiter.set_exception(refusal)

    def _run_all(self) -> list[Outcome]:
        """Run the steps, between what subclasses do before and after them."""
        outcomes: list[Outcome] = []
        self._clear_cache_if_changed()
        self._before_steps(outcomes)
        for waiter, step in self._steps:
            if waiter.cancelled():
                continue
            try:
                outcomes.append((waiter, step(self._db), None))
            except (InsufficientBalance, TooManyRequests, StoreError) as refusal:
                outcomes.append((waiter, None, refusal))
        self._after_steps()
        return outcomes

    def _fail(self, error: Exception) -> None:
        """Tell all callers that nothing was written."""
        waiters, self._waiters = self._waiters, []
        self._clear_cache()
        self._steps.clear()
        self._part_bytes = 0
        self._discard()
        for waiter in waiters:
            if not waiter.done() and not waiter.get_loop().is_closed():
                failure = StoreError(str(error))
                failure.__cause__ = error
                waiter.set_exception(failure)

    def _create(self, path: str | None) -> None:
        """Create what the database has beside its tables, in the transaction that creates them. For subclasses."""

    def _before_steps(self, outcomes: list[Outcome]) -> None:
        """Write what is done once for all callers, before the steps. For subclasses."""

    def _after_steps(self) -> None:
        """Write what the steps have left to be written at once. For subclasses."""

    def _after_commit(self) -> None:
        """Apply what must wait for the commit. For subclasses."""

    def _settle(self) -> None:
        """Write what was answered before it was written. For subclasses."""

    def _discard(self) -> None:
        """Drop what waited for the transaction, which has failed. For subclasses."""

    def _clear_cache(self) -> None:
        """Forget what was read. For subclasses."""

    def _clear_cache_if_changed(self) -> None:
        """Forget what was read if another process has written since."""
        if self.is_shared:
            (version,) = self._select(int, "PRAGMA data_version")
            if version != self._data_version:
                self._data_version = version
                self._clear_cache()

    def _refresh_cache(self) -> None:
        """Forget what was read if another process has written; looks once a turn of the event loop."""
        if self.is_shared and not self._has_checked_version:
            self._has_checked_version = True
            asyncio.get_running_loop().call_soon(self._end_turn)
            self._clear_cache_if_changed()

    def _end_turn(self) -> None:
        self._has_checked_version = False


def identity(path: str | None, size: int = 1) -> tuple[int, int] | None:
    """Return what stays the same until a file is removed or replaced; None without a file of at least `size` bytes.

    SQLite would go on writing to a file that has no name any more, and lose everything at the end.
    """
    if path is None:
        return None
    try:
        found = os.stat(path)  # noqa: PTH116, once for each transaction: a third of the time of Path.stat
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if found.st_size >= size else None


def vanished(path: str | None) -> StoreError:
    """Return the error for a file that is not the one that was opened, or has lost bytes."""
    return StoreError(f"{path} was removed, emptied or replaced; restart the server")


def where(selection: Selection, *columns: str) -> tuple[str, tuple[Value, ...]]:
    """Return the WHERE clause of a selection, "" if it matches everything, and its values."""
    given: list[tuple[str, Value]] = [(column, getattr(selection, column)) for column in columns]
    given = [(column, value) for column, value in given if value is not None]
    clause = " AND ".join(f"{column} = ?" for column, _ in given)
    return (f" WHERE {clause}" if clause else ""), tuple(value for _, value in given)


def _in_memory() -> str:
    """Return SQLite's name for a database that may move to an unnamed file; without a folder for that, in memory."""
    try:
        tempfile.gettempdir()
    except FileNotFoundError:
        return ":memory:"
    return ""


def _is_busy(error: sqlite3.Error) -> bool:
    if not isinstance(error, sqlite3.OperationalError):
        return False  # and may have no code, as that of a closed connection
    return error.sqlite_errorcode & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
