"""A task from its creation to its settlement: its times, what it costs, and the callbacks that are planned for it."""

import asyncio
import gc
from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from call_values import CATALOG, caller, job
from store_values import delivery, task

from qwenmock.mockserver.accounts.keys import defaults_of
from qwenmock.mockserver.calls.double import Double, create_double
from qwenmock.mockserver.clock import FURTHEST, Clock
from qwenmock.mockserver.errors import StoreError
from qwenmock.mockserver.models import Result, Task, TaskStatus
from qwenmock.mockserver.settings import LATENCIES, Latency, Settings
from qwenmock.mockserver.store.protocols import AccountDefaults, Selection
from qwenmock.mockserver.tasks.lifecycle import (
    cancel,
    describe,
    is_running,
    new_task_id,
    planned_deliveries,
    settle,
    settle_finished,
    task_times,
)

EVOLINK = CATALOG["evolink"]
OWNER = AccountDefaults("evolink", "sk-mock", "credits", Decimal(10), None)
EVERYTHING = Selection()


class Still(Clock):
    """A clock that stands where it is set."""

    def __init__(self, at: float) -> None:
        super().__init__()
        self.at = at

    def now(self) -> float:
        return self.at


def on(steps: Callable[[Double], Awaitable[None]], now: float = 20.0, **settings: Any) -> None:
    async def run() -> None:
        double = create_double(Settings(seed=1, **settings), CATALOG)
        double.clock = Still(now)
        try:
            await steps(double)
        finally:
            await double.store.close()

    asyncio.run(run())


def of_evolink(task_id: str = "t", ends: float = 10.0, **more: Any) -> Task:
    return task(task_id, ends, OWNER, model="qwen-image-edit", **more)


async def money(double: Double) -> tuple[Decimal, Decimal, Decimal]:
    [found] = await double.store.accounts(EVERYTHING)
    return found.balance, found.reserved, found.spent


# Status.

SUCCEEDS = task("t", 12.0)  # starts at 2: each second is a tenth


@pytest.mark.parametrize(
    ("now", "status"),
    [
        (0.0, TaskStatus("pending", 0)),
        (1.999, TaskStatus("pending", 0)),
        (2.0, TaskStatus("running", 1)),
        (7.0, TaskStatus("running", 50)),
        (11.999, TaskStatus("running", 98)),
        (12.0, TaskStatus("succeeded", 100)),
        (99.0, TaskStatus("succeeded", 100)),
    ],
)
def test_status_follows_from_the_time(now: float, status: TaskStatus) -> None:
    assert SUCCEEDS.status_at(now) == status
    failed = TaskStatus("failed", 99) if status.state == "succeeded" else status
    assert replace(SUCCEEDS, failure="x").status_at(now) == failed


def test_running_task_is_not_done_yet() -> None:
    """Even if the rest is too short for a number of its own."""
    long = task("t", 4_000_000_000.0)
    assert long.status_at(3_999_999_999.999) == TaskStatus("running", 98)
    assert task("t", 2.0 + 2**-40).status_at(2.0 + 2**-41).progress == 50
    assert Result(job(), "id", 1, (), 1, 1).failed == 0, "an image that is not said to have failed has not"


@pytest.mark.parametrize(("cancelled", "progress"), [(1.0, 0), (2.0, 1), (7.0, 50), (11.99, 98)])
def test_cancelled_task_stays_where_it_was(cancelled: float, progress: int) -> None:
    for now in (cancelled, 99.0):
        assert replace(SUCCEEDS, cancelled=cancelled).status_at(now) == TaskStatus("cancelled", progress)
    assert replace(SUCCEEDS, cancelled=7.0, failure="x").status_at(99.0).state == "cancelled"


@pytest.mark.parametrize("state", ["pending", "running", "succeeded", "failed", "cancelled"])
def test_three_states_are_final(state: str) -> None:
    assert TaskStatus(state, 0).ended is (state not in {"pending", "running"})


# Id and times.


