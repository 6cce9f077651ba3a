"""What is said of a run: on the terminal, and in JSON, Markdown and JUnit."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from html import escape
from pathlib import Path
from typing import TypedDict
from xml.etree import ElementTree as ET

from qwenmock.mockserver.errors import SettingsError
from qwenmock.mockserver.testing.entries import VerdictFinding
from qwenmock.pytest_plugin.programs.session import Run
from qwenmock.pytest_plugin.testkit.usage import money, never, rule_counts
from qwenmock.schemas.wording import counted

FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML cannot have."""
PROVED_NOTHING = "no provider was called"


class Coverage(TypedDict):
    """What of a provider's contract a command exercised.

    Attributes:
        rules_broken: How many rules on requests it broke.
        rules: How many there are.
        never: Statuses, states and outcomes that it never met.

    """

    rules_broken: int
    rules: int
    never: list[str]


class Summary(TypedDict):
    """The report of a run.

    Attributes:
        cost: Simulated money by currency, as decimal text.
        findings: Findings on how the command behaved as a client.
        coverage: By provider.
        refused: How many requests were refused, by host.
        scenario: Name of the scenario; "" for none.
        repeated: How many requests were those of before once more, with the same body.
        wasted: Simulated money that bought nothing, by currency, as decimal text.
        seconds: How long it took on the clock of the double.
        unmet: Which of the conditions that were asked for do not hold.

    """

    command: str
    exit_code: int
    calls: int
    images: int
    cost: dict[str, str]
    findings: list[VerdictFinding]
    coverage: dict[str, Coverage]
    refused: dict[str, int]
    scenario: str
    repeated: int
    wasted: dict[str, str]
    seconds: float
    unmet: list[str]


class Conditions(TypedDict):
    """What a run must keep besides its exit code.

    Attributes:
        max_cost: The most that it may cost in any one currency; None for no limit.
        verdict: Whether the verdict may have no error.
        coverage: Whether all of the contract of each called provider must be exercised.

    """

    max_cost: Decimal | None
    verdict: bool
    coverage: bool


def summary_of(run: Run, conditions: Conditions) -> Summary:
    """Return the report of a run."""
    [use] = run.usage.uses
    coverage: dict[str, Coverage] = {}
    for slug, touched in sorted(run.usage.touched.items()):
        broken, rules = rule_counts(touched, run.catalog, slug)
        coverage[slug] = Coverage(rules_broken=broken, rules=rules, never=never(touched, run.catalog, slug))
    return Summary(
        command=run.command,
        exit_code=run.exit_code,
        calls=use.calls,
        images=use.images,
        cost=use.cost,
        findings=use.findings,
        coverage=coverage,
        refused=dict(run.refused),
        scenario=run.scenario,
        repeated=run.repeated,
        wasted={currency: f"{amount:f}" for currency, amount in run.wasted.items()},
        seconds=round(run.seconds, 3),
        unmet=_unmet(use.cost, use.findings, coverage, conditions),
    )


def _unmet(
    cost: Mapping[str, str],
    findings: Sequence[VerdictFinding],
    coverage: Mapping[str, Coverage],
    conditions: Conditions,
) -> list[str]:
    """Return which conditions do not hold."""
    said: list[str] = []
    limit = conditions["max_cost"]
    if limit is not None and any(Decimal(amount) > limit for amount in cost.values()):
        said.append(f"it would have cost {money(cost)}, more than --max-cost {limit}")
    errors = [finding for finding in findings if finding["severity"] == "error"]
    if conditions["verdict"] and errors:
        said.append(f"--fail-on-verdict: {counted(len(errors), 'error')} in the verdict")
    if conditions["coverage"]:
        said += [
            f"--fail-on-uncovered: {slug}: never exercised: {', '.join(each['never'])}"
            for slug, each in coverage.items()
            if each["never"]
        ]
        said += [] if coverage else [f"--fail-on-uncovered: {PROVED_NOTHING}"]
    return said


def lines(summary: Summary) -> list[str]:
    """Return what the terminal says."""
    said = [
        f"exit code {summary['exit_code']}; {counted(summary['calls'], 'call')}, "
        f"{counted(summary['images'], 'image')}: {money(summary['cost'])} that production would cost"
    ]
    for slug, each in summary["coverage"].items():
        said.append(f"{slug}: {each['rules_broken']} of {each['rules']} rules on requests were broken")
        if each["never"]:
            said.append(f"{slug}: never exercised: {', '.join(each['never'])}")
    said += [f"{finding['severity']}: {finding['kind']}: {finding['detail']}" for finding in summary["findings"]]
    said += [
        f"refused: {host} ({counted(times, 'request')}); --allow {host} lets them through"
        for host, times in summary["refused"].items()
    ]
    return said + [f"failed: {reason}" for reason in summary["unmet"]]


COLUMNS = ("scenario", "exit code", "calls", "repeated", "cost", "wasted", "findings", "seconds")
"""Of the table of several runs."""


def row(summary: Summary) -> tuple[str, ...]:
    """Return a run as a line of the table."""
    counts = Counter(f"{finding['kind']} ({finding['severity']})" for finding in summary["findings"])
    kinds = [kind if times == 1 else f"{times} × {kind}" for kind, times in counts.items()]
    return (
        summary["scenario"],
        str(summary["exit_code"]),
        str(summary["calls"]),
        str(summary["repeated"]),
        money(summary["cost"]),
        money(summary["wasted"]),
        ", ".join([*kinds, *[f"failed: {reason}" for reason in summary["unmet"]]]) or "–",
        f"{summary['seconds']:.1f}",
    )


