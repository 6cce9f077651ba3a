"""Which fault applies to a request, how often, and what it adds; and where a request is routed."""

import asyncio
from random import Random
from typing import Any

import pytest

from qwenmock.mockserver.calls.effects import (
    LONGEST_WAIT,
    NO_EFFECTS,
    Effects,
    directives,
    kind_for,
    preferences,
)
from qwenmock.mockserver.calls.faults import Fault, Plan, describe
from qwenmock.mockserver.clock import Clock
from qwenmock.mockserver.models import Job
from qwenmock.schemas.catalog import load

NEBULA = load()["nebula"]
JOB = Job(NEBULA, NEBULA.variants["contents"], "the-model", "p", "", 1, None, None, True, True, (), None)


class State:
    """The part of the store that keeps the plan."""

    def __init__(self) -> None:
        self.plan = 0
        self.kept: dict[str, Any] = {}

    async def set_faults(self, faults: list[Any]) -> None:
        self.plan += 1
        self.kept = {str(index): fault for index, fault in enumerate(faults)}

    async def shared(self) -> "State":
        return self

    async def faults(self) -> dict[str, Any]:
        return self.kept

    async def use_fault(self, id_: str) -> bool:
        if self.kept[id_]["times"] == 0:
            return False
        self.kept[id_]["times"] -= 1
        return True


