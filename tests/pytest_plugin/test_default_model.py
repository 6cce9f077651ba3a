"""A default model is examined by leaving the model out. In the catalogue, no model with a default is optional yet."""

import json

import pytest
from wrong_servers.faults import Fault, edited

from qwenmock.pytest_plugin.examiner.budget import Budget
from qwenmock.pytest_plugin.examiner.checks.defaults import examine_model
from qwenmock.pytest_plugin.examiner.results import ContractViolation
from qwenmock.pytest_plugin.examiner.session import Examiner
from qwenmock.pytest_plugin.examiner.settings import SessionSettings
from qwenmock.pytest_plugin.examiner_factory import CONTROL, LEDGER, embedded_credentials
from qwenmock.schemas.catalog import load
from qwenmock.schemas.models import Provider

PROVIDER = load()["nebula"]
VARIANT = "contents"
MODELS = PROVIDER.variants[VARIANT].models


def with_default(model: str) -> Provider:
    """Return the provider with a default model in a variant's requests, which need not name one."""
    optional = edited(VARIANT, (), lambda place: place["required"].remove("model"))(PROVIDER)
    return edited(VARIANT, ("model",), lambda place: place.update(default=model))(optional)


def examiner_of(taken: str) -> Examiner:
    """Return the examiner of a server that takes one model where none is named, and should take the first."""

    def rewrite(content: bytes, _headers: dict[str, str]) -> bytes:
        return json.dumps({"model": taken, **json.loads(content)}).encode()

    target, _, double = Fault("", "nebula", rewrite=rewrite).embedded(PROVIDER)
    return Examiner(
        with_default(MODELS[0]),
        target,
        embedded_credentials("nebula"),
        Budget(None, PROVIDER.currency),
        SessionSettings(ledger=LEDGER, control=CONTROL),
        now=double.clock.now,
    )


@pytest.mark.parametrize("taken", MODELS)
def test_model_that_is_left_out_is_the_default_one(taken: str) -> None:
    examiner = examiner_of(taken)
    variant = examiner.provider.variants[VARIANT]
    try:
        if taken == MODELS[0]:
            examine_model(examiner, variant)
        else:
            with pytest.raises(ContractViolation, match=f"billed as {taken}, expected {MODELS[0]}"):
                examine_model(examiner, variant)
    finally:
        examiner.close()
