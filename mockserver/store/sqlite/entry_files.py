"""The entries of the journal in two files beside the database, whose rows say where they are.

The log and the checkpoints of the database would write 2 KB of an entry twice, which takes 7 µs; a file takes 0.3 µs.
What is written here survives the end of the process as what is committed does: both are with the system.
"""

import contextlib
import io
import os
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from qwenmock.mockserver.errors import StoreError

FILE_BYTES = 2**21
"""From this length of a file on, the other one is written to from its beginning, as soon as no row needs it."""
SUFFIXES = ("-entries-0", "-entries-1")


class Block(NamedTuple):
    """The entries of one transaction.

    Attributes:
        number: Of its row.
        file: In which of the two files it is.
        start: Of its first byte there.
        size: In bytes, with the number in front of them.

    """

    number: int
    file: int
    start: int
    size: int

    @property
    def end(self) -> int:
        """Of its last byte, the place of the next one."""
        return self.start + self.size


class EntryFiles:
    """Writes blocks, one process at a time, and reads them.

    Args:
        path: The database's file.

    Attributes:
        are_new: Whether one of the files did not exist: what the rows say is not there.

    Raises:
        OSError: A file cannot be opened.

    """

    def __init__(self, path: str) -> None:
        self._path = path
        self.are_new = False
        self._files: list[io.FileIO] = []
        for suffix in SUFFIXES:
            # As the files that SQLite makes: whoever may use the database may use them.
            with contextlib.suppress(FileExistsError):
                mode = Path(path).stat().st_mode & 0o777
                os.close(os.open(path + suffix, os.O_CREAT | os.O_EXCL | os.O_RDWR, mode))
                self.are_new = True
            file = io.FileIO(path + suffix, "r+")
            weakref.finalize(self, file.close)
            self._files.append(file)

    def close(self) -> None:
        """Close the files."""
        for file in self._files:
            file.close()

    def write(self, number: int, file: int, start: int, lines: Sequence[bytes]) -> Block:
        """Write the entries of the row with a number, each of them a JSON value, to a place, and return that.

        Raises:
            OSError: They cannot be written, or not all of them.
            StoreError: The file was removed.

        """
        opened = self._files[file]
        if os.fstat(opened.fileno()).st_nlink == 0:
            raise StoreError(f"{self._path}{SUFFIXES[file]} was removed; restart the server")
        data = memoryview(b",".join([b"%d" % number, *lines]))
        opened.seek(start)
        written = 0
        while written < len(data):
            written += opened.write(data[written:])
        return Block(number, file, start, len(data))

    def read(self, block: Block) -> bytes:
        """Return the entries of a block as a JSON array; b"" if they were lost with the power, or others are there.

        Raises:
            StoreError: They cannot be read.

        """
        file = self._files[block.file]
        try:
            file.seek(block.start)
            number, _, lines = file.read(block.size).partition(b",")
        except OSError as error:
            raise StoreError(f"{self._path}{SUFFIXES[block.file]}: {error}") from error
        return b"[%b]" % lines if number == b"%d" % block.number else b""
