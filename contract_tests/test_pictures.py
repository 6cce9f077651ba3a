"""The pictures behind the links: sizes, life time, signatures."""

from qwenmock.pytest_plugin.examiner import Examiner
from qwenmock.schemas.catalog import Variant


def test_pictures_have_every_size_that_can_be_asked_for(contract_examiner: Examiner, contract_variant: Variant) -> None:
    """Each documented size is the size of the PNG, and of what the answer says of it."""
    for body in contract_examiner.bodies_by_size(contract_variant):
        contract_examiner.accept(contract_variant, body)


def test_changed_link_is_refused(contract_examiner: Examiner, contract_variant: Variant) -> None:
    """A link whose signature or expiry was changed shows nothing."""
    contract_examiner.refuse_changed_links(contract_variant)


def test_link_ends_with_its_hour(contract_examiner: Examiner, contract_variant: Variant) -> None:
    """A link works until the documented life time has passed, and not after."""
    contract_examiner.outlive_link(contract_variant)
