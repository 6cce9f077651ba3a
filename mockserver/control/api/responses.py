"""What the control API answers. The OpenAPI document has its schemas from these types."""

from collections.abc import Sequence
from typing import Literal, TypedDict

from qwenmock.mockserver.models import CallbackAttempt, DeliveryState
from qwenmock.mockserver.store.records import FaultValues


class Error(TypedDict):
    """Why a call failed, and what would be accepted."""

    error: str


class Health(TypedDict):
    """That the server runs, its time in unix seconds, and how far that is ahead of real time."""

    status: Literal["ok"]
    version: str
    now: float
    offset: float


class ProviderSummary(TypedDict):
    """A provider and what it offers; an endpoint is written as `POST /path`."""

    slug: str
    name: str
    base_url: str
    currency: str
    models: Sequence[str]
    endpoints: Sequence[str]
    variants: Sequence[str]


class BehaviourFinding(TypedDict):
    """Something that the client did; `requests` are ids, the oldest first, `lost` an amount with its currency."""

    kind: str
    severity: Literal["error", "note"]
    detail: str
    requests: Sequence[str]
    lost: str


class Verdict(TypedDict):
    """How the client behaved: `ok` where no finding is an error."""

    ok: bool
    calls: int
    findings: Sequence[BehaviourFinding]


class AccountState(TypedDict):
    """The account of a key with a provider; amounts are decimals as text, in the provider's currency."""

    provider: str
    key: str
    currency: str
    balance: str
    reserved: str
    spent: str
    requests_per_minute: int | None


class LedgerCharge(TypedDict):
    """What a request cost, and how its provider's billing log shows it.

    `unit_price` is null where none is known, `usd` where no document names the price in US dollars too.
    """

    id: str
    request_id: str
    provider: str
    model: str
    key: str
    images: int
    unit_price: str | None
    currency: str
    amount: str
    usd: str | None
    created: float
    log: object


class Ledger(TypedDict):
    """Accounts, the oldest first, and charges, the newest first."""

    accounts: Sequence[AccountState]
    charges: Sequence[LedgerCharge]


class Accounts(TypedDict):
    """The accounts that were changed."""

    accounts: Sequence[AccountState]


class ScenarioInfo(TypedDict):
    """A scenario: a fault plan with a name."""

    name: str
    summary: str
    stands_for: str
    faults: Sequence[FaultValues]


class ClockState(TypedDict):
    """The time in unix seconds, and how far it is ahead of real time."""

    now: float
    offset: float


class Reset(TypedDict):
    """What was reset."""

    reset: str


class UploadedImage(TypedDict):
    """Where an uploaded image is, in a form that providers accept as an input image, and what it is."""

    url: str
    media_type: str
    width: int
    height: int


class Callback(TypedDict):
    """A callback of a task, with all attempts so far."""

    id: str
    url: str
    state: DeliveryState
    due: float
    attempts: Sequence[CallbackAttempt]


class TaskInfo(TypedDict):
    """A task as it is now; `progress` is a percentage, times are unix seconds."""

    id: str
    provider: str
    key: str
    request_id: str
    model: str
    prompt: str
    state: Literal["pending", "running", "succeeded", "failed", "cancelled"]
    progress: int
    created: float
    starts: float
    ends: float
    urls: Sequence[str]
    failure: str | None
    reserved: str
    callbacks: Sequence[Callback]


class PictureInfo(TypedDict):
    """A generated picture: a link to it without the server's address, and what it was made from.

    Sides are in pixels, `created` and `expires`, when the link ends to work, in unix seconds.
    """

    url: str
    provider: str
    key: str
    request_id: str
    model: str
    prompt: str
    width: int
    height: int
    seed: int
    created: float
    expires: int


class SourceDocument(TypedDict):
    """A document that the contract was written from: what its sections are cited with, its title, and its file."""

    name: str
    title: str
    file: str


class SourcePage(TypedDict):
    """A public page, its addresses, and the day on which it was read."""

    name: str
    addresses: Sequence[str]
    read: str


class Sources(TypedDict):
    """What the sources of rules name. Neither documents nor pages are part of the server."""

    documents: Sequence[SourceDocument]
    pages: Sequence[SourcePage]


class Resent(TypedDict):
    """The callback that is made again, under an id of its own."""

    id: str
    task_id: str
    url: str


class Session(TypedDict):
    """That the browser has a session cookie now."""

    session: Literal["open"]
