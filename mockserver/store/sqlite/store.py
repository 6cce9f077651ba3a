"""The store in SQLite: in memory, or a file that survives the process and may be shared by several.

The standard library's `sqlite3` is called directly: a statement takes some microseconds, far less than handing it to
a thread. What one turn of the event loop has to write goes into one transaction, and whoever asked for it waits until
that is committed. A state in memory is SQLite's own unnamed database, which moves to an unnamed file when it outgrows
its cache: a ledger of millions must not fill the memory.
"""

import asyncio
import sqlite3
import tempfile
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, TypeVar

import orjson

from qwenmock.mockserver.errors import StoreError
from qwenmock.mockserver.models import Account, Charge, Delivery, Task
from qwenmock.mockserver.money import PLACES, from_units, to_units
from qwenmock.mockserver.store.protocols import (
    AccountDefaults,
    Fetch,
    InsufficientBalance,
    Selection,
    Shared,
    TooManyRequests,
)
from qwenmock.mockserver.store.records import (
    CHARGE_COLUMNS,
    FETCHES,
    JOURNAL_BYTES,
    KEPT_BYTES,
    MINUTE,
    ChargeRow,
    charge_row,
    dump,
    load_charge,
    load_delivery,
    load_task,
)
from qwenmock.mockserver.store.sqlite.checkpoints import Checkpoints
from qwenmock.schemas.vocabulary import JSON

VERSION = 3
"""Of the layout; a file with another one is refused."""
SCHEMA = f"""
PRAGMA user_version = {VERSION};
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS shared (offset REAL NOT NULL, plan INTEGER NOT NULL, processes INTEGER NOT NULL);
INSERT INTO shared SELECT 0.0, 0, 0 WHERE NOT EXISTS (SELECT 1 FROM shared);
CREATE TABLE IF NOT EXISTS faults (id INTEGER PRIMARY KEY, left INTEGER, fault BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS accounts (
    provider TEXT NOT NULL, key TEXT NOT NULL, currency TEXT NOT NULL, balance INTEGER NOT NULL,
    reserved INTEGER NOT NULL DEFAULT 0, spent INTEGER NOT NULL DEFAULT 0, requests_per_minute INTEGER,
    UNIQUE (provider, key)
);
CREATE TABLE IF NOT EXISTS holds (
    request_id TEXT PRIMARY KEY, provider TEXT NOT NULL, key TEXT NOT NULL, amount INTEGER NOT NULL, until REAL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS charges (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL, request_id TEXT NOT NULL, provider TEXT NOT NULL,
    model TEXT NOT NULL, key TEXT NOT NULL, images INTEGER NOT NULL, unit_price INTEGER, currency TEXT NOT NULL,
    amount INTEGER NOT NULL, created REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS hits (provider TEXT NOT NULL, key TEXT NOT NULL, at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS hits_of ON hits (provider, key, at);
CREATE TABLE IF NOT EXISTS journal (seq INTEGER PRIMARY KEY, length INTEGER NOT NULL, entries BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS fetches (
    seq INTEGER PRIMARY KEY, path TEXT NOT NULL, is_expired INTEGER NOT NULL, UNIQUE (path, is_expired)
);
CREATE TABLE IF NOT EXISTS tasks (
    id TEXT PRIMARY KEY, provider TEXT NOT NULL, key TEXT NOT NULL, ends REAL NOT NULL, settled INTEGER NOT NULL,
    task BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS tasks_due ON tasks (ends) WHERE settled = 0;
CREATE TABLE IF NOT EXISTS deliveries (
    id TEXT PRIMARY KEY, task_id TEXT NOT NULL, key TEXT NOT NULL, due REAL NOT NULL, state TEXT NOT NULL,
    lease REAL NOT NULL, delivery BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS deliveries_due ON deliveries (due) WHERE state IN ('waiting', 'held');
CREATE INDEX IF NOT EXISTS deliveries_of ON deliveries (task_id);
CREATE TABLE IF NOT EXISTS kept (digest TEXT PRIMARY KEY, size INTEGER NOT NULL, used REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS kept_data (digest TEXT PRIMARY KEY, data BLOB NOT NULL);
"""
CACHE_KIB = 4 * 1024
"""What a state in memory may take there."""
LAST_SEQ = 2**63 - 1
BUSY_SECONDS = 0.0005
"""Between two tries while another process writes."""
BUSY_LONGEST = 30.0
LONGEST_GATHERING = 3
"""Turns of the event loop that a transaction on a file waits for more to write: its commit costs as much as many
rows."""
TRIM_EVERY = 256
"""Entries between two looks at the journal's length. Forgetting many at once would hold up who asks meanwhile."""
USED_SECONDS = 60.0
"""How exactly is known when something kept was last used."""
ACCOUNT_COLUMNS = "provider, key, currency, balance, reserved, spent, requests_per_minute"
BOOK = f"INSERT INTO charges ({', '.join(CHARGE_COLUMNS)}) VALUES ({', '.join('?' * len(CHARGE_COLUMNS))})"

