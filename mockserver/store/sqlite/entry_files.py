"""The entries of the journal in two files beside the database, whose rows say where they are.

The log and the checkpoints of the database would write 2 KB of an entry twice, which takes 7 µs; a file takes 0.3 µs.
What is written here survives the end of the process as what is committed does: both are with the system. Nothing is
written where a committed row has its entries: a transaction may fail, or its process die.
"""

import io
import os
import weakref
from collections.abc import Sequence
from typing import NamedTuple

from qwenmock.mockserver.errors import StoreError
from qwenmock.mockserver.store.sqlite.database import identity, vanished

FILE_BYTES = 2**21
"""From this length of a file on, the other one is written to from its beginning, as soon as no row needs it."""
SUFFIXES = ("-entries-0", "-entries-1")


class Block(NamedTuple):
    """The entries of one transaction.

    Attributes:
        number: Of its row.
        file: In which of the two files it is.
        start: Of its first byte there.
        size: In bytes, with what is in front of the entries.

    """

    number: int
    file: int
    start: int
    size: int

    @property
    def end(self) -> int:
        """The place behind its last byte, where the next block begins."""
        return self.start + self.size


class EntryFiles:
    """Writes blocks, one process at a time, and reads them.

    Args:
        path: The database's file; as of those that SQLite makes, the names begin with what a link to it leads to.
        mark: What each block begins with, before the number of its row: it tells the database's own blocks from others.

    Raises:
        OSError: A file cannot be opened.

    """

    def __init__(self, path: str, mark: str) -> None:
        self._mark = mark.encode()
        database = os.path.realpath(path)
        self._names = [database + suffix for suffix in SUFFIXES]
        self._files: list[io.FileIO] = []
        for name in self._names:
            _create(name, database)
            file = io.FileIO(name, "r+")
            weakref.finalize(self, file.close)
            self._files.append(file)
        self._identities = [identity(name, 0) for name in self._names]

    def close(self) -> None:
        """Close the files."""
        for file in self._files:
            file.close()

    @property
    def sizes(self) -> Sequence[int]:
        """Their lengths in bytes."""
        return [os.fstat(file.fileno()).st_size for file in self._files]

    def write(self, number: int, file: int, start: int, lines: Sequence[bytes]) -> Block:
        """Write the entries of the row with a number, each of them a JSON value, to a place, and return that.

        Raises:
            StoreError: They cannot be written, or the file is not the one that was opened.

        """
        self._check(file, start)
        data = memoryview(b",".join([self._start(number), *lines]))
        opened = self._files[file]
        try:
            opened.seek(start)
            written = 0
            while written < len(data):
                written += opened.write(data[written:])
        except OSError as error:
            raise StoreError(f"{self._names[file]}: {error}") from error
        return Block(number, file, start, len(data))

    def _check(self, file: int, size: int) -> None:
        """Raise StoreError unless a file is still the one that was opened, and has so many bytes."""
        if identity(self._names[file], size) != self._identities[file]:
            raise vanished(self._names[file])

    def read(self, block: Block) -> bytes:
        """Return the entries of a block as a JSON array; b"" if they were lost with the power, or others are there.

        Raises:
            StoreError: They cannot be read, or the file is not the one that was opened.

        """
        self._check(block.file, block.end)
        file = self._files[block.file]
        try:
            file.seek(block.start)
            start, _, lines = file.read(block.size).partition(b",")
        except OSError as error:
            raise StoreError(f"{self._names[block.file]}: {error}") from error
        return b"[%b]" % lines if start == self._start(block.number) else b""

    def _start(self, number: int) -> bytes:
        return b"%b %d" % (self._mark, number)


def _create(name: str, database: str) -> None:
    """Create a file, if there is none, that whoever may use the database may use."""
    try:
        file = os.open(name, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
    except FileExistsError:
        return
    try:
        found = os.stat(database)  # noqa: PTH116, the path is a text
        if os.name == "posix":
            if os.geteuid() == 0:
                os.fchown(file, found.st_uid, found.st_gid)
            os.fchmod(file, found.st_mode & 0o777)
    finally:
        os.close(file)
