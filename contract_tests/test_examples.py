"""The requests that the documents print, and the answers they print for them."""

import pytest

from qwenmock.fixtures import exchanges
from qwenmock.pytest_plugin.examiner.bodies import example, largest
from qwenmock.pytest_plugin.examiner.checks.requests import accept
from qwenmock.pytest_plugin.examiner.schema_judge import broken_rules
from qwenmock.pytest_plugin.examiner.session import Examiner
from qwenmock.schemas.models import Provider, Rule, Variant


def test_smallest_request_succeeds(contract_examiner: Examiner, contract_variant: Variant) -> None:
    """The control: if this one is not accepted, nothing else says anything."""
    accept(contract_examiner, contract_variant, example(contract_variant))


@pytest.mark.contract_costly
def test_largest_request_succeeds(contract_examiner: Examiner, contract_variant: Variant) -> None:
    """What is allowed one by one is allowed together: every member, the most images in, the most out."""
    accept(contract_examiner, contract_variant, largest(contract_variant.request.schema))


def test_every_model_succeeds(contract_examiner: Examiner, contract_variant: Variant) -> None:
    """Each model that the variant names takes its smallest request."""
    for model in contract_variant.models:
        accept(contract_examiner, contract_variant, example(contract_variant, model))


def test_documented_requests_succeed(contract_examiner: Examiner, contract_variant: Variant) -> None:
    """Every printed request of the variant is answered as documented, as far as it keeps the rules in force."""
    for exchange in exchanges(contract_examiner.provider.slug, contract_variant.name):
        if not broken_rules(contract_variant.request, exchange.request):
            accept(contract_examiner, contract_variant, exchange.request)


def test_documented_answers_keep_the_schemas(contract_provider: Provider) -> None:
    """Every printed answer keeps the schema that answers are held to."""
    for variant in contract_provider.variants.values():
        for exchange in exchanges(contract_provider.slug, variant.name):
            broken = broken_rules(variant.answer, exchange.answer) if exchange.answer is not None else set[Rule]()
            if broken:
                raise AssertionError(f"{exchange.source}: {sorted(rule.id for rule in broken)}")
