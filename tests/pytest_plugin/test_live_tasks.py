"""Accounts and cancellations of tasks on a live target, whose clock and faults nobody sets."""

import pytest
from extent import usually
from wrong_servers import account_faults
from wrong_servers.faults import Fault

from qwenmock.pytest_plugin.examiner.budget import Budget
from qwenmock.pytest_plugin.examiner.runner import checks_of, run_checks
from qwenmock.pytest_plugin.examiner.session import Examiner
from qwenmock.pytest_plugin.examiner.settings import SessionSettings
from qwenmock.pytest_plugin.examiner_factory import LEDGER, embedded_credentials
from qwenmock.schemas.catalog import load

CATALOG = load()
MODULES = ("test_task_credits", "test_task_cancellation")
FAULTS = {
    f"{slug}: {fault.name}": fault
    for slug, names in (
        ("evolink", ("remaining_credits +1 when a task is succeeded", "used_credits +1 when a task is succeeded")),
        ("dashscope", ("cancel looks only", "cancel is refused", "cancel is charged", "cancel loses ended tasks")),
    )
    for fault in account_faults.faults(CATALOG[slug])
    if any(name in fault.name for name in names)
}


def results(fault: Fault, *, profile: str = "smoke") -> list[tuple[str, str, str]]:
    provider = CATALOG[fault.slug]
    target, _, double = fault.embedded(provider)
    settings = SessionSettings(ledger=LEDGER, live=True, profile=profile)
    budget = Budget(None, provider.currency)
    examiner = Examiner(provider, target, embedded_credentials(fault.slug), budget, settings, now=double.clock.now)
    try:
        checks = [check for check in checks_of(provider) if check.module in MODULES]
        return [(outcome.check.name, outcome.result, outcome.text) for outcome in run_checks(examiner, checks)]
    finally:
        examiner.close()


@pytest.mark.parametrize("name", usually(FAULTS, list(FAULTS)[::2]))
def test_wrong_target_is_found(name: str) -> None:
    assert "failed" in [result for _, result, _ in results(FAULTS[name])]


@pytest.mark.parametrize(("slug", "examined"), [("evolink", {"succeeds"}), ("dashscope", {"new_task", "ended_task"})])
def test_right_target_is_not_accused(slug: str, examined: set[str]) -> None:
    found = results(Fault("right", slug))
    assert [text for _, result, text in found if result not in {"passed", "skipped"}] == []
    passed = [name for name, result, _ in found if result == "passed"]
    assert all(any(part in name for name in passed) for part in examined)
