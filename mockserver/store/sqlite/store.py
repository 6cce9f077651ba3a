"""The SQLite store: all parts on one connection, and the reset that spans them."""

import sqlite3

from qwenmock.mockserver.store.protocols import ResetScope
from qwenmock.mockserver.store.sqlite.blobs import SqliteBlobs
from qwenmock.mockserver.store.sqlite.control import SqliteControl, clear_faults, reset_clock
from qwenmock.mockserver.store.sqlite.quick import SqliteQuick

TABLES = {
    "journal": ("fetches",),
    "ledger": ("charges", "holds", "accounts"),
    "tasks": ("tasks", "deliveries"),
    "limits": ("hits",),
}
"""Tables that each reset empties; that of the journal needs more."""


class SqliteStore(SqliteQuick, SqliteBlobs, SqliteControl):
    """A store in one SQLite database."""

    async def reset(self, what: ResetScope) -> None:
        """Delete state: `journal`, `ledger`, `tasks`, `limits`, `clock`, `faults` or `all` of these."""
        names = [name for group, tables in TABLES.items() if what in {group, "all"} for name in tables]

        def step(db: sqlite3.Connection) -> None:
            for name in names:
                db.execute(f"DELETE FROM {name}")
            if what in {"journal", "all"}:
                self._forget()
            if what in {"clock", "all"}:
                reset_clock(db)
            if what in {"faults", "all"}:
                clear_faults(db)

        await self._write(step)
