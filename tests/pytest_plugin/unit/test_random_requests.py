"""What the random checks do with a verdict, and without one."""

from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import strategies as st

from qwenmock.pytest_plugin.examiner.budget import OverBudget
from qwenmock.pytest_plugin.examiner.checks.generated import for_all
from qwenmock.pytest_plugin.examiner.results import ContractViolation, NotExaminable
from qwenmock.pytest_plugin.examiner.target import TargetError


def examiner(*, live: bool) -> Any:
    return SimpleNamespace(live=live, settings=SimpleNamespace(seed=1), profile=SimpleNamespace(examples=50))


def drawn_until(reason: Exception, *, live: bool) -> tuple[list[int], Exception]:
    """Return what was drawn from the integers where each that is tried raises something, and what came of it."""
    drawn: list[int] = []

    def attempt(_value: int) -> None:
        raise reason

    with pytest.raises(type(reason)) as caught:
        for_all(examiner(live=live), st.integers().map(lambda value: drawn.append(value) or value), attempt)
    return drawn, caught.value


OVER_BUDGET = OverBudget(Decimal(2), Decimal(1), "CNY", "--live-budget")


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("reason", [NotExaminable("a reason"), OVER_BUDGET, TargetError("a reason")])
def test_nothing_more_is_drawn_where_there_is_no_verdict(reason: Exception, live: bool) -> None:
    drawn, told = drawn_until(reason, live=live)
    assert len(drawn) == 1
    assert told is reason


def test_violation_on_a_live_target_is_not_tried_again() -> None:
    violation = ContractViolation("a reason")
    drawn, told = drawn_until(violation, live=True)
    assert len(drawn) == 1
    assert told is violation


def test_violation_of_the_embedded_double_is_told_for_the_smallest_value() -> None:
    tried: list[int] = []

    def attempt(value: int) -> None:
        tried.append(value)
        if value > 1000:
            raise ContractViolation(f"{value} is too large")

    with pytest.raises(ContractViolation, match="1001 is too large"):
        for_all(examiner(live=False), st.integers(), attempt)
    assert len(tried) > 2


def test_every_value_is_tried_where_nothing_is_found() -> None:
    tried: list[int] = []
    for_all(examiner(live=True), st.integers(), tried.append)
    assert len(tried) == 50
