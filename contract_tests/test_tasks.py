"""Tasks: how they go, who sees them, how they end. Only providers that have some are examined."""

import pytest

from qwenmock.pytest_plugin.examiner.checks.relations import relate_answers
from qwenmock.pytest_plugin.examiner.checks.tasks import (
    bill_nothing_for_cancellation,
    bill_nothing_for_failure,
    examine_progress,
)
from qwenmock.pytest_plugin.examiner.session import Examiner
from qwenmock.schemas.models import Variant

pytestmark = pytest.mark.contract_tasks


def test_task_goes_forward_and_stays_ended(contract_examiner: Examiner, contract_variant: Variant) -> None:
    """States come in order, progress never falls, and a task does not change after its end."""
    examine_progress(contract_examiner, contract_variant)


def test_failed_task_is_not_billed(contract_examiner: Examiner, contract_variant: Variant) -> None:
    """The amount reserved for a task that fails is released."""
    bill_nothing_for_failure(contract_examiner, contract_variant)


def test_cancelled_task_is_not_billed(contract_examiner: Examiner, contract_variant: Variant) -> None:
    """The amount reserved for a task that is cancelled is released."""
    bill_nothing_for_cancellation(contract_examiner, contract_variant)


def test_answers_about_a_task_agree(contract_examiner: Examiner, contract_variant: Variant) -> None:
    """Id, model and times are the same in the creation and every query, and times are in order."""
    relate_answers(contract_examiner, contract_variant)
