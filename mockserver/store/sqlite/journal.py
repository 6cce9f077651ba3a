"""The journal and the image fetches in SQLite."""

import secrets
import sqlite3
from collections import deque
from collections.abc import AsyncGenerator, Iterator, Sequence

import orjson

from qwenmock.mockserver.store.compact import CompactEntry, Line, dump_compact, load_entries
from qwenmock.mockserver.store.protocols import Fetch, Selection
from qwenmock.mockserver.store.records import FETCHES, JOURNAL_BYTES, JournalEntry, NewEntry, dump_entry
from qwenmock.mockserver.store.sqlite import entry_files
from qwenmock.mockserver.store.sqlite.database import Database, Outcome, Waiter
from qwenmock.mockserver.store.sqlite.entry_files import Block, EntryFiles

MARK = "journal"
"""The setting with what tells the blocks of one database from those of another."""
LAST_SEQ = 2**63 - 1
LINES_AT_ONCE = 200
ROWS_AT_ONCE = 16
TRIM_EVERY = 256
"""Entries between two checks of the journal's length. Deleting many at once would delay requests."""


class SqliteJournal(Database):
    """The journal. Beside a file, the entries of one transaction are one block; that of a state in memory is a deque.

    Writing an entry of 2 KB into a table takes 7 µs, into a block 0.3 µs, keeping it in memory 0.1 µs.
    """

    _files: EntryFiles | None = None

    def __init__(self, path: str | None, journal_max: int) -> None:
        super().__init__(path, journal_max)
        self._lines: list[bytes] = []
        self._noted: list[Waiter] = []
        self._untrimmed = 0
        self._recent: deque[tuple[bytes | CompactEntry, int]] = deque()
        self._recent_bytes = 0

    async def record(self, entry: NewEntry, key: str) -> None:
        """Add an entry to the journal; the oldest entries are dropped when it is full."""
        await self._note_later(dump_entry(entry, key))

    def note(self, entry: CompactEntry) -> Waiter | None:
        """Add an entry to the journal."""
        if self.is_shared:
            return self._note_later(dump_compact(entry))
        self._keep(entry)
        return None

    def _note_later(self, line: bytes) -> Waiter:
        """Write an entry with the next transaction."""
        waiter = self._join()
        self._lines.append(line)
        self._noted.append(waiter)
        return waiter

    def _create(self, path: str | None) -> None:
        super()._create(path)
        if path is None:
            return
        self._db.execute("INSERT OR IGNORE INTO settings VALUES (?, ?)", (MARK, secrets.token_hex(8)))
        mark: str = self._db.execute("SELECT value FROM settings WHERE name = ?", (MARK,)).fetchone()[0]
        self._files = EntryFiles(path, mark)
        for file, size in enumerate(self._files.sizes):
            # Someone has removed the file or emptied it, or the database alone was copied.
            self._db.execute("DELETE FROM journal WHERE file = ? AND start + size > ?", (file, size))
        self._trim()  # processes that wrote little have left more

    async def close(self) -> None:
        """Close the database."""
        await super().close()
        if self._files is not None:
            self._files.close()

    def _before_steps(self, outcomes: list[Outcome]) -> None:
        super()._before_steps(outcomes)
        outcomes.extend((waiter, None, None) for waiter in self._noted)

    def _after_steps(self) -> None:
        super()._after_steps()
        if self._files is None or not self._lines:
            return
        lines, self._lines = self._lines, []
        self._write_block(self._files, lines)
        self._untrimmed += len(lines)
        if self._untrimmed >= TRIM_EVERY:
            self._untrimmed = 0
            self._trim()

    def _write_block(self, files: EntryFiles, lines: Sequence[bytes]) -> None:
        """Write some entries behind the newest ones, or to the beginning of the other file."""
        newest = self._select(Block, "SELECT seq, file, start, size FROM journal ORDER BY seq DESC LIMIT 1")
        number, file, start = (newest[0].number, newest[0].file, newest[0].end) if newest else (0, 0, 0)
        if start >= entry_files.FILE_BYTES and not self._is_used(1 - file):
            file, start = 1 - file, 0
        block = files.write(number + 1, file, start, lines)
        self._db.execute("INSERT INTO journal VALUES (?, ?, ?, ?, ?)", (block.number, len(lines), *block[1:]))

    def _after_commit(self) -> None:
        super()._after_commit()
        self._noted.clear()
        lines, self._lines = self._lines, []
        for line in lines:
            self._keep(line)

    def _keep(self, line: bytes | CompactEntry) -> None:
        """Add an entry to the journal of a state in memory."""
        recent, size = self._recent, _size(line)
        recent.append((line, size))
        self._recent_bytes += size
        while len(recent) > self._journal_max or (self._recent_bytes > JOURNAL_BYTES and len(recent) > 1):
            self._recent_bytes -= recent.popleft()[1]

    def _forget(self) -> None:
        """Empty the journal."""
        self._recent.clear()
        self._recent_bytes = 0
        # The last row of each file stays, without entries: were this transaction to fail after others were written to
        # the places that it frees, the rows would come back without their entries.
        self._db.execute("DELETE FROM journal WHERE seq NOT IN (SELECT max(seq) FROM journal GROUP BY file)")
        self._db.execute("UPDATE journal SET length = 0")

    def _is_used(self, file: int) -> bool:
        return bool(self._select(int, "SELECT 1 FROM journal WHERE file = ? LIMIT 1", file))

    def _trim(self) -> None:
        """Delete the oldest rows: those that newer ones leave no room for, and those that a reset has emptied."""
        entries, size = self._db.execute("SELECT sum(length), sum(size) FROM journal").fetchone()
        last = 0
        before_newest = "SELECT seq, length, size FROM journal WHERE seq < (SELECT max(seq) FROM journal) ORDER BY seq"
        for number, length, of_row in self._db.execute(before_newest):
            entries -= length
            if length and entries < self._journal_max and size <= JOURNAL_BYTES:
                break
            last, size = number, size - of_row
        self._db.execute("DELETE FROM journal WHERE seq <= ?", (last,))

    def _discard(self) -> None:
        super()._discard()
        self._noted.clear()
        self._lines.clear()

    async def journal(self, selection: Selection) -> Sequence[JournalEntry]:
        """Return the journal entries, newest first."""
        found: list[JournalEntry] = []
        for key, entry in self._newest_first():
            if len(found) == selection.limit:
                break
            if selection.matches(key, entry):
                found.append(entry)
        return found

    async def read_journal(self) -> AsyncGenerator[Sequence[Line]]:
        """Yield the lines of the journal, newest first, some at a time; none that comes meanwhile."""
        if not self.is_shared:
            newest_first = [line for line, _ in reversed(self._recent)]
            for start in range(0, len(newest_first), LINES_AT_ONCE):
                yield [_line(each) for each in newest_first[start : start + LINES_AT_ONCE]]
            return
        left, before = self._journal_max, LAST_SEQ
        while left > 0 and (blocks := self._blocks(before, ROWS_AT_ONCE)):
            before = blocks[-1][0].number
            lines = [line for _, lines in blocks for line in reversed(lines)][:left]
            left -= len(lines)
            yield lines

    async def journal_length(self) -> int:
        """Return the number of entries in the journal."""
        if not self.is_shared:
            return len(self._recent)
        [length] = self._select(int, "SELECT coalesce(sum(length), 0) FROM journal")
        return min(length, self._journal_max)

    def _newest_first(self) -> Iterator[tuple[str, JournalEntry]]:
        """Yield keys and entries, at most as many as the journal holds."""
        if not self.is_shared:
            for each, _ in reversed(self._recent):
                line = _line(each)
                yield (line.key, line.expand()) if isinstance(line, CompactEntry) else line
            return
        left, before = self._journal_max, LAST_SEQ
        while left > 0 and (blocks := self._blocks(before, 1)):
            block, lines = blocks[0]
            before = block.number
            newest_first = list(reversed(lines))[:left]
            left -= len(newest_first)
            yield from newest_first

    def _blocks(self, before: int, limit: int) -> list[tuple[Block, Sequence[tuple[str, JournalEntry]]]]:
        """Return the last blocks before one, newest first, with their keys and entries."""
        assert self._files is not None, "it is in a file"
        query = "SELECT seq, file, start, size FROM journal WHERE seq < ? AND length > 0 ORDER BY seq DESC LIMIT ?"
        read = [(block, self._files.read(block)) for block in self._select(Block, query, before, limit)]
        # Where a row was, another process may be writing.
        (oldest,) = self._select(int, "SELECT coalesce(min(seq), ?) FROM journal", LAST_SEQ)
        return [(block, _entries(data)) for block, data in read if block.number >= oldest]

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


def _size(line: bytes | CompactEntry) -> int:
    return len(line) if isinstance(line, bytes) else line.size


def _line(line: bytes | CompactEntry) -> Line:
    return load_entries(b"[" + line + b"]")[0] if isinstance(line, bytes) else line


def _entries(data: bytes) -> Sequence[tuple[str, JournalEntry]]:
    """Return the keys and entries of a block; none if a part of it was lost with the power."""
    try:
        return load_entries(data)
    except orjson.JSONDecodeError:
        return ()


def _fetch(path: str, is_expired: int) -> Fetch:
    return Fetch(path, bool(is_expired))
