"""The report as Markdown, for the summary of a CI job."""

import html
from collections.abc import Sequence

from qwenmock.pytest_plugin.examiner.report.content import (
    SIGNS,
    Failure,
    Report,
    RuleRow,
    budget_line,
    headline,
    target_line,
)
from qwenmock.pytest_plugin.examiner.results import SIDES

HEAD = ("| rule | source | certainty | accepted | refused | status | came instead |", "|---|---|---|---|---|---|---|")
DETAIL_MAX = 150


def as_markdown(reports: Sequence[Report]) -> str:
    """Return a summary: the headline, what was violated or observed, failures, and why checks were skipped."""
    lines = ["# Contract report", ""]
    for report in reports:
        lines += [f"**{headline(report)}**", "", f"Target: {target_line(report)}", "", budget_line(report), ""]
        notable = [row for row in report["rules"] if row["status"] in {"fail", "observed"}]
        if notable:
            lines += [*HEAD, *(_row(row) for row in notable), ""]
        for failure in (*report["errors"], *report["failures"]):
            lines += _failure(failure)
        if report["skipped"]:
            lines += [
                "Not examined:",
                "",
                *(f"- {count} x {reason}" for reason, count in report["skipped"].items()),
                "",
            ]
    return "\n".join(lines)


def _row(row: RuleRow) -> str:
    sides = [f"{row[side]['passed']}/{row[side]['tried']}" for side in SIDES]
    detail = row["detail"][:DETAIL_MAX]
    cells = [f"`{row['id']}`", row["source"], row["certainty"], *sides, SIGNS[row["status"]], detail]
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _failure(failure: Failure) -> list[str]:
    summary = f"<details><summary>{html.escape(failure['check'])}</summary>"
    return [summary, "", "```", failure["text"], "```", "", "</details>", ""]