T = TypeVar("T")


class SqliteStore:
    """A store in one SQLite database.

    Args:
        path: The file; None for memory.
        journal_max: Entries the journal holds.

    Raises:
        StoreError: The file cannot be opened, or is no database of this version.

    """

    def __init__(self, path: str | None, journal_max: int) -> None:
        self.is_shared = path is not None
        self._gathering = 0 if path is None else LONGEST_GATHERING
        self._journal_max = journal_max
        self._untrimmed = 0
        self._queue: list[tuple[asyncio.Future[Any], Callable[[sqlite3.Connection], Any]]] = []
        self._sales: list[tuple[asyncio.Future[None], ChargeRow, bytes]] = []
        self._lines: list[bytes] = []
        # What was read, as long as nobody has changed it.
        self._own: dict[tuple[str, str], tuple[int, int | None]] = {}
        self._shared: Shared | None = None
        self._version = 0
        self._has_looked = False
        self._checkpoints = None if path is None else Checkpoints(path)
        self._waiting_since = 0.0
        try:
            self._db = sqlite3.connect(
                _in_memory() if path is None else path,
                isolation_level=None,
                timeout=BUSY_LONGEST,
                check_same_thread=False,
            )
            # Who runs no lifespan, as httpx's ASGITransport does not, lets go of a double without closing it.
            weakref.finalize(self, self._db.close)
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            is_new = self._db.execute("SELECT NOT EXISTS (SELECT 1 FROM sqlite_master)").fetchone()[0]
            if version != VERSION and not is_new:
                raise StoreError(f"{path}: it was written by another version of qwenmock; name a new file")
            if path is None:
                self._db.execute("PRAGMA journal_mode = MEMORY")
                self._db.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
            else:
                self._db.execute("PRAGMA journal_mode = WAL")
                self._db.execute("PRAGMA wal_autocheckpoint = 0")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.execute("BEGIN IMMEDIATE")
            for statement in SCHEMA.split(";"):
                self._db.execute(statement)
            self._db.execute("COMMIT")
            # From now on a wait must not block the event loop.
            self._db.execute("PRAGMA busy_timeout = 0")
        except sqlite3.Error as error:
            raise StoreError(f"{path}: {error}") from error

    def _write(self, step: Callable[[sqlite3.Connection], T]) -> "asyncio.Future[T]":
        """Run a step in the next transaction. A step that refuses must do so before it writes anything."""
        future = self._begin()
        self._queue.append((future, step))
        return future

    def _begin(self) -> "asyncio.Future[Any]":
        """Return a future for what the next transaction does."""
        loop = asyncio.get_running_loop()
        if not self._queue and not self._sales:
            self._waiting_since = loop.time()
            loop.call_soon(self._gather, 0, 0)
        return loop.create_future()

    def _gather(self, seen: int, turns: int) -> None:
        """Commit what waits, as soon as a turn of the event loop brings no more of it."""
        waiting = len(self._queue) + len(self._sales)
        if waiting > seen and turns < self._gathering:
            asyncio.get_running_loop().call_soon(self._gather, waiting, turns + 1)
        else:
            self._commit()

    def _commit(self) -> None:
        """Do in one transaction what has been asked for since the last."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            loop = asyncio.get_running_loop()
            if _is_busy(error) and loop.time() - self._waiting_since < BUSY_LONGEST:
                loop.call_later(BUSY_SECONDS, self._commit)
            else:
                self._fail(error)
            return
        outcomes: list[tuple[asyncio.Future[Any], Any, Exception | None]] = []
        try:
            self._forget_what_others_changed()
            self._sell(outcomes)
            for future, step in self._queue:
                if future.cancelled():
                    continue
                try:
                    outcomes.append((future, step(self._db), None))
                except (InsufficientBalance, TooManyRequests, StoreError) as refusal:
                    outcomes.append((future, None, refusal))
            self._write_journal()
            self._db.execute("COMMIT")
        except Exception as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            self._fail(error)
            return
        if self._queue:
            self._forget()  # a step may have changed anything
        self._queue.clear()
        self._sales.clear()
        for future, value, refusal in outcomes:
            if future.cancelled():
                continue
            if refusal is None:
                future.set_result(value)
            else:
                future.set_exception(refusal)

    def _fail(self, error: Exception) -> None:
        """Tell everybody who waits that nothing was written."""
        waiting = [future for future, *_ in (*self._queue, *self._sales)]
        self._forget()
        self._queue.clear()
        self._sales.clear()
        self._lines.clear()
        for future in waiting:
            if not future.done():
                failure = StoreError(str(error))
                failure.__cause__ = error
                future.set_exception(failure)

    def _sell(self, outcomes: list[tuple["asyncio.Future[Any]", Any, Exception | None]]) -> None:
        """Book the charges for which nothing is held: each account is read and written once for all of them."""
        if not self._sales:
            return
        accounts: dict[tuple[str, str], list[int]] = {}
        rows: list[ChargeRow] = []
        for future, row, line in self._sales:
            if future.cancelled():
                continue
            owner, amount = (row[2], row[4]), row[8]
            if owner not in accounts:
                accounts[owner] = [(self._account_of(owner) or (0,))[0], 0]
            balance, spent = accounts[owner]
            if not _covers(balance - spent, amount):
                outcomes.append((future, None, InsufficientBalance()))
                continue
            accounts[owner][1] = spent + amount
            rows.append(row)
            self._lines.append(line)
            outcomes.append((future, None, None))
        self._db.executemany(BOOK, rows)
        update = "UPDATE accounts SET balance = balance - ?1, spent = spent + ?1 WHERE provider = ?2 AND key = ?3"
        self._db.executemany(update, [(spent, *owner) for owner, (_, spent) in accounts.items()])
        for owner in accounts:
            self._own.pop(owner, None)

    def _account_of(self, owner: tuple[str, str]) -> tuple[int, int | None] | None:
        """Return balance and limit of an account."""
        found = self._own.get(owner)
        if found is None:
            query = "SELECT balance, requests_per_minute FROM accounts WHERE provider = ? AND key = ?"
            rows = self._read(query, owner)
            if not rows:
                return None
            found = self._own[owner] = rows[0]
        return found

    def _forget(self) -> None:
        self._own.clear()
        self._shared = None

    def _forget_what_others_changed(self) -> None:
        if self.is_shared:
            version = self._read("PRAGMA data_version")[0][0]
            if version != self._version:
                self._version = version
                self._forget()

    def _look(self) -> None:
        """Find out, once a turn of the event loop, whether another process has changed something."""
        if self.is_shared and not self._has_looked:
            self._has_looked = True
            asyncio.get_running_loop().call_soon(self._end_of_turn)
            self._forget_what_others_changed()

    def _end_of_turn(self) -> None:
        self._has_looked = False

    def _write_journal(self) -> None:
        """Keep the entries of a transaction as one row; rows leave when what is newer fills the journal."""
        lines, self._lines = self._lines, []
        if not lines:
            return
        values = (len(lines), b"[" + b",".join(lines) + b"]")
        self._db.execute("INSERT INTO journal (length, entries) VALUES (?, ?)", values)
        if self._checkpoints is not None:
            self._checkpoints.wrote(len(values[1]))
        self._untrimmed += len(lines)
        if self._untrimmed < TRIM_EVERY:
            return
        self._untrimmed = 0
        newer = (
            "SELECT seq, sum(length) OVER newest - length AS entries, sum(length(entries)) OVER newest AS bytes "
            "FROM journal WINDOW newest AS (ORDER BY seq DESC)"
        )
        surplus = f"SELECT max(seq) FROM ({newer}) WHERE entries >= ? OR bytes > ?"
        self._db.execute(f"DELETE FROM journal WHERE seq <= ({surplus})", (self._journal_max, JOURNAL_BYTES))

    def _read(self, query: str, values: Sequence[Any] = ()) -> list[Any]:
        try:
            return self._db.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise StoreError(str(error)) from error

    def setting(self, name: str, default: str) -> str:
        """Return a value that all workers share, and that restarts keep; the default is kept where there is none."""
        self._now("INSERT OR IGNORE INTO settings VALUES (?, ?)", (name, default))
        return self._read("SELECT value FROM settings WHERE name = ?", (name,))[0][0]

    def register(self) -> int:
        """Return a number that no other process has had on this state."""
        return self._now("UPDATE shared SET processes = processes + 1 RETURNING processes - 1", ())[0][0]

    def _now(self, statement: str, values: Sequence[Any]) -> list[Any]:
        """Write at start-up, where waiting harms nobody."""
        self._db.execute(f"PRAGMA busy_timeout = {int(BUSY_LONGEST * 1000)}")
        try:
            return self._read(statement, values)
        finally:
            self._db.execute("PRAGMA busy_timeout = 0")

    async def shared(self) -> Shared:
        """Return what may have been changed by another process."""
        self._look()
        if self._shared is None:
            self._shared = Shared(*self._read("SELECT offset, plan FROM shared")[0])
        return self._shared

    async def move_clock(self, seconds: float | None) -> float:
        """Add to the clock's offset, or with None set it to 0, and return it."""

        def step(db: sqlite3.Connection) -> float:
            moved = "UPDATE shared SET offset = CASE WHEN ?1 IS NULL THEN 0.0 ELSE offset + ?1 END RETURNING offset"
            return db.execute(moved, (seconds,)).fetchall()[0][0]

        return await self._write(step)

    async def set_faults(self, faults: Sequence[Mapping[str, JSON]]) -> None:
        """Replace the fault plan."""
        rows = [(fault.get("times"), orjson.dumps(fault)) for fault in faults]

        def step(db: sqlite3.Connection) -> None:
            db.execute("UPDATE shared SET plan = plan + 1")
            db.execute("DELETE FROM faults")
            db.executemany("INSERT INTO faults (left, fault) VALUES (?, ?)", rows)

        await self._write(step)

    async def faults(self) -> Mapping[str, Mapping[str, JSON]]:
        """Return the faults by id, in order, each with the `times` that are left."""
        found: dict[str, Mapping[str, JSON]] = {}
        for id_, left, fault in self._read("SELECT id, left, fault FROM faults WHERE left IS NOT 0 ORDER BY id"):
            found[str(id_)] = orjson.loads(fault) | ({} if left is None else {"times": left})
        return found

    async def use_fault(self, fault_id: str) -> bool:
        """Count down a fault that has `times`. Returns False where none is left."""
        count = "UPDATE faults SET left = left - 1 WHERE id = ? AND left > 0"
        return await self._write(lambda db: db.execute(count, (int(fault_id),)).rowcount > 0)

    def _open(self, db: sqlite3.Connection, defaults: AccountDefaults) -> Account:
        query = f"SELECT {ACCOUNT_COLUMNS} FROM accounts WHERE provider = ? AND key = ?"
        row = db.execute(query, (defaults.provider, defaults.key)).fetchone()
        if row is None:
            units = to_units(defaults.balance)
            row = (defaults.provider, defaults.key, defaults.currency, units, 0, 0, defaults.requests_per_minute)
            db.execute(f"INSERT INTO accounts ({ACCOUNT_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        return _account(row)

    async def account(self, defaults: AccountDefaults) -> Account:
        """Return the account, defaults it where there is none yet."""
        return await self._write(lambda db: self._open(db, defaults))

    async def change_account(self, defaults: AccountDefaults, changes: Mapping[str, JSON]) -> Account:
        """Set `balance` or `requests_per_minute` and return the account."""
        unknown = changes.keys() - {"balance", "requests_per_minute"}
        if unknown:
            raise ValueError(f"an account has no {', '.join(unknown)} to change")

        def step(db: sqlite3.Connection) -> Account:
            self._open(db, defaults)
            for column, value in changes.items():
                stored = to_units(value) if column == "balance" else value
                update = f"UPDATE accounts SET {column} = ? WHERE provider = ? AND key = ?"
                db.execute(update, (stored, defaults.provider, defaults.key))
            return self._open(db, defaults)

        return await self._write(step)

    async def admit(self, defaults: AccountDefaults, now: float) -> Decimal:
        """Count a request against its key's limit, over the last minute. Returns the balance."""
        owner = (defaults.provider, defaults.key)
        self._look()
        found = self._account_of(owner)
        if found is not None and found[1] is None:
            return Decimal(found[0]).scaleb(-PLACES)

        def step(db: sqlite3.Connection) -> Decimal:
            account = self._open(db, defaults)
            per_minute = account.requests_per_minute
            if per_minute is not None:
                db.execute("DELETE FROM hits WHERE provider = ? AND key = ? AND at <= ?", (*owner, now - MINUTE))
                latest = "SELECT at FROM hits WHERE provider = ? AND key = ? ORDER BY at DESC LIMIT ?"
                times = db.execute(latest, (*owner, per_minute)).fetchall()
                if len(times) >= per_minute:
                    raise TooManyRequests(per_minute, times[-1][0] + MINUTE - now if times else MINUTE)
                db.execute("INSERT INTO hits VALUES (?, ?, ?)", (*owner, now))
            return account.balance

        return await self._write(step)

    async def reserve(self, defaults: AccountDefaults, request_id: str, amount: Decimal, until: float | None) -> None:
        """Take the amount off the balance and hold it for the request."""
        units = to_units(amount)

        def step(db: sqlite3.Connection) -> None:
            self._open(db, defaults)
            _hold(db, defaults.provider, defaults.key, units)
            values = (request_id, defaults.provider, defaults.key, units, until)
            db.execute("INSERT INTO holds VALUES (?, ?, ?, ?, ?)", values)

        await self._write(step)

    async def release(self, provider: str, key: str, request_id: str) -> None:
        """Give back what is held for the request, if anything is."""
        await self._write(lambda db: _settle(db, (request_id, provider, key), 0))

    async def release_expired(self) -> None:
        """Give back what requests hold whose process has died."""

        def step(db: sqlite3.Connection) -> None:
            expired = "SELECT request_id, provider, key FROM holds WHERE until < ?"
            for hold in db.execute(expired, (time.time(),)).fetchall():
                _settle(db, hold, 0)

        await self._write(step)

    async def charge(self, charge: Charge, entry: Mapping[str, JSON], *, is_held: bool) -> None:
        """Book the charge, and put what the journal says of its request beside it."""
        row, line = charge_row(charge), orjson.dumps([charge.key, entry])
        if not is_held:
            future = self._begin()
            self._sales.append((future, row, line))
            await future
            return

        def step(db: sqlite3.Connection) -> None:
            _book(db, row)
            self._lines.append(line)

        await self._write(step)

    async def add_task(self, task: Task) -> None:
        """Keep a new task."""
        values = (task.id, task.provider, task.key, task.ends, 0, dump(task))
        await self._write(lambda db: db.execute("INSERT INTO tasks VALUES (?, ?, ?, ?, ?, ?)", values))

    async def task(self, task_id: str) -> Task | None:
        """Return a task."""
        rows = self._read("SELECT task FROM tasks WHERE id = ?", (task_id,))
        return load_task(rows[0][0]) if rows else None

    async def tasks(self, selection: Selection) -> Sequence[Task]:
        """Return tasks, newest first."""
        where, values = _where(selection, ("provider", "key"))
        rows = self._read(f"SELECT task FROM tasks{where} ORDER BY rowid DESC LIMIT ?", (*values, selection.limit))
        return [load_task(row[0]) for row in rows]

    async def finished_tasks(self, now: float) -> Sequence[Task]:
        """Return the tasks that have ended and were not settled."""
        rows = self._read("SELECT task FROM tasks WHERE settled = 0 AND ends <= ? ORDER BY ends", (now,))
        return [load_task(row[0]) for row in rows]

    async def finish_task(self, task: Task, charge: Charge | None, deliveries: Sequence[Delivery]) -> bool:
        """Settle a task, once."""
        settled = dump(replace(task, settled=True))
        row = None if charge is None else charge_row(charge)

        def step(db: sqlite3.Connection) -> bool:
            update = "UPDATE tasks SET settled = 1, task = ? WHERE id = ? AND settled = 0"
            if not db.execute(update, (settled, task.id)).rowcount:
                return False
            # Nothing is held any more where the ledger was reset meanwhile: then nothing is due either.
            is_held = db.execute("SELECT 1 FROM holds WHERE request_id = ?", (task.request_id,)).fetchone() is not None
            if is_held and row is not None:
                _book(db, row)
            elif is_held:
                _settle(db, (task.request_id, task.provider, task.key), 0)
            for delivery in deliveries:
                _put_delivery(db, delivery)
            return True

        return await self._write(step)

    async def claim_delivery(self, now: float, lease: float) -> Delivery | None:
        """Return a callback that is due, and keep others from it until the lease ends."""
        waiting = "SELECT id FROM deliveries WHERE state IN ('waiting', 'held')"
        due = f"{waiting} AND due <= ? AND lease < ? ORDER BY due LIMIT 1"
        claim = f"UPDATE deliveries SET lease = ? WHERE id = ({due}) RETURNING delivery"
        if not self._read(due, (now, time.time())):
            return None
        rows = await self._write(lambda db: db.execute(claim, (lease, now, time.time())).fetchall())
        return load_delivery(rows[0][0]) if rows else None

    async def set_delivery(self, delivery: Delivery) -> None:
        """Keep a callback's new state, and end the claim to it."""
        await self._write(lambda db: _put_delivery(db, delivery))

    async def deliveries(self, task_id: str | None) -> Sequence[Delivery]:
        """Return the callbacks of a task, or all, oldest first."""
        query = "SELECT delivery FROM deliveries WHERE ? IS NULL OR task_id = ? ORDER BY rowid"
        return [load_delivery(row[0]) for row in self._read(query, (task_id, task_id))]

    async def release_held(self, key: str, now: float) -> None:
        """Let the callbacks of a key go that were held until another had gone out."""

        def step(db: sqlite3.Connection) -> None:
            rows = db.execute("SELECT delivery FROM deliveries WHERE state = 'held' AND key = ?", (key,)).fetchall()
            for row in rows:
                _put_delivery(db, replace(load_delivery(row[0]), state="waiting", due=now))

        await self._write(step)

    async def has_work(self) -> bool:
        """Tell whether a task or a callback is still under way."""
        query = (
            "SELECT EXISTS (SELECT 1 FROM tasks WHERE settled = 0) "
            "OR EXISTS (SELECT 1 FROM deliveries WHERE state IN ('waiting', 'held'))"
        )
        return bool(self._read(query)[0][0])

    async def accounts(self, selection: Selection) -> Sequence[Account]:
        """Return the accounts, oldest first."""
        where, values = _where(selection, ("provider", "key"))
        rows = self._read(f"SELECT {ACCOUNT_COLUMNS} FROM accounts{where} ORDER BY rowid", values)
        return [_account(row) for row in rows]

    async def charges(self, selection: Selection) -> Sequence[Charge]:
        """Return the charges, newest first."""
        where, values = _where(selection, ("provider", "key", "request_id"))
        query = f"SELECT {', '.join(CHARGE_COLUMNS)} FROM charges{where} ORDER BY seq DESC LIMIT ?"
        # Request ids have no index: they are random, so each would change another page, which costs a request more than
        # the rest of its charge. A search goes on after the first: a request charged twice must not look right.
        return [load_charge(row) for row in self._read(query, (*values, selection.limit))]

    async def record(self, entry: Mapping[str, JSON], key: str) -> None:
        """Put an entry into the journal; the oldest leave when it is full."""
        line = orjson.dumps([key, entry])
        await self._write(lambda _: self._lines.append(line))

    async def journal(self, selection: Selection) -> Sequence[Mapping[str, JSON]]:
        """Return journal entries, newest first."""
        found: list[Mapping[str, JSON]] = []
        left = self._journal_max
        before = LAST_SEQ
        while len(found) < selection.limit and left > 0:
            page = "SELECT seq, entries FROM journal WHERE seq < ? ORDER BY seq DESC LIMIT 1"
            rows = self._read(page, (before,))
            if not rows:
                break
            before, entries = rows[0]
            newest_first = list(reversed(orjson.loads(entries)))[:left]
            left -= len(newest_first)
            found += [entry for key, entry in newest_first if selection.fits(key, entry)]
        return found[: selection.limit]

    async def fetched(self, fetch: Fetch) -> None:
        """Note that a picture was asked for, once however often; the oldest such notes leave when they are many."""
        if self._read("SELECT 1 FROM fetches WHERE path = ? AND is_expired = ?", fetch):
            return

        def step(db: sqlite3.Connection) -> None:
            db.execute("INSERT OR IGNORE INTO fetches (path, is_expired) VALUES (?, ?)", fetch)
            db.execute("DELETE FROM fetches WHERE seq <= (SELECT max(seq) FROM fetches) - ?", (FETCHES,))

        await self._write(step)

    async def fetches(self) -> Sequence[Fetch]:
        """Return which pictures were asked for, the oldest first."""
        rows = self._read("SELECT path, is_expired FROM fetches ORDER BY seq")
        return [Fetch(path, bool(is_expired)) for path, is_expired in rows]

    async def keep(self, digest: str, data: bytes) -> None:
        """Keep some bytes under their digest; the longest unused leave when there is no room."""
        now = time.time()
        rows = self._read("SELECT used FROM kept WHERE digest = ?", (digest,))
        if rows and now - rows[0][0] < USED_SECONDS:
            return

        def step(db: sqlite3.Connection) -> None:
            db.execute("INSERT OR REPLACE INTO kept VALUES (?, ?, ?)", (digest, len(data), now))
            if db.execute("INSERT OR IGNORE INTO kept_data VALUES (?, ?)", (digest, data)).rowcount == 0:
                return
            if self._checkpoints is not None:
                self._checkpoints.wrote(len(data))
            (total,) = db.execute("SELECT sum(size) FROM kept").fetchone()
            for old, size in db.execute("SELECT digest, size FROM kept ORDER BY used").fetchall():
                if total <= KEPT_BYTES or old == digest:
                    break
                for table in ("kept", "kept_data"):
                    db.execute(f"DELETE FROM {table} WHERE digest = ?", (old,))
                total -= size

        await self._write(step)

    async def kept(self, digest: str) -> bytes | None:
        """Return what is kept under the digest."""
        rows = self._read("SELECT data FROM kept_data WHERE digest = ?", (digest,))
        return rows[0][0] if rows else None

    async def reset(self, what: str) -> None:
        """Forget `journal` (fetches too), `ledger` (accounts begin anew), `tasks`, `limits` or `all`."""
        tables = {
            "journal": ("journal", "fetches"),
            "ledger": ("charges", "holds", "accounts"),
            "tasks": ("tasks", "deliveries"),
            "limits": ("hits",),
        }
        names = [name for group in tables.values() for name in group] if what == "all" else tables[what]

        def step(db: sqlite3.Connection) -> None:
            for name in names:
                db.execute(f"DELETE FROM {name}")

        await self._write(step)

    async def close(self) -> None:
        """Let go of the database."""
        if self._checkpoints is not None:
            self._checkpoints.end()
        self._db.close()


def _where(selection: Selection, columns: tuple[str, ...]) -> tuple[str, tuple[JSON, ...]]:
    asked = [(column, getattr(selection, column)) for column in columns if getattr(selection, column) is not None]
    clause = " AND ".join(f"{column} = ?" for column, _ in asked)
    return (f" WHERE {clause}" if clause else ""), tuple(value for _, value in asked)


def _in_memory() -> str:
    """Return SQLite's name for a database that may move to an unnamed file; without a folder for that, in memory."""
    try:
        tempfile.gettempdir()
    except FileNotFoundError:
        return ":memory:"
    return ""


def _is_busy(error: sqlite3.Error) -> bool:
    return error.sqlite_errorcode & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


def _covers(balance: int, amount: int) -> bool:
    """Tell whether a balance is enough. An empty account may not work for nothing either: such a price is not known."""
    return balance >= amount and balance > 0


def _hold(db: sqlite3.Connection, provider: str, key: str, units: int) -> None:
    """Move an amount from what is left to what is reserved.

    An empty account may not work for nothing either: a price of 0 is a price that is not known.
    """
    update = (
        "UPDATE accounts SET balance = balance - ?1, reserved = reserved + ?1 "
        "WHERE provider = ?2 AND key = ?3 AND balance >= ?1 AND balance > 0"
    )
    if not db.execute(update, (units, provider, key)).rowcount:
        raise InsufficientBalance


def _settle(db: sqlite3.Connection, hold: tuple[str, str, str], spent: int) -> bool:
    """End a hold, known by its request, provider and key: what was spent is gone, the rest goes back."""
    _, provider, key = hold
    ended = "DELETE FROM holds WHERE request_id = ? AND provider = ? AND key = ? RETURNING amount"
    rows = db.execute(ended, hold).fetchall()
    if not rows:
        return False
    held = rows[0][0]
    db.execute(
        "UPDATE accounts SET balance = balance + ?, reserved = reserved - ?, spent = spent + ? "
        "WHERE provider = ? AND key = ?",
        (held - spent, held, spent, provider, key),
    )
    return True


def _book(db: sqlite3.Connection, row: ChargeRow) -> None:
    """Book a charge against its hold."""
    _, request_id, provider, _, key, _, _, _, units, _ = row
    if not _settle(db, (request_id, provider, key), units):
        raise StoreError(f"nothing is held any more for request {request_id}")
    db.execute(BOOK, row)


def _put_delivery(db: sqlite3.Connection, delivery: Delivery) -> None:
    values = (delivery.id, delivery.task_id, delivery.key, delivery.due, delivery.state, 0.0, dump(delivery))
    db.execute("INSERT OR REPLACE INTO deliveries VALUES (?, ?, ?, ?, ?, ?, ?)", values)


def _account(row: Sequence[Any]) -> Account:
    provider, key, currency, balance, reserved, spent, requests_per_minute = row
    amounts = from_units(balance), from_units(reserved), from_units(spent)
    return Account(provider, key, currency, *amounts, requests_per_minute)
