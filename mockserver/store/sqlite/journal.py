"""The journal and the image fetches in SQLite."""

import sqlite3
from collections.abc import Sequence

from qwenmock.mockserver.store.protocols import Fetch, Selection
from qwenmock.mockserver.store.records import FETCHES, JOURNAL_BYTES, JournalEntry, NewEntry, dump_entry, load_entries
from qwenmock.mockserver.store.sqlite.database import Database

LAST_SEQ = 2**63 - 1
TRIM_EVERY = 256
"""Entries between two checks of the journal's length. Deleting many at once would delay requests."""


class SqliteJournal(Database):
    """The journal. The entries of one transaction are one row."""

    def __init__(self, path: str | None, journal_max: int) -> None:
        super().__init__(path, journal_max)
        self._lines: list[bytes] = []
        self._untrimmed = 0

    async def record(self, entry: NewEntry, key: str) -> None:
        """Add an entry to the journal; the oldest entries are dropped when it is full."""
        line = dump_entry(entry, key)
        await self._write(lambda _: self._lines.append(line))

    def _after_steps(self) -> None:
        super()._after_steps()
        lines, self._lines = self._lines, []
        if not lines:
            return
        entries = b"[" + b",".join(lines) + b"]"
        self._db.execute("INSERT INTO journal (length, entries) VALUES (?, ?)", (len(lines), entries))
        if self._checkpoints is not None:
            self._checkpoints.wrote(len(entries))
        self._untrimmed += len(lines)
        if self._untrimmed >= TRIM_EVERY:
            self._untrimmed = 0
            self._trim()

    def _trim(self) -> None:
        """Delete the rows that newer ones leave no room for."""
        newer = (
            "SELECT seq, sum(length) OVER newest - length AS entries, sum(length(entries)) OVER newest AS bytes "
            "FROM journal WINDOW newest AS (ORDER BY seq DESC)"
        )
        surplus = f"SELECT max(seq) FROM ({newer}) WHERE entries >= ? OR bytes > ?"
        self._db.execute(f"DELETE FROM journal WHERE seq <= ({surplus})", (self._journal_max, JOURNAL_BYTES))

    def _discard(self) -> None:
        super()._discard()
        self._lines.clear()

    async def journal(self, selection: Selection) -> Sequence[JournalEntry]:
        """Return the journal entries, newest first."""
        found: list[JournalEntry] = []
        left = self._journal_max
        before = LAST_SEQ
        while len(found) < selection.limit and left > 0:
            rows = self._select(
                _row, "SELECT seq, entries FROM journal WHERE seq < ? ORDER BY seq DESC LIMIT 1", before
            )
            if not rows:
                break
            before, entries = rows[0]
            newest_first = list(reversed(load_entries(entries)))[:left]
            left -= len(newest_first)
            found += [entry for key, entry in newest_first if selection.matches(key, entry)]
        return found[: selection.limit]

    async def fetched(self, fetch: Fetch) -> None:
        """Record that an image was fetched; a repeated fetch is recorded once. The oldest are dropped."""
        if self._select(int, "SELECT 1 FROM fetches WHERE path = ? AND is_expired = ?", *fetch):
            return

        def step(db: sqlite3.Connection) -> None:
            db.execute("INSERT OR IGNORE INTO fetches (path, is_expired) VALUES (?, ?)", fetch)
            db.execute("DELETE FROM fetches WHERE seq <= (SELECT max(seq) FROM fetches) - ?", (FETCHES,))

        await self._write(step)

    async def fetches(self) -> Sequence[Fetch]:
        """Return the recorded fetches, oldest first."""
        return self._select(_fetch, "SELECT path, is_expired FROM fetches ORDER BY seq")


def _row(seq: int, entries: bytes) -> tuple[int, bytes]:
    return seq, entries


def _fetch(path: str, is_expired: int) -> Fetch:
    return Fetch(path, bool(is_expired))
