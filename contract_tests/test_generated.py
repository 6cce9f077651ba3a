"""Requests that nobody listed: drawn from the schemas at random."""

import pytest

from qwenmock.pytest_plugin.examiner.checks.generated import (
    accept_random_bodies,
    refuse_nearly_json,
    refuse_random_mutants,
    refuse_unparsable,
)
from qwenmock.pytest_plugin.examiner.session import Examiner
from qwenmock.schemas.models import Variant


@pytest.mark.contract_costly
def test_random_valid_requests_succeed(contract_examiner: Examiner, contract_variant: Variant) -> None:
    """Whatever the schema allows is answered as documented and billed exactly."""
    accept_random_bodies(contract_examiner, contract_variant)


def test_random_single_violations_are_refused(contract_examiner: Examiner, contract_variant: Variant) -> None:
    """One broken rule in an otherwise random request gets that rule's error, and no bill."""
    refuse_random_mutants(contract_examiner, contract_variant)


def test_bodies_that_are_no_json_are_refused(contract_examiner: Examiner) -> None:
    """A body that cannot be parsed gets the documented error, and the server goes on answering."""
    refuse_unparsable(contract_examiner)


def test_bodies_that_are_nearly_json_are_refused(contract_examiner: Examiner) -> None:
    """A valid body with a comma too many, or in other quotes, is not repaired."""
    refuse_nearly_json(contract_examiner)
