"""Billing arithmetic, read back from the ledger."""

from decimal import Decimal

from qwenmock.pytest_plugin.examiner import Examiner
from qwenmock.pytest_plugin.money import charge_of
from qwenmock.pytest_plugin.relations import image_counts
from qwenmock.schemas.catalog import Variant


def test_every_count_of_images_is_billed_exactly(contract_examiner: Examiner, contract_variant: Variant) -> None:
    """For each number of images that may be asked for: as many charges, images and units of money as documented."""
    for body in contract_examiner.bodies_by_count(contract_variant):
        success = contract_examiner.accept(contract_variant, body)
        made = image_counts(success)[0]
        spent = contract_examiner.spent_on(success)
        assert spent in {None, charge_of(contract_examiner.provider, body["model"], made)}


def test_refused_requests_cost_nothing(contract_examiner: Examiner, contract_variant: Variant) -> None:
    """The account's balance is the same before and after refusals, and falls by a success's price."""
    contract_examiner.accept(contract_variant, contract_examiner.example(contract_variant))
    before = contract_examiner.balance()
    contract_examiner.refuse_content(b"{")
    assert contract_examiner.balance() == before
    body = contract_examiner.example(contract_variant)
    success = contract_examiner.accept(contract_variant, body)
    price = charge_of(contract_examiner.provider, body["model"], image_counts(success)[0])
    assert before - contract_examiner.balance() == Decimal(price)
