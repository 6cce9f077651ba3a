"""Comparison with an earlier report: what is newly violated, what was mended, what is no longer examined."""

import json
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from qwenmock.pytest_plugin.examiner.json_values import (
    read_array,
    read_member,
    read_number,
    read_object,
    read_string,
    texts,
)
from qwenmock.pytest_plugin.examiner.report.failures import SIGNS, Violation, identity
from qwenmock.pytest_plugin.examiner.results import RuleStatus, UnreadableAnswer
from qwenmock.schemas.vocabulary import JSON

GONE = "not in the contract any more"
NEW = "not in the contract"
FOUND, NOT_FOUND, NOT_EXAMINED = "found", "not found", "not examined"
"""Of a failure that is about no rule."""


class BaselineError(Exception):
    """A file is no report that another can be compared with."""


class Change(TypedDict):
    """A rule, or what was judged, with its state in both reports."""

    id: str
    was: str
    now: str


class Comparison(TypedDict):
    """What has changed since an earlier report.

    Attributes:
        file: Its file name.
        started: When that examination began, in Unix seconds.
        profile: With which profile.

    """

    file: str
    started: float
    profile: str
    violated: list[Change]
    mended: list[Change]
    unexamined: list[Change]


@dataclass(frozen=True, slots=True)
class Baseline:
    """An earlier report of one provider.

    Attributes:
        statuses: By rule id.
        failures: Failures about no rule, by identity.

    """

    file: str
    started: float
    profile: str
    statuses: Mapping[str, RuleStatus]
    failures: Mapping[str, "OldFailure"]


@dataclass(frozen=True, slots=True)
class OldFailure:
    """A failure about no rule in an earlier report: its text, and the checks that found it."""

    text: str
    checks: frozenset[str]


def read_baselines(path: Path) -> Mapping[str, Baseline]:
    """Return the reports in a JSON file by provider.

    Raises:
        BaselineError: It has none.

    """
    try:
        content: JSON = json.loads(path.read_text("utf-8"))
        reports = content if isinstance(content, list) else [content]
        found = [_baseline(path.name, report) for report in reports]
    except OSError as error:
        raise BaselineError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, UnreadableAnswer) as error:
        raise BaselineError(f"expected a JSON report of an examination, got {path}: {error}") from error
    if not found:
        raise BaselineError(f"expected a JSON report of an examination, got {path}: it has no report")
    return dict(found)


def _baseline(file: str, report: JSON) -> tuple[str, Baseline]:
    rows = [read_object(row, "a rule") for row in read_array(read_member(report, "rules"), "rules")]
    statuses: dict[str, RuleStatus] = {read_string(row.get("id"), "id"): _status(row.get("status")) for row in rows}
    failures = [read_object(each, "a failure") for each in read_array(read_member(report, "failures"), "failures")]
    return read_string(read_member(report, "provider"), "provider"), Baseline(
        file=file,
        started=read_number(read_member(report, "started"), "started"),
        profile=read_string(read_member(report, "profile"), "profile"),
        statuses=statuses,
        failures=dict(_without_rule(failures)),
    )


def _status(value: JSON) -> RuleStatus:
    for status in SIGNS:
        if value == status:
            return status
    raise UnreadableAnswer(f"the status of a rule: expected one of {', '.join(SIGNS)}, got {value!r:.40}")


def _without_rule(failures: Sequence[Mapping[str, JSON]]) -> Iterator[tuple[str, OldFailure]]:
    """Yield each failure that is about no rule; reports of older versions do not tell."""
    for each in failures:
        if each.get("rule") == "":
            judged, promised = str(each.get("judged")), str(each.get("promised"))
            got = texts(read_array(each.get("got"), "got"))
            checks = frozenset(texts(read_array(each.get("checks"), "checks")))
            yield identity(judged, promised, got), OldFailure(_told(judged, got), checks)


def _told(judged: str, got: Sequence[str]) -> str:
    return ": ".join([judged, *got[:1]])


def compared(
    baseline: Baseline,
    statuses: Mapping[str, RuleStatus],
    failures: Sequence[Violation],
    passed: Collection[str],
) -> Comparison:
    """Return what has changed since a baseline.

    Args:
        baseline: The earlier report.
        statuses: The rules of the new one.
        failures: Its failures.
        passed: Names of the checks that passed. A failure about no rule is mended if one of its checks did.

    """
    before = baseline.statuses

    def rules(changed: Callable[[RuleStatus | None, RuleStatus], bool]) -> list[Change]:
        return [
            Change(id=rule, was=SIGNS[before[rule]] if rule in before else NEW, now=SIGNS[now])
            for rule, now in statuses.items()
            if changed(before.get(rule), now)
        ]

    found = {
        identity(each["judged"], each["promised"], each["got"]): _told(each["judged"], each["got"])
        for each in failures
        if not each["rule"]
    }
    new = [Change(id=text, was=NOT_FOUND, now=FOUND) for key, text in found.items() if key not in baseline.failures]
    lost = [old for key, old in baseline.failures.items() if key not in found]
    mended = [old for old in lost if not old.checks.isdisjoint(passed)]
    unexamined = [old for old in lost if old not in mended]
    gone = [Change(id=rule, was=SIGNS[was], now=GONE) for rule, was in before.items() if rule not in statuses]
    return Comparison(
        file=baseline.file,
        started=baseline.started,
        profile=baseline.profile,
        violated=[*rules(lambda was, now: now == "fail" != was), *new],
        mended=[*rules(lambda was, now: was == "fail" and now == "pass"), *_changes(mended, NOT_FOUND)],
        unexamined=[
            *rules(lambda was, now: now == "skipped" and was not in {None, "skipped"}),
            *gone,
            *_changes(unexamined, NOT_EXAMINED),
        ],
    )


def _changes(failures: Sequence[OldFailure], now: str) -> Iterator[Change]:
    yield from (Change(id=each.text, was=FOUND, now=now) for each in failures)


def changes(comparison: Comparison) -> Mapping[str, list[Change]]:
    """Return the changes by their headings."""
    return {
        "newly violated": comparison["violated"],
        "mended": comparison["mended"],
        "no longer examined": comparison["unexamined"],
    }


def comparison_line(comparison: Comparison) -> str:
    """Return the numbers of changes in one line."""
    day = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(comparison["started"]))
    numbers = ", ".join(f"{len(found)} {heading}" for heading, found in changes(comparison).items())
    return f"since {comparison['file']} ({day}, profile {comparison['profile']}): {numbers}"


def change_lines(comparison: Comparison, most: int) -> Iterator[str]:
    """Yield a line for each change, at most so many for each heading, and the number of the others."""
    for heading, found in changes(comparison).items():
        yield from (f"{heading}: {each['id']} (was: {each['was']}, now: {each['now']})" for each in found[:most])
        if len(found) > most:
            yield f"{heading}: … and {len(found) - most} more"
