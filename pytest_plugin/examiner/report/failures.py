"""The failures of an examination: equal ones once, the most serious first."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, TypedDict

from qwenmock.pytest_plugin.examiner.findings import SEVERITIES, SUBJECTS, Severity, printed, shortened
from qwenmock.pytest_plugin.examiner.report.run import Found
from qwenmock.pytest_plugin.examiner.results import RuleStatus
from qwenmock.schemas.models import Certainty
from qwenmock.schemas.wording import counted

CHECKS_MAX = 20
"""Checks that a failure names; the others are counted."""
RULES_SHOWN = 5
SHORT_MAX = 160
VARYING = re.compile(r"\"[^\"]*\"|'[^']*'|[0-9a-z.:/-]+", re.IGNORECASE)
"""What may differ between two failures that are the same: quoted values, and words with a digit, such as ids."""
SHAPE_MAX = 300
"""Characters of a mistake that are compared."""


SIGNS: Mapping[RuleStatus, str] = {
    "pass": "holds",
    "fail": "VIOLATED",
    "observed": "observed",
    "skipped": "not examined",
}
"""How a rule's status is shown to people."""


class Failure(TypedDict):
    """A check that failed, and why."""

    check: str
    text: str


class Violation(Failure):
    """What was found about one rule, or about one subject without a rule, in one check or several.

    Attributes:
        check: The first check that found it.
        text: All that is to be said about it, as it is printed.
        rule: The rule's id; "" where the catalogue has none.
        judged: What was judged.
        severity: One of `findings.SEVERITIES`.
        count: Number of checks that found it.
        checks: The first of them.

    """

    rule: str
    value: str
    source: str
    certainty: Certainty | Literal[""]
    judged: str
    severity: Severity
    count: int
    checks: list[str]
    sent: str
    promised: str
    got: list[str]
    answer: list[str]
    steps: list[str]
    curl: str
    files: list[str]


def merged(found: Iterable[Found]) -> list[Violation]:
    """Return what was found, equal failures once with their number, the most serious and frequent ones first."""
    violations: dict[tuple[str, ...], Violation] = {}
    for each in found:
        finding = each.finding
        key = (finding.subject, finding.rule, finding.promised, _shape(finding.got))
        if key not in violations:
            violations[key] = _violation(each)
        violation = violations[key]
        violation["count"] += 1
        if len(violation["checks"]) < CHECKS_MAX and each.check not in violation["checks"]:
            violation["checks"].append(each.check)
    return sorted(violations.values(), key=lambda each: (SEVERITIES.index(each["severity"]), -each["count"]))


def _shape(got: Sequence[str]) -> str:
    """Return what is equal in the mistakes of equal failures."""
    return _without_values(got[0][:SHAPE_MAX]) if got else ""


def _without_values(text: str) -> str:
    return VARYING.sub(lambda found: "…" if re.search("[0-9\"']", found[0]) else found[0], text)


def _violation(found: Found) -> Violation:
    finding = found.finding
    return Violation(
        check=found.check,
        text=printed((finding,)),
        rule=finding.rule,
        value=finding.value,
        source=finding.source,
        certainty=finding.certainty,
        judged=SUBJECTS[finding.subject],
        severity=finding.severity,
        count=0,
        checks=[],
        sent=finding.sent,
        promised=finding.promised,
        got=list(finding.got),
        answer=list(finding.answer),
        steps=list(finding.steps),
        curl=finding.curl,
        files=list(finding.files),
    )


def identity(judged: str, promised: str, got: Sequence[str]) -> str:
    """Return what is equal in two reports of a failure that is about no rule."""
    return " | ".join([judged, _without_values(promised), _shape(got)])


def title(violation: Violation) -> str:
    """Return the rule, or what was judged."""
    return violation["rule"] or violation["judged"]


def by_title(violations: Iterable[Violation]) -> Mapping[str, list[Violation]]:
    """Return violations by rule, or by what was judged; what has the most serious one comes first."""
    groups: dict[str, list[Violation]] = {}
    for each in violations:
        groups.setdefault(title(each), []).append(each)
    return groups


def alike(violations: Iterable[Violation]) -> list[list[Violation]]:
    """Return violations in groups that differ in their rule only: a server that does one thing wrong everywhere."""
    groups: dict[tuple[str, ...], list[Violation]] = {}
    for each in violations:
        key = (each["severity"], each["judged"], "" if each["rule"] else each["promised"], _shape(each["got"]))
        groups.setdefault(key, []).append(each)
    return list(groups.values())


def found_by(group: Sequence[Violation]) -> str:
    """Return which checks found a group that is alike, and for which other rules."""
    others = sum(each["count"] for each in group) - 1
    text = f"found by {group[0]['check']}" + (f" and {counted(others, 'other check')}" if others else "")
    rules = [title(each) for each in group[1:]]
    if not rules:
        return text
    more = f" and {len(rules) - RULES_SHOWN} more" if len(rules) > RULES_SHOWN else ""
    return f"{text}; the same for {counted(len(rules), 'other rule')}: {', '.join(rules[:RULES_SHOWN])}{more}"


def short(group: Sequence[Violation]) -> str:
    """Return a group that is alike in one line."""
    first = group[0]
    more = f" and {counted(len(group) - 1, 'other rule')}" if len(group) > 1 else ""
    return f"{first['severity']}: {title(first)}{more}: {shortened((first['got'] or [''])[0], SHORT_MAX)}"
