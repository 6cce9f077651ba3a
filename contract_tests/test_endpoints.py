"""Every endpoint: key, method, headers, ids."""

import pytest

from qwenmock.pytest_plugin.examiner.checks.endpoints import (
    hide_from_other_keys,
    list_own_tasks,
    refuse_authorization_everywhere,
    refuse_key_everywhere,
    refuse_other_methods,
    refuse_unknown_ids,
    refuse_wrong_headers,
)
from qwenmock.pytest_plugin.examiner.session import Examiner
from qwenmock.schemas.models import Variant

WRONG = (
    None,
    "",
    "Basic c2stbW9jazo=",
    "Token {key}",
    "{key}",
    "Bearer sk-mock-unknown-key",
    "Bearer {key}~",
    "Bearer",
)
"""Forms of a missing or wrong key."""
ERRORS = {"expired": "unauthorized", "throttled": "rate_limited", "broken": "internal"}
"""The error that a key causes, by its purpose."""


def test_every_endpoint_needs_a_valid_key(contract_examiner: Examiner) -> None:
    """Without a valid key no endpoint answers, whatever it does."""
    refuse_authorization_everywhere(contract_examiner, WRONG)


@pytest.mark.parametrize("purpose", ERRORS)
def test_every_endpoint_reports_the_error_of_a_key(contract_examiner: Examiner, purpose: str) -> None:
    """An expired key, a rate limit and an internal error are reported by every endpoint."""
    refuse_key_everywhere(contract_examiner, purpose, ERRORS[purpose])


def test_other_methods_are_refused(contract_examiner: Examiner) -> None:
    """A path answers the documented methods only."""
    refuse_other_methods(contract_examiner)


def test_wrong_headers_are_refused(contract_examiner: Examiner) -> None:
    """A header that an endpoint needs must be there, and not at an endpoint that forbids it."""
    refuse_wrong_headers(contract_examiner)


@pytest.mark.contract_tasks
def test_unknown_ids_are_refused(contract_examiner: Examiner) -> None:
    """An unknown id, and one that is not an id, get the documented errors at every endpoint that takes one."""
    refuse_unknown_ids(contract_examiner)


@pytest.mark.contract_tasks
def test_other_keys_do_not_see_a_task(contract_examiner: Examiner, contract_variant: Variant) -> None:
    """Another key gets the documented refusal, before and after the task's end."""
    hide_from_other_keys(contract_examiner, contract_variant)


@pytest.mark.contract_tasks
def test_tasks_are_listed(contract_examiner: Examiner, contract_variant: Variant) -> None:
    """The list of a key's tasks has the newest one."""
    list_own_tasks(contract_examiner, contract_variant)
