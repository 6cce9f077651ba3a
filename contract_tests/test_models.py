"""Every rule of every request, with every model it holds for."""

from qwenmock.pytest_plugin.examiner.checks.boundaries import examine_rule_of_other_models
from qwenmock.pytest_plugin.examiner.session import Examiner
from qwenmock.schemas.models import Rule, Variant


def test_rule_holds_for_every_model(
    contract_examiner: Examiner, contract_variant: Variant, contract_rule: Rule
) -> None:
    """What holds for a variant's first model holds for its others, on both sides."""
    examine_rule_of_other_models(contract_examiner, contract_variant, contract_rule)
