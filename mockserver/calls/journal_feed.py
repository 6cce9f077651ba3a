"""The newest journal entries for all open event streams: one query of the store serves them all."""

import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager

from qwenmock.mockserver.errors import StoreError
from qwenmock.mockserver.store.protocols import Selection, Store
from qwenmock.mockserver.store.records import JournalEntry

MAX_STREAMS = 100
MAX_ENTRIES = 50
"""Entries in one event: a page is for reading, however many requests a second there are."""
FRESH_SECONDS = 0.4


class JournalFeed:
    """Reads the store at most once in `FRESH_SECONDS`, and counts the streams.

    The store is polled, not the requests that pass here: so the answers of other workers are seen too, and an open page
    costs the same however many requests there are.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._entries: Sequence[JournalEntry] = ()
        self._read_at = -FRESH_SECONDS
        self._streams = 0

    @property
    def is_full(self) -> bool:
        """Whether no more streams can be opened."""
        return self._streams >= MAX_STREAMS

    @contextmanager
    def stream(self) -> Generator[None]:
        """Count a stream until the block ends."""
        self._streams += 1
        try:
            yield
        finally:
            self._streams -= 1

    async def newest(self) -> Sequence[JournalEntry]:
        """Return the newest entries, newest first; none if the store fails."""
        if time.monotonic() - self._read_at >= FRESH_SECONDS:
            self._read_at = time.monotonic()
            try:
                self._entries = list(await self._store.journal(Selection(limit=MAX_ENTRIES)))
            except StoreError:
                self._entries = ()
        return self._entries
