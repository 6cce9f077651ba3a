"""Which keys are known, how each is treated, and how little of one is shown."""

import tracemalloc
from decimal import Decimal

import pytest

from qwenmock.mockserver.accounts.keys import authenticate, mask, own_authorization, profile_of
from qwenmock.mockserver.accounts.profiles import PROFILES, STARTING_BALANCE, Profile
from qwenmock.mockserver.api_error import ApiError
from qwenmock.mockserver.calls.double import create_double
from qwenmock.schemas.catalog import load

NEBULA = load()["nebula"]


@pytest.mark.parametrize(
    ("key", "shown"),
    [("sk-mock", "sk-m…"), ("sk-mock-1234", "sk-m…"), ("sk-mock-12345", "sk-m…2345"), ("", "…")],
)
def test_mask_shows_at_most_8_characters(key: str, shown: str) -> None:
    assert mask(key) == shown


def test_known_keys() -> None:
    assert STARTING_BALANCE == 1_000_000
    assert PROFILES["sk-mock-empty"].balance == 0
    assert PROFILES["sk-mock-limited"].requests_per_minute == 3
    assert profile_of("sk-mock.worker-1", {}) == PROFILES["sk-mock"]
    assert profile_of("sk-mock." + "a" * 100, {}) == PROFILES["sk-mock"]
    own = Profile(balance=Decimal(5))
    assert profile_of("sk-mock", {"sk-mock": own}) is own
    assert profile_of("sk-mock.own", {"sk-mock.own": own}) is own


@pytest.mark.parametrize(
    "key", ["sk-mock.", "sk-mock.a b", "sk-mock.ä", "sk-mock.a\n", "sk-mockx", "sk-mock." + "a" * 101]
)
def test_unknown_keys(key: str) -> None:
    assert profile_of(key, {}) is None


@pytest.mark.parametrize("header", ["Bearer sk-mock", "bearer sk-mock", "BEARER  sk-mock ", "Bearer sk-mock-empty"])
def test_authenticated(header: str) -> None:
    key = header[7:].strip()
    caller = authenticate(NEBULA, header, {})
    assert (caller.key, caller.profile) == (key, PROFILES[key])
    assert caller.defaults == ("nebula", key, "CNY", PROFILES[key].balance, PROFILES[key].requests_per_minute)


@pytest.mark.parametrize(
    ("header", "rule", "detail"),
    [
        ("", "required", "is missing"),
        ("sk-mock", "scheme", "must be 'Bearer <key>'"),
        ("Basic sk-mock", "scheme", "must be"),
        ("Bearersk-mock", "scheme", "must be"),
        ("Bearer sk-other", "known", "is not valid"),
        ("Bearer ", "known", "is not valid"),
        ("Bearer sk-mock-expired", "known", "has expired"),
    ],
)
def test_refused(header: str, rule: str, detail: str) -> None:
    with pytest.raises(ApiError) as refused:
        authenticate(NEBULA, header, {})
    assert refused.value.kind == "unauthorized"
    assert detail in refused.value.detail
    assert refused.value.rule is not None
    assert refused.value.rule.id == f"nebula/http/authorization/{rule}"


def test_only_short_headers_are_remembered() -> None:
    """A thousand headers of 100 KB would stay in memory."""
    double = create_double()
    assert double.caller("nebula", "Bearer sk-mock") is double.caller("nebula", "Bearer sk-mock")
    tracemalloc.start()
    for number in range(100):
        header = f"Bearer {' ' * (100_000 + number)}sk-mock"
        assert double.caller("nebula", header).key == "sk-mock"
    assert tracemalloc.get_traced_memory()[0] < 1_000_000
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("Bearer sk-real", "Bearer sk-mock"),
        ("bearer sk-real", "Bearer sk-mock"),
        ("Bearer ", "Bearer sk-mock"),
        ("Bearer sk-mock-empty", "Bearer sk-mock-empty"),
        ("Bearer  sk-mock.mine", "Bearer  sk-mock.mine"),
        ("Bearer sk-config", "Bearer sk-config"),
        ("Basic c2stcmVhbA==", "Basic c2stcmVhbA=="),
        ("", ""),
    ],
)
def test_keys_of_others_are_replaced(given: str, sent: str) -> None:
    assert own_authorization(given, {"sk-config"}) == sent
