"""The newest lines of the journal for all open event streams: one look at the store serves them all."""

import asyncio
import time
from collections import deque
from collections.abc import Generator, Sequence
from contextlib import contextmanager

from qwenmock.mockserver.store.compact import Line
from qwenmock.mockserver.store.protocols import Store
from qwenmock.mockserver.store.search import Cursor, cursor_of

MAX_STREAMS = 100
MAX_ENTRIES = 50
"""Entries in one event: a page is for reading, however many requests a second there are."""
FRESH_SECONDS = 0.4
KEPT_LOOKS = 8
"""A stream that falls behind by more begins anew."""


class JournalFeed:
    """Looks at the store at most once in `FRESH_SECONDS`, and counts the streams.

    The store is polled, not the requests that pass here: so the answers of other workers are seen too, and an open page
    costs the same however many requests there are. No line is left out: a stream can search for a rare one.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._looks: deque[Sequence[Line]] = deque(maxlen=KEPT_LOOKS)
        self._number = 0
        self._newest: Cursor | None = None
        self._looked_at = -FRESH_SECONDS
        self._looking = asyncio.Lock()
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
            if not self._streams:
                self._looks.clear()

    async def begin(self) -> int:
        """Return the number of the present look; what comes later has a higher one."""
        async with self._looking:
            if not self._looks:
                self._newest = await self._first()
                self._looked_at = time.monotonic()
                self._number += 1
                self._looks.append(())
            return self._number

    async def since(self, number: int) -> tuple[int, Sequence[Line]] | None:
        """Return the number of the present look, and the lines that came after another one, newest first.

        None if they are no longer known.

        Raises:
            StoreError: The store fails.

        """
        async with self._looking:
            if time.monotonic() - self._looked_at >= FRESH_SECONDS:
                self._looks.append(await self._look())
                self._looked_at = time.monotonic()
                self._number += 1
            looks = self._number - number
            if looks > len(self._looks):
                return None
            return self._number, [
                line for lines in reversed(list(self._looks)[len(self._looks) - looks :]) for line in lines
            ]

    async def _first(self) -> Cursor | None:
        async for lines in self._store.read_journal():
            return cursor_of(lines[0]) if lines else None
        return None

    async def _look(self) -> Sequence[Line]:
        found: list[Line] = []
        newest = self._newest
        async for lines in self._store.read_journal():
            known = next((at for at, line in enumerate(lines) if cursor_of(line) == newest), None)
            found += lines[:known]
            if known is not None:
                break
        if found:
            self._newest = cursor_of(found[0])
        return found
