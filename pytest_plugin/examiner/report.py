"""Reports: what a run found, as JSON, as one self-contained page, as Markdown."""

import html
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from qwenmock.pytest_plugin.examiner.invariants import relations
from qwenmock.pytest_plugin.examiner.results import Tally
from qwenmock.pytest_plugin.examiner.session import Examiner
from qwenmock.schemas.catalog import Provider, Rule
from qwenmock.schemas.vocabulary import JSON

NEVER = "no request of this run touched it"
ORDER = ("fail", "observed", "pass", "skipped")
SIGNS = {"pass": "holds", "fail": "VIOLATED", "observed": "observed", "skipped": "not examined"}


@dataclass
class Run:
    """What one provider's examination gathered; several processes' can be added up.

    Attributes:
        failures: Name and text of each check that failed.
        reasons: Why checks were skipped, by reason, and how many.

    """

    target: str
    provider: str
    profile: str
    started: float
    seconds: float = 0.0
    tallies: dict[str, Tally] = field(default_factory=dict[str, Tally])
    statuses: dict[str, int] = field(default_factory=dict[str, int])
    requests: int = 0
    failures: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    reasons: dict[str, int] = field(default_factory=dict[str, int])
    budget: dict[str, str] = field(default_factory=dict[str, str])

    def count(self, name: str, result: str, text: str) -> None:
        """Take a check's outcome in."""
        if result == "failed":
            self.failures.append((name, text))
        elif result == "skipped":
            self.reasons[text] = self.reasons.get(text, 0) + 1

    def finish(self, examiner: Examiner) -> None:
        """Take in what the examiner has counted."""
        self.seconds = round(time.time() - self.started, 3)
        self.tallies = examiner.results.tallies
        self.statuses = examiner.sender.statuses
        self.requests = examiner.sender.sent
        if examiner.payments.budget.limit is not None:
            budget = examiner.payments.budget
            self.budget = {
                "currency": budget.currency,
                "limit": f"{budget.limit:f}",
                "spent": f"{budget.spent:f}",
                "worst": f"{budget.worst:f}",
                "left": f"{budget.left:f}",
            }

    def add(self, other: "Run") -> None:
        """Take in another process's part of the same run."""
        self.started = min(self.started, other.started)
        self.seconds = max(self.seconds, other.seconds)
        self.requests += other.requests
        self.failures += other.failures
        self.budget = other.budget or self.budget
        for rule, tally in other.tallies.items():
            self.tallies.setdefault(rule, Tally()).add(tally)
        for counts, more in ((self.statuses, other.statuses), (self.reasons, other.reasons)):
            for name, number in more.items():
                counts[name] = counts.get(name, 0) + number

    def dump(self) -> JSON:
        """Return what another process can load."""
        return asdict(self)

    @classmethod
    def load(cls, values: dict[str, Any]) -> "Run":
        """Return the run that `dump` gave."""
        loaded: dict[str, Any] = dict(values)
        loaded["tallies"] = {rule: Tally(**tally) for rule, tally in values["tallies"].items()}
        loaded["failures"] = [(name, text) for name, text in values["failures"]]
        return cls(**loaded)


def begin(examiner: Examiner) -> Run:
    """Return an empty run."""
    return Run(examiner.target.name, examiner.provider.slug, examiner.settings.profile, time.time())


def rules_of(provider: Provider) -> list[Rule]:
    """Return every rule of a provider, those of its answers that no schema states among them."""
    found = [rule for variant in provider.variants.values() for rule in relations(provider, variant).values()]
    return [*provider.rules, *found]


def as_json(run: Run, provider: Provider) -> dict[str, JSON]:
    """Return the report of one provider."""
    rows = [_row(rule, run.tallies.get(rule.id, Tally())) for rule in rules_of(provider)]
    counts = {status: sum(row["status"] == status for row in rows) for status in SIGNS}
    return {
        "target": run.target,
        "provider": run.provider,
        "profile": run.profile,
        "started": run.started,
        "seconds": run.seconds,
        "rules": rows,
        "statuses": run.statuses,
        "requests": run.requests,
        "spent": run.budget.get("spent", "0"),
        "budget": run.budget,
        "failures": [{"check": name, "text": text} for name, text in run.failures],
        "skipped": run.reasons,
        "summary": {"conforms": not run.failures, "violations": len(run.failures), **counts},
    }


def _row(rule: Rule, tally: Tally) -> dict[str, JSON]:
    sides = {side: {"tried": tally.tried[side], "passed": tally.passed[side]} for side in ("accept", "reject")}
    detail = tally.detail if tally.status != "skipped" else NEVER
    row: dict[str, JSON] = {"id": rule.id, "source": rule.source, "certainty": rule.certainty, **sides}
    return {**row, "status": tally.status, "detail": detail}


