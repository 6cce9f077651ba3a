"""The requests that the documents print, and the answers they print for them."""

import pytest

from qwenmock.fixtures import exchanges
from qwenmock.pytest_plugin.examiner.checks.examples import (
    accept_documented,
    accept_every_model,
    accept_largest,
    accept_smallest,
)
from qwenmock.pytest_plugin.examiner.schema_judge import broken_rules
from qwenmock.pytest_plugin.examiner.session import Examiner
from qwenmock.schemas.models import Provider, Rule, Variant


def test_smallest_request_succeeds(contract_examiner: Examiner, contract_variant: Variant) -> None:
    """The control: unless this request is accepted, no refusal proves anything."""
    accept_smallest(contract_examiner, contract_variant)


@pytest.mark.contract_costly
def test_largest_request_succeeds(contract_examiner: Examiner, contract_variant: Variant) -> None:
    """What is valid one by one is valid together: every member, the most images in, the most out."""
    accept_largest(contract_examiner, contract_variant)


def test_every_model_succeeds(contract_examiner: Examiner, contract_variant: Variant) -> None:
    """Each model of the variant accepts its smallest request."""
    accept_every_model(contract_examiner, contract_variant)


def test_documented_requests_succeed(contract_examiner: Examiner, contract_variant: Variant) -> None:
    """Every printed request that keeps the rules in force is answered as documented."""
    printed = exchanges(contract_examiner.provider.slug, contract_variant.name)
    accept_documented(contract_examiner, contract_variant, [exchange.request for exchange in printed])


def test_documented_answers_keep_the_schemas(contract_provider: Provider) -> None:
    """Every printed answer is valid by the schema of answers."""
    for variant in contract_provider.variants.values():
        for exchange in exchanges(contract_provider.slug, variant.name):
            broken = broken_rules(variant.answer, exchange.answer) if exchange.answer is not None else set[Rule]()
            if broken:
                raise AssertionError(f"{exchange.source}: {sorted(rule.id for rule in broken)}")
