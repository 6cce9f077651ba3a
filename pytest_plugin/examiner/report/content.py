"""The content of a report: the value that the JSON format writes, and what other formats show."""

from collections.abc import Sequence
from decimal import Decimal
from typing import TypedDict

from qwenmock.pytest_plugin.examiner.report.areas import Area, area_of, areas_of
from qwenmock.pytest_plugin.examiner.report.baseline import Baseline, Comparison, compared
from qwenmock.pytest_plugin.examiner.report.failures import Failure, Violation, merged
from qwenmock.pytest_plugin.examiner.report.run import BudgetRow, NoBudget, Run
from qwenmock.pytest_plugin.examiner.results import SIDES, RuleStatus, SideCounts, Tally
from qwenmock.schemas.models import Certainty, Provider, Rule
from qwenmock.schemas.wording import counted

CONFORMS, VIOLATED, COULD_NOT_RUN, INTERNAL_ERROR = 0, 1, 2, 3
"""Exit codes: holds as far as examined; violated or too little examined; nothing examined; the examiner's own error."""
SHOWN_RULES = 5
"""Rules that one line of the summary names."""
UNTOUCHED = "no request of this run touched it"
ORDER: tuple[RuleStatus, ...] = ("fail", "observed", "pass", "skipped")


class RuleRow(TypedDict):
    """What was found of one rule.

    Attributes:
        unenforced: Whether it is a limit that the target does not enforce, and no document says that it must.

    """

    id: str
    area: Area
    source: str
    certainty: Certainty
    accept: SideCounts
    reject: SideCounts
    status: RuleStatus
    detail: str
    unenforced: bool


Summary = TypedDict(
    "Summary",
    {
        "conforms": bool,
        "interrupted": bool,
        "violations": int,
        "errors": int,
        "rules": int,
        "examined": int,
        "pass": int,
        "fail": int,
        "observed": int,
        "skipped": int,
    },
)
"""Whether no check failed, the numbers of checks that failed and of errors of the examiner itself, the number of rules,
of those that were examined, and of rules by status."""


class Report(TypedDict):
    """The report of one provider.

    Attributes:
        control: URL of the target's control API, if that was given or found; "" for none.
        assume_limits: Whether documented limits were taken for refusals.
        seed: Of the random requests.
        started: In Unix seconds.
        statuses: Number of answers by status.
        spent: A decimal string.
        failures: What was found, the most serious first; equal failures are one.
        baseline: What has changed since an earlier report.
        errors: Checks that ended with an error of the examiner itself, and prove nothing.
        skipped: Number of skipped checks by reason.

    """

    target: str
    control: str
    assume_limits: bool
    provider: str
    profile: str
    seed: int
    started: float
    seconds: float
    rules: list[RuleRow]
    statuses: dict[str, int]
    requests: int
    spent: str
    budget: BudgetRow | NoBudget
    failures: list[Violation]
    baseline: Comparison | None
    errors: list[Failure]
    skipped: dict[str, int]
    summary: Summary


def rules_of(provider: Provider) -> list[Rule]:
    """Return every rule of a provider, with the invariants that no schema states."""
    found = [each.rule for variant in provider.variants.values() for each in variant.invariants.values()]
    return [*provider.rules, *found]


def report_of(run: Run, provider: Provider, baseline: Baseline | None = None) -> Report:
    """Return the report of a run.

    Args:
        run: What was found.
        provider: The provider that was examined.
        baseline: An earlier report, to compare with.

    """
    areas = areas_of(provider)
    rows = [_row(rule, area_of(rule, areas), run.tallies.get(rule.id, Tally())) for rule in rules_of(provider)]
    failures = merged(run.found)
    statuses: dict[str, RuleStatus] = {row["id"]: row["status"] for row in rows}
    return Report(
        target=run.target,
        control=run.control,
        assume_limits=run.assume_limits,
        provider=run.provider,
        profile=run.profile,
        seed=run.seed,
        started=run.started,
        seconds=run.seconds,
        rules=rows,
        statuses=run.statuses,
        requests=run.requests,
        spent=str(run.budget.get("spent", "0")),
        budget=run.budget,
        failures=failures,
        baseline=None if baseline is None else compared(baseline, statuses, failures, set(run.passed)),
        errors=[Failure(check=name, text=text) for name, text, _ in run.errors],
        skipped=run.reasons,
        summary=_summary(run, rows),
    )


