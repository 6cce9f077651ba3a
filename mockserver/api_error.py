"""The exception that ends a call with one of the provider's documented errors."""

from dataclasses import dataclass, field

from qwenmock.schemas.models import Rule


@dataclass
class ApiError(Exception):
    """A call is refused, or fails, in a way that the provider documents.

    Attributes:
        kind: A key of the provider's `errors`.
        detail: What exactly was wrong; replaces `{detail}` in the message of the kind.
        rule: The rule that was broken; None if there is none.
        headers: Additional headers of the answer, such as `Retry-After`.

    """

    kind: str
    detail: str = ""
    rule: Rule | None = None
    headers: dict[str, str] = field(default_factory=dict[str, str])

    def __str__(self) -> str:
        return f"{self.kind}: {self.detail}"
