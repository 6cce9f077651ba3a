"""What the double raises."""

from dataclasses import dataclass, field

from qwenmock.schemas.errors import SettingsError as SettingsError
from qwenmock.schemas.models import Rule


class StoreError(Exception):
    """The store did not do what it was asked; nothing was billed."""


@dataclass
class ApiError(Exception):
    """A call is refused, or fails, in the way the provider documents.

    Attributes:
        kind: A key of the provider's `errors`.
        detail: What exactly was wrong; put where the kind's message says `{detail}`.
        rule: The rule that was broken, where there is one.
        headers: What the answer carries besides, `Retry-After` for one.

    """

    kind: str
    detail: str = ""
    rule: Rule | None = None
    headers: dict[str, str] = field(default_factory=dict[str, str])

    def __str__(self) -> str:
        return f"{self.kind}: {self.detail}"


class Dropped(Exception):  # noqa: N818, it is an event that was asked for, no error
    """A fault cuts the connection; `sent` is the part of the answer that goes out before."""

    def __init__(self, sent: bytes = b"", length: int = 0) -> None:
        super().__init__("the connection is cut by a fault")
        self.sent = sent
        self.length = length
