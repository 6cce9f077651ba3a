"""Callbacks of tasks. Only providers that send some are examined, and only where the examiner can receive them."""

import pytest

from qwenmock.pytest_plugin.examiner.checks.task_callbacks import (
    examine_addresses,
    examine_callback,
    examine_callback_of_cancellation,
    examine_callback_of_failure,
    examine_repetition,
)
from qwenmock.pytest_plugin.examiner.session import Examiner
from qwenmock.schemas.models import Variant

pytestmark = [pytest.mark.contract_tasks, pytest.mark.contract_callbacks]


def test_callback_comes_once_with_the_result(contract_examiner: Examiner, contract_variant: Variant) -> None:
    """A callback comes after the task's end and its bill, with the body of a query, and not again after a 200."""
    examine_callback(contract_examiner, contract_variant)


def test_failure_is_called_back(contract_examiner: Examiner, contract_variant: Variant) -> None:
    """The callback of a task that fails has the failure."""
    examine_callback_of_failure(contract_examiner, contract_variant)


def test_cancellation_is_called_back(contract_examiner: Examiner, contract_variant: Variant) -> None:
    """The callback of a task that was cancelled says so."""
    examine_callback_of_cancellation(contract_examiner, contract_variant)


def test_forbidden_addresses_get_no_callback(contract_examiner: Examiner, contract_variant: Variant) -> None:
    """No callback goes to an internal address or over http, also not by a redirect."""
    examine_addresses(contract_examiner, contract_variant)


@pytest.mark.contract_costly
def test_callback_is_repeated(contract_examiner: Examiner, contract_variant: Variant) -> None:
    """After an error, or without an answer, a callback is repeated after the documented pauses, and then no more."""
    examine_repetition(contract_examiner, contract_variant)
