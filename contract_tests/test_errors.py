"""Statuses that a client does not provoke by a wrong body: 429 and 500; and the order of checks."""

import pytest

from qwenmock.pytest_plugin.examiner.checks.requests import (
    exhaust,
    refuse_content_type,
    refuse_huge_body,
    refuse_in_order,
    refuse_key,
)
from qwenmock.pytest_plugin.examiner.session import Examiner


def test_too_many_requests_are_refused(contract_examiner: Examiner) -> None:
    """A key over its limit gets the documented error."""
    refuse_key(contract_examiner, "throttled", "rate_limited")


def test_limit_begins_after_some_requests(contract_examiner: Examiner) -> None:
    """A limited key works at first, and is refused once it has used up its requests."""
    exhaust(contract_examiner, "limited")


def test_internal_error_is_reported(contract_examiner: Examiner) -> None:
    """A failure inside is told in the documented form, and is not billed."""
    refuse_key(contract_examiner, "broken", "internal")


def test_wrong_key_is_told_before_a_wrong_body(contract_examiner: Examiner) -> None:
    """Who has no key learns nothing about the body."""
    refuse_key(contract_examiner, "expired", "unauthorized", content=b"{")


def test_rate_limit_is_told_before_a_wrong_body(contract_examiner: Examiner) -> None:
    """Who sends too much is told so, whatever it is."""
    refuse_in_order(contract_examiner, "throttled", "rate_limited", b"{")


@pytest.mark.parametrize("purpose", ["forbidden", "empty", "broken"])
def test_wrong_body_is_told_before_what_the_key_lacks(contract_examiner: Examiner, purpose: str) -> None:
    """Permission, money and luck are a matter of requests that are in order."""
    refuse_in_order(contract_examiner, purpose, "malformed", b"{")
    refuse_in_order(contract_examiner, purpose, "unknown_model", b'{"model": "nonsense"}')


def test_wrong_content_type_is_refused(contract_examiner: Examiner) -> None:
    """A body that is not called JSON is not taken for it."""
    refuse_content_type(contract_examiner, "text/plain")


def test_huge_body_is_refused(contract_examiner: Examiner) -> None:
    """More than the largest request needs is not taken."""
    refuse_huge_body(contract_examiner)