def test_task_id_has_the_form_of_its_provider() -> None:
    found = new_task_id(EVOLINK, 1234.9, Random(1))
    prefix, rest = found[: len("task-unified-1234-")], found[len("task-unified-1234-") :]
    assert prefix == "task-unified-1234-"
    assert (len(rest), rest.isalnum(), rest.islower() or rest.isdecimal()) == (8, True, True)
    found = new_task_id(CATALOG["dashscope"], 1234.9, Random(1))
    assert [len(part) for part in found.split("-")] == [8, 4, 4, 4, 12]
    assert found.replace("-", "") == f"{Random(1).getrandbits(128):032x}"
    assert new_task_id(CATALOG["nebula"], 1.0, Random(1)) == found


@pytest.mark.parametrize(
    ("latency", "times"),
    [
        (LATENCIES["instant"], (103.2, 104.0)),
        (LATENCIES["realistic"], (109.0, 133.0)),
        (Latency(10.0, 10.0), (105.0, 113.0)),
        (Latency(0.0, 0.5), None),
    ],
)
def test_task_takes_as_long_as_the_settings_say(latency: Latency, times: tuple[float, float] | None) -> None:
    async def steps(double: Double) -> None:
        if times is not None:
            assert task_times(double, 100.0, 3.0) == pytest.approx(times)
        else:
            starts, ends = task_times(double, 100.0, 3.0)
            assert 103 < starts < ends <= 103.5
            assert starts - 103 == pytest.approx((ends - 103) / 5)

    on(steps, latency=latency)


def test_clock_is_real_time_and_its_offset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 100.0)
    clock = Clock()
    assert clock.now() == 100.0
    clock.offset = 7.5
    assert clock.now() == 107.5
    assert Clock(1.0).now() == 101.0
    assert FURTHEST == 10_000_000_000


# Settlement.


async def started(double: Double, *tasks: Task) -> None:
    for each in tasks:
        await double.store.reserve(OWNER, each.request_id, Decimal(3), None)
        await double.store.add_task(each)


def test_task_that_succeeded_is_charged_for_its_images() -> None:
    async def steps(double: Double) -> None:
        counted: list[tuple[object, ...]] = []
        double.metrics.charged = lambda *values: counted.append(values)  # type: ignore[method-assign]
        await started(double, of_evolink())
        price = EVOLINK.price_of("qwen-image-edit").amount
        assert await settle(double, of_evolink())
        [charge] = await double.store.charges(EVERYTHING)
        assert charge == ("r-t", "evolink", "qwen-image-edit", "sk-mock", 2, price, "credits", price * 2, 10.0)
        assert await money(double) == (10 - 2 * price, 0, 2 * price)
        assert not await settle(double, of_evolink())
        assert await money(double) == (10 - 2 * price, 0, 2 * price)
        assert counted == [("evolink", "credits", 2, 2 * price)]

    on(steps)


def test_price_of_the_settings_applies() -> None:
    async def steps(double: Double) -> None:
        await started(double, of_evolink())
        await settle(double, of_evolink())
        [charge] = await double.store.charges(EVERYTHING)
        assert (charge.unit_price, charge.amount) == (Decimal("1.25"), Decimal("2.5"))

    on(steps, prices={"evolink": Decimal("1.25")})


@pytest.mark.parametrize(("side", "price"), [(1500, "0.25"), (1501, "0.50")])
def test_price_depends_on_the_number_of_pixels(side: int, price: str) -> None:
    async def steps(double: Double) -> None:
        owner = AccountDefaults("dashscope", "sk-mock", "CNY", Decimal(10), None)
        one = task("t", 10.0, owner, model="qwen-image-3.0-pro", width=side, height=1500)
        await double.store.reserve(owner, one.request_id, Decimal(3), None)
        await double.store.add_task(one)
        await settle(double, one)
        [charge] = await double.store.charges(EVERYTHING)
        assert (charge.unit_price, charge.amount) == (Decimal(price), Decimal(price) * 2)

    on(steps)


@pytest.mark.parametrize("change", [{"failure": "x"}, {"cancelled": 5.0}])
def test_task_without_images_costs_nothing(change: dict[str, Any]) -> None:
    async def steps(double: Double) -> None:
        await started(double, of_evolink())
        assert await settle(double, of_evolink(**change))
        assert await money(double) == (10, 0, 0)
        assert await double.store.charges(EVERYTHING) == []

    on(steps)


