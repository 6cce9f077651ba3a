"""Errors in files that the server and the examiner read."""

from pathlib import Path


class DataError(Exception):
    """A file is missing, unreadable or not valid; the message names it. The command line prints it and exits with 2."""


class RecordingError(DataError):
    """A recording or a folder of recordings cannot be read or written."""


class CatalogError(DataError):
    """A file of the catalogue is invalid.

    Attributes:
        file: The file.
        pointer: JSON Pointer into the file; "" for the whole file.
        reason: What is wrong, and what would be accepted.

    """

    def __init__(self, file: Path, pointer: str, reason: str) -> None:
        super().__init__(f"{file}#{pointer}: {reason}" if pointer else f"{file}: {reason}")
        self.file = file
        self.pointer = pointer
        self.reason = reason
