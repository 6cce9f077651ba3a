"""Members that a document calls required, with a default: no server is accused, and the report says what it does."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from right_servers.base import KEY, Style, serving
from right_servers.evolink import EvoLink

from qwenmock.pytest_plugin.contract_session import ContractSession
from qwenmock.pytest_plugin.examiner.bodies import example
from qwenmock.pytest_plugin.examiner.boundaries.rule_edits import edits_of
from qwenmock.pytest_plugin.examiner.report.content import Report, RuleRow
from qwenmock.pytest_plugin.examiner.report.html_page import as_html
from qwenmock.pytest_plugin.examiner.report.markdown import as_markdown
from qwenmock.pytest_plugin.examiner.runner import checks_of, run_checks
from qwenmock.pytest_plugin.examiner.strategies import bodies
from qwenmock.pytest_plugin.options import Options
from qwenmock.pytest_plugin.recording.recorder import violations
from qwenmock.schemas.catalog import load
from qwenmock.schemas.vocabulary import JSON

EVOLINK = load()["evolink"]
EDIT = EVOLINK.variants["edit"]
RULE = "evolink/edit/model/required"
WITHOUT: JSON = {name: value for name, value in example(EDIT).items() if name != "model"}


def looked_at(*, accepts: bool) -> tuple[set[str], Report]:
    """Return the results of the checks of defaults and of the rule, and the report."""
    style = replace(Style.of(0), accepts_undocumented=accepts)
    with serving(EvoLink(style)) as origin:
        options = Options(providers=("evolink",), url=origin, budget=Decimal(100), assume_limits=True)
        contract = ContractSession(options)
        [examiner] = contract.open().values()
        names = (f"[{RULE}]", "test_default_model[evolink/edit]", "test_required_members_with_a_default[evolink/edit]")
        checks = [check for check in checks_of(EVOLINK) if check.name.endswith(names)]
        assert len(checks) >= 3
        results = {outcome.result for outcome in run_checks(examiner, checks)}
        contract.finish()
        return results, contract.reports()[0]


def row_of(report: Report) -> RuleRow:
    """Return what a report says of the rule."""
    [row] = (row for row in report["rules"] if row["id"] == RULE)
    return row


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QWENMOCK_EVOLINK_KEY", KEY)


def test_server_that_takes_the_default_is_observed() -> None:
    results, report = looked_at(accepts=True)
    row = row_of(report)
    assert results == {"passed", "skipped"}
    assert (row["status"], row["detail"]) == ("pass", "accepted without it (default qwen-image-edit)")
    assert row["reject"] == {"tried": 1, "passed": 1}
    assert row["accept"]["tried"] == row["accept"]["passed"] > 0
    for page in (as_html([report]), as_markdown([report])):
        assert "accepted without it" in page


def test_server_that_requires_it_keeps_the_rule() -> None:
    results, report = looked_at(accepts=False)
    row = row_of(report)
    assert results == {"passed", "skipped"}
    assert (row["status"], row["detail"]) == ("pass", "status 400 without it")
    assert row["reject"] == {"tried": 1, "passed": 1}


def test_no_other_request_leaves_it_out() -> None:
    """A live target may refuse it, and a refusal would look like a violation of another rule."""
    assert "model" in example(EDIT)
    base = example(EDIT)
    for rule in EDIT.request.rules:
        changed = [edit.change(base) for edit in edits_of(EVOLINK, EDIT, rule)]
        assert all("model" in body for body in changed if isinstance(body, dict)), rule.id

    @settings(max_examples=100, database=None, derandomize=True, deadline=None)
    @given(bodies(EDIT))
    def random_ones_name_it(body: dict[str, JSON]) -> None:
        assert "model" in body

    random_ones_name_it()


@pytest.mark.parametrize("status", [200, 400])
def test_recording_of_it_breaks_nothing(status: int) -> None:
    create = EVOLINK.create_endpoint
    found = violations(EVOLINK, create, WITHOUT, status, {})
    assert [each for each in found if "request" in each] == []
    refused = violations(EVOLINK, create, example(EDIT), 400, {})
    assert "evolink/edit: the request breaks no rule, but was refused" in refused
