"""Every rule of every request, on both sides of its boundary."""

import pytest

from qwenmock.pytest_plugin.examiner.checks.boundaries import (
    accept_undocumented,
    examine_accepted_values,
    examine_rule,
)
from qwenmock.pytest_plugin.examiner.session import Examiner
from qwenmock.schemas.models import Rule, Variant


def test_rule_holds_on_both_sides(contract_examiner: Examiner, contract_variant: Variant, contract_rule: Rule) -> None:
    """A request that just keeps the rule succeeds and is billed; one that just breaks it gets the error and is not."""
    examine_rule(contract_examiner, contract_variant, contract_rule)


def test_undocumented_members_are_ignored(contract_examiner: Examiner, contract_variant: Variant) -> None:
    """A member that no document names changes nothing."""
    accept_undocumented(contract_examiner, contract_variant)


@pytest.mark.contract_costly
def test_every_value_is_accepted(contract_examiner: Examiner, contract_variant: Variant, contract_rule: Rule) -> None:
    """Each listed value, each format and each script succeeds."""
    examine_accepted_values(contract_examiner, contract_variant, contract_rule)
