"""The content of a report: the value that the JSON format writes, and what other formats show."""

from collections.abc import Mapping
from typing import TypedDict

from qwenmock.pytest_plugin.examiner.report.run import BudgetRow, NoBudget, Run
from qwenmock.pytest_plugin.examiner.results import SIDES, RuleStatus, SideCounts, Tally
from qwenmock.schemas.models import Certainty, Provider, Rule

UNTOUCHED = "no request of this run touched it"
ORDER: tuple[RuleStatus, ...] = ("fail", "observed", "pass", "skipped")
SIGNS: Mapping[RuleStatus, str] = {
    "pass": "holds",
    "fail": "VIOLATED",
    "observed": "observed",
    "skipped": "not examined",
}
"""How a rule's status is shown to people."""


class RuleRow(TypedDict):
    """What was found of one rule."""

    id: str
    source: str
    certainty: Certainty
    accept: SideCounts
    reject: SideCounts
    status: RuleStatus
    detail: str


class Failure(TypedDict):
    """A check that failed."""

    check: str
    text: str


Summary = TypedDict(
    "Summary", {"conforms": bool, "violations": int, "pass": int, "fail": int, "observed": int, "skipped": int}
)
"""Whether all checks passed, how many failed, and the number of rules by status."""


class Report(TypedDict):
    """The report of one provider.

    Attributes:
        started: In Unix seconds.
        statuses: Number of answers by status.
        spent: A decimal string.
        skipped: Number of skipped checks by reason.

    """

    target: str
    provider: str
    profile: str
    started: float
    seconds: float
    rules: list[RuleRow]
    statuses: dict[str, int]
    requests: int
    spent: str
    budget: BudgetRow | NoBudget
    failures: list[Failure]
    skipped: dict[str, int]
    summary: Summary


def rules_of(provider: Provider) -> list[Rule]:
    """Return every rule of a provider, with the invariants that no schema states."""
    found = [each.rule for variant in provider.variants.values() for each in variant.invariants.values()]
    return [*provider.rules, *found]


def report_of(run: Run, provider: Provider) -> Report:
    """Return the report of a run."""
    rows = [_row(rule, run.tallies.get(rule.id, Tally())) for rule in rules_of(provider)]
    return Report(
        target=run.target,
        provider=run.provider,
        profile=run.profile,
        started=run.started,
        seconds=run.seconds,
        rules=rows,
        statuses=run.statuses,
        requests=run.requests,
        spent=str(run.budget.get("spent", "0")),
        budget=run.budget,
        failures=[Failure(check=name, text=text) for name, text in run.failures],
        skipped=run.reasons,
        summary=_summary(run, rows),
    )


def _row(rule: Rule, tally: Tally) -> RuleRow:
    accept, reject = (SideCounts(tried=tally.tried[side], passed=tally.passed[side]) for side in SIDES)
    return RuleRow(
        id=rule.id,
        source=rule.source,
        certainty=rule.certainty,
        accept=accept,
        reject=reject,
        status=tally.status,
        detail=tally.detail if tally.status != "skipped" else UNTOUCHED,
    )


def _summary(run: Run, rows: list[RuleRow]) -> Summary:
    def number(status: RuleStatus) -> int:
        return sum(row["status"] == status for row in rows)

    return {
        "conforms": not run.failures,
        "violations": len(run.failures),
        "pass": number("pass"),
        "fail": number("fail"),
        "observed": number("observed"),
        "skipped": number("skipped"),
    }


def headline(report: Report) -> str:
    """Return the result in one line."""
    summary = report["summary"]
    verdict = "conforms" if summary["conforms"] else f"checks failed: {summary['violations']}"
    return (
        f"{report['provider']}: {verdict}; of {len(report['rules'])} rules {summary['pass']} hold, "
        f"{summary['fail']} are violated, {summary['observed']} observed otherwise, {summary['skipped']} not examined; "
        f"{report['requests']} requests in {report['seconds']:.1f} s"
    )


def budget_line(report: Report) -> str:
    """Return what was spent in one line; "" for a target that costs nothing."""
    budget = report["budget"]
    if "currency" not in budget:
        return ""
    currency = budget["currency"]
    return (
        f"{report['provider']}: spent {budget['spent']} {currency} of {budget['limit']}, "
        f"worst case {budget['worst']}, left {budget['left']}"
    )
