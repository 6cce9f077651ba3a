"""Who calls: the keys the double knows, and what each of them is made to run into."""

import re
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from qwenmock.mockserver.errors import ApiError
from qwenmock.mockserver.store.protocols import AccountDefaults
from qwenmock.schemas.models import Provider

STARTING_BALANCE = Decimal(1000000)
SCHEME = "Bearer "


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
NAMED = re.compile(r"sk-mock\.[A-Za-z0-9_.-]{1,100}")
"""Keys with an account of their own, for tests that run side by side."""


@lru_cache(maxsize=1024)
def mask(key: str) -> str:
    """Return enough of a key to recognise it, and too little to use it."""
    return f"{key[:4]}…{key[-4:]}" if len(key) > 12 else f"{key[:4]}…"


def profile_of(key: str, more: dict[str, Profile]) -> Profile | None:
    """Return how the key is treated; None for a key the double does not know."""
    found = more.get(key) or PROFILES.get(key)
    if found is None and NAMED.fullmatch(key):
        return PROFILES["sk-mock"]
    return found


class Caller(NamedTuple):
    """Who calls a provider, how the double treats them, and how their account begins."""

    key: str
    profile: Profile
    defaults: AccountDefaults


def defaults_of(provider: Provider, key: str, profile: Profile) -> AccountDefaults:
    """Return how the key's account begins."""
    return AccountDefaults(provider.slug, key, provider.currency, profile.balance, profile.requests_per_minute)


def authenticate(provider: Provider, header: str, more: dict[str, Profile]) -> Caller:
    """Return who calls.

    Raises:
        ApiError: There is no key, it is not sent as a Bearer token, it is unknown, or it has expired.

    """
    if not header:
        raise _unauthorized(provider, "required", "the Authorization header is missing; send 'Bearer <key>'")
    if header[: len(SCHEME)].lower() != SCHEME.lower():
        raise _unauthorized(provider, "scheme", "the Authorization header must be 'Bearer <key>'")
    key = header[len(SCHEME) :].strip()
    profile = profile_of(key, more)
    if profile is None or profile.always == "unauthorized":
        reason = "the API key is not valid" if profile is None else "the API key has expired"
        raise _unauthorized(provider, "known", reason)
    return Caller(key, profile, defaults_of(provider, key, profile))


def _unauthorized(provider: Provider, keyword: str, detail: str) -> ApiError:
    return ApiError("unauthorized", detail, provider.http_rule(f"authorization/{keyword}"))