def table_lines(summaries: Sequence[Summary]) -> list[str]:
    """Return the table of several runs for the terminal."""
    rows = [COLUMNS, *map(row, summaries)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(f"{cell:{width}}" for cell, width in zip(each, widths, strict=True)).rstrip() for each in rows]


def as_json(summaries: Sequence[Summary]) -> str:
    """Return the report as JSON: an object for one run, a list for several scenarios."""
    single = len(summaries) == 1 and not summaries[0]["scenario"]
    return json.dumps(summaries[0] if single else list(summaries), indent=2) + "\n"


def as_markdown(summaries: Sequence[Summary]) -> str:
    """Return the report for a pull request."""
    said: list[str] = []
    if summaries[0]["scenario"]:
        said += [f"## {_code(summaries[0]['command'])} under {counted(len(summaries), 'scenario')}", ""]
        said += [_markdown_row(COLUMNS), "|" + "---|" * len(COLUMNS)]
        said += [*[_markdown_row(row(each)) for each in summaries], ""]
    for summary in summaries:
        said += [*_markdown_lines(summary), ""]
    return "\n".join(said)


def _code(text: str) -> str:
    """Return text as code on one line, whatever quotes it has."""
    quote = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{quote}{' '.join(text.split())}{quote}"


def _markdown_row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _markdown_lines(summary: Summary) -> list[str]:
    result = "failed" if summary["unmet"] else f"exit code {summary['exit_code']}"
    said = [
        f"## {summary['scenario'] or _code(summary['command'])}: {result}",
        "",
        f"{counted(summary['calls'], 'call')}, {counted(summary['images'], 'image')}, "
        f"**{money(summary['cost'])}** that production would cost.",
        "",
        *[f"- **failed**: {reason}" for reason in summary["unmet"]],
        *[f"- **{f['kind']}** ({f['severity']}): {f['detail']}" for f in summary["findings"]],
        *[f"- refused: `{host}` ({counted(n, 'request')})" for host, n in summary["refused"].items()],
    ]
    if summary["coverage"]:
        said += ["", "| provider | rules broken | never exercised |", "|---|---|---|"]
    for slug, each in summary["coverage"].items():
        missing = ", ".join(each["never"]) or "–"
        said.append(f"| {slug} | {each['rules_broken']} of {each['rules']} | {missing} |")
    return said


def as_html(summaries: Sequence[Summary]) -> str:
    """Return the table as a page."""
    title = escape(summaries[0]["command"])
    head = "".join(f'<th scope="col">{name}</th>' for name in COLUMNS)
    rows = "\n".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row(each))}</tr>" for each in summaries)
    style = "body{font-family:sans-serif}table{border-collapse:collapse}th,td{border:1px solid #999;padding:.3em .6em}"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{style}</style></head>\n<body><h1>{title}</h1>\n"
        f"<table><thead><tr>{head}</tr></thead><tbody>\n{rows}\n</tbody></table></body></html>\n"
    )


def as_junit(summaries: Sequence[Summary]) -> str:
    """Return the report as JUnit XML: a suite for each run, a case for its exit code and for each unmet condition."""
    root = ET.Element("testsuites", name="qwenmock")
    for summary in summaries:
        _add_suite(root, summary)
    ET.indent(root, " ")
    return f"<?xml version='1.0' encoding='utf-8'?>\n{ET.tostring(root, 'unicode')}\n"


def _add_suite(root: ET.Element, summary: Summary) -> None:
    failures = [f"exit code {summary['exit_code']}"] if summary["exit_code"] else []
    cases = [("exit code", failures), *[("condition", [reason]) for reason in summary["unmet"]]]
    count = sum(bool(failed) for _, failed in cases)
    suite = ET.SubElement(
        root,
        "testsuite",
        name=f"qwenmock run {summary['scenario']}".rstrip(),
        tests=str(len(cases)),
        failures=str(count),
        errors="0",
        time=f"{summary['seconds']:.3f}",
    )
    properties = ET.SubElement(suite, "properties")
    values = {"command": summary["command"], "calls": summary["calls"], "images": summary["images"]}
    for name, value in {**values, "cost": money(summary["cost"])}.items():
        ET.SubElement(properties, "property", name=name, value=_clean(str(value)))
    for name, failed in cases:
        case = ET.SubElement(suite, "testcase", classname="qwenmock.run", name=name, time="0")
        for reason in failed:
            ET.SubElement(case, "failure", message=_clean(reason))


def _clean(text: str) -> str:
    return FORBIDDEN.sub("\ufffd", text)


FORMATS: dict[str, Callable[[Sequence[Summary]], str]] = {
    ".json": as_json,
    ".md": as_markdown,
    ".html": as_html,
    ".xml": as_junit,
}
"""Formats of reports, by the file's ending."""


def write(summaries: Sequence[Summary], path: Path) -> None:
    """Write a report in the format that the file's ending names.

    Raises:
        SettingsError: The file cannot be written.

    """
    try:
        path.write_text(FORMATS[path.suffix](summaries), "utf-8")
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from error
