"""The report as JUnit XML, for CI systems that show test results."""

import re
from collections.abc import Sequence
from xml.etree import ElementTree as ET

from qwenmock.pytest_plugin.examiner.report.baseline import changes, comparison_line
from qwenmock.pytest_plugin.examiner.report.content import Report, RuleRow, headline, target_line
from qwenmock.pytest_plugin.examiner.report.failures import found_by, short
from qwenmock.schemas.sources import cited

FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML cannot have."""


def as_junit(reports: Sequence[Report]) -> str:
    """Return one suite for the rules of each provider, and one for its checks that failed."""
    root = ET.Element("testsuites", name="qwenmock")
    for report in reports:
        _add_rules(root, report)
        _add_checks(root, report)
    ET.indent(root, " ")
    return f"<?xml version='1.0' encoding='utf-8'?>\n{ET.tostring(root, 'unicode')}\n"


def _add_rules(root: ET.Element, report: Report) -> None:
    summary = report["summary"]
    suite = ET.SubElement(
        root,
        "testsuite",
        name=f"{report['provider']} rules",
        tests=str(summary["rules"]),
        failures=str(summary["fail"]),
        errors="0",
        skipped=str(summary["skipped"]),
        time=f"{report['seconds']:.3f}",
    )
    properties = ET.SubElement(suite, "properties")
    values = {
        "target": target_line(report),
        "profile": report["profile"],
        "seed": str(report["seed"]),
        "headline": headline(report),
        **{name: str(value).lower() for name, value in summary.items()},
    }
    if report["baseline"] is not None:
        for heading, found in changes(report["baseline"]).items():
            values[heading.replace(" ", "_")] = ", ".join(each["id"] for each in found)
        values["baseline"] = comparison_line(report["baseline"])
    for name, value in values.items():
        ET.SubElement(properties, "property", name=name, value=_clean(value))
    for row in report["rules"]:
        _add_rule(suite, report["provider"], row)


def _add_rule(suite: ET.Element, provider: str, row: RuleRow) -> None:
    case = ET.SubElement(suite, "testcase", classname=f"{provider}.rules", name=row["id"], time="0")
    if row["status"] == "fail":
        source = f"{cited(row['source'])} ({row['certainty']})"
        ET.SubElement(case, "failure", message=_clean(row["detail"])).text = source
    elif row["status"] == "skipped":
        ET.SubElement(case, "skipped", message=_clean(row["detail"]))
    elif row["status"] == "observed":
        ET.SubElement(case, "system-out").text = _clean(f"observed otherwise: {row['detail']}")


def _add_checks(root: ET.Element, report: Report) -> None:
    failures, errors = report["failures"], report["errors"]
    suite = ET.SubElement(
        root,
        "testsuite",
        name=f"{report['provider']} checks",
        tests=str(len(failures) + len(errors)),
        failures=str(len(failures)),
        errors=str(len(errors)),
        skipped="0",
        time="0",
    )
    for each in failures:
        text = f"{each['text']}\n\n({found_by([each])})"
        _add_check(suite, report["provider"], "failure", each["check"], short([each]), text)
    for error in errors:
        first = error["text"].partition("\n")[0]
        _add_check(suite, report["provider"], "error", error["check"], first, error["text"])


def _add_check(suite: ET.Element, provider: str, kind: str, name: str, message: str, text: str) -> None:
    case = ET.SubElement(suite, "testcase", classname=f"{provider}.checks", name=_clean(name), time="0")
    ET.SubElement(case, kind, message=_clean(message)).text = _clean(text)


def _clean(text: str) -> str:
    return FORBIDDEN.sub("\ufffd", text)
