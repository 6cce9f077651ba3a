"""Input images, uploads and long prompts in SQLite."""

import sqlite3
import time

from qwenmock.mockserver.store.records import KEPT_BYTES
from qwenmock.mockserver.store.sqlite.database import Database

USED_SECONDS = 60.0
"""Precision of the time when something was last used."""


class SqliteBlobs(Database):
    """The stored bytes."""

    async def keep(self, digest: str, data: bytes) -> None:
        """Store some bytes; the least recently used are dropped when there is no room."""
        now = time.time()
        used = self._select(float, "SELECT used FROM kept WHERE digest = ?", digest)
        if used and now - used[0] < USED_SECONDS:
            return

        def step(db: sqlite3.Connection) -> None:
            db.execute("INSERT OR REPLACE INTO kept VALUES (?, ?, ?)", (digest, len(data), now))
            if db.execute("INSERT OR IGNORE INTO kept_data VALUES (?, ?)", (digest, data)).rowcount == 0:
                return
            if self._checkpoints is not None:
                self._checkpoints.wrote(len(data))
            _make_room(db, digest)

        await self._write(step)

    async def kept(self, digest: str) -> bytes | None:
        """Return the stored bytes, or None."""
        found = self._select(bytes, "SELECT data FROM kept_data WHERE digest = ?", digest)
        return found[0] if found else None


def _make_room(db: sqlite3.Connection, newest: str) -> None:
    """Drop the least recently used, but never the newest."""
    (total,) = db.execute("SELECT sum(size) FROM kept").fetchone()
    for digest, size in db.execute("SELECT digest, size FROM kept ORDER BY used").fetchall():
        if total <= KEPT_BYTES or digest == newest:
            break
        for table in ("kept", "kept_data"):
            db.execute(f"DELETE FROM {table} WHERE digest = ?", (digest,))
        total -= size
