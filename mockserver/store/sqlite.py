"""The store in SQLite: in memory, or a file that survives the process and may be shared by several.

The standard library's `sqlite3` is called directly: a transaction takes some ten microseconds, far less than handing
it to a thread. Amounts are whole billionths, so that sums are exact.
"""

import sqlite3
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from decimal import Decimal

import orjson

from qwenmock.mockserver.errors import StoreError
from qwenmock.mockserver.job import Account, Charge, Delivery, Task
from qwenmock.mockserver.money import from_units, to_units
from qwenmock.mockserver.store import InsufficientBalance, Opening, Selection
from qwenmock.schemas.vocabulary import JSON

SCHEMA = """
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS accounts (
    provider TEXT NOT NULL, key TEXT NOT NULL, currency TEXT NOT NULL,
    balance INTEGER NOT NULL, reserved INTEGER NOT NULL DEFAULT 0, requests_per_minute INTEGER,
    UNIQUE (provider, key)
);
CREATE TABLE IF NOT EXISTS holds (
    request_id TEXT PRIMARY KEY, provider TEXT NOT NULL, key TEXT NOT NULL, amount INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS charges (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL, request_id TEXT NOT NULL UNIQUE, provider TEXT NOT NULL,
    model TEXT NOT NULL, key TEXT NOT NULL, images INTEGER NOT NULL, unit_price INTEGER, currency TEXT NOT NULL,
    amount INTEGER NOT NULL, created REAL NOT NULL, log TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS hits (provider TEXT NOT NULL, key TEXT NOT NULL, at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS hits_of ON hits (provider, key, at);
CREATE TABLE IF NOT EXISTS journal (
    seq INTEGER PRIMARY KEY, provider TEXT NOT NULL, key TEXT NOT NULL, status INTEGER NOT NULL, entry BLOB NOT NULL
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
CREATE TABLE IF NOT EXISTS kept (
    digest TEXT PRIMARY KEY, data BLOB NOT NULL, size INTEGER NOT NULL, used INTEGER NOT NULL
);
"""
MINUTE = 60.0
JOURNAL_BYTES = 32 * 2**20
"""What the journal holds at the most, whatever its number of entries."""
KEPT_BYTES = 64 * 2**20
"""What is kept of pictures and long prompts at the most."""
TRIM_EVERY = 64
"""Entries between two looks at the journal's size."""
ACCOUNT_COLUMNS = "provider, key, currency, balance, reserved, requests_per_minute"
CHARGE_COLUMNS = "id, request_id, provider, model, key, images, unit_price, currency, amount, created, log"


