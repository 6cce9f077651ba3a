"""What it means that a check has raised an exception: a violation, no verdict, or an error of the examiner itself."""

import traceback
from collections.abc import Iterator
from dataclasses import dataclass, replace
from types import CodeType

import pytest
from hypothesis.errors import Flaky

from qwenmock.pytest_plugin.examiner.budget import OverBudget
from qwenmock.pytest_plugin.examiner.findings import Finding, Subject, printed
from qwenmock.pytest_plugin.examiner.results import CheckResult, ContractViolation, NotExaminable, UnreadableAnswer
from qwenmock.pytest_plugin.examiner.session import Examiner
from qwenmock.pytest_plugin.examiner.target import TargetError

CAUGHT = (Exception, pytest.fail.Exception, pytest.skip.Exception)
"""What a check may raise."""
UNSTEADY = (ContractViolation, UnreadableAnswer, Flaky)
"""What Hypothesis finds at the first try and not at the second, if the target is the cause."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of a check, and why it failed or was skipped.

    Attributes:
        trace: The traceback of an error of the examiner; "" for all else.
        findings: What a check that failed has found, by rule.

    """

    result: CheckResult
    text: str = ""
    trace: str = ""
    findings: tuple[Finding, ...] = ()


def verdict_of(error: BaseException, examiner: Examiner | None, test: CodeType) -> Verdict:
    """Return what an exception means.

    Only the exceptions that are made for it are results. Any other one is an error of the examiner: it proves nothing
    about the target, and must never pass for a skip.

    Args:
        error: What the check raised.
        examiner: Of the check; None if it sends no requests.
        test: The code of the contract test: its own `assert` is a result, those of the examiner are not.

    """
    if isinstance(error, Flaky) and all(isinstance(leaf, UNSTEADY) for leaf in _leaves(error)):
        return _failed(f"the same requests do not get the same answers: {error}", examiner)
    if isinstance(error, ContractViolation):
        return _violated(error, examiner)
    if isinstance(error, pytest.fail.Exception) or _is_own_assertion(error, test):
        return _failed(str(error), examiner)
    if isinstance(error, NotExaminable | OverBudget | pytest.skip.Exception):
        return Verdict("skipped", _masked(str(error), examiner))
    if isinstance(error, TargetError):
        return Verdict("skipped", _masked(f"no verdict: {error}", examiner))
    if isinstance(error, UnreadableAnswer):
        return _unreadable(error, examiner)
    trace = "".join(traceback.format_exception(error))
    return Verdict("error", _masked(f"{type(error).__name__}: {error}", examiner), _masked(trace, examiner))


def _unreadable(error: UnreadableAnswer, examiner: Examiner | None) -> Verdict:
    """On a live target an answer may lack what is only assumed; the double's answers must have everything."""
    if examiner is not None and examiner.live:
        return Verdict("skipped", _masked(f"an answer lacks what this check needs: {error}", examiner))
    return _failed(f"an answer cannot be read: {error}", examiner, "answer")


def _failed(text: str, examiner: Examiner | None, subject: Subject = "promise") -> Verdict:
    masked = _masked(text, examiner)
    return Verdict("failed", masked, findings=(Finding(subject, got=(masked,)),))


def _violated(violation: ContractViolation, examiner: Examiner | None) -> Verdict:
    """Return the verdict with the command that sends the request again, and write the files that it needs."""
    findings = violation.findings
    if examiner is not None and violation.request is not None:
        again = examiner.reproductions.of(violation.request)
        findings = tuple(replace(each, curl=again.curl, files=again.files) for each in findings)
    return Verdict("failed", _masked(printed(findings), examiner), findings=findings)


def _is_own_assertion(error: BaseException, test: CodeType) -> bool:
    """Return whether the `assert` stands in the contract test itself."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return isinstance(error, AssertionError) and trace is not None and trace.tb_frame.f_code is test


def _leaves(error: BaseException) -> Iterator[BaseException]:
    """Yield the exceptions in a group of exceptions, or the exception itself."""
    nested: tuple[BaseException, ...] = getattr(error, "exceptions", ())
    for each in nested:
        yield from _leaves(each)
    if not nested:
        yield error


def _masked(text: str, examiner: Examiner | None) -> str:
    return text if examiner is None else examiner.credentials.mask(text)
