"""The plain values that pass between the stages of a call and between the rooms of the server."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, NamedTuple, TypeAlias, TypedDict

from qwenmock.schemas.models import ErrorKind, Provider, Variant

DeliveryState: TypeAlias = Literal["waiting", "held", "delivered", "failed", "lost"]


class Input(NamedTuple):
    """One input image.

    Attributes:
        digest: SHA-256 of its bytes in hex; "" if only its URL is known.
        url: Its URL; "" for a data URL.
        media_type: Detected from its bytes; "" if they were not read.
        width: Pixels.
        height: Pixels.

    """

    digest: str
    url: str
    media_type: str
    width: int
    height: int


class Job(NamedTuple):
    """The parameters of a valid request.

    Attributes:
        prompt: The effective prompt, after truncation.
        size: Width and height in pixels; None if the request does not give them.
        seed: None if the request does not give one.
        images: URLs of the input images, as they were sent.

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
    """The generated images of a synchronous request.

    Attributes:
        created: Unix seconds.
        urls: One for each image that succeeded.
        failed: Number of images that failed.

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
    """The values that a dialect needs to write an error body.

    Attributes:
        message: The message of the error kind with its placeholders filled.
        param: The member of the body that was wrong; "" if there is none.

    """

    kind: ErrorKind
    message: str
    request_id: str
    param: str


@dataclass(frozen=True, slots=True)
class TaskStatus:
    """The state of a task at one moment.

    Attributes:
        state: `pending`, `running`, `succeeded`, `failed` or `cancelled`.
        progress: 0 to 100; it never falls.

    """

    state: str
    progress: int

    @property
    def ended(self) -> bool:
        """Whether the state is final."""
        return self.state not in {"pending", "running"}


@dataclass(frozen=True, slots=True)
class Task:
    """Work that continues after its request was answered. Its status is a function of these values and the time.

    Attributes:
        endpoint: Name of the endpoint that created it.
        created: Unix seconds, as `starts`, when it leaves the queue, and `ends`, when it is done.
        urls: One for each image that succeeds.
        failed: Number of images that fail.
        failure: The error code that it fails with; None if it succeeds.
        callback_fault: What goes wrong with its callback; None if nothing does.
        reserved: The amount reserved for it.
        input_images: Number of its input images.
        cancelled: Unix seconds of its cancellation; None if it was not cancelled.
        settled: Whether it has ended and was billed or its reservation released.
        callback_origin: Where its callback is sent in place of the URL's own scheme, host and port; None for there.

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
    callback_origin: str | None = None
    input_images: int = 0

    def status_at(self, now: float) -> TaskStatus:
        """Return the status at a unix second."""
        at = min(now, self.ends if self.cancelled is None else self.cancelled)
        part = (at - self.starts) / (self.ends - self.starts)
        progress = 0 if part < 0 else 1 + int(98 * part)
        if self.cancelled is not None:
            return TaskStatus("cancelled", progress)
        if now < self.starts:
            return TaskStatus("pending", 0)
        if now < self.ends:
            return TaskStatus("running", progress)
        return TaskStatus("succeeded", 100) if self.failure is None else TaskStatus("failed", 99)


class CallbackAttempt(TypedDict):
    """One attempt of a callback; `status` is 0 where there was no answer."""

    attempt: int
    at: float
    status: int
    error: str | None
    milliseconds: float


@dataclass(frozen=True, slots=True)
class Delivery:
    """A callback and its delivery attempts.

    Attributes:
        message_id: The same for every attempt, and for a duplicate.
        due: Unix seconds of the next attempt, on the double's clock.
        state: `waiting`, `held` (until another was delivered), `delivered`, `failed` or `lost`.
        attempts: The attempts so far.

    """

    id: str
    message_id: str
    task_id: str
    provider: str
    key: str
    url: str
    due: float
    state: DeliveryState
    attempts: tuple[CallbackAttempt, ...] = ()


class UploadPolicy(NamedTuple):
    """Permission to upload a file.

    Attributes:
        text: The policy itself, in base64.
        signature: Signature of the text.
        folder: The first part of the uploaded file's key.
        url: Where to send the file.
        seconds: How long the policy is valid.
        max_megabytes: Largest file.

    """

    text: str
    signature: str
    folder: str
    url: str
    seconds: int
    max_megabytes: int


class Charge(NamedTuple):
    """One charge in the ledger; a request has at most one.

    Attributes:
        unit_price: Price of one image; None if no document gives a price (the amount is then 0).
        amount: With what the request's input images cost.
        created: Unix seconds.

    """

    request_id: str
    provider: str
    model: str
    key: str
    images: int
    unit_price: Decimal | None
    currency: str
    amount: Decimal
    created: float

    @property
    def id(self) -> str:
        """The id of the charge."""
        return charge_id(self.request_id)


def charge_id(request_id: str) -> str:
    """Return the id of the charge for a request: the UUID with its first and its last eight digits exchanged.

    It need not be stored, and 0.2 µs are less than the 0.6 µs of another random one.
    """
    return f"{request_id[28:]}{request_id[8:28]}{request_id[:8]}"


@dataclass(frozen=True, slots=True)
class Account:
    """The account of one key with one provider; amounts are in the provider's currency.

    Attributes:
        balance: The amount left after charges and reservations.
        reserved: The amount reserved for running work.
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
