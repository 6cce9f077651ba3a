"""How the stores write their records: JSON for what is only returned, columns for what is searched.

Amounts are whole billionths, so that sums are exact.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Literal, NamedTuple, NotRequired, TypedDict

import orjson

from qwenmock.mockserver.models import Charge, Delivery, DeliveryState, Task
from qwenmock.mockserver.money import from_units, to_units
from qwenmock.schemas.vocabulary import JSON

MINUTE = 60.0
"""Window of a request limit, in seconds."""
JOURNAL_BYTES = 32 * 2**20
"""Largest journal, whatever its number of entries."""
KEPT_BYTES = 64 * 2**20
"""Room for input images, uploads and long prompts."""
FETCHES = 10_000
"""Number of image fetches that are remembered."""


class Refusal(TypedDict):
    """Why a request was refused: a kind of error of its provider, and what exactly was wrong."""

    kind: str
    detail: str


class BrokenRule(TypedDict):
    """The rule of the contract that a request broke, where it was read, and how certain it is."""

    id: str
    source: str
    certainty: str


class JournalCharge(TypedDict):
    """What a request cost; amounts are decimals as text."""

    id: str
    images: int
    amount: str
    currency: str


class EntryFields(TypedDict):
    """The members of a journal entry, except for the two bodies."""

    id: str
    at: float
    provider: str
    endpoint: str
    method: str
    path: str
    key: str
    status: int
    milliseconds: float
    microseconds: NotRequired[Mapping[str, int]]
    variant: str
    model: str
    task: str
    effective_prompt: NotRequired[str]
    effective_negative_prompt: NotRequired[str]
    retry_after: NotRequired[str | None]
    fingerprint: NotRequired[str]
    refusal: Refusal | None
    rule: BrokenRule | None
    advisories: list[str]
    charge: JournalCharge | None
    request_headers: NotRequired[Mapping[str, str]]
    answer_headers: NotRequired[Mapping[str, str]]
    attempt: NotRequired[int]
    state: NotRequired[DeliveryState]


class NewEntry(EntryFields):
    """A journal entry to be written; its bodies may be JSON text that is copied without being parsed."""

    request: JSON | orjson.Fragment
    answer: JSON | orjson.Fragment


class JournalEntry(EntryFields):
    """A request and its answer, or an attempt of a callback (`endpoint` is then `callback`).

    Keys are masked; long texts and images are cut.
    """

    request: JSON
    answer: JSON


class FaultValues(TypedDict, total=False):
    """The fields of a fault that are set."""

    provider: str
    key: str
    model: str
    status: int
    times: int
    probability: float
    delay_ms: int
    drop: Literal["before", "mid-body"]
    fail_images: int
    fail_task: str
    callback: str
    callback_origin: str
    refuse: bool
    malformed: bool
    expire_links: bool
    after_seconds: float
    for_seconds: float
    since: float


class ChargeRow(NamedTuple):
    """A charge as it is stored; its fields are the columns. Amounts are billionths."""

    request_id: str
    provider: str
    model: str
    key: str
    images: int
    unit_price: int | None
    currency: str
    amount: int
    created: float


def dump_entry(entry: NewEntry, key: str) -> bytes:
    """Return a journal entry, with the key it was recorded for, as JSON."""
    return orjson.dumps([key, entry])


def load_entries(lines: bytes) -> Sequence[tuple[str, JournalEntry]]:
    """Return the keys and entries in a JSON array of what `dump_entry` wrote."""
    return orjson.loads(lines)


def dump(value: Task | Delivery) -> bytes:
    """Return a task or a callback as JSON."""
    return orjson.dumps(value, default=str)


def load_task(data: bytes) -> Task:
    """Return the task that `dump` wrote."""
    values = orjson.loads(data)
    return Task(**values | {"urls": tuple(values["urls"]), "reserved": Decimal(values["reserved"])})


def load_delivery(data: bytes) -> Delivery:
    """Return the callback that `dump` wrote."""
    values = orjson.loads(data)
    return Delivery(**values | {"attempts": tuple(values["attempts"])})


def charge_row(charge: Charge) -> ChargeRow:
    """Return a charge as it is stored."""
    return ChargeRow(
        request_id=charge.request_id,
        provider=charge.provider,
        model=charge.model,
        key=charge.key,
        images=charge.images,
        unit_price=None if charge.unit_price is None else to_units(charge.unit_price),
        currency=charge.currency,
        amount=to_units(charge.amount),
        created=charge.created,
    )


def load_charge(row: ChargeRow) -> Charge:
    """Return the charge of a row."""
    return Charge(
        request_id=row.request_id,
        provider=row.provider,
        model=row.model,
        key=row.key,
        images=row.images,
        unit_price=None if row.unit_price is None else from_units(row.unit_price),
        currency=row.currency,
        amount=from_units(row.amount),
        created=row.created,
    )
