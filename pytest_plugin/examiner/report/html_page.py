"""The report as one HTML page: the verdict, what was examined, the failures by rule, then all rules."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from qwenmock.pytest_plugin.examiner.findings import shortened
from qwenmock.pytest_plugin.examiner.report.areas import AREAS
from qwenmock.pytest_plugin.examiner.report.baseline import change_lines, comparison_line
from qwenmock.pytest_plugin.examiner.report.content import ORDER, Report, RuleRow, budget_line, headline, target_line
from qwenmock.pytest_plugin.examiner.report.failures import SIGNS, Violation, by_title, found_by
from qwenmock.pytest_plugin.examiner.report.html_style import FILTER, STYLE
from qwenmock.pytest_plugin.examiner.results import SIDES, RuleStatus
from qwenmock.schemas.sources import cited
from qwenmock.schemas.wording import counted

SIZE_MAX = 190_000
"""Bytes of a page."""
VARIANTS_MAX = 3
"""Different failures of one rule that are printed."""
WORDS: Mapping[RuleStatus, str] = {
    "fail": "violated",
    "observed": "observed otherwise",
    "pass": "hold",
    "skipped": "not examined",
}
"""What is said of a number of rules."""
REASONS_MAX = 40
"""Reasons why checks were skipped that are printed."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of each provider is printed; the rest is counted, and is in the JSON report.

    Attributes:
        failures: Rules whose failures are printed whole.
        lines: Rules whose failures are printed in one line, after those.
        rules: Rules in the table of all.
        detail: Characters of what came instead, in that table.
        text: Characters of each text of a failure; a longer command is left out.

    """

    failures: int
    lines: int
    rules: int
    detail: int
    text: int


LIMITS = (
    Limits(60, 500, 5000, 160, 1000),
    Limits(30, 300, 5000, 100, 1000),
    Limits(15, 200, 5000, 60, 1000),
    Limits(8, 100, 5000, 0, 1000),
    Limits(4, 50, 300, 0, 1000),
    Limits(2, 20, 100, 0, 300),
    Limits(1, 5, 20, 0, 100),
)
"""The first with which the page is small enough is taken."""


def as_html(reports: Sequence[Report]) -> str:
    """Return a page that loads nothing else."""
    page = ""
    for limits in LIMITS:
        page = "\n".join(_page(reports, limits)) + "\n"
        if len(page.encode()) <= SIZE_MAX:
            break
    return page


def _page(reports: Sequence[Report], limits: Limits) -> Iterator[str]:
    failed = [report["provider"] for report in reports if report["failures"]]
    unsure = [report["provider"] for report in reports if report["errors"]]
    verdict = f"Violated: {', '.join(failed)}" if failed else "Conforms as far as examined"
    if any(report["summary"]["interrupted"] for report in reports):
        verdict = f"Interrupted. {verdict}" if failed else "Interrupted: no verdict"
    verdict = f"No verdict, since the examiner itself failed: {', '.join(unsure)}" if unsure else verdict
    yield "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
    yield "<meta name='viewport' content='width=device-width, initial-scale=1'>"
    yield f"<title>Contract report: {escape(verdict)}</title><style>{STYLE}</style></head><body><main>"
    state = "p" if all(report["summary"]["conforms"] for report in reports) else "f"
    yield f"<h1>Contract report</h1><p class='verdict {state}'>{escape(verdict)}</p><ul class='heads'>"
    yield from (f"<li>{escape(headline(report))}" for report in reports)
    yield "</ul>"
    yield "<h2>What was examined</h2>"
    for report in reports:
        yield from _extent(report)
    yield from _controls()
    yield "<div class='failures'>"
    for report in reports:
        yield from _failures(report, limits)
    yield "</div><h2>All rules</h2>"
    for report in reports:
        yield from _rules(report, limits)
    yield "</main></body></html>"


def _extent(report: Report) -> Iterator[str]:
    started = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(report["started"]))
    statuses = ", ".join(f"{status} × {count}" for status, count in sorted(report["statuses"].items()))
    yield f"<h3 id='{escape(report['provider'])}'>{escape(report['provider'])}</h3>"
    yield f"<p class='quiet'>{escape(target_line(report))}, profile {escape(report['profile'])}, "
    yield f"seed {report['seed']}, {started}. "
    yield f"Answers by status: {escape(statuses or 'none')}. {escape(budget_line(report))}</p>"
    if report["baseline"] is not None:
        yield f"<p>{escape(comparison_line(report['baseline']))}</p><ul>"
        yield from (f"<li>{escape(shortened(line, 300))}" for line in change_lines(report["baseline"], 30))
        yield "</ul>"
    yield "<div class='areas'>"
    yield from _bar("all rules", report["rules"])
    for area in AREAS:
        rows = [row for row in report["rules"] if row["area"] == area]
        if rows:
            yield from _bar(area, rows)
    yield "</div>"


def _bar(name: str, rows: Sequence[RuleRow]) -> Iterator[str]:
    """Yield one line of the picture: its name, a bar, and the same in words."""
    counts: dict[RuleStatus, int] = {status: sum(row["status"] == status for row in rows) for status in ORDER}
    text = ", ".join(f"{count} {WORDS[status]}" for status, count in counts.items() if count)
    yield f"<span>{escape(name)}</span><svg viewBox='0 0 {len(rows)} 1' preserveAspectRatio='none' aria-hidden='true'>"
    begin = 0
    for status, count in counts.items():
        if count:
            yield f"<rect class='{status[0]}' x='{begin}' width='{count}' height='1'/>"
        begin += count
    yield f"</svg><span>{text}</span>"


def _controls() -> Iterator[str]:
    yield f"<div class='find' role='search'><label>Filter <input type='search' oninput=\"{FILTER}\"></label>"
    yield "<output id='shown'></output><fieldset><legend>Rules that&nbsp;</legend>"
    choices = {"a": "all", "f": "are violated", "o": "were observed", "p": "hold", "s": "were not examined"}
    for letter, text in choices.items():
        checked = " checked" if letter == "a" else ""
        yield f"<label><input type='radio' name='only' id='only-{letter}'{checked}> {text}</label>"
    yield "</fieldset></div>"


def _failures(report: Report, limits: Limits) -> Iterator[str]:
    groups = list(by_title(report["failures"]).items())
    if groups or report["errors"]:
        yield f"<h2>Failures: {escape(report['provider'])}</h2>"
    for error in report["errors"][: limits.failures]:
        yield "<details class='failure' open><summary><b class='f'>internal error</b> "
        yield f"{escape(error['check'])}</summary><pre>{escape(shortened(error['text'], limits.text))}</pre></details>"
    if len(report["errors"]) > limits.failures:
        yield f"<p>… and {counted(len(report['errors']) - limits.failures, 'other internal error')}</p>"
    for number, (name, violations) in enumerate(groups[: limits.failures]):
        first = violations[0]
        opened = " open" if number == 0 else ""
        yield f"<details class='failure'{opened}><summary><b class='f'>{first['severity']}</b> "
        got = shortened(" ".join(first["got"][:1]), 120)
        yield f"<code>{escape(name)}</code>: {escape(got)} × {sum(each['count'] for each in violations)}</summary>"
        if first["rule"]:
            yield f"<p class='quiet'>{escape(cited(first['source']))} ({first['certainty']})</p>"
        for violation in violations[:VARIANTS_MAX]:
            yield from _violation(violation, limits.text)
        if len(violations) > VARIANTS_MAX:
            yield f"<p>… and {counted(len(violations) - VARIANTS_MAX, 'other mistake')}</p>"
        yield "</details>"
    others = groups[limits.failures :]
    if others:
        yield "<ul>"
        for name, violations in others[: limits.lines]:
            got = shortened(" ".join(violations[0]["got"][:1]), 120)
            yield f"<li class='failure'><b>{violations[0]['severity']}</b> <code>{escape(name)}</code>: {escape(got)}"
        yield "</ul>"
    if len(others) > limits.lines:
        yield f"<p>… and {counted(len(others) - limits.lines, 'other rule')}: the JSON report has them all.</p>"


def _violation(violation: Violation, most: int) -> Iterator[str]:
    """Yield one failure as a list of terms."""
    yield "<dl>"
    values = {
        "judged": violation["judged"] if violation["rule"] else "",
        "sent": violation["sent"],
        "promised": violation["promised"],
        "got": "; ".join(violation["got"]),
        "found by": found_by([violation]).removeprefix("found by "),
        "files": ", ".join(violation["files"]),
    }
    for name, value in values.items():
        if value:
            yield f"<dt>{name}<dd>{escape(shortened(value, most))}"
    if violation["steps"]:
        yield "<dt>steps<dd><ol>"
        yield from (f"<li>{escape(shortened(step, most // 5))}" for step in violation["steps"])
        yield "</ol>"
    if violation["answer"]:
        yield f"<dt>answer<dd><pre>{escape(shortened(chr(10).join(violation['answer']), most))}</pre>"
    if 0 < len(violation["curl"]) <= most:
        yield f"<dt>request<dd><pre>{escape(violation['curl'])}</pre>"
    yield "</dl>"


def _rules(report: Report, limits: Limits) -> Iterator[str]:
    rows = report["rules"]
    name = f"{report['provider']}: {counted(len(rows), 'rule')}, by source"
    yield f"<details class='rules'><summary>{escape(name)}</summary><table><thead><tr>"
    yield "<th scope='col' class='wide'>rule<th scope='col'>accepted<th scope='col'>refused<th scope='col'>state"
    yield "</thead>"
    by_source: dict[str, list[RuleRow]] = {}
    for row in sorted(rows, key=lambda row: ORDER.index(row["status"]))[: limits.rules]:
        by_source.setdefault(f"{cited(row['source'])} ({row['certainty']})", []).append(row)
    for source, found in by_source.items():
        yield f"<tbody><tr><th colspan='4' scope='rowgroup'>{escape(source)}"
        yield from (_row(row, limits.detail) for row in found)
    yield "</table>"
    if len(rows) > limits.rules:
        yield f"<p>… and {len(rows) - limits.rules} more: the JSON report has them all.</p>"
    if report["skipped"]:
        yield "<p>Why checks were skipped:</p><ul class='quiet'>"
        reasons = sorted(report["skipped"].items(), key=lambda item: -item[1])
        yield from (
            f"<li>{count} × {escape(shortened(reason, limits.text // 5))}" for reason, count in reasons[:REASONS_MAX]
        )
        yield "</ul>"
    if len(report["skipped"]) > REASONS_MAX:
        yield f"<p>… and {counted(len(report['skipped']) - REASONS_MAX, 'other reason')}</p>"
    yield "</details>"


def _row(row: RuleRow, detail: int) -> str:
    sides = "".join(f"<td>{row[side]['passed']}/{row[side]['tried']}" for side in SIDES)
    is_shown = detail and row["detail"] and row["status"] != "skipped"
    came = f"<small>{escape(shortened(row['detail'], detail))}</small>" if is_shown else ""
    state = SIGNS[row["status"]]
    return f"<tr class={row['status'][0]}><td>{escape(row['id'])}{came}{sides}<td>{state}"
