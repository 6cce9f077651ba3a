"""API keys: which keys are known, how each is treated, and authentication."""

import re
from collections.abc import Collection
from functools import lru_cache
from typing import NamedTuple

from qwenmock.mockserver.accounts.profiles import PROFILES, Profile
from qwenmock.mockserver.api_error import ApiError
from qwenmock.mockserver.store.protocols import AccountDefaults
from qwenmock.schemas.models import Provider

SCHEME = "Bearer "
DEFAULT = "sk-mock"
"""The key that works, and how all other keys of the double begin, but for those in a config file."""
REMEMBERED = 1024
NAMED = re.compile(r"sk-mock\.[A-Za-z0-9_.-]{1,100}")
"""Keys with an account each, for tests that run in parallel."""


@lru_cache(maxsize=REMEMBERED)  # 0.05 µs instead of 0.3 µs
def mask(key: str) -> str:
    """Return enough of a key to recognise it, but too little to use it."""
    return f"{key[:4]}…{key[-4:]}" if len(key) > 12 else f"{key[:4]}…"


def profile_of(key: str, more: dict[str, Profile]) -> Profile | None:
    """Return the profile of a key; None for an unknown key."""
    found = more.get(key) or PROFILES.get(key)
    if found is None and NAMED.fullmatch(key):
        return PROFILES["sk-mock"]
    return found


def own_authorization(header: str, more: Collection[str] = ()) -> str:
    """Return an Authorization header in which a key that is not the double's is replaced by one that it accepts.

    Code under test may get its key from anywhere, and no real key reaches the journal. Another scheme stays: the double
    refuses it as the providers do.

    Args:
        header: Value of the header.
        more: Additional keys of the double.

    """
    scheme, _, key = header.partition(" ")
    is_own = scheme.lower() != SCHEME.strip().lower() or key.strip().startswith(DEFAULT) or key.strip() in more
    return header if is_own else f"{SCHEME}{DEFAULT}"


class Caller(NamedTuple):
    """The sender of a request: the key, its profile, and the defaults of its account."""

    key: str
    profile: Profile
    defaults: AccountDefaults


def defaults_of(provider: Provider, key: str, profile: Profile) -> AccountDefaults:
    """Return the defaults of the account of a key with a provider."""
    return AccountDefaults(
        provider=provider.slug,
        key=key,
        currency=provider.currency,
        balance=profile.balance,
        requests_per_minute=profile.requests_per_minute,
    )


def authenticate(provider: Provider, header: str, more: dict[str, Profile]) -> Caller:
    """Return the caller for an Authorization header.

    Args:
        provider: The provider that is called.
        header: Value of the header; "" if there is none.
        more: Profiles of additional keys.

    Raises:
        ApiError: The key is missing, not a Bearer token, unknown or expired.

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
