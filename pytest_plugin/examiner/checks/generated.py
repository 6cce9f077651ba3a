"""Requests drawn at random from the schemas, and bodies that are not JSON."""

import contextlib
from collections.abc import Callable
from typing import TypeVar, cast
from unittest import SkipTest

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy

from qwenmock.pytest_plugin.examiner.boundaries.edit import Edit, describe
from qwenmock.pytest_plugin.examiner.budget import OverBudget
from qwenmock.pytest_plugin.examiner.checks.single_request import accept, control_request, http_edit, refuse, reject
from qwenmock.pytest_plugin.examiner.results import ContractViolation, NotExaminable
from qwenmock.pytest_plugin.examiner.session import Examiner
from qwenmock.pytest_plugin.examiner.strategies import UNPARSABLE, bodies, mutants, nearly_json, unparsable
from qwenmock.pytest_plugin.examiner.target import TargetError
from qwenmock.schemas.models import Rule, Variant
from qwenmock.schemas.vocabulary import JSON

Drawn = TypeVar("Drawn")


def hypothesis_settings(examiner: Examiner) -> settings:
    """Return the settings of random tests: where requests cost money, without shrinking.

    Different requests would leave different amounts of a budget to the checks that follow. The smallest profile is the
    same in every run too.
    """
    phases = (Phase.explicit, Phase.generate) if examiner.live else tuple(Phase)
    return settings(
        max_examples=examiner.profile.examples,
        deadline=None,
        database=None,
        report_multiple_bugs=False,
        phases=phases,
        suppress_health_check=cast(list[HealthCheck], list(HealthCheck)),
    )


def for_all(examiner: Examiner, strategy: SearchStrategy[Drawn], attempt: Callable[[Drawn], object]) -> None:
    """Try what a strategy draws, until something is found or there is no verdict.

    Hypothesis does not see a missing verdict: it would try again and call it flaky. On a live target it does not see
    a violation either: trying again costs money. What it sees is `SkipTest`, with which it stops drawing at once.

    Raises:
        ContractViolation: One of the values shows it.
        NotExaminable: There was no verdict.

    """
    stopped: list[Exception] = []

    @seed(examiner.settings.seed)
    @hypothesis_settings(examiner)
    @given(strategy)
    def check(value: Drawn) -> None:
        try:
            attempt(value)
        except (NotExaminable, OverBudget, TargetError, ContractViolation) as reason:
            if isinstance(reason, ContractViolation) and not examiner.live:
                raise
            stopped.append(reason)
            raise SkipTest("no further value is tried") from reason

    with contextlib.suppress(SkipTest):
        check()
    if stopped:
        raise stopped[0]


def accept_random_bodies(examiner: Examiner, variant: Variant) -> None:
    """Send random valid bodies: each must succeed; one image of every third answer is fetched."""

    def attempt(body: dict[str, JSON]) -> None:
        accept(examiner, variant, body, max_pictures=int(examiner.sender.sent % 3 == 0))

    for_all(examiner, bodies(variant), attempt)


def refuse_random_mutants(examiner: Examiner, variant: Variant) -> None:
    """Send random bodies that break one rule: each must get that rule's error."""

    def attempt(mutant: tuple[Edit, JSON]) -> None:
        edit, body = mutant
        reject(examiner, variant, body, edit)

    for_all(examiner, mutants(examiner.provider, variant, examiner.edits_of), attempt)


def refuse_unparsable(examiner: Examiner) -> None:
    """Send bodies that are not JSON, listed ones and random ones: each must get the documented error."""
    for content in UNPARSABLE:
        refuse_content(examiner, content)
    for_all(examiner, unparsable(), lambda content: refuse_content(examiner, content))


def refuse_content(examiner: Examiner, content: bytes) -> None:
    """Send a body that is not JSON: it must get the documented error."""
    edit = http_edit(_syntax_rule(examiner), describe(content[:200].decode("latin-1")))
    refuse(examiner, edit, content)


def refuse_nearly_json(examiner: Examiner) -> None:
    """Send valid bodies with one slip of syntax: each must get the documented error."""
    rule = _syntax_rule(examiner)
    control, worst = control_request(examiner)
    for content, passes in nearly_json(control):
        edit = http_edit(rule, describe(content.decode("latin-1")), assumed=passes)
        refuse(examiner, edit, content, worst=worst)


def _syntax_rule(examiner: Examiner) -> Rule:
    return examiner.provider.http_rule("body/syntax")
