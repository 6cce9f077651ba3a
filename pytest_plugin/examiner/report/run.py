"""The collected results of one provider's examination, from one process or several."""

import time
from dataclasses import asdict, dataclass, field
from typing import Literal, TypedDict, cast, final

from qwenmock.pytest_plugin.examiner.budget import Budget
from qwenmock.pytest_plugin.examiner.findings import Finding, Subject
from qwenmock.pytest_plugin.examiner.results import Tally, TallyValues
from qwenmock.pytest_plugin.examiner.session import Examiner
from qwenmock.pytest_plugin.examiner.target import EmbeddedTarget
from qwenmock.pytest_plugin.examiner.verdicts import Verdict
from qwenmock.schemas.models import Certainty


@final
class BudgetRow(TypedDict):
    """What was spent, as decimal strings in a currency."""

    currency: str
    limit: str
    spent: str
    worst: str
    left: str


@final
class NoBudget(TypedDict):
    """The budget of a target that costs nothing."""


class FindingValues(TypedDict):
    """A finding as JSON."""

    subject: Subject
    rule: str
    value: str
    source: str
    certainty: Certainty | Literal[""]
    sent: str
    promised: str
    got: list[str]
    answer: list[str]
    steps: list[str]
    curl: str
    files: list[str]


class FoundValues(TypedDict):
    """What one check found, as JSON."""

    check: str
    finding: FindingValues


@dataclass(frozen=True, slots=True)
class Found:
    """What one check found about one rule or subject."""

    check: str
    finding: Finding

    @classmethod
    def load(cls, values: FoundValues) -> "Found":
        """Return what was dumped as JSON."""
        finding = values["finding"]
        return cls(
            values["check"],
            Finding(
                subject=finding["subject"],
                rule=finding["rule"],
                value=finding["value"],
                source=finding["source"],
                certainty=finding["certainty"],
                sent=finding["sent"],
                promised=finding["promised"],
                got=tuple(finding["got"]),
                answer=tuple(finding["answer"]),
                steps=tuple(finding["steps"]),
                curl=finding["curl"],
                files=tuple(finding["files"]),
            ),
        )


class RunValues(TypedDict):
    """A run as JSON, for another process."""

    target: str
    control: str
    assume_limits: bool
    provider: str
    profile: str
    seed: int
    started: float
    seconds: float
    tallies: dict[str, TallyValues]
    statuses: dict[str, int]
    requests: int
    interrupted: bool
    passed: list[str]
    failed: int
    found: list[FoundValues]
    errors: list[tuple[str, str, str]]
    reasons: dict[str, int]
    budget: BudgetRow | NoBudget


@dataclass
class Run:
    """The collected results of one provider's examination.

    Attributes:
        control: URL of the target's control API, if that was given or found; "" for none.
        assume_limits: Whether documented limits were taken for refusals.
        seed: Of the random requests.
        started: In Unix seconds.
        seconds: What its checks took.
        tallies: By rule id.
        statuses: Number of answers by status.
        requests: Number of requests.
        interrupted: Whether the run ended before all checks had run.
        passed: Names of the checks that passed.
        failed: Number of checks that failed.
        found: What they found.
        errors: Name, text and traceback of each check that ended with an error of the examiner itself.
        reasons: Number of skipped checks by reason.

    """

    target: str
    provider: str
    profile: str
    seed: int
    started: float
    seconds: float = 0.0
    tallies: dict[str, Tally] = field(default_factory=dict[str, Tally])
    statuses: dict[str, int] = field(default_factory=dict[str, int])
    requests: int = 0
    passed: list[str] = field(default_factory=list[str])
    failed: int = 0
    found: list[Found] = field(default_factory=list[Found])
    errors: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])
    reasons: dict[str, int] = field(default_factory=dict[str, int])
    budget: BudgetRow | NoBudget = field(default_factory=NoBudget)
    interrupted: bool = False
    control: str = ""
    assume_limits: bool = False

    def count(self, name: str, verdict: Verdict, seconds: float = 0.0) -> None:
        """Count the verdict on a check, and the time it took."""
        self.seconds += seconds
        if verdict.result == "failed":
            self.failed += 1
            self.found += [Found(name, finding) for finding in verdict.findings]
        elif verdict.result == "error":
            self.errors.append((name, verdict.text, verdict.trace))
        elif verdict.result == "skipped":
            self.reasons[verdict.text] = self.reasons.get(verdict.text, 0) + 1
        else:
            self.passed.append(name)

    def finish(self, examiner: Examiner) -> None:
        """Copy what the examiner has counted."""
        self.seconds = round(self.seconds, 3)
        self.tallies = examiner.results.tallies
        self.statuses = examiner.sender.statuses
        self.requests = examiner.sender.sent
        self.budget = _budget_row(examiner.payments.budget)

    def add(self, other: "Run") -> None:
        """Add another process's part of the same run."""
        self.started = min(self.started, other.started)
        self.seconds = max(self.seconds, other.seconds)
        self.requests += other.requests
        self.passed += other.passed
        self.interrupted = self.interrupted or other.interrupted
        self.failed += other.failed
        self.found += other.found
        self.errors += other.errors
        self.budget = other.budget or self.budget
        for rule, tally in other.tallies.items():
            self.tallies.setdefault(rule, Tally()).add(tally)
        for counts, more in ((self.statuses, other.statuses), (self.reasons, other.reasons)):
            for name, number in more.items():
                counts[name] = counts.get(name, 0) + number

    def dump(self) -> RunValues:
        """Return the run as JSON, for `load` in another process."""
        return cast(RunValues, asdict(self))

    @classmethod
    def load(cls, values: RunValues) -> "Run":
        """Return the run that `dump` returned."""
        return cls(
            target=values["target"],
            control=values["control"],
            assume_limits=values["assume_limits"],
            provider=values["provider"],
            profile=values["profile"],
            seed=values["seed"],
            started=values["started"],
            seconds=values["seconds"],
            tallies={rule: Tally(**tally) for rule, tally in values["tallies"].items()},
            statuses=values["statuses"],
            requests=values["requests"],
            passed=values["passed"],
            interrupted=values["interrupted"],
            failed=values["failed"],
            found=[Found.load(each) for each in values["found"]],
            errors=[(name, text, trace) for name, text, trace in values["errors"]],
            reasons=values["reasons"],
            budget=values["budget"],
        )


def begin(examiner: Examiner) -> Run:
    """Return an empty run."""
    control = "" if isinstance(examiner.target, EmbeddedTarget) else examiner.control.url or ""
    slug, settings = examiner.provider.slug, examiner.settings
    return Run(
        target=examiner.target.name,
        provider=slug,
        profile=settings.profile,
        seed=settings.seed,
        started=time.time(),
        control=control,
        assume_limits=settings.assume_limits,
    )


def _budget_row(budget: Budget) -> BudgetRow | NoBudget:
    if budget.limit is None:
        return NoBudget()
    return BudgetRow(
        currency=budget.currency,
        limit=f"{budget.limit:f}",
        spent=f"{budget.spent:f}",
        worst=f"{budget.worst:f}",
        left=f"{budget.left:f}",
    )