class SqliteStore:
    """A store in one SQLite database.

    Args:
        path: The file; None for memory.
        journal_max: Entries the journal holds.

    Raises:
        StoreError: The file cannot be opened, or is no database.

    """

    def __init__(self, path: str | None, journal_max: int) -> None:
        self._journal_max = journal_max
        self._recorded = 0
        try:
            self._db = sqlite3.connect(path or ":memory:", isolation_level=None, timeout=30, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.executescript(SCHEMA)
        except sqlite3.Error as error:
            raise StoreError(f"{path}: {error}") from error

    @contextmanager
    def _transaction(self) -> Generator[sqlite3.Connection]:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            raise StoreError(str(error)) from error

    def _open(self, db: sqlite3.Connection, opening: Opening) -> tuple[str, int, int, int | None]:
        row = db.execute(
            "SELECT currency, balance, reserved, requests_per_minute FROM accounts WHERE provider = ? AND key = ?",
            (opening.provider, opening.key),
        ).fetchone()
        if row is None:
            row = (opening.currency, to_units(opening.balance), 0, opening.requests_per_minute)
            db.execute("INSERT INTO accounts VALUES (?, ?, ?, ?, ?, ?)", (opening.provider, opening.key, *row))
        return row

    async def account(self, opening: Opening) -> Account:
        """Return the account, opening it where there is none yet."""
        with self._transaction() as db:
            row = self._open(db, opening)
        return _account(opening.provider, opening.key, *row)

    async def change_account(self, opening: Opening, changes: Mapping[str, JSON]) -> Account:
        """Set `balance` or `requests_per_minute` and return the account."""
        with self._transaction() as db:
            self._open(db, opening)
            for column, value in changes.items():
                if column not in {"balance", "requests_per_minute"}:
                    raise ValueError(f"an account has no {column} to change")
                stored = to_units(value) if column == "balance" else value
                db.execute(
                    f"UPDATE accounts SET {column} = ? WHERE provider = ? AND key = ?",
                    (stored, opening.provider, opening.key),
                )
            row = self._open(db, opening)
        return _account(opening.provider, opening.key, *row)

    async def admit(self, provider: str, key: str, now: float, per_minute: int) -> float:
        """Count a request against its key's limit, over the last minute."""
        with self._transaction() as db:
            db.execute("DELETE FROM hits WHERE provider = ? AND key = ? AND at <= ?", (provider, key, now - MINUTE))
            times = db.execute(
                "SELECT at FROM hits WHERE provider = ? AND key = ? ORDER BY at DESC LIMIT ?",
                (provider, key, per_minute),
            ).fetchall()
            if per_minute == 0:
                return MINUTE
            if len(times) >= per_minute:
                return times[-1][0] + MINUTE - now
            db.execute("INSERT INTO hits VALUES (?, ?, ?)", (provider, key, now))
        return 0.0

    async def reserve(self, opening: Opening, request_id: str, amount: Decimal) -> None:
        """Take the amount off the balance and hold it for the request."""
        units = to_units(amount)
        with self._transaction() as db:
            balance = self._open(db, opening)[1]
            # An empty account may not work for nothing either: a price of 0 is a price that is not known.
            if balance < units or balance == 0:
                raise InsufficientBalance
            db.execute(
                "UPDATE accounts SET balance = balance - ?, reserved = reserved + ? WHERE provider = ? AND key = ?",
                (units, units, opening.provider, opening.key),
            )
            db.execute("INSERT INTO holds VALUES (?, ?, ?, ?)", (request_id, opening.provider, opening.key, units))

    async def release(self, request_id: str) -> None:
        """Give back what is held for the request, if anything is."""
        with self._transaction() as db:
            self._settle(db, request_id, 0)

    def _settle(self, db: sqlite3.Connection, request_id: str, spent: int) -> bool:
        """End a hold: what was spent is gone, the rest goes back."""
        row = db.execute(
            "DELETE FROM holds WHERE request_id = ? RETURNING provider, key, amount", (request_id,)
        ).fetchone()
        if row is None:
            return False
        provider, key, held = row
        db.execute(
            "UPDATE accounts SET balance = balance + ?, reserved = reserved - ? WHERE provider = ? AND key = ?",
            (held - spent, held, provider, key),
        )
        return True

    async def charge(self, charge: Charge) -> None:
        """Book the charge against what is held for its request, and give the rest back."""
        with self._transaction() as db:
            self._book(db, charge)

    def _book(self, db: sqlite3.Connection, charge: Charge) -> None:
        units = to_units(charge.amount)
        if not self._settle(db, charge.request_id, units):
            raise StoreError(f"nothing is held for request {charge.request_id}")
        db.execute(
            f"INSERT INTO charges ({CHARGE_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                charge.id,
                charge.request_id,
                charge.provider,
                charge.model,
                charge.key,
                charge.images,
                None if charge.unit_price is None else to_units(charge.unit_price),
                charge.currency,
                units,
                charge.created,
                orjson.dumps(charge.log),
            ),
        )

    async def add_task(self, task: Task) -> None:
        """Keep a new task."""
        with self._transaction() as db:
            values = (task.id, task.provider, task.key, task.ends, 0, _dump(task))
            db.execute("INSERT INTO tasks VALUES (?, ?, ?, ?, ?, ?)", values)

    async def task(self, task_id: str) -> Task | None:
        """Return a task."""
        row = self._db.execute("SELECT task FROM tasks WHERE id = ?", (task_id,)).fetchone()
        return None if row is None else _task(row[0])

    async def tasks(self, selection: Selection) -> Sequence[Task]:
        """Return tasks, newest first."""
        where, values = _where(selection, ("provider", "key"))
        rows = self._db.execute(
            f"SELECT task FROM tasks{where} ORDER BY rowid DESC LIMIT ?", (*values, selection.limit)
        )
        return [_task(row[0]) for row in rows]

    async def due_tasks(self, now: float) -> Sequence[Task]:
        """Return the tasks that have ended and were not settled."""
        rows = self._db.execute("SELECT task FROM tasks WHERE settled = 0 AND ends <= ? ORDER BY ends", (now,))
        return [_task(row[0]) for row in rows]

    async def finish_task(self, task: Task, charge: Charge | None, deliveries: Sequence[Delivery]) -> bool:
        """Settle a task, once."""
        with self._transaction() as db:
            update = "UPDATE tasks SET settled = 1, task = ? WHERE id = ? AND settled = 0"
            if not db.execute(update, (_dump(replace(task, settled=True)), task.id)).rowcount:
                return False
            if charge is None:
                self._settle(db, task.request_id, 0)
            else:
                self._book(db, charge)
            for delivery in deliveries:
                self._put_delivery(db, delivery)
        return True

    def _put_delivery(self, db: sqlite3.Connection, delivery: Delivery) -> None:
        values = (delivery.id, delivery.task_id, delivery.key, delivery.due, delivery.state, 0.0, _dump(delivery))
        db.execute("INSERT OR REPLACE INTO deliveries VALUES (?, ?, ?, ?, ?, ?, ?)", values)

    async def claim_delivery(self, now: float, lease: float) -> Delivery | None:
        """Return a callback that is due, and keep others from it until the lease ends."""
        with self._transaction() as db:
            row = db.execute(
                "SELECT id, delivery FROM deliveries WHERE state IN ('waiting', 'held') AND due <= ? AND lease < ? "
                "ORDER BY due LIMIT 1",
                (now, time.time()),
            ).fetchone()
            if row is None:
                return None
            db.execute("UPDATE deliveries SET lease = ? WHERE id = ?", (lease, row[0]))
        return _delivery(row[1])

    async def set_delivery(self, delivery: Delivery) -> None:
        """Keep a callback's new state, and end the claim to it."""
        with self._transaction() as db:
            self._put_delivery(db, delivery)

    async def deliveries(self, task_id: str | None) -> Sequence[Delivery]:
        """Return the callbacks of a task, or all, oldest first."""
        query = "SELECT delivery FROM deliveries WHERE ? IS NULL OR task_id = ? ORDER BY rowid"
        return [_delivery(row[0]) for row in self._db.execute(query, (task_id, task_id))]

    async def release_held(self, key: str, now: float) -> None:
        """Let the callbacks of a key go that were held until another had gone out."""
        with self._transaction() as db:
            rows = db.execute("SELECT delivery FROM deliveries WHERE state = 'held' AND key = ?", (key,)).fetchall()
            for row in rows:
                self._put_delivery(db, replace(_delivery(row[0]), state="waiting", due=now))

    async def has_work(self) -> bool:
        """Tell whether a task or a callback is still under way."""
        query = (
            "SELECT EXISTS (SELECT 1 FROM tasks WHERE settled = 0) "
            "OR EXISTS (SELECT 1 FROM deliveries WHERE state IN ('waiting', 'held'))"
        )
        return bool(self._db.execute(query).fetchone()[0])

    async def accounts(self, selection: Selection) -> Sequence[Account]:
        """Return the accounts, oldest first."""
        where, values = _where(selection, ("provider", "key"))
        rows = self._db.execute(
            f"SELECT {ACCOUNT_COLUMNS} FROM accounts{where} ORDER BY rowid",
            values,
        )
        return [_account(*row) for row in rows]

    async def charges(self, selection: Selection) -> Sequence[Charge]:
        """Return the charges, newest first."""
        where, values = _where(selection, ("provider", "key", "request_id"))
        rows = self._db.execute(
            f"SELECT {CHARGE_COLUMNS} FROM charges{where} ORDER BY seq DESC LIMIT ?", (*values, selection.limit)
        )
        return [_charge(row) for row in rows]

    async def record(self, entry: Mapping[str, JSON], key: str) -> None:
        """Put an entry into the journal; the oldest leave when it is full."""
        with self._transaction() as db:
            db.execute(
                "INSERT INTO journal (provider, key, status, entry) VALUES (?, ?, ?, ?)",
                (entry["provider"], key, entry["status"], orjson.dumps(entry)),
            )
            self._recorded += 1
            if self._recorded % TRIM_EVERY == 0 or self._journal_max < TRIM_EVERY:
                self._trim(db)

    def _trim(self, db: sqlite3.Connection) -> None:
        db.execute(
            "DELETE FROM journal WHERE seq <= (SELECT seq FROM journal ORDER BY seq DESC LIMIT 1 OFFSET ?)",
            (self._journal_max,),
        )
        db.execute(
            "DELETE FROM journal WHERE seq <= (SELECT max(seq) FROM ("
            "SELECT seq, sum(length(entry)) OVER (ORDER BY seq DESC) AS total FROM journal) WHERE total > ?)",
            (JOURNAL_BYTES,),
        )

    async def journal(self, selection: Selection) -> Sequence[Mapping[str, JSON]]:
        """Return journal entries, newest first."""
        where, values = _where(selection, ("provider", "key", "status"))
        rows = self._db.execute(
            f"SELECT entry FROM journal{where} ORDER BY seq DESC LIMIT ?",
            (*values, min(selection.limit, self._journal_max)),
        )
        return [orjson.loads(row[0]) for row in rows]

    async def keep(self, digest: str, data: bytes) -> None:
        """Keep some bytes under their digest; the longest unused leave when there is no room."""
        with self._transaction() as db:
            (turn,) = db.execute("SELECT coalesce(max(used), 0) + 1 FROM kept").fetchone()
            if db.execute("UPDATE kept SET used = ? WHERE digest = ?", (turn, digest)).rowcount:
                return
            db.execute("INSERT INTO kept VALUES (?, ?, ?, ?)", (digest, data, len(data), turn))
            db.execute(
                "DELETE FROM kept WHERE digest IN (SELECT digest FROM ("
                "SELECT digest, sum(size) OVER (ORDER BY used DESC) AS total FROM kept) WHERE total > ?)",
                (max(KEPT_BYTES, len(data)),),
            )

    async def kept(self, digest: str) -> bytes | None:
        """Return what is kept under the digest."""
        row = self._db.execute("SELECT data FROM kept WHERE digest = ?", (digest,)).fetchone()
        return None if row is None else row[0]

    async def reset(self, what: str) -> None:
        """Forget `journal`, `ledger` (accounts begin anew), `limits` or `all`."""
        tables = {
            "journal": ("journal",),
            "ledger": ("charges", "holds", "accounts"),
            "tasks": ("tasks", "deliveries"),
            "limits": ("hits",),
        }
        names = [name for group in tables.values() for name in group] if what == "all" else tables[what]
        with self._transaction() as db:
            for name in names:
                db.execute(f"DELETE FROM {name}")

    def setting(self, name: str, default: str) -> str:
        """Return a value that all workers share, and that restarts keep; the default is kept where there is none."""
        with self._transaction() as db:
            db.execute("INSERT OR IGNORE INTO settings VALUES (?, ?)", (name, default))
            return db.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()[0]

    async def close(self) -> None:
        """Let go of the database."""
        self._db.close()


