"""Journal entries as the compiled path writes them: a tuple of what it has at hand, expanded when it is read.

Making the documented entry takes 10 µs, making the tuple 0.4 µs; most entries are dropped before they are read.
"""

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

import orjson

from qwenmock.mockserver.store.brief import brief
from qwenmock.mockserver.store.headers import NO_HEADERS, answer_headers, request_headers
from qwenmock.mockserver.store.records import JournalCharge, JournalEntry
from qwenmock.schemas.vocabulary import JSON

TUPLE_BYTES = 2000
"""About what an entry takes in memory, without its request and answer."""


class Place(NamedTuple):
    """What all answers of one endpoint and variant have in common."""

    provider: str
    endpoint: str
    method: str
    variant: str
    currency: str


class CompactEntry(NamedTuple):
    """The journal entry of an answer with status 200.

    Attributes:
        key: The caller's key, by which entries are selected; `masked` is what the entry shows.
        at: Unix seconds.
        task: Id of the task; "" for none.
        request: The body as it was received.
        answer: The body as it was sent.
        charge_id: Of the charge; "" for none. `images` and `amount`, a decimal as text, are those of the charge.
        headers: Of the request, as they were received.

    """

    place: Place
    key: str
    masked: str
    id: str
    at: float
    seconds: float
    path: str
    model: str
    task: str
    prompt: str
    negative_prompt: str
    request: bytes
    answer: bytes
    charge_id: str
    images: int
    amount: str
    headers: Mapping[bytes, bytes] = NO_HEADERS

    @property
    def size(self) -> int:
        """About the number of bytes in memory."""
        return TUPLE_BYTES + len(self.request) + len(self.answer)

    @property
    def charge(self) -> JournalCharge | None:
        """The charge as the documented entry shows it."""
        if not self.charge_id:
            return None
        return {"id": self.charge_id, "images": self.images, "amount": self.amount, "currency": self.place.currency}

    def expand(self) -> JournalEntry:
        """Return the documented entry."""
        return _expand(self, brief(orjson.loads(self.request)), orjson.loads(self.answer))


Line: TypeAlias = CompactEntry | tuple[str, JournalEntry]
"""A line of the journal: an entry as the compiled path wrote it, or one with the key it was recorded for."""


def _expand(entry: CompactEntry, request: JSON, answer: JSON) -> JournalEntry:
    place = entry.place
    return {
        "id": entry.id,
        "at": entry.at,
        "provider": place.provider,
        "endpoint": place.endpoint,
        "method": place.method,
        "path": entry.path,
        "key": entry.masked,
        "status": 200,
        "milliseconds": round(entry.seconds * 1000, 3),
        # The stages are not timed one by one: that would take longer than most of them.
        "microseconds": {"compiled": int(entry.seconds * 1_000_000)},
        "variant": place.variant,
        "model": entry.model,
        "task": entry.task,
        "effective_prompt": brief(entry.prompt),
        "effective_negative_prompt": brief(entry.negative_prompt),
        "request": request,
        "answer": answer,
        "retry_after": None,
        "refusal": None,
        "rule": None,
        "advisories": [],
        "charge": entry.charge,
        "request_headers": request_headers(entry.headers, entry.masked),
        "answer_headers": answer_headers({"x-request-id": entry.id}, len(entry.answer)),
    }
