"""What an examination can come to, and the tally of it.

A promise holds, is violated, or there is no verdict: a wrong key, a rate limit or an outage says nothing about a rule.
"""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Side: TypeAlias = Literal["accept", "reject"]


class NotExaminable(Exception):  # noqa: N818, a reason to skip, no failure
    """Something cannot be examined with this target, or came to no verdict; the text is the reason."""


class ContractViolation(AssertionError):  # noqa: N818, named for what was found
    """A server breaks a promise; the text names it, the request, and what came back."""


class CouldNotRun(Exception):  # noqa: N818, ends the run with its own exit code
    """Nothing can be examined at all: no answer, no HTTP, a wrong key."""


UNREADABLE = (LookupError, TypeError, ValueError, AttributeError)
"""What a check runs into where an answer lacks what the check needs, by a rule that is not asserted."""


def unreadable(error: Exception) -> str:
    """Return why a check came to no verdict over an answer that lacks what it needs."""
    return f"an answer lacks what this check needs ({type(error).__name__}: {error})"


@dataclass
class Tally:
    """How often a rule was tried on each side, and how often it held.

    Attributes:
        asserted: Whether what did not hold counts; what is only assumed is merely observed on a live target.
        detail: What came instead, the first time that it did not hold.

    """

    tried: dict[str, int] = field(default_factory=lambda: {"accept": 0, "reject": 0})
    passed: dict[str, int] = field(default_factory=lambda: {"accept": 0, "reject": 0})
    asserted: bool = True
    detail: str = ""

    def count(self, side: Side, *, held: bool, asserted: bool = True, detail: str = "") -> None:
        """Count one try."""
        self.tried[side] += 1
        self.passed[side] += held
        if not held and not self.detail:
            self.asserted, self.detail = asserted, detail[:500]

    @property
    def status(self) -> str:
        """`pass`, `fail`, `observed` or `skipped`."""
        if not any(self.tried.values()):
            return "skipped"
        if self.tried == self.passed:
            return "pass"
        return "fail" if self.asserted else "observed"

    def add(self, other: "Tally") -> None:
        """Take another tally of the same rule in."""
        for side in ("accept", "reject"):
            self.tried[side] += other.tried[side]
            self.passed[side] += other.passed[side]
        if other.detail and not (self.detail and self.asserted):
            self.asserted, self.detail = other.asserted, other.detail
