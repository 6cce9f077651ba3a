"""A live target bills a refusal: the balance in its ledger, or its own statement of credits, shows it."""

import pytest
from extent import usually
from wrong_servers import billing_faults
from wrong_servers.faults import Fault

from qwenmock.pytest_plugin.examiner.budget import Budget
from qwenmock.pytest_plugin.examiner.runner import checks_of, run_checks
from qwenmock.pytest_plugin.examiner.session import Examiner
from qwenmock.pytest_plugin.examiner.settings import SessionSettings
from qwenmock.pytest_plugin.examiner_factory import LEDGER, embedded_credentials
from qwenmock.schemas.catalog import load

CATALOG = load()
FAULTS = {
    f"{slug}: {fault.name}": fault
    for slug, member in (("nebula", "balance"), ("evolink", "remaining_credits"))
    for fault in billing_faults.faults(CATALOG[slug])
    if not fault.name.startswith("edit-plus")  # no document names its price, or refuses for certain
    and fault.name.endswith(f"in {member}")
    and any(
        part in fault.name for part in ("maximum", "maxLength", "schemes", "unknown models", "not JSON", "unknown keys")
    )
}


def results(fault: Fault, *, with_ledger: bool) -> dict[str, str]:
    """Return the results of the checks of balances, without the double's control API."""
    provider = CATALOG[fault.slug]
    target, _, double = fault.embedded(provider)
    settings = SessionSettings(ledger=LEDGER if with_ledger else None, live=True, profile="smoke")
    budget = Budget(None, provider.currency)
    examiner = Examiner(provider, target, embedded_credentials(fault.slug), budget, settings, now=double.clock.now)
    try:
        checks = [check for check in checks_of(provider) if check.module == "test_balances"]
        return {outcome.check.name: outcome.result for outcome in run_checks(examiner, checks)}
    finally:
        examiner.close()


@pytest.mark.parametrize("name", usually(FAULTS, list(FAULTS)[::4]))
def test_billed_refusal_is_found_on_a_live_target(name: str) -> None:
    assert "failed" in results(FAULTS[name], with_ledger=FAULTS[name].slug == "nebula").values()


RIGHT = [("nebula", True), ("evolink", False), ("evolink", True)]


@pytest.mark.parametrize(("slug", "with_ledger"), usually(RIGHT, RIGHT[:2]))
def test_right_target_is_not_accused(slug: str, with_ledger: bool) -> None:
    assert "failed" not in results(Fault("right", slug), with_ledger=with_ledger).values()


def test_target_without_any_statement_is_not_examined() -> None:
    assert set(results(Fault("right", "nebula"), with_ledger=False).values()) == {"skipped"}
