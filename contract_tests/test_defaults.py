"""Documented defaults, seen in the result of a request that leaves a member out."""

import pytest

from qwenmock.pytest_plugin.examiner.checks.defaults import (
    examine_model,
    examine_prompt_extend,
    examine_size_and_count,
    examine_watermark,
    observe_omissions,
)
from qwenmock.pytest_plugin.examiner.session import Examiner
from qwenmock.schemas.models import Variant


@pytest.mark.contract_costly
def test_default_size_and_count(contract_examiner: Examiner, contract_variant: Variant) -> None:
    """Without a size and a number of images, the picture has the default size, and there are as many as documented."""
    for model in contract_variant.models:
        examine_size_and_count(contract_examiner, contract_variant, model)


def test_default_watermark(contract_examiner: Examiner, contract_variant: Variant) -> None:
    """A watermark is there if it is asked for, or by default."""
    for model in contract_variant.models:
        examine_watermark(contract_examiner, contract_variant, model)


@pytest.mark.contract_costly
def test_default_prompt_extend(contract_examiner: Examiner, contract_variant: Variant) -> None:
    """Whether a prompt is made longer without being asked, where an answer shows it."""
    for model in contract_variant.models:
        examine_prompt_extend(contract_examiner, contract_variant, model)


def test_default_model(contract_examiner: Examiner, contract_variant: Variant) -> None:
    """Without a model, the documented one makes the image, and is billed."""
    examine_model(contract_examiner, contract_variant)


def test_required_members_with_a_default(contract_examiner: Examiner, contract_variant: Variant) -> None:
    """What happens without a member that is called required and has a default: observed, and never a failure."""
    observe_omissions(contract_examiner, contract_variant)
