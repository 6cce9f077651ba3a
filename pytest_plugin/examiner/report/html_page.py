"""The report as one HTML page."""

import html
import time
from collections.abc import Sequence

from qwenmock.pytest_plugin.examiner.report.content import (
    ORDER,
    SIGNS,
    Report,
    RuleRow,
    budget_line,
    headline,
    target_line,
)
from qwenmock.pytest_plugin.examiner.results import SIDES

STYLE = """
:root { color-scheme: light dark; --ok: #1a7f37; --bad: #cf222e; --note: #9a6700; --line: #8883 }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem }
table { border-collapse: collapse; width: 100%; font-size: 13px }
td, th { padding: .25rem .5rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top }
td.n { text-align: right; font-variant-numeric: tabular-nums }
code, pre { font: 12px ui-monospace, monospace; overflow-wrap: anywhere; white-space: pre-wrap }
pre { padding: 1rem; border: 1px solid var(--line); border-radius: 6px }
.pass { color: var(--ok) } .fail { color: var(--bad); font-weight: 700 }
.observed { color: var(--note) } .skipped { opacity: .6 } nav a { margin-right: 1rem }
"""


def as_html(reports: Sequence[Report]) -> str:
    """Return a page that loads nothing else."""
    escape = html.escape
    parts = [
        "<!doctype html><html lang='en'><meta charset='utf-8'><meta name='viewport' content='width=device-width'>",
        f"<title>Contract report</title><style>{STYLE}</style><h1>Contract report</h1><nav>",
        *(f"<a href='#{report['provider']}'>{escape(report['provider'])}</a>" for report in reports),
        "</nav>",
    ]
    for report in reports:
        parts += _head(report)
        parts += [
            f"<h3>{escape(f['check'])}</h3><pre>{escape(f['text'])}</pre>"
            for f in (*report["errors"], *report["failures"])
        ]
        parts.append("<table><tr><th>rule<th>source<th>certainty<th>accepted<th>refused<th>status</tr>")
        parts += [_row(row) for row in sorted(report["rules"], key=lambda row: ORDER.index(row["status"]))]
        parts.append("</table>")
        parts += [f"<p class='skipped'>{count} x {escape(reason)}</p>" for reason, count in report["skipped"].items()]
    return "\n".join(parts) + "\n"


def _head(report: Report) -> list[str]:
    escape = html.escape
    started = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(report["started"]))
    statuses = ", ".join(f"{status} x {count}" for status, count in sorted(report["statuses"].items()))
    return [
        f"<h2 id='{escape(report['provider'])}'>{escape(headline(report))}</h2>",
        f"<p>{escape(target_line(report))}, profile {escape(report['profile'])}, seed {report['seed']}, {started}. "
        f"{escape(budget_line(report))}</p>",
        f"<p>Answers by status: {escape(statuses)}</p>",
    ]


def _row(row: RuleRow) -> str:
    escape = html.escape
    sides = "".join(f"<td class='n'>{row[side]['passed']}/{row[side]['tried']}" for side in SIDES)
    detail = f"<br><small>{escape(row['detail'])}</small>" if row["detail"] and row["status"] != "skipped" else ""
    return (
        f"<tr><td><code>{escape(row['id'])}</code>{detail}<td>{escape(row['source'])}<td>{escape(row['certainty'])}"
        f"{sides}<td class='{row['status']}'>{SIGNS[row['status']]}</tr>"
    )
