"""Every wrong server is found, and a right one is never accused."""

import os
from collections.abc import Iterator
from functools import cache

import orjson
import pytest
from extent import usually
from wrong_servers import (
    account_faults,
    billing_faults,
    callback_faults,
    default_faults,
    endpoint_faults,
    model_faults,
    relation_faults,
)
from wrong_servers.faults import AI302, DASHSCOPE, EVOLINK, NEBULA, REWRITING, Fault, changed_checks, tampered_answers

from qwenmock.mockserver.calls.double import create_double
from qwenmock.mockserver.http.app import create_app
from qwenmock.mockserver.settings import Settings
from qwenmock.pytest_plugin.examiner.bodies import example
from qwenmock.pytest_plugin.examiner.budget import Budget
from qwenmock.pytest_plugin.examiner.runner import Check, checks_of, run_checks
from qwenmock.pytest_plugin.examiner.session import Examiner
from qwenmock.pytest_plugin.examiner.settings import SessionSettings
from qwenmock.pytest_plugin.examiner.target import EmbeddedTarget
from qwenmock.pytest_plugin.examiner_factory import CONTROL, LEDGER, embedded_credentials
from qwenmock.schemas.catalog import Catalog, load
from qwenmock.schemas.models import Provider

CATALOG = load()
SEEDS = int(os.environ.get("QWENMOCK_TEST_SEEDS", "8"))
"""For each provider; without `make test ALL=1`, one provider and one seed."""


def answer_of(provider: Provider, key: str) -> object:
    """Return what a right server answers to the smallest request."""
    target = EmbeddedTarget(create_app(create_double(Settings(), Catalog({provider.slug: provider}))), provider.slug)
    endpoint = provider.endpoints["create"]
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    reply = target.send("POST", target.base_url + endpoint.path, headers, orjson.dumps(example(endpoint.variants[0])))
    target.close()
    return reply.json()


def every_fault() -> Iterator[Fault]:
    yield from (*NEBULA, *REWRITING, *EVOLINK, *DASHSCOPE, *AI302)
    for provider in CATALOG:
        for module in (
            account_faults,
            endpoint_faults,
            billing_faults,
            callback_faults,
            default_faults,
            model_faults,
            relation_faults,
        ):
            yield from module.faults(provider)
        yield from changed_checks(provider)
        yield from tampered_answers(provider, answer_of(provider, "sk-mock"), answer_of(provider, "nobody"))  # type: ignore[arg-type]


FAULTS = {f"{fault.slug}: {fault.name}": fault for fault in every_fault()}


@cache
def checks(slug: str) -> list[Check]:
    return checks_of(CATALOG[slug])


def examiner_of(fault: Fault | None, slug: str, seed: int = 0, profile: str = "ci") -> Examiner:
    provider = CATALOG[slug]
    right = Fault("right", slug)
    target, inbox, double = (fault or right).embedded(provider, seed)
    return Examiner(
        provider=provider,
        target=target,
        credentials=embedded_credentials(slug),
        budget=Budget(None, provider.currency),
        settings=SessionSettings(ledger=LEDGER, control=CONTROL, profile=profile),
        now=double.clock.now,
        inbox=inbox,
    )


@pytest.mark.parametrize("name", usually(FAULTS, list(FAULTS)[::16]))
def test_wrong_server_is_found(name: str) -> None:
    """The checks that concern the place come first, which finds the same and saves time."""
    fault = FAULTS[name]
    place = f"{fault.slug}/{fault.name.partition(': ')[0]}".rstrip("/")
    ordered = sorted(
        checks(fault.slug),
        key=lambda check: (not fault.check or not check.name.startswith(f"{fault.check}["), place not in check.name),
    )
    examiner = examiner_of(fault, fault.slug)
    try:
        found = next((o for o in run_checks(examiner, ordered) if o.result == "failed"), None)
    finally:
        examiner.close()
    assert found is not None


def test_there_are_enough_of_them() -> None:
    assert len(FAULTS) >= 900


# The contract tests examine all of them too; `make test` leaves out those of further models.
@pytest.mark.parametrize("seed", usually(range(SEEDS), [0]))
@pytest.mark.parametrize("slug", usually(CATALOG.providers, ["nebula"]))
def test_right_server_is_not_accused(slug: str, seed: int) -> None:
    examiner = examiner_of(None, slug, seed, "smoke")
    try:
        outcomes = list(run_checks(examiner, checks(slug)))
    finally:
        examiner.close()
    # A check that cannot read a right answer would be a mistake of its own.
    accused = [o.text for o in outcomes if o.result == "failed" or o.text.startswith("an answer lacks")]
    assert accused == []


@pytest.mark.parametrize("slug", usually(CATALOG.providers, ["evolink"]))
def test_no_check_needs_another_before_it(slug: str) -> None:
    """A test that is chosen alone, or comes first on its worker, meets a server that knows nothing yet."""
    accused: list[str] = []
    for check in checks(slug):
        examiner = examiner_of(None, slug, profile="smoke")
        try:
            accused += [outcome.text for outcome in run_checks(examiner, [check]) if outcome.result == "failed"]
        finally:
            examiner.close()
    assert accused == []
