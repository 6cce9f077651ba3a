"""The results of an examination, and their tally.

A rule holds, is violated, or there is no verdict: a wrong key, a rate limit or an outage proves nothing about a rule.
"""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias, TypedDict

from qwenmock.pytest_plugin.examiner.findings import Finding, Request, printed

Side: TypeAlias = Literal["accept", "reject"]
SIDES: tuple[Side, Side] = ("accept", "reject")
RuleStatus: TypeAlias = Literal["pass", "fail", "observed", "skipped"]
CheckResult: TypeAlias = Literal["passed", "failed", "skipped", "error"]
"""The outcome of a check; an error is one of the examiner itself."""


class NotExaminable(Exception):  # noqa: N818, a reason to skip, not a failure
    """Something cannot be examined with this target, or has no verdict; the text is the reason."""


class ContractViolation(AssertionError):  # noqa: N818, named for what was found
    """A server breaks a promise.

    Args:
        found: What was found, or a sentence about it.
        request: The request, for the command that sends it again; None if there is no single one.

    Attributes:
        findings: What was found, by rule.

    """

    def __init__(self, found: tuple[Finding, ...] | str, request: Request | None = None) -> None:
        self.findings = (Finding(got=(found,)),) if isinstance(found, str) else found
        self.request = request
        super().__init__(printed(self.findings))


class CouldNotRun(Exception):  # noqa: N818, ends the run with its own exit code
    """Nothing can be examined: no answer, no HTTP, a wrong key."""


class UnreadableAnswer(Exception):  # noqa: N818, named for what was found
    """An answer lacks a value that a check needs, or has one of another type; the text says which.

    Only the accessors raise it (`json_values`, `Reply.json`, `Success`): any other error is the examiner's own.
    """


class SideCounts(TypedDict):
    """How often one side of a rule was tried, and how often it held."""

    tried: int
    passed: int


class TallyValues(TypedDict):
    """A tally as JSON."""

    tried: dict[Side, int]
    passed: dict[Side, int]
    asserted: bool
    detail: str
    reason: str


def _zero() -> dict[Side, int]:
    return {"accept": 0, "reject": 0}


@dataclass
class Tally:
    """How often a rule was tried on each side, and how often it held.

    Attributes:
        asserted: Whether the first failure is a violation; an assumed rule is only observed on a live target.
        detail: What came instead at the first failure; before one, what was seen.
        reason: Why it could not be tried, if that is known.

    """

    tried: dict[Side, int] = field(default_factory=_zero)
    passed: dict[Side, int] = field(default_factory=_zero)
    asserted: bool = True
    detail: str = ""
    reason: str = ""

    def count(self, side: Side, *, held: bool, asserted: bool = True, detail: str = "") -> None:
        """Count one try."""
        if not held and not (self._has_failed and self.detail):
            self.asserted, self.detail = asserted, detail[:500]
        self.tried[side] += 1
        self.passed[side] += held

    @property
    def _has_failed(self) -> bool:
        return self.tried != self.passed

    @property
    def status(self) -> RuleStatus:
        """What the tries prove."""
        if not any(self.tried.values()):
            return "skipped"
        if not self._has_failed:
            return "pass"
        return "fail" if self.asserted else "observed"

    def add(self, other: "Tally") -> None:
        """Add another tally of the same rule."""
        if other._has_failed and not (self._has_failed and self.asserted):
            self.asserted, self.detail = other.asserted, other.detail
        self.detail = self.detail or other.detail
        for side in SIDES:
            self.tried[side] += other.tried[side]
            self.passed[side] += other.passed[side]
        self.reason = self.reason or other.reason
