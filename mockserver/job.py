"""What passes between the steps of a call: plain values."""

from dataclasses import dataclass
from decimal import Decimal

from qwenmock.schemas.catalog import Provider, Variant
from qwenmock.schemas.vocabulary import JSON


@dataclass(frozen=True, slots=True)
class Input:
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


@dataclass(frozen=True, slots=True)
class Job:
    """What a valid request asks for.

    Attributes:
        prompt: The effective prompt, after truncation.
        size: Width and height in pixels where the request names them.
        seed: None where the request leaves it to chance.

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
    inputs: tuple[Input, ...]
    callback_url: str | None


@dataclass(frozen=True, slots=True)
class Result:
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
class Charge:
    """One line of the ledger.

    Attributes:
        unit_price: For one image; None where no document names a price (the amount is 0 then).
        created: Unix seconds.
        log: The provider's own billing record, where it documents one.

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
    log: JSON


@dataclass(frozen=True, slots=True)
class Account:
    """The state of one key with one provider; amounts in the provider's currency.

    Attributes:
        balance: What is left, reservations already taken off.
        reserved: What running work holds.
        requests_per_minute: None for no limit.

    """

    provider: str
    key: str
    currency: str
    balance: Decimal
    reserved: Decimal
    requests_per_minute: int | None
