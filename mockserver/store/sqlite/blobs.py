"""Input images, uploads and long prompts in SQLite.

They are written and deleted in parts, each in a transaction of its own: 10 MB at once would keep all other requests
waiting for 10 to 50 ms.
"""

import asyncio
import sqlite3
import time
import weakref
from collections.abc import Iterator

from qwenmock.mockserver.store.records import KEPT_BYTES
from qwenmock.mockserver.store.sqlite.database import Database

USED_SECONDS = 60.0
"""Precision of the time when something was last used."""
PART = 2**20
"""Bytes in a row."""


class SqliteBlobs(Database):
    """The stored bytes."""

    def __init__(self, path: str | None, journal_max: int) -> None:
        super().__init__(path, journal_max)
        self._turns: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = weakref.WeakKeyDictionary()
        """By event loop: who may write a part. Without it, the parts of several requests come into one transaction."""

    async def keep(self, digest: str, data: bytes | bytearray) -> None:
        """Store some bytes; the least recently used are dropped when there is no room."""
        now = time.time()
        used = self._select(float, "SELECT used FROM kept WHERE digest = ?", digest)
        if used and now - used[0] < USED_SECONDS:
            return
        names = list(_names(digest, len(data)))
        # Whoever comes with the same bytes before all of them are here writes them too, as this is not used recently.
        await self._keep_part(
            names[0], data[:PART], (digest, len(data), now if len(names) == 1 else now - USED_SECONDS)
        )
        for number, name in enumerate(names[1:], 1):
            await self._keep_part(name, data[number * PART : (number + 1) * PART], None)
        if len(names) > 1:
            await self._write(lambda db: db.execute("UPDATE kept SET used = ? WHERE digest = ?", (now, digest)))
        await self._make_room(digest)

    async def _keep_part(self, name: str, part: bytes | bytearray, whole: tuple[str, int, float] | None) -> None:
        """Store a part; with the first, what is known of the whole."""

        def step(db: sqlite3.Connection) -> None:
            if whole is not None:
                db.execute("INSERT OR REPLACE INTO kept VALUES (?, ?, ?)", whole)
            if db.execute("INSERT OR IGNORE INTO kept_data VALUES (?, ?)", (name, part)).rowcount == 1:
                self._part_bytes += len(part)

        async with self._turns.setdefault(asyncio.get_running_loop(), asyncio.Lock()):
            await self._write(step)

    async def kept(self, digest: str) -> bytes | None:
        """Return the stored bytes, or None."""
        sizes = self._select(int, "SELECT size FROM kept WHERE digest = ?", digest)
        if not sizes:
            return None
        parts: list[bytes] = []
        for name in _names(digest, sizes[0]):
            if parts:
                await asyncio.sleep(0)  # other requests come first
            parts += self._select(bytes, "SELECT data FROM kept_data WHERE digest = ?", name)
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        return data if len(data) == sizes[0] else None

    async def _make_room(self, newest: str) -> None:
        """Drop the least recently used, but never the newest."""
        (total,) = self._select(int, "SELECT sum(size) FROM kept")
        if total <= KEPT_BYTES:
            return
        for digest, size in self._select(_sized, "SELECT digest, size FROM kept ORDER BY used"):
            if total <= KEPT_BYTES or digest == newest:
                break
            for name in _names(digest, size):
                await self._write(lambda db, name=name: db.execute("DELETE FROM kept_data WHERE digest = ?", (name,)))
            await self._write(lambda db, digest=digest: db.execute("DELETE FROM kept WHERE digest = ?", (digest,)))
            total -= size


def _names(digest: str, size: int) -> Iterator[str]:
    """Yield what the parts are stored under: the first under the digest itself."""
    yield digest
    for number in range(1, -(-size // PART)):
        yield f"{digest}/{number}"


def _sized(digest: str, size: int) -> tuple[str, int]:
    return digest, size