def write(path: Path, reports: Sequence[dict[str, JSON]]) -> None:
    """Write a report in the form that the file's ending asks for."""
    if path.suffix == ".json":
        content: JSON = reports[0] if len(reports) == 1 else list(reports)
        text = json.dumps(content, ensure_ascii=False, indent=1) + "\n"
    else:
        text = as_html(reports) if path.suffix == ".html" else as_markdown(reports)
    path.write_text(text, "utf-8")


def headline(report: dict[str, JSON]) -> str:
    """Return what came out, in one line."""
    summary = report["summary"]
    verdict = "conforms" if summary["conforms"] else f"checks failed: {summary['violations']}"
    return (
        f"{report['provider']}: {verdict}; of {len(report['rules'])} rules {summary['pass']} hold, "
        f"{summary['fail']} are violated, {summary['observed']} observed otherwise, {summary['skipped']} not examined; "
        f"{report['requests']} requests in {report['seconds']:.1f} s"
    )


def budget_line(report: dict[str, JSON]) -> str:
    """Return what was spent, in one line; "" for a target that costs nothing."""
    budget = report["budget"]
    if not budget:
        return ""
    currency = budget["currency"]
    return (
        f"{report['provider']}: spent {budget['spent']} {currency} of {budget['limit']}, "
        f"worst case {budget['worst']}, left {budget['left']}"
    )


def as_markdown(reports: Sequence[dict[str, JSON]]) -> str:
    """Return a summary for a CI job."""
    lines = ["# Contract report", ""]
    for report in reports:
        lines += [f"**{headline(report)}**", "", f"Target: {report['target']}", "", budget_line(report), ""]
        notable = [row for row in report["rules"] if row["status"] in {"fail", "observed"}]
        if notable:
            lines += [
                "| rule | source | certainty | accepted | refused | status | came instead |",
                "|---|---|---|---|---|---|---|",
            ]
            for row in notable:
                sides = [f"{row[side]['passed']}/{row[side]['tried']}" for side in ("accept", "reject")]
                cells = [
                    f"`{row['id']}`",
                    row["source"],
                    row["certainty"],
                    *sides,
                    SIGNS[row["status"]],
                    row["detail"][:150],
                ]
                lines.append("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |")
            lines.append("")
        for failure in report["failures"]:
            lines += [
                f"<details><summary>{html.escape(failure['check'])}</summary>",
                "",
                "```",
                failure["text"],
                "```",
                "",
                "</details>",
                "",
            ]
        if report["skipped"]:
            lines += [
                "Not examined:",
                "",
                *(f"- {count} x {reason}" for reason, count in report["skipped"].items()),
                "",
            ]
    return "\n".join(lines)


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


def as_html(reports: Sequence[dict[str, JSON]]) -> str:
    """Return one page that needs nothing else."""
    e = html.escape
    parts = [
        "<!doctype html><html lang='en'><meta charset='utf-8'><meta name='viewport' content='width=device-width'>",
        f"<title>Contract report</title><style>{STYLE}</style><h1>Contract report</h1><nav>",
        *(f"<a href='#{r['provider']}'>{e(r['provider'])}</a>" for r in reports),
        "</nav>",
    ]
    for report in reports:
        started = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(report["started"]))
        parts += [
            f"<h2 id='{e(report['provider'])}'>{e(headline(report))}</h2>",
            f"<p>{e(report['target'])}, profile {e(report['profile'])}, {started}. {e(budget_line(report))}</p>",
            f"<p>Answers by status: {e(', '.join(f'{s} x {n}' for s, n in sorted(report['statuses'].items())))}</p>",
        ]
        parts += [f"<h3>{e(f['check'])}</h3><pre>{e(f['text'])}</pre>" for f in report["failures"]]
        parts.append("<table><tr><th>rule<th>source<th>certainty<th>accepted<th>refused<th>status</tr>")
        for row in sorted(report["rules"], key=lambda row: ORDER.index(row["status"])):
            sides = "".join(f"<td class='n'>{row[s]['passed']}/{row[s]['tried']}" for s in ("accept", "reject"))
            detail = f"<br><small>{e(row['detail'])}</small>" if row["detail"] and row["status"] != "skipped" else ""
            parts.append(
                f"<tr><td><code>{e(row['id'])}</code>{detail}<td>{e(row['source'])}<td>{e(row['certainty'])}{sides}"
                f"<td class='{row['status']}'>{SIGNS[row['status']]}</tr>"
            )
        parts.append("</table>")
        parts += [f"<p class='skipped'>{count} x {e(reason)}</p>" for reason, count in report["skipped"].items()]
    return "\n".join(parts) + "\n"
