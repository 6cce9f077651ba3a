"""The journal and the image fetches in Redis."""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence

from qwenmock.mockserver.store.compact import Line
from qwenmock.mockserver.store.protocols import Fetch, Selection
from qwenmock.mockserver.store.records import FETCHES, JOURNAL_BYTES, JournalEntry, NewEntry, dump_entry, load_entries
from qwenmock.mockserver.store.redis.connection import PREFIX, Connection

ENTRIES = f"{PREFIX}{{journal}}:entries"
BYTES = f"{PREFIX}{{journal}}:bytes"
WRITTEN = f"{PREFIX}{{journal}}:written"
FETCHED = f"{PREFIX}{{journal}}:fetches"
PAGE = 200
"""Journal entries that are read at once."""


class RedisJournal(Connection):
    """The journal: a list of entries."""

    async def record(self, entry: NewEntry, key: str) -> None:
        """Add an entry to the journal; the oldest entries are dropped when it is full."""
        await self._run("record", (ENTRIES, BYTES, WRITTEN), self._journal_max, JOURNAL_BYTES, dump_entry(entry, key))

    async def journal(self, selection: Selection) -> Sequence[JournalEntry]:
        """Return the journal entries, newest first."""
        found: list[JournalEntry] = []
        async for lines in self._pages():
            found += [entry for key, entry in lines if selection.matches(key, entry)]
            if len(found) >= selection.limit:
                break
        return found[: selection.limit]

    async def read_journal(self) -> AsyncGenerator[Sequence[Line]]:
        """Yield the lines of the journal, newest first, some at a time; none that comes meanwhile."""
        async for lines in self._pages():
            yield lines

    async def _pages(self) -> AsyncGenerator[Sequence[tuple[str, JournalEntry]]]:
        began = ""
        for start in range(0, self._journal_max, PAGE):
            written, *lines = await self._run("journal_page", (ENTRIES, WRITTEN), began, start, PAGE)
            began = began or written
            yield load_entries(b"[" + b",".join(lines) + b"]")
            if len(lines) < PAGE:
                return

    async def journal_length(self) -> int:
        """Return the number of entries in the journal."""
        return await self._call("LLEN", ENTRIES)

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
        # Not the number of entries that were written: a search that is going on counts from it.
        await self._call("DEL", ENTRIES, BYTES, FETCHED)
