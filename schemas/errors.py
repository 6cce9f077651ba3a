"""What can be wrong with the catalogue."""

from pathlib import Path


class CatalogError(Exception):
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
