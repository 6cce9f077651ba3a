"""One call and its answer, as the pipeline sees them: no ASGI, no sockets."""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from qwenmock.mockserver.models import Charge, Job
from qwenmock.schemas.models import Endpoint, Provider
from qwenmock.schemas.vocabulary import JSON


class BodyTooLarge(Exception):  # noqa: N818, a finding, no failure
    """The body is larger than the provider takes; it was not read to its end."""


class Call(NamedTuple):
    """A request to a provider.

    Attributes:
        headers: By lower-case name, as they came.
        task_id: What stands in the path for a task's id.
        query: The query string's values.
        base_url: Scheme and host that the call came to, which image URLs begin with.
        read: Returns the body.

    Raises:
        BodyTooLarge: From `read`.

    """

    provider: Provider
    endpoint: Endpoint
    method: str
    path: str
    headers: Mapping[bytes, bytes]
    base_url: str
    task_id: str
    query: Mapping[str, str]
    read: Callable[[], Awaitable[bytes]]

    def header(self, name: str) -> str:
        """Return a header's value; "" where there is none."""
        return self.headers.get(name.encode(), b"").decode("latin-1")


class Answer(NamedTuple):
    """What goes back, as JSON.

    Attributes:
        headers: Those that differ from one answer to the next, by lower-case name.

    """

    status: int
    body: bytes
    headers: Mapping[str, str]


@dataclass(slots=True)
class Trace:
    """What the journal will say of a call, gathered on its way.

    Attributes:
        at: Unix seconds on the double's clock.
        marks: The stages it has come to, each with the reading of the performance counter when it did.
        advisories: What was accepted but is no documented request.
        charge: What is to be booked, or was.
        is_held: Whether money is held for it.

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
    charge: Charge | None = None
    is_held: bool = False
    marks: list[tuple[str, float]] = field(default_factory=list[tuple[str, float]])

    def enter(self, stage: str) -> None:
        """Note that a stage begins."""
        self.marks.append((stage, time.perf_counter()))

    @property
    def stage(self) -> str:
        """The stage it has come to."""
        return self.marks[-1][0]

    def timings(self, end: float) -> dict[str, int]:
        """Return microseconds by stage; the last one ended at a reading of the performance counter."""
        found: dict[str, int] = {}
        for name, at in reversed(self.marks):
            found[name] = int((end - at) * 1_000_000)
            end = at
        return found