def test_every_task_that_has_ended_is_settled() -> None:
    async def steps(double: Double) -> None:
        await started(double, of_evolink("a"), of_evolink("b", 20.0), of_evolink("c", 20.5))
        await settle_finished(double)
        assert [each.settled for each in await double.store.tasks(EVERYTHING)] == [False, True, True]
        assert (await money(double))[1] == 3

    on(steps)


def test_tasks_that_many_requests_see_end_are_settled_once() -> None:
    async def steps(double: Double) -> None:
        await started(double, of_evolink("a"), of_evolink("b"))
        finish, attempts = double.store.finish_task, list[str]()

        async def noted(task: Task, *others: Any) -> bool:
            attempts.append(task.id)
            return await finish(task, *others)

        double.store.finish_task = noted  # type: ignore[method-assign]
        await asyncio.gather(*(settle_finished(double) for _ in range(5)))
        assert attempts == ["a", "b"]
        assert (await money(double))[1] == 0
        assert len(await double.store.charges(EVERYTHING)) == 2

    on(steps)


def test_tasks_that_end_while_others_are_settled_are_settled_too() -> None:
    async def steps(double: Double) -> None:
        await started(double, of_evolink("a"))
        first = asyncio.create_task(settle_finished(double))
        await asyncio.sleep(0)
        assert is_running(double.settling)
        await double.store.add_task(of_evolink("b"))
        await asyncio.gather(first, *(settle_finished(double) for _ in range(3)))
        assert all(each.settled for each in await double.store.tasks(EVERYTHING))
        assert not is_running(double.settling)

    on(steps)


def test_each_request_returns_only_when_the_tasks_that_it_saw_end_are_settled() -> None:
    async def steps(double: Double) -> None:
        await started(double, of_evolink("a"))
        finish = double.store.finish_task

        async def slow(*values: Any) -> bool:
            for _ in range(20):
                await asyncio.sleep(0)
            return await finish(*values)

        async def look() -> list[bool]:
            await settle_finished(double)
            return [each.settled for each in await double.store.tasks(EVERYTHING)]

        double.store.finish_task = slow  # type: ignore[method-assign]
        first = asyncio.create_task(settle_finished(double))
        await asyncio.sleep(0)
        assert is_running(double.settling)
        await double.store.add_task(of_evolink("b"))
        assert await asyncio.gather(*(look() for _ in range(3))) == [[True, True]] * 3
        await first

    on(steps)


def test_settlement_that_fails_is_tried_again_by_the_next_request() -> None:
    async def steps(double: Double) -> None:
        await started(double, of_evolink("a"))
        finish = double.store.finish_task

        async def fail(*_: object) -> bool:
            await asyncio.sleep(0)
            raise StoreError("full")

        double.store.finish_task = fail  # type: ignore[method-assign]
        done = await asyncio.gather(*(settle_finished(double) for _ in range(2)), return_exceptions=True)
        assert [str(each) for each in done] == ["full", "full"]
        double.store.finish_task = finish  # type: ignore[method-assign]
        await settle_finished(double)
        assert [each.settled for each in await double.store.tasks(EVERYTHING)] == [True]

    on(steps)


def test_settlement_that_ends_with_its_event_loop_is_not_reported(caplog: pytest.LogCaptureFixture) -> None:
    double = create_double(Settings(seed=1), CATALOG)
    double.clock = Still(20.0)

    async def begin() -> None:
        await started(double, of_evolink("a"))
        waiting = asyncio.create_task(settle_finished(double))
        await asyncio.sleep(0)
        assert is_running(double.settling)
        assert not waiting.done()

    async def finish() -> None:
        await settle_finished(double)
        assert [each.settled for each in await double.store.tasks(EVERYTHING)] == [True]
        await double.store.close()

    asyncio.run(begin())
    asyncio.run(finish())
    gc.collect()
    assert not caplog.records


# Cancellation.


@pytest.mark.parametrize(
    ("ends", "settled", "is_cancelled"), [(20.5, False, True), (20.0, False, False), (20.5, True, False)]
)
def test_task_that_has_not_ended_can_be_cancelled(ends: float, settled: bool, is_cancelled: bool) -> None:
    async def steps(double: Double) -> None:
        one = of_evolink("a", ends)
        await started(double, one)
        found = await cancel(double, replace(one, settled=settled))
        if is_cancelled:
            assert found == replace(one, cancelled=20.0)
            assert await double.store.task("a") == replace(one, cancelled=20.0, settled=True)
            assert await money(double) == (10, 0, 0)
            assert await cancel(double, one) is None  # another process was faster
        else:
            assert found is None
            assert await money(double) == (7, 3, 0)

    on(steps)


