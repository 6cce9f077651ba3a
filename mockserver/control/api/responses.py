"""What the control API answers. The OpenAPI document has its schemas from these types."""

from collections.abc import Mapping, Sequence
from typing import Literal, NotRequired, TypedDict

CallbackState = Literal["waiting", "held", "delivered", "failed", "lost"]


class Error(TypedDict):
    """Why a call failed, and what would be accepted."""

    error: str


class Health(TypedDict):
    """That the server runs, and its time in unix seconds."""

    status: Literal["ok"]
    version: str
    now: float


class ProviderSummary(TypedDict):
    """A provider and what it offers; an endpoint is written as `POST /path`."""

    slug: str
    name: str
    base_url: str
    currency: str
    models: Sequence[str]
    endpoints: Sequence[str]
    variants: Sequence[str]


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


class JournalEntry(TypedDict):
    """A request and its answer, or an attempt of a callback (`endpoint` is then `callback`).

    Keys are masked; long texts and images are cut.
    """

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
    request: object
    answer: object
    retry_after: NotRequired[str | None]
    fingerprint: NotRequired[str]
    refusal: Refusal | None
    rule: BrokenRule | None
    advisories: Sequence[str]
    charge: JournalCharge | None
    attempt: NotRequired[int]
    state: NotRequired[CallbackState]


class Finding(TypedDict):
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
    findings: Sequence[Finding]


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
    """What a request cost, and how its provider's billing log shows it; `unit_price` is null where none is known."""

    id: str
    request_id: str
    provider: str
    model: str
    key: str
    images: int
    unit_price: str | None
    currency: str
    amount: str
    created: float
    log: object


class Ledger(TypedDict):
    """Accounts, the oldest first, and charges, the newest first."""

    accounts: Sequence[AccountState]
    charges: Sequence[LedgerCharge]


class Accounts(TypedDict):
    """The accounts that were changed."""

    accounts: Sequence[AccountState]


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


class CallbackAttempt(TypedDict):
    """One attempt of a callback; `status` is 0 where there was no answer."""

    attempt: int
    at: float
    status: int
    error: str | None
    milliseconds: float


class Callback(TypedDict):
    """A callback of a task, with all attempts so far."""

    id: str
    url: str
    state: CallbackState
    due: float
    attempts: Sequence[CallbackAttempt]


class TaskInfo(TypedDict):
    """A task as it is now; `progress` is a percentage, times are unix seconds."""

    id: str
    provider: str
    key: str
    request_id: str
    model: str
    state: Literal["pending", "running", "succeeded", "failed", "cancelled"]
    progress: int
    created: float
    starts: float
    ends: float
    urls: Sequence[str]
    failure: str | None
    reserved: str
    callbacks: Sequence[Callback]


class Resent(TypedDict):
    """The callback that is made again, under an id of its own."""

    id: str
    task_id: str
    url: str


class Session(TypedDict):
    """That the browser has a session cookie now."""

    session: Literal["open"]
