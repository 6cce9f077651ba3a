"""What a task does to the account: its price is reserved, and then spent or released."""

import pytest

from qwenmock.pytest_plugin.examiner.checks.task_credits import (
    follow_credits,
    follow_credits_of_cancellation,
    follow_credits_of_failure,
)
from qwenmock.pytest_plugin.examiner.session import Examiner
from qwenmock.schemas.models import Variant

pytestmark = pytest.mark.contract_tasks


def test_credits_of_a_task_that_succeeds(contract_examiner: Examiner, contract_variant: Variant) -> None:
    """The price is reserved while a task runs, and spent once when it succeeds."""
    follow_credits(contract_examiner, contract_variant)


def test_credits_of_a_task_that_fails(contract_examiner: Examiner, contract_variant: Variant) -> None:
    """What was reserved for a task that fails is released, and nothing is spent."""
    follow_credits_of_failure(contract_examiner, contract_variant)


def test_credits_of_a_task_that_is_cancelled(contract_examiner: Examiner, contract_variant: Variant) -> None:
    """What was reserved for a task that is cancelled is released, and nothing is spent."""
    follow_credits_of_cancellation(contract_examiner, contract_variant)