# Callbacks.

HOOK = "https://user@hook.example:8443/a/b?x=1#y"


def test_task_with_a_callback_has_a_delivery_when_it_is_settled() -> None:
    async def steps(double: Double) -> None:
        one = of_evolink(callback_url=HOOK)
        await started(double, one)
        await settle(double, one)
        [found] = await double.store.deliveries("t")
        assert (found.task_id, found.provider, found.key, found.url) == ("t", "evolink", "sk-mock", HOOK)
        assert (found.due, found.state, found.attempts) == (20.0, "waiting", ())
        assert len(found.id) == 36
        assert found.message_id.startswith("msg_")
        assert len(found.message_id) == 4 + 32
        assert planned_deliveries(double, of_evolink()) == []

    on(steps)


@pytest.mark.parametrize(
    ("fault", "planned"),
    [
        (None, [("waiting", 20.0)]),
        ("unknown", [("waiting", 20.0)]),
        ("lost", [("lost", 20.0)]),
        ("late", [("waiting", 80.0)]),
        ("out-of-order", [("held", 30.0)]),
        ("duplicate", [("waiting", 20.0), ("waiting", 20.0)]),
    ],
)
def test_fault_changes_the_delivery(fault: str | None, planned: list[tuple[str, float]]) -> None:
    async def steps(double: Double) -> None:
        found = planned_deliveries(double, of_evolink(callback_url=HOOK, callback_fault=fault))
        assert [(each.state, each.due) for each in found] == planned
        assert len({each.id for each in found}) == len(planned)
        assert len({each.message_id for each in found}) == 1

    on(steps)


@pytest.mark.parametrize(
    ("origin", "url"),
    [
        (None, HOOK),
        ("http://127.0.0.1:9", "http://127.0.0.1:9/a/b?x=1#y"),
        ("https://b.example", "https://b.example/a/b?x=1#y"),
    ],
)
def test_callback_may_go_to_another_origin(origin: str | None, url: str) -> None:
    async def steps(double: Double) -> None:
        [found] = planned_deliveries(double, of_evolink(callback_url=HOOK, callback_origin=origin))
        assert found.url == url

    on(steps)


# What the control API shows.


@pytest.mark.parametrize(
    ("change", "now", "shown"),
    [
        ({}, 10.0, {"state": "succeeded", "progress": 100, "urls": list(task("t").urls)}),
        ({}, 9.0, {"state": "running", "progress": 86, "urls": []}),
        ({"failure": "x"}, 10.0, {"state": "failed", "progress": 99, "failure": "x", "urls": []}),
        ({"failure": "x"}, 9.0, {"state": "running", "progress": 86, "failure": None, "urls": []}),
        ({"settled": True}, 10.0, {"reserved": "0"}),
        ({"reserved": Decimal("1E+1")}, 10.0, {"reserved": "10"}),
    ],
)
def test_description_of_a_task(change: dict[str, Any], now: float, shown: dict[str, Any]) -> None:
    attempt: Any = {"attempt": 1, "at": 1.0, "status": 200, "error": None, "milliseconds": 1.0}
    found = describe(of_evolink(**change), now, [delivery("d", attempts=(attempt,))])
    assert found | shown == found
    fixed = {
        "id": "t", "provider": "evolink", "key": "sk-mock", "request_id": "r-t", "model": "qwen-image-edit",
        "created": 1.0, "starts": 2.0, "ends": 10.0,
        "callbacks": [
            {"id": "d", "url": "https://hook.example/", "state": "waiting", "due": 5.0, "attempts": [attempt]},
        ],
    }  # fmt: skip
    assert found | fixed == found
    assert found.keys() == fixed.keys() | {"state", "progress", "urls", "failure", "reserved"}


def test_owner_of_the_tasks_is_the_one_of_the_catalogue() -> None:
    async def steps(double: Double) -> None:
        who = caller(double, "evolink")
        assert defaults_of(EVOLINK, "sk-mock", who.profile)._replace(balance=Decimal(10)) == OWNER

    on(steps)