def _row(rule: Rule, area: Area, tally: Tally) -> RuleRow:
    accept, reject = (SideCounts(tried=tally.tried[side], passed=tally.passed[side]) for side in SIDES)
    return RuleRow(
        id=rule.id,
        area=area,
        source=rule.source,
        certainty=rule.certainty,
        accept=accept,
        reject=reject,
        status=tally.status,
        detail=tally.detail if tally.status != "skipped" else tally.reason or UNTOUCHED,
        unenforced=rule.is_only_a_limit and tally.status == "observed",
    )


def _summary(run: Run, rows: list[RuleRow]) -> Summary:
    def number(status: RuleStatus) -> int:
        return sum(row["status"] == status for row in rows)

    return {
        "conforms": not run.failed and not run.errors and not run.interrupted,
        "interrupted": run.interrupted,
        "violations": run.failed,
        "errors": len(run.errors),
        "rules": len(rows),
        "examined": len(rows) - number("skipped"),
        "pass": number("pass"),
        "fail": number("fail"),
        "observed": number("observed"),
        "skipped": number("skipped"),
    }


def headline(report: Report) -> str:
    """Return the result in one line, with how much of the contract it is about."""
    summary = report["summary"]
    return (
        f"{report['provider']}: {_verdict(report)}; {summary['pass']} hold, {summary['fail']} are violated, "
        f"{summary['observed']} observed otherwise, {summary['skipped']} not examined; "
        f"{report['requests']} requests in {report['seconds']:.1f} s"
    )


def _verdict(report: Report) -> str:
    summary, budget = report["summary"], report["budget"]
    extent = f"{summary['examined']} of {summary['rules']} rules"
    if "currency" in budget:
        extent += f" (budget {budget['limit']})"
    if summary["conforms"]:
        return f"conforms as far as examined: {extent}"
    failed = f"{counted(summary['violations'], 'check')} failed" if summary["violations"] else "no verdict"
    errors = f", {counted(summary['errors'], 'internal error')} of the examiner" if summary["errors"] else ""
    stopped = ", interrupted" if summary["interrupted"] else ""
    return f"{failed}{errors}{stopped}; examined: {extent}"


def target_line(report: Report) -> str:
    """Return what was examined, what helped with that, and what was asked for besides."""
    control = report["control"]
    costs = f", which costs nothing: it has a control API at {control}" if control else ""
    return report["target"] + costs + (", documented limits taken for refusals" if report["assume_limits"] else "")


def unenforced_line(report: Report) -> str:
    """Return which documented limits the target did not enforce; "" for none, or if that was a violation."""
    rules = [row["id"] for row in report["rules"] if row["unenforced"]]
    if not rules:
        return ""
    named = ", ".join(rules[:SHOWN_RULES]) + (f" and {len(rules) - SHOWN_RULES} more" if rules[SHOWN_RULES:] else "")
    return (
        f"{report['provider']}: {counted(len(rules), 'documented limit')} not enforced: {named}; "
        f"--assume-documented-limits makes that a failure"
    )


def shortfall(report: Report, required: Decimal) -> str:
    """Return that fewer rules were examined than are required; "" if enough were."""
    examined, rules = report["summary"]["examined"], report["summary"]["rules"]
    share = Decimal(100 * examined) / rules
    if share >= required:
        return ""
    return (
        f"{report['provider']}: {examined} of {rules} rules were examined ({share:.0f} %), "
        f"and --require-rules asks for {required:f} %"
    )


def exit_code(reports: Sequence[Report], required: Decimal) -> int:
    """Return the exit code of an examination: one of the constants above."""
    if any(report["errors"] for report in reports):
        return INTERNAL_ERROR
    if any(report["failures"] or shortfall(report, required) for report in reports):
        return VIOLATED
    return CONFORMS


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
