"""One call and its answer, independent of ASGI and sockets."""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from qwenmock.mockserver.calls.large_bodies import Buffer
from qwenmock.mockserver.models import Job
from qwenmock.mockserver.store.brief import digest_of
from qwenmock.schemas.models import Endpoint, Provider
from qwenmock.schemas.vocabulary import JSON


class BodyTooLarge(Exception):  # noqa: N818, a finding, not a failure
    """The body is larger than the provider accepts; it was not read to its end."""


class BodyUnfinished(Exception):  # noqa: N818, a finding, not a failure
    """The client left before the end of the body."""


class Call(NamedTuple):
    """A request to a provider.

    Attributes:
        headers: By lower-case name.
        base_url: Scheme and host that the call came to; image URLs begin with it.
        task_id: The task id in the path; "" if the endpoint's path has none.
        query: The values of the query string.
        read: Returns the body, which is bytes unless it is large, or raises `BodyTooLarge` or `BodyUnfinished`.
        request_id: Of its answer.

    """

    provider: Provider
    endpoint: Endpoint
    method: str
    path: str
    headers: Mapping[bytes, bytes]
    base_url: str
    task_id: str
    query: Mapping[str, str]
    read: Callable[[], Awaitable[Buffer]]
    request_id: str

    def header(self, name: str) -> str:
        """Return the value of a header; "" if there is none."""
        return self.headers.get(name.encode(), b"").decode("latin-1")


class Answer(NamedTuple):
    """A JSON answer.

    Attributes:
        headers: By lower-case name, without those that every answer has.
        drop: Where the connection is cut: before the answer or in the middle of its body; None if it is sent whole.

    """

    status: int
    body: bytes
    headers: Mapping[str, str]
    drop: Literal["before", "mid-body"] | None = None


@dataclass(slots=True)
class Trace:
    """What the journal will say about a call, collected on its way.

    Attributes:
        at: Unix seconds on the server's clock.
        body: The request body, shortened.
        advisories: What was accepted although no document describes it.
        applied: The preferences that are honoured.
        is_held: Whether an amount is reserved for it.
        digests: The data URLs of the body with the SHA-256 of their images, as far as they were hashed.
        marks: The stages it has entered, each with the performance counter at that moment.

    """

    request_id: str
    at: float
    key: str = ""
    body: JSON = None
    job: Job | None = None
    task_id: str = ""
    variant: str = ""
    advisories: list[str] = field(default_factory=list[str])
    applied: tuple[str, ...] = ()
    is_held: bool = False
    digests: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    marks: list[tuple[str, float]] = field(default_factory=list[tuple[str, float]])

    def enter(self, stage: str) -> None:
        """Note that a stage begins."""
        self.marks.append((stage, time.perf_counter()))

    def digest(self, url: str) -> str:
        """Return the SHA-256 of a data URL's image, and note it: hashing 1 MB takes 0.4 ms."""
        digest = digest_of(url)
        self.digests.append((url, digest))
        return digest

    def known_digest(self, url: str) -> str | None:
        """Return the digest that was noted for this very text; comparing long ones would take as long as hashing."""
        return next((digest for noted, digest in self.digests if noted is url), None)

    @property
    def stage(self) -> str:
        """The last stage it entered."""
        return self.marks[-1][0]

    def timings(self, end: float) -> dict[str, int]:
        """Return microseconds by stage.

        Args:
            end: The performance counter at the end of the last stage.

        """
        found: dict[str, int] = {}
        for name, at in reversed(self.marks):
            found[name] = int((end - at) * 1_000_000)
            end = at
        return found
