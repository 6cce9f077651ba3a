"""Keys: missing, malformed, unknown, expired, without permission, without money."""

import pytest

from qwenmock.pytest_plugin.examiner.checks.authentication import refuse_authorization, refuse_key
from qwenmock.pytest_plugin.examiner.session import Examiner
from qwenmock.schemas.models import Provider

FORMS: dict[str, list[str | None]] = {
    "required": [None],
    "scheme": ["", "Basic c2stbW9jazo=", "{key}", "Token {key}", "Bearer{key}"],
    "known": [
        "Bearer sk-mock-unknown-key",
        "Bearer {key}~",
        "Bearer {shorter}",
        "Bearer nonsense",
        "Bearer",
        "Bearer {upper}",
    ],
}


@pytest.mark.parametrize("keyword", FORMS)
def test_call_without_a_valid_key_is_refused(
    contract_examiner: Examiner, contract_provider: Provider, keyword: str
) -> None:
    """Every form of a missing or wrong key gets the documented error."""
    rule = contract_provider.http_rule(f"authorization/{keyword}")
    for form in FORMS[keyword]:
        refuse_authorization(contract_examiner, rule, form)


def test_expired_key_is_refused(contract_examiner: Examiner) -> None:
    """A key that was valid once gets the error for no key."""
    refuse_key(contract_examiner, "expired", "unauthorized")


def test_key_without_permission_is_refused(contract_examiner: Examiner) -> None:
    """A key that may not use the model gets the documented error, and is not billed."""
    refuse_key(contract_examiner, "forbidden", "forbidden")


def test_key_without_money_is_refused(contract_examiner: Examiner) -> None:
    """An empty account gets the documented error."""
    refuse_key(contract_examiner, "empty", "insufficient_balance")
