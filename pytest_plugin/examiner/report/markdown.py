"""The report as Markdown, for the summary of a CI job."""

import html
import re
from collections.abc import Iterator, Sequence

from qwenmock.pytest_plugin.examiner.findings import shortened
from qwenmock.pytest_plugin.examiner.report.areas import AREAS
from qwenmock.pytest_plugin.examiner.report.baseline import change_lines, comparison_line
from qwenmock.pytest_plugin.examiner.report.content import ORDER, Report, RuleRow, budget_line, headline, target_line
from qwenmock.pytest_plugin.examiner.report.failures import SIGNS, Violation, alike, found_by, title
from qwenmock.pytest_plugin.examiner.results import SIDES
from qwenmock.schemas.sources import cited
from qwenmock.schemas.wording import counted

SIZE_MAX = 60_000
"""Bytes of the whole report; the rest is counted."""
LIMITS = (200, 100, 50, 25, 12, 6, 3, 1)
"""How many failures and rules of each provider are printed: the first that is small enough is taken."""
TEXT_MAX = 3000
"""Characters of a failure where there is room for it."""
HEAD = ("| rule | source | certainty | accepted | refused | status | came instead |", "|---|---|---|---|---|---|---|")
DETAIL_MAX = 150
REASONS_MAX = 15
FENCE = "`````"


def as_markdown(reports: Sequence[Report]) -> str:
    """Return a summary: the headline, what was examined, failures, and what was violated or observed."""
    text = ""
    for limit in LIMITS:
        text = "\n".join(line for line in _lines(reports, limit))
        if len(text.encode()) <= SIZE_MAX:
            break
    return text


def _lines(reports: Sequence[Report], limit: int) -> Iterator[str]:
    yield from ("# Contract report", "")
    for report in reports:
        yield from (f"**{headline(report)}**", "", f"Target: {_escaped(target_line(report))}", "")
        yield from (budget_line(report), "") if report["budget"] else ()
        yield from _changes(report, limit)
        yield from _extent(report)
        yield from _failures(report, limit)
        yield from _rules(report, limit)
        yield from _reasons(report)


def _changes(report: Report, limit: int) -> Iterator[str]:
    if report["baseline"] is not None:
        yield from (_escaped(comparison_line(report["baseline"])), "")
        yield from (f"- {_escaped(line)}" for line in change_lines(report["baseline"], limit))
        yield ""


def _extent(report: Report) -> Iterator[str]:
    """Yield the number of rules by area and state."""
    yield f"| area | {' | '.join(SIGNS[status].lower() for status in ORDER)} |"
    yield f"|---|{'---:|' * len(ORDER)}"
    for area in AREAS:
        states = [row["status"] for row in report["rules"] if row["area"] == area]
        if states:
            yield f"| {area} | {' | '.join(str(states.count(status)) for status in ORDER)} |"
    yield ""


def _failures(report: Report, limit: int) -> Iterator[str]:
    for error in report["errors"][:limit]:
        yield from _folded(f"internal error: {error['check']}", error["text"], _text_max(limit))
    groups = alike(report["failures"])
    for group in groups[:limit]:
        yield from _failure(group, _text_max(limit))
    left = len(groups[limit:]) + len(report["errors"][limit:])
    if left:
        yield from (f"… and {counted(left, 'other failure')}", "")


def _text_max(limit: int) -> int:
    """Return the characters of one failure's text; the last limits leave little room."""
    return TEXT_MAX if limit > LIMITS[-2] else TEXT_MAX // 5


def _failure(group: Sequence[Violation], most: int) -> Iterator[str]:
    first = group[0]
    number = sum(each["count"] for each in group)
    yield from _folded(
        f"{first['severity']}: {title(first)} × {number}", f"{first['text']}\n\n({found_by(group)})", most
    )


def _folded(name: str, text: str, most: int) -> Iterator[str]:
    yield f"<details><summary>{html.escape(name)}</summary>"
    yield from ("", FENCE, shortened(text, most).replace(FENCE, "` ` ` ` `"), FENCE, "", "</details>", "")


def _rules(report: Report, limit: int) -> Iterator[str]:
    notable = [row for row in report["rules"] if row["detail"] and row["status"] != "skipped"]
    if notable:
        yield from (*HEAD, *(_row(row) for row in notable[:limit]), "")
    if len(notable) > limit:
        yield from (f"… and {counted(len(notable) - limit, 'other rule')} violated or observed", "")


def _row(row: RuleRow) -> str:
    sides = [f"{row[side]['passed']}/{row[side]['tried']}" for side in SIDES]
    detail = _escaped(shortened(row["detail"], DETAIL_MAX))
    cells = [f"`{row['id']}`".replace("|", "\\|"), _escaped(cited(row["source"])), row["certainty"], *sides]
    return "| " + " | ".join([*cells, SIGNS[row["status"]], detail]) + " |"


def _reasons(report: Report) -> Iterator[str]:
    reasons = sorted(report["skipped"].items(), key=lambda item: -item[1])
    if reasons:
        yield from ("Not examined:", "")
        yield from (f"- {count} × {_escaped(shortened(reason, DETAIL_MAX))}" for reason, count in reasons[:REASONS_MAX])
        if len(reasons) > REASONS_MAX:
            yield f"- … and {counted(len(reasons) - REASONS_MAX, 'other reason')}"
        yield ""


def _escaped(text: str) -> str:
    """Return a text of one line in which nothing is read as markup."""
    return re.sub(r"([\\`*_~|\[\]<>])", r"\\\1", " ".join(text.split()))
