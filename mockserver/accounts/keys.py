"""Who calls: the keys the double knows, and what each of them is made to run into."""

import re
from functools import lru_cache
from typing import NamedTuple

from qwenmock.mockserver.accounts.profiles import PROFILES, Profile
from qwenmock.mockserver.errors import ApiError
from qwenmock.mockserver.store.protocols import AccountDefaults
from qwenmock.schemas.models import Provider

SCHEME = "Bearer "
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
