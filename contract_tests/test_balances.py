"""No refusal is billed, whatever refused it: by every statement of what is left."""

import pytest

from qwenmock.pytest_plugin.examiner.checks.balances import (
    bill_no_other_refusal,
    bill_no_refusal,
    bill_no_refused_key,
)
from qwenmock.pytest_plugin.examiner.session import Examiner
from qwenmock.schemas.models import Variant


def test_no_refusal_is_billed(contract_examiner: Examiner, contract_variant: Variant) -> None:
    """Whatever rule a request breaks, its refusal leaves the balance as it is."""
    bill_no_refusal(contract_examiner, contract_variant)


@pytest.mark.parametrize("purpose", ["forbidden", "broken", "expired", "throttled", "empty"])
def test_no_refused_key_is_billed(contract_examiner: Examiner, purpose: str) -> None:
    """A refusal because of the key leaves the balance of its account as it is."""
    bill_no_refused_key(contract_examiner, purpose)


def test_no_other_refusal_is_billed(contract_examiner: Examiner) -> None:
    """A refusal because of a model, a header, a method, an id or an error leaves the balance as it is."""
    bill_no_other_refusal(contract_examiner)
