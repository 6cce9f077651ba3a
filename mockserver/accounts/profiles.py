"""How the double treats a key: the profiles of the keys that it knows from the start."""

from dataclasses import dataclass
from decimal import Decimal

STARTING_BALANCE = Decimal(1000000)


@dataclass(frozen=True, slots=True)
class Profile:
    """How the double treats a key.

    Attributes:
        balance: What its account starts with, in the provider's currency.
        requests_per_minute: None for no limit.
        always: The kind of error its calls end in, if any.
        about: One line for the start-up text.

    """

    balance: Decimal = STARTING_BALANCE
    requests_per_minute: int | None = None
    always: str | None = None
    about: str = "works"


PROFILES = {
    "sk-mock": Profile(about="works; balance 1000000 in the provider's currency"),
    "sk-mock-empty": Profile(balance=Decimal(0), about="has no money left"),
    "sk-mock-expired": Profile(always="unauthorized", about="is no longer valid"),
    "sk-mock-forbidden": Profile(always="forbidden", about="has no permission for any model"),
    "sk-mock-limited": Profile(requests_per_minute=3, about="may send 3 requests a minute"),
    "sk-mock-throttled": Profile(always="rate_limited", about="is always rate limited"),
    "sk-mock-broken": Profile(always="internal", about="always runs into an internal error"),
}
