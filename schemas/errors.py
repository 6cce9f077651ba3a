"""Errors in files that the server and the examiner read."""

from pathlib import Path


class DataError(Exception):
    """A file is missing, unreadable or not valid; the message names it. The command line prints it and exits with 2."""


class RecordingError(DataError):
    """A recording or a folder of recordings cannot be read or written."""


class CatalogError(DataError):
    """A file of the catalogue is not valid.

    Attributes:
        file: The file at fault.
        pointer: JSON pointer into it, "" for the whole file.
        reason: What is wrong, and what is accepted.
        provider: The provider's slug, "" for a file that belongs to none.

    """

    def __init__(self, file: Path, pointer: str, reason: str, provider: str = "") -> None:
        owner = f"provider {provider}: " if provider else ""
        where = f"{file}#{pointer}" if pointer else f"{file}"
        super().__init__(f"{owner}{where}: {reason}")
        self.file = file
        self.pointer = pointer
        self.reason = reason
        self.provider = provider
