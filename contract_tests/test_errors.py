"""Errors that a valid body can get too: 429, 500, content type and length; and the order of the checks."""

import pytest

from qwenmock.pytest_plugin.examiner.checks.authentication import refuse_key
from qwenmock.pytest_plugin.examiner.checks.errors import (
    exhaust_limit,
    refuse_content_type,
    refuse_huge_body,
    refuse_in_order,
)
from qwenmock.pytest_plugin.examiner.session import Examiner


def test_too_many_requests_are_refused(contract_examiner: Examiner) -> None:
    """A key over its limit gets the documented error."""
    refuse_key(contract_examiner, "throttled", "rate_limited")


def test_limit_begins_after_some_requests(contract_examiner: Examiner) -> None:
    """A limited key works at first, and is refused once it has used up its requests."""
    exhaust_limit(contract_examiner, "limited")


def test_internal_error_is_reported(contract_examiner: Examiner) -> None:
    """An internal error has the documented form, and is not billed."""
    refuse_key(contract_examiner, "broken", "internal")


def test_wrong_key_is_told_before_a_wrong_body(contract_examiner: Examiner) -> None:
    """A request without a valid key gets no error about its body."""
    refuse_key(contract_examiner, "expired", "unauthorized", content=b"{")


def test_rate_limit_is_told_before_a_wrong_body(contract_examiner: Examiner) -> None:
    """A request over the limit gets that error, whatever its body."""
    refuse_in_order(contract_examiner, "throttled", "rate_limited", b"{")


@pytest.mark.parametrize("purpose", ["forbidden", "empty", "broken"])
def test_wrong_body_is_told_before_what_the_key_lacks(contract_examiner: Examiner, purpose: str) -> None:
    """Permission, balance and internal errors concern valid requests only."""
    refuse_in_order(contract_examiner, purpose, "malformed", b"{")
    refuse_in_order(contract_examiner, purpose, "unknown_model", b'{"model": "nonsense"}')


def test_wrong_content_type_is_refused(contract_examiner: Examiner) -> None:
    """A body with another content type is refused, although it is JSON."""
    refuse_content_type(contract_examiner, "text/plain")


def test_huge_body_is_refused(contract_examiner: Examiner) -> None:
    """A body longer than the largest valid request is refused."""
    refuse_huge_body(contract_examiner)
