"""Cancelling a task, where the provider has a call for that."""

import pytest

from qwenmock.pytest_plugin.examiner.checks.task_cancellation import cancel_at_once, refuse_cancellation_of_ended
from qwenmock.pytest_plugin.examiner.session import Examiner
from qwenmock.schemas.models import Variant

pytestmark = pytest.mark.contract_tasks


def test_new_task_can_be_cancelled(contract_examiner: Examiner, contract_variant: Variant) -> None:
    """A task that is cancelled at once stays cancelled and costs nothing."""
    cancel_at_once(contract_examiner, contract_variant)


@pytest.mark.contract_costly
def test_ended_task_cannot_be_cancelled(contract_examiner: Examiner, contract_variant: Variant) -> None:
    """The call is refused, and the task stays what it is."""
    refuse_cancellation_of_ended(contract_examiner, contract_variant)
