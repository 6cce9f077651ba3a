"""The journal and the image fetches in Redis."""

import asyncio
import time
from collections.abc import Sequence

from qwenmock.mockserver.store.protocols import Fetch, Selection
from qwenmock.mockserver.store.records import FETCHES, JOURNAL_BYTES, JournalEntry, NewEntry, dump_entry, load_entries
from qwenmock.mockserver.store.redis.connection import PREFIX, Connection

ENTRIES = f"{PREFIX}{{journal}}:entries"
BYTES = f"{PREFIX}{{journal}}:bytes"
FETCHED = f"{PREFIX}{{journal}}:fetches"
PAGE = 200
"""Journal entries that are read at once."""


class RedisJournal(Connection):
    """The journal: a list of entries."""

    async def record(self, entry: NewEntry, key: str) -> None:
        """Add an entry to the journal; the oldest entries are dropped when it is full."""
        await self._run("record", (ENTRIES, BYTES), self._journal_max, JOURNAL_BYTES, dump_entry(entry, key))

    async def journal(self, selection: Selection) -> Sequence[JournalEntry]:
        """Return the journal entries, newest first."""
        found: list[JournalEntry] = []
        for start in range(0, self._journal_max, PAGE):
            lines: list[bytes] = await self._call("LRANGE", ENTRIES, start, start + PAGE - 1)
            entries = load_entries(b"[" + b",".join(lines) + b"]")
            found += [entry for key, entry in entries if selection.matches(key, entry)]
            if len(found) >= selection.limit or len(lines) < PAGE:
                break
        return found[: selection.limit]

    async def fetched(self, fetch: Fetch) -> None:
        """Record that an image was fetched; a repeated fetch is recorded once. The oldest are dropped."""
        note = ("late:" if fetch.is_expired else "open:") + fetch.path
        await asyncio.gather(
            self._call("ZADD", FETCHED, "NX", time.time(), note),
            self._call("ZREMRANGEBYRANK", FETCHED, 0, -FETCHES - 1),
        )

    async def fetches(self) -> Sequence[Fetch]:
        """Return the recorded fetches, oldest first."""
        notes: list[bytes] = await self._call("ZRANGE", FETCHED, 0, -1)
        parts = [note.decode().partition(":") for note in notes]
        return [Fetch(path, word == "late") for word, _, path in parts]

    async def _reset_journal(self) -> None:
        await self._call("DEL", ENTRIES, BYTES, FETCHED)
