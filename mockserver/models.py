"""What passes between the steps of a call: plain values."""

from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from qwenmock.schemas.models import ErrorKind, Provider, Variant
from qwenmock.schemas.vocabulary import JSON


class Input(NamedTuple):
    """One input image as it was understood.

    Attributes:
        digest: SHA-256 of its bytes in hex, "" where only its address is known.
        url: Its address, "" for a data URL.
        media_type: What its bytes are; "" where they were not looked at.
        width: Pixels.
        height: Pixels.

    """

    digest: str
    url: str
    media_type: str
    width: int
    height: int


class Job(NamedTuple):
    """What a valid request asks for.

    Attributes:
        prompt: The effective prompt, after truncation.
        size: Width and height in pixels where the request names them.
        seed: None where the request leaves it to chance.
        images: Addresses of the input images, as they were sent.

    """

    provider: Provider
    variant: Variant
    model: str
    prompt: str
    negative_prompt: str
    n: int
    size: tuple[int, int] | None
    seed: int | None
    watermark: bool
    prompt_extend: bool
    images: tuple[str, ...]
    callback_url: str | None


class Result(NamedTuple):
    """What was generated.

    Attributes:
        urls: One for each image that succeeded.
        failed: How many did not.
        created: Unix seconds.

    """

    job: Job
    request_id: str
    created: int
    urls: tuple[str, ...]
    width: int
    height: int
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Refused:
    """What a dialect needs to write a refusal.

    Attributes:
        message: The kind's text with its placeholders filled.
        param: The member of the body that was wrong, "" where there is none.

    """

    kind: ErrorKind
    message: str
    request_id: str
    param: str


@dataclass(frozen=True, slots=True)
class Task:
    """A piece of work that goes on after its request was answered. Its state follows from it and the clock.

    Attributes:
        endpoint: Name of the endpoint that created it.
        created: Unix seconds; `starts` is when it leaves the queue, `ends` when it is done.
        urls: One for each image that succeeds.
        failed: How many images do not.
        failure: The code that it fails with; None for one that succeeds.
        cancelled: When it was cancelled; None for one that was not.
        reserved: What is held for it.
        settled: Whether it has ended and was billed or given back.
        callback_fault: What goes wrong with its callback.

    """

    id: str
    provider: str
    endpoint: str
    variant: str
    key: str
    request_id: str
    model: str
    prompt: str
    prompt_extend: bool
    created: float
    starts: float
    ends: float
    urls: tuple[str, ...]
    width: int
    height: int
    failed: int
    failure: str | None
    callback_url: str | None
    callback_fault: str | None
    reserved: Decimal
    cancelled: float | None = None
    settled: bool = False


@dataclass(frozen=True, slots=True)
class Delivery:
    """A callback to be made.

    Attributes:
        message_id: The same for each try, and for a duplicate.
        due: Unix seconds of the next try, on the double's clock.
        attempts: What was tried so far: `{attempt, at, status, error, milliseconds}`.
        state: `waiting`, `held` (until another has gone out), `delivered`, `failed` or `lost`.

    """

    id: str
    message_id: str
    task_id: str
    provider: str
    key: str
    url: str
    due: float
    state: str
    attempts: tuple[dict[str, JSON], ...] = ()


class Charge(NamedTuple):
    """One line of the ledger.

    Attributes:
        unit_price: For one image; None where no document names a price (the amount is 0 then).
        created: Unix seconds.

    """

    id: str
    request_id: str
    provider: str
    model: str
    key: str
    images: int
    unit_price: Decimal | None
    currency: str
    amount: Decimal
    created: float


@dataclass(frozen=True, slots=True)
class Account:
    """The state of one key with one provider; amounts in the provider's currency.

    Attributes:
        balance: What is left, reservations already taken off.
        reserved: What running work holds.
        spent: The sum of its charges.
        requests_per_minute: None for no limit.

    """

    provider: str
    key: str
    currency: str
    balance: Decimal
    reserved: Decimal
    spent: Decimal
    requests_per_minute: int | None
