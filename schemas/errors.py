"""What can be wrong with files and settings that users write."""

from pathlib import Path


class SettingsError(Exception):
    """An option, an environment variable, or a file that one of them names cannot be used as it is."""


class CatalogError(Exception):
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