def _where(selection: Selection, columns: tuple[str, ...]) -> tuple[str, tuple[JSON, ...]]:
    asked = [(column, getattr(selection, column)) for column in columns if getattr(selection, column) is not None]
    clause = " AND ".join(f"{column} = ?" for column, _ in asked)
    return (f" WHERE {clause}" if clause else ""), tuple(value for _, value in asked)


def _dump(value: Task | Delivery) -> bytes:
    return orjson.dumps(asdict(value), default=str)


def _task(data: bytes) -> Task:
    values: dict[str, JSON] = orjson.loads(data)
    values |= {"urls": tuple(values["urls"]), "reserved": Decimal(values["reserved"])}
    return Task(**values)


def _delivery(data: bytes) -> Delivery:
    values: dict[str, JSON] = orjson.loads(data)
    values["attempts"] = tuple(values["attempts"])
    return Delivery(**values)


def _account(
    provider: str, key: str, currency: str, balance: int, reserved: int, requests_per_minute: int | None
) -> Account:
    return Account(provider, key, currency, from_units(balance), from_units(reserved), requests_per_minute)


def _charge(row: Sequence[JSON]) -> Charge:
    id_, request_id, provider, model, key, images, unit_price, currency, amount, created, log = row
    return Charge(
        id=id_,
        request_id=request_id,
        provider=provider,
        model=model,
        key=key,
        images=images,
        unit_price=None if unit_price is None else from_units(unit_price),
        currency=currency,
        amount=from_units(amount),
        created=created,
        log=orjson.loads(log),
    )
