"""The images behind the links: sizes, lifetime, signatures."""

import pytest

from qwenmock.pytest_plugin.examiner.checks.pictures import accept_every_size, outlive_link, refuse_changed_links
from qwenmock.pytest_plugin.examiner.session import Examiner
from qwenmock.schemas.models import Variant


@pytest.mark.contract_costly
def test_pictures_have_every_size_that_can_be_asked_for(contract_examiner: Examiner, contract_variant: Variant) -> None:
    """Each documented size is the size of the PNG, and the size that the answer states."""
    accept_every_size(contract_examiner, contract_variant)


def test_changed_link_is_refused(contract_examiner: Examiner, contract_variant: Variant) -> None:
    """A link whose signature or expiry was changed shows nothing."""
    refuse_changed_links(contract_examiner, contract_variant)


def test_link_ends_with_its_hour(contract_examiner: Examiner, contract_variant: Variant) -> None:
    """A link works until the documented lifetime has passed, and not after."""
    outlive_link(contract_examiner, contract_variant)
