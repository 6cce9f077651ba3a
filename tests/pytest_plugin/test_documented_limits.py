"""`--assume-documented-limits`: what is beyond a limit that is only documented must be refused."""

from dataclasses import replace
from decimal import Decimal

import pytest
from right_servers.base import KEY, Style, serving
from right_servers.messages import Aigc

from qwenmock.pytest_plugin.contract_session import ContractSession
from qwenmock.pytest_plugin.examiner.report.content import Report, target_line, unenforced_line
from qwenmock.pytest_plugin.examiner.runner import checks_of, run_checks
from qwenmock.pytest_plugin.examiner.verdicts import Verdict
from qwenmock.pytest_plugin.options import GivenOptions, Options, read_options
from qwenmock.schemas.catalog import load

AIGC = load()["aigc"]
LIMITS = {
    f"aigc/{variant}/{place}/maxLength"
    for variant in ("edit", "edit-basic")
    for place in ("input/messages/*/content/*/text", "parameters/negative_prompt")
}


def examined(*, accepts: bool, assume_limits: bool) -> Report:
    """Return the report on an independent server that accepts, or refuses, what is beyond documented lengths."""
    style = replace(Style.of(0), accepts_undocumented=accepts)
    with serving(Aigc(style)) as origin:
        options = Options(
            providers=("aigc",),
            url=origin,
            budget=Decimal(10000),
            ledger=f"{origin}/ledger?request_id={{request_id}}",
            profile="smoke",
            assume_limits=assume_limits,
        )
        contract = ContractSession(options)
        [examiner] = contract.open().values()
        for outcome in run_checks(examiner, [c for c in checks_of(AIGC) if "holds_on_both_sides" in c.name]):
            verdict = Verdict(outcome.result, outcome.text, outcome.trace, outcome.findings)
            contract.runs["aigc"].count(outcome.check.name, verdict)
        contract.finish()
        return contract.reports()[0]


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QWENMOCK_AIGC_KEY", KEY)


def test_limit_is_only_observed_without_the_option() -> None:
    report = examined(accepts=True, assume_limits=False)
    assert report["failures"] == []
    rows = {row["id"]: row for row in report["rules"]}
    assert {rule for rule, row in rows.items() if row["unenforced"]} == LIMITS
    assert all(rows[rule]["status"] == "observed" for rule in LIMITS)
    line = unenforced_line(report)
    assert "4 documented limits not enforced: aigc/edit" in line
    assert "--assume-documented-limits makes that a failure" in line


def test_limit_is_a_refusal_with_the_option() -> None:
    report = examined(accepts=True, assume_limits=True)
    assert {(failure["rule"], failure["severity"]) for failure in report["failures"]} == {
        (rule, "contract") for rule in LIMITS
    }
    assert "(documented)" in report["failures"][0]["text"]
    assert unenforced_line(report) == ""
    assert target_line(report).endswith(", documented limits taken for refusals")


def test_server_that_refuses_is_not_accused() -> None:
    report = examined(accepts=False, assume_limits=True)
    assert report["failures"] == []
    assert {row["status"] for row in report["rules"] if row["id"] in LIMITS} == {"pass"}


def test_option_is_read() -> None:
    assert not read_options(GivenOptions()).assume_limits
    assert read_options(GivenOptions(assume_documented_limits=True)).assume_limits
