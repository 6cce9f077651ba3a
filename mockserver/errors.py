"""The exceptions that users of the package catch. This module imports nothing, so that the command starts quickly."""


class SettingsError(Exception):
    """An option, an environment variable or a config file has a value that cannot be used."""


class StoreError(Exception):
    """The store failed; nothing was billed."""


class Dropped(Exception):  # noqa: N818, a requested event and not an error
    """A fault cuts the connection.

    Attributes:
        sent: The part of the answer that is sent before.
        length: Length of the whole body in bytes; 0 if nothing is sent.

    """

    def __init__(self, sent: bytes = b"", length: int = 0) -> None:
        super().__init__("a fault cuts the connection")
        self.sent = sent
        self.length = length
