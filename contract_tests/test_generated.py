"""Requests that nobody listed: drawn from the schemas at random."""

import pytest

from qwenmock.pytest_plugin.examiner.boundaries import Edit
from qwenmock.pytest_plugin.examiner.checks.requests import accept, for_all, refuse_content, refuse_slips, reject
from qwenmock.pytest_plugin.examiner.session import Examiner
from qwenmock.pytest_plugin.examiner.strategies import UNPARSABLE, bodies, mutants, unparsable
from qwenmock.schemas.models import Variant
from qwenmock.schemas.vocabulary import JSON


@pytest.mark.contract_costly
def test_random_valid_requests_succeed(contract_examiner: Examiner, contract_variant: Variant) -> None:
    """Whatever the schema allows is answered as documented and billed exactly; every third is also looked at."""

    def attempt(body: dict[str, JSON]) -> None:
        accept(contract_examiner, contract_variant, body, pictures=int(contract_examiner.sent % 3 == 0))

    for_all(contract_examiner, bodies(contract_variant), attempt)


def test_random_single_violations_are_refused(contract_examiner: Examiner, contract_variant: Variant) -> None:
    """One broken rule in an otherwise random request gets that rule's error, and no bill."""

    def attempt(mutant: tuple[Edit, dict[str, JSON]]) -> None:
        edit, body = mutant
        reject(contract_examiner, contract_variant, body, edit)

    for_all(contract_examiner, mutants(contract_examiner.provider, contract_variant), attempt)


def test_bodies_that_are_no_json_are_refused(contract_examiner: Examiner) -> None:
    """What cannot be parsed gets the documented error, and leaves the server standing."""
    for content in UNPARSABLE:
        refuse_content(contract_examiner, content)
    for_all(contract_examiner, unparsable(), lambda content: refuse_content(contract_examiner, content))


def test_bodies_that_are_nearly_json_are_refused(contract_examiner: Examiner) -> None:
    """A valid body with a comma too many, or in other quotes, is not repaired."""
    refuse_slips(contract_examiner)
