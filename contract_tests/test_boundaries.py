"""Every rule of every request, on both sides of its boundary."""

import pytest

from qwenmock.pytest_plugin.examiner.checks.requests import accept_undocumented, examine, examine_more
from qwenmock.pytest_plugin.examiner.session import Examiner
from qwenmock.schemas.models import Rule, Variant


def test_rule_holds_on_both_sides(contract_examiner: Examiner, contract_variant: Variant, contract_rule: Rule) -> None:
    """What just keeps the rule succeeds and is billed; what just breaks it gets its error and is not."""
    examine(contract_examiner, contract_variant, contract_rule)


def test_undocumented_members_are_ignored(contract_examiner: Examiner, contract_variant: Variant) -> None:
    """A member that no document names changes nothing."""
    accept_undocumented(contract_examiner, contract_variant)


@pytest.mark.contract_costly
def test_every_value_is_accepted(contract_examiner: Examiner, contract_variant: Variant, contract_rule: Rule) -> None:
    """Each listed value, each format and each script succeeds, not just one of them."""
    examine_more(contract_examiner, contract_variant, contract_rule)