class Fixed(Random):
    """Always draws the same number."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def random(self) -> float:
        return self.value


class At(Clock):
    """A clock that stands still until it is moved."""

    def __init__(self, time: float) -> None:
        super().__init__()
        self.time = time

    def now(self) -> float:
        return self.time


def applied(*faults: Fault, times: int = 1, drawn: float = 0.0, before: Effects = NO_EFFECTS) -> list[Effects]:
    async def run() -> list[Effects]:
        plan = Plan(Fixed(drawn), State(), At(1000.0))  # type: ignore[arg-type]
        await plan.set(faults)
        assert plan.version == 1
        return [await plan.apply(JOB, "sk-mock", before) for _ in range(times)]

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("fault", "is_matched"),
    [
        (Fault(), True),
        (Fault(provider="nebula"), True),
        (Fault(provider="aigc"), False),
        (Fault(key="sk-mock"), True),
        (Fault(key="sk-mock.b"), False),
        (Fault(model="the-model"), True),
        (Fault(model="other"), False),
        (Fault(provider="nebula", key="sk-mock", model="the-model"), True),
        (Fault(provider="aigc", key="sk-mock", model="the-model"), False),
        (Fault(provider="nebula", key="x", model="the-model"), False),
    ],
)
def test_matching(fault: Fault, is_matched: bool) -> None:
    assert fault.matches(JOB, "sk-mock") is is_matched


def test_first_fault_that_applies_decides() -> None:
    faults = (Fault(provider="aigc", status=500), Fault(delay_ms=1500), Fault(status=429))
    assert applied(*faults) == [Effects(wait=1.5)]
    assert applied() == [NO_EFFECTS]
    assert applied(Fault(model="other", status=429), before=Effects(wait=2)) == [Effects(wait=2)]


def test_plan_is_empty_at_first_and_effects_are_none() -> None:
    plan = Plan(Fixed(0.0), State(), At(1000.0))  # type: ignore[arg-type]
    assert (plan.faults, plan.version) == ([], 0)
    assert asyncio.run(plan.apply(JOB, "sk-mock", NO_EFFECTS)) is NO_EFFECTS
    assert (NO_EFFECTS.fail_images, NO_EFFECTS.wait, NO_EFFECTS.error) == (0, 0, None)


def test_effects_of_switches() -> None:
    assert applied(Fault(refuse=True)) == [Effects(error="refused")]
    assert applied(Fault(malformed=True)) == [Effects(is_malformed=True)]
    assert applied(Fault(expire_links=True)) == [Effects(expire_links=True)]


def test_fault_is_used_up() -> None:
    faults = (Fault(status=429, times=2), Fault(fail_images=1, times=1))
    assert applied(*faults, times=4) == [
        Effects(error="rate_limited"),
        Effects(error="rate_limited"),
        Effects(fail_images=1),
        NO_EFFECTS,
    ]


@pytest.mark.parametrize(
    ("probability", "drawn", "is_applied"), [(1.0, 0.999, True), (0.5, 0.499, True), (0.5, 0.5, False), (0, 0, False)]
)
def test_probability(probability: float, drawn: float, is_applied: bool) -> None:
    [effects] = applied(Fault(delay_ms=1000, probability=probability), drawn=drawn)
    assert effects == (Effects(wait=1.0) if is_applied else NO_EFFECTS)


def test_effects_are_added_to_those_that_the_request_asks_for() -> None:
    before = Effects(error="internal", wait=1, fail_images=3, fail_task="asked", applied=("wait=1",))
    fault = Fault(status=429, delay_ms=500, fail_images=2, fail_task="fault", drop="before", callback="lost")
    assert applied(fault, before=before) == [
        Effects("internal", 1.5, 3, "asked", "before", "lost", applied=("wait=1",)),
    ]
    assert applied(fault) == [Effects("rate_limited", 0.5, 2, "fault", "before", "lost")]


def test_description_has_what_is_set() -> None:
    assert describe(Fault(status=429)) == {"status": 429, "probability": 1.0, "delay_ms": 0, "fail_images": 0}
    fault = Fault("a", "b", "c", 500, 2, 0.5, 3, "before", 4, "d", "lost", "e", True, True, True, 1.5, 2.5, 3.5)
    assert Fault(**describe(fault)) == fault


@pytest.mark.parametrize(
    ("after", "lasts", "times"),
    [
        (0, None, [1000, 1e9]),
        (5, None, [1005, 1e9]),
        (0.5, None, [1000.5, 1e9]),
        (0, 30, [1000, 1029.9]),
        (5, 2.5, [1005, 1007.4]),
    ],
)
def test_fault_begins_and_ends_with_the_clock(after: float, lasts: float | None, times: list[float]) -> None:
    """The times are those of its first and its last effect."""
    clock = At(1000.0)
    plan = Plan(Fixed(0.0), State(), clock)  # type: ignore[arg-type]

    def effects(at: float) -> Effects:
        clock.time = at
        return asyncio.run(plan.apply(JOB, "sk-mock", NO_EFFECTS))

    asyncio.run(plan.set([Fault(status=500, after_seconds=after, for_seconds=lasts)]))
    assert [effects(at).error for at in times] == ["internal", "internal"]
    if after:
        assert effects(times[0] - 0.1) is NO_EFFECTS
    if lasts:
        assert effects(1000 + after + lasts) is NO_EFFECTS


def test_plan_that_is_set_again_keeps_its_time() -> None:
    """The page reads the plan, changes it, and sets it: what has begun goes on."""
    clock, state = At(1000.0), State()
    plan = Plan(Fixed(0.0), state, clock)  # type: ignore[arg-type]
    asyncio.run(plan.set([Fault(status=500, for_seconds=30), Fault(status=429)]))
    clock.time = 1020.0
    kept = [Fault(**fault) for fault in state.kept.values()]
    assert [fault.since for fault in kept] == [1000.0, None]
    asyncio.run(plan.set(kept))
    clock.time = 1031.0
    assert asyncio.run(plan.apply(JOB, "sk-mock", NO_EFFECTS)).error == "rate_limited"


def test_kind_of_a_status() -> None:
    assert [kind_for(NEBULA, status) for status in (400, 401, 403, 429, 500, 418)] == [
        "invalid",
        "unauthorized",
        "forbidden",
        "rate_limited",
        "internal",
        None,
    ]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("wait=300", Effects(wait=300.0, applied=("wait=300",))),
        ("wait=301", Effects(wait=LONGEST_WAIT, applied=("wait=300",))),
        ("wait=0.000001", Effects(wait=0.000001, applied=("wait=0.000001",))),
        ("wait=0.0000001", NO_EFFECTS),
        ("wait=1234567", NO_EFFECTS),
        ("wait=１", NO_EFFECTS),
        ("code=000429", Effects(error="rate_limited", applied=("code=000429",))),
        ("code=0000429", NO_EFFECTS),
        ("code=４２９", NO_EFFECTS),
        ("status=429", Effects(error="rate_limited", applied=("status=429",))),
        ("code", NO_EFFECTS),
    ],
)
def test_preferences(header: str, expected: Effects) -> None:
    assert LONGEST_WAIT == 300
    assert preferences(NEBULA, header) == expected


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("[[qwenmock:fail-images=999999]]", Effects(fail_images=999999)),
        ("[[qwenmock:fail-images=1000000]]", NO_EFFECTS),
        ("[[qwenmock:fail-images=-1]]", NO_EFFECTS),
        (f"[[qwenmock:fail-task={'a' * 60}]]", Effects(fail_task="a" * 60)),
        (f"[[qwenmock:fail-task={'a' * 61}]]", NO_EFFECTS),
        ("[[qwenmock:REFUSE]]", Effects(error="refused")),
        ("[[qwenmock:wait=1]", NO_EFFECTS),
        (f"[[qwenmock:{' ' * 194}wait=1]]", Effects(wait=1.0)),
        (f"[[qwenmock:{' ' * 195}wait=1]]", NO_EFFECTS),
        ("[[qwenmock:status=418,wait=1]]", Effects(wait=1.0)),
    ],
)
def test_directives(prompt: str, expected: Effects) -> None:
    assert directives(NEBULA, prompt) == expected
