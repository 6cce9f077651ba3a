"""Journal entries as the compiled path writes them: a tuple of what it has at hand, expanded when it is read.

Making the documented entry takes 10 µs, making the tuple 0.4 µs; most entries are dropped before they are read.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import orjson

from qwenmock.mockserver.models import charge_id
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


class CompactRefusal(NamedTuple):
    """What the journal says of a body that breaks a rule: the kind of error, the rule by its id, and who sent it.

    Attributes:
        headers: Those that the answer has of its own.

    """

    status: int
    kind: str
    detail: str
    rule: str
    source: str
    certainty: str
    fingerprint: str
    headers: Mapping[str, str]


class CompactEntry(NamedTuple):
    """The journal entry of an answer that has no advisories.

    Attributes:
        key: The caller's key, by which entries are selected; `masked` is what the entry shows.
        at: Unix seconds.
        task: Id of the task; "" for none.
        request: The body as it was received; `null` for a query.
        answer: The body as it was sent.
        is_charged: Whether `images` and `amount`, a decimal as text, were charged.
        headers: Of the request, as they were received.
        refusal: Why it is none with status 200; None if it is one.

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
    is_charged: bool
    images: int
    amount: str
    headers: Mapping[bytes, bytes] = NO_HEADERS
    refusal: CompactRefusal | None = None

    @property
    def status(self) -> int:
        """The status of the answer."""
        return 200 if self.refusal is None else self.refusal.status

    @property
    def size(self) -> int:
        """About the number of bytes in memory."""
        return TUPLE_BYTES + len(self.request) + len(self.answer)

    @property
    def charge(self) -> JournalCharge | None:
        """The charge as the documented entry shows it."""
        if not self.is_charged:
            return None
        return {
            "id": charge_id(self.id),
            "images": self.images,
            "amount": self.amount,
            "currency": self.place.currency,
        }

    def expand(self) -> JournalEntry:
        """Return the documented entry."""
        shown = request_headers(self.headers, self.masked)
        return _expand(self, brief(orjson.loads(self.request)), orjson.loads(self.answer), shown, len(self.answer))


Line: TypeAlias = CompactEntry | tuple[str, JournalEntry]
"""A line of the journal: an entry as the compiled path wrote it, or one with the key it was recorded for."""


def dump_compact(entry: CompactEntry) -> bytes:
    """Return an entry, with the key it was recorded for, as JSON that `load_entries` reads."""
    place, *values, request, answer, is_charged, images, amount, headers, refusal = entry
    bodies = orjson.Fragment(request), orjson.Fragment(answer)
    told = None if refusal is None else tuple(refusal)
    # Written as they are shown: a key must not be kept.
    shown = _headers(tuple(headers.items()), entry.masked)
    return orjson.dumps(
        (entry.key, None, tuple(place), values, (is_charged, images, amount), shown, len(answer), *bodies, told)
    )


@lru_cache(maxsize=64)
def _headers(headers: tuple[tuple[bytes, bytes], ...], masked: str) -> orjson.Fragment:
    """Return the headers of a request as they are shown, in JSON: a key must not be kept.

    A client sends the same again and again: 1 µs instead of 8 µs. They have at most 128 KB.
    """
    return orjson.Fragment(orjson.dumps(request_headers(dict(headers), masked)))


def load_entries(lines: bytes) -> Sequence[tuple[str, JournalEntry]]:
    """Return the keys and entries in a JSON array of what `dump_compact` and `records.dump_entry` wrote."""
    return [(key, _load(*compact) if compact else entry) for key, entry, *compact in orjson.loads(lines)]


def _load(
    place: Sequence[str],
    values: Sequence[str],
    charge: Sequence[str],
    headers: Mapping[str, str],
    length: int,
    request: JSON,
    answer: JSON,
    told: Sequence[str | Mapping[str, str]] | None,
) -> JournalEntry:
    # What the values are is known only to the one who wrote them.
    refusal = None if told is None else CompactRefusal._make(told)
    fields = (Place(*place), *values, b"", b"", *charge, NO_HEADERS, refusal)
    return _expand(CompactEntry._make(fields), brief(request), answer, headers, length)


def _expand(entry: CompactEntry, request: JSON, answer: JSON, headers: Mapping[str, str], length: int) -> JournalEntry:
    """Return the documented entry.

    Args:
        entry: All the rest of it.
        request: The body as it is shown.
        answer: The body.
        headers: Of the request, as they are shown.
        length: Of the answer, in bytes.

    """
    place, told = entry.place, entry.refusal
    expanded: JournalEntry = {
        "id": entry.id,
        "at": entry.at,
        "provider": place.provider,
        "endpoint": place.endpoint,
        "method": place.method,
        "path": entry.path,
        "key": entry.masked,
        "status": entry.status,
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
        "refusal": None if told is None else {"kind": told.kind, "detail": told.detail},
        "rule": None if told is None else {"id": told.rule, "source": told.source, "certainty": told.certainty},
        "advisories": [],
        "charge": entry.charge,
        "request_headers": headers,
        "answer_headers": answer_headers({"x-request-id": entry.id} if told is None else told.headers, length),
    }
    if told is not None:
        expanded["fingerprint"] = told.fingerprint
    return expanded
