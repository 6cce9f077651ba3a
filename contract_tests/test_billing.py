"""Bills, read from the ledger, the account, or the provider's own statement."""

import pytest

from qwenmock.pytest_plugin.examiner.checks.billing import (
    bill_every_count,
    bill_nothing_for_refusals,
    credits_follow,
)
from qwenmock.pytest_plugin.examiner.session import Examiner
from qwenmock.schemas.models import Variant


@pytest.mark.contract_costly
def test_every_count_of_images_is_billed_exactly(contract_examiner: Examiner, contract_variant: Variant) -> None:
    """Each number of images that may be requested has the documented charge."""
    bill_every_count(contract_examiner, contract_variant)


def test_refused_requests_cost_nothing(contract_examiner: Examiner, contract_variant: Variant) -> None:
    """The account's balance is the same before and after refusals, and falls by a success's price."""
    bill_nothing_for_refusals(contract_examiner, contract_variant)


@pytest.mark.contract_tasks
def test_credits_fall_by_the_price_of_a_task(contract_examiner: Examiner, contract_variant: Variant) -> None:
    """The stated credits fall with a task that succeeds, and not with a refusal."""
    credits_follow(contract_examiner, contract_variant)
