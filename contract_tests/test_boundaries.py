"""Every rule of every request, on both sides of its boundary."""

from qwenmock.pytest_plugin.examiner import Examiner
from qwenmock.schemas.catalog import Rule, Variant


def test_rule_holds_on_both_sides(contract_examiner: Examiner, contract_variant: Variant, contract_rule: Rule) -> None:
    """What just keeps the rule succeeds and is billed; what just breaks it gets its error and is not."""
    contract_examiner.examine(contract_variant, contract_rule)
