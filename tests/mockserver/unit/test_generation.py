"""What is reserved, made, charged and released on the way of a call, also when a step fails."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import astuple, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest
from call_values import BODIES, CATALOG, call, caller, job, trace

from qwenmock.mockserver.api_error import ApiError
from qwenmock.mockserver.calls import generation, sizes
from qwenmock.mockserver.calls.acceptance import AcceptedRequest
from qwenmock.mockserver.calls.call import Call
from qwenmock.mockserver.calls.client_behaviour import UNREAL_WAITS
from qwenmock.mockserver.calls.double import Double, create_double
from qwenmock.mockserver.calls.effects import NO_EFFECTS, Effects
from qwenmock.mockserver.calls.faults import Fault
from qwenmock.mockserver.calls.generation import create_task, generate, hold, new_task
from qwenmock.mockserver.calls.pipeline import serve
from qwenmock.mockserver.calls.responses import _param, headers, refusal, to_api_error, to_header
from qwenmock.mockserver.calls.sizes import default_size
from qwenmock.mockserver.clock import Clock
from qwenmock.mockserver.errors import StoreError
from qwenmock.mockserver.models import Input
from qwenmock.mockserver.settings import Latency, Settings
from qwenmock.mockserver.store.protocols import InsufficientBalance, NoReservation, Selection
from qwenmock.schemas.recordings import Recording, save

NEBULA, EVOLINK = CATALOG["nebula"], CATALOG["evolink"]
EVERYTHING = Selection()
PRICE = Decimal("0.25")
PRICES = {"nebula": PRICE, "evolink": PRICE}


class Still(Clock):
    """A clock that stands."""

    def now(self) -> float:
        return 1000.75


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the server waited; nothing waits here."""
    found: list[float] = []
    sleep = asyncio.sleep

    thread = threading.get_ident()

    async def noted(seconds: float) -> None:
        # Servers of other tests sleep in threads of theirs.
        if threading.get_ident() != thread:
            return await sleep(seconds)
        found.append(seconds)
        return await sleep(0)

    monkeypatch.setattr(asyncio, "sleep", noted)
    return found


def on(steps: Callable[[Double], Awaitable[None]], **settings: Any) -> None:
    async def run() -> None:
        double = create_double(Settings(seed=1, prices=PRICES, **settings), CATALOG)
        double.clock = Still()
        try:
            await steps(double)
        finally:
            await double.store.close()

    asyncio.run(run())


def accepted(double: Double, slug: str = "nebula", **more: Any) -> AcceptedRequest:
    images = more.pop("n", 2)
    made = job(slug, "edit" if slug == "evolink" else "simplified", n=images)
    values: dict[str, Any] = {
        "job": made, "inputs": (), "caller": caller(double, slug), "size": made.size or (1024, 1024), "price": PRICE,
        "input_cost": Decimal(0), "cost": PRICE * images,
        "effects": NO_EFFECTS, "failure": None, "failure_code": None,
    }  # fmt: skip
    return AcceptedRequest(**values | more)


async def money(double: Double) -> tuple[Decimal, Decimal, Decimal]:
    """Return what was taken off the balance, what is reserved, and what was spent."""
    [found] = await double.store.accounts(EVERYTHING)
    return 1000000 - found.balance, found.reserved, found.spent


# Images at once.


def test_images_are_charged_by_their_number(slept: list[float]) -> None:
    async def steps(double: Double) -> None:
        seen = trace()
        result, charge = await generate(double, call(), accepted(double), seen)
        assert (len(result.urls), result.failed, result.created) == (2, 0, 1000)
        assert (result.width, result.height, result.request_id) == (640, 480, "a-request")
        assert charge == (
            "a-request", "nebula", "qwen-image-plus", "sk-mock", 2, PRICE, "CNY", 2 * PRICE, 1000.75,
        )  # fmt: skip
        assert [stage for stage, _ in seen.marks] == ["authenticate", "generate", "charge"]
        assert (slept, seen.is_held) == ([], False)
        assert await double.store.accounts(EVERYTHING) == []

    on(steps)


def test_only_images_that_succeed_are_charged() -> None:
    async def steps(double: Double) -> None:
        request = accepted(double, n=3, effects=Effects(fail_images=2))
        result, charge = await generate(double, call(), request, trace())
        assert (len(result.urls), result.failed) == (1, 2)
        assert (charge.images, charge.amount) == (1, PRICE)

    on(steps)


def test_cost_is_held_while_images_take_time(slept: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 5000.0)

    async def steps(double: Double) -> None:
        seen = trace()
        terms: list[object] = []
        reserve = double.store.reserve

        async def noted(*values: Any) -> None:
            terms.append(values[-1])
            await reserve(*values)

        double.store.reserve = noted  # type: ignore[method-assign]
        await generate(double, call(), accepted(double, effects=Effects(wait=1.5)), seen)
        assert slept == [4.0]
        assert terms == [5000 + 4 + 5]
        assert await money(double) == (2 * PRICE, 2 * PRICE, 0)
        assert seen.is_held
        assert [stage for stage, _ in seen.marks] == ["authenticate", "generate", "charge"]

    on(steps, latency=Latency(2.5, 2.5))


def test_failure_comes_after_the_wait(slept: list[float]) -> None:
    failure = ApiError("internal", "x")

    async def steps(double: Double) -> None:
        with pytest.raises(ApiError) as raised:
            await generate(double, call(), accepted(double, effects=Effects(wait=3), failure=failure), trace())
        assert raised.value is failure
        assert slept == [3]

    on(steps)


def test_links_begin_with_the_public_address() -> None:
    async def steps(double: Double) -> None:
        result, _ = await generate(double, call(), accepted(double), trace())
        expires = f"?Expires={1000 + NEBULA.link_lifetime}&"
        assert all(url.startswith("https://public.example/__files__/") and expires in url for url in result.urls)

    on(steps, public_url="https://public.example")


def test_seed_is_drawn_if_none_is_given() -> None:
    async def steps(double: Double) -> None:
        async def seed_of(given: int | None) -> int:
            request = accepted(double)
            request = replace(request, job=request.job._replace(seed=given))
            result, _ = await generate(double, call(), request, trace())
            recipe = await double.links.recipe(result.urls[0].split("/")[4])
            assert recipe is not None
            return recipe.seed

        assert [await seed_of(0), await seed_of(7)] == [0, 7]
        drawn = [await seed_of(None) for _ in range(30)]
        assert len(set(drawn)) == 30
        assert 2**30 < max(drawn) < 2**31

    on(steps)


# Tasks.


def test_task_holds_its_cost_without_a_term(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 5000.0)

    async def steps(double: Double) -> None:
        seen, woken, terms = trace(), [], []
        reserve = double.store.reserve

        async def noted(*values: Any) -> None:
            terms.append(values[-1])
            await reserve(*values)

        double.store.reserve = noted  # type: ignore[method-assign]
        double.wake = lambda: woken.append(True)
        effects = Effects(wait=2, callback="late", callback_origin="http://127.0.0.1:9")
        request = accepted(double, "evolink", effects=effects)
        request = replace(request, job=request.job._replace(callback_url="https://hook.example/"))
        made = await create_task(double, call("evolink", request_id="a-request"), request, seen)
        assert terms == [5030]
        assert (seen.task_id, seen.is_held, woken) == (made.id, False, [True])
        assert [stage for stage, _ in seen.marks] == ["authenticate", "generate"]
        assert await double.store.task(made.id) == made
        assert await money(double) == (2 * PRICE, 2 * PRICE, 0)
        assert made.id.startswith("task-unified-1000-")
        shown = {
            "provider": "evolink", "endpoint": "create", "variant": "edit", "key": "sk-mock",
            "request_id": "a-request", "model": "qwen-image-edit", "prompt": "a cat", "prompt_extend": False,
            "created": 1000.75, "width": 640, "height": 480, "failed": 0, "failure": None,
            "callback_url": "https://hook.example/", "callback_fault": "late",
            "callback_origin": "http://127.0.0.1:9", "reserved": 2 * PRICE, "cancelled": None, "settled": False,
        }  # fmt: skip
        assert {name: getattr(made, name) for name in shown} == shown
        assert (made.starts, made.ends) == pytest.approx((1002.95, 1003.75))
        assert len(made.urls) == 2
        assert f"Expires={1003 + EVOLINK.link_lifetime}&" in made.urls[0]

    on(steps)


def test_new_task_has_not_failed_yet() -> None:
    async def steps(double: Double) -> None:
        times, size = (1.0, 2.0, 3.0), (64, 48)
        made = new_task(double, call("evolink"), job("evolink", "edit"), "k", times, size, ["u"], PRICE)
        assert (made.failed, made.failure, made.cancelled, made.settled) == (0, None, None, False)

    on(steps)


@pytest.mark.parametrize(
    ("effects", "code", "urls", "failed"),
    [
        (Effects(fail_images=1), None, 1, 1),
        (Effects(fail_images=3), None, 0, 2),
        (Effects(fail_images=1), "x", 2, 0),
        (NO_EFFECTS, None, 2, 0),
    ],
)
def test_images_of_a_task_that_fail(effects: Effects, code: str | None, urls: int, failed: int) -> None:
    async def steps(double: Double) -> None:
        request = accepted(double, "evolink", effects=effects, failure_code=code)
        made = await create_task(double, call("evolink"), request, trace())
        assert (len(made.urls), made.failed, made.failure) == (urls, failed, code)

    on(steps)


def test_task_that_is_refused_holds_nothing() -> None:
    async def steps(double: Double) -> None:
        with pytest.raises(ApiError, match="internal"):
            await create_task(double, call("evolink"), accepted(double, failure=ApiError("internal")), trace())
        assert await double.store.accounts(EVERYTHING) == []

    on(steps)


def test_hold_is_noted_only_if_it_was_made() -> None:
    async def steps(double: Double) -> None:
        seen = trace()
        with pytest.raises(InsufficientBalance):
            await hold(double, accepted(double, cost=Decimal(2_000_000)), seen, 1.0)
        assert not seen.is_held

    on(steps)


# Sizes.


def seen_as(width: int, height: int) -> Input:
    return Input("", "", "", width, height)


@pytest.mark.parametrize(
    ("inputs", "size"),
    [
        ((), (1024, 1024)),
        ((seen_as(100, 100),), (1024, 1024)),
        ((seen_as(2, 1),), (1456, 720)),
        ((seen_as(1, 2),), (720, 1456)),
        ((seen_as(3, 5), seen_as(1, 1)), (1024, 1024)),
        ((seen_as(1024, 1),), (32768, 32)),
        ((seen_as(2**31, 1),), (32768, 32)),
        ((seen_as(1, 2**31),), (32, 32768)),
    ],
)
def test_size_follows_the_last_input(inputs: tuple[Input, ...], size: tuple[int, int]) -> None:
    assert default_size(NEBULA.picture, inputs) == size


def test_side_is_at_least_one_multiple() -> None:
    assert sizes._size(256, 1000.0, 16) == (512, 16)
    assert generation.SEED_BITS == 31


# The way of a call.


async def served(double: Double, sent: Call | None = None) -> tuple[int, Any, dict[str, str]]:
    answer = await serve(double, sent or call())
    return answer.status, orjson.loads(answer.body), dict(answer.headers)


def test_answer_is_booked_with_its_journal_entry() -> None:
    async def steps(double: Double) -> None:
        counted: list[Any] = []
        logged: list[Any] = []
        double.metrics.answered = lambda *values: counted.append(values)  # type: ignore[method-assign]
        double.log = logged.append
        status, _, headers_ = await served(double)
        assert status == 200
        [charge] = await double.store.charges(EVERYTHING)
        [entry] = await double.store.journal(EVERYTHING)
        assert headers_ == {"x-request-id": charge.request_id}
        assert (entry["id"], entry["status"], entry["charge"]) == (
            charge.request_id,
            200,
            {"id": charge.id, "images": 1, "amount": "0.25", "currency": "CNY"},
        )
        assert await money(double) == (PRICE, 0, PRICE)
        [(slug, code, stage, seconds, bill)] = counted
        assert (slug, code, stage, astuple(bill)) == ("nebula", 200, "charge", ("CNY", 1, PRICE))
        assert 0 <= seconds < 10
        assert [each["id"] for each in logged] == [charge.request_id]

    on(steps)


def test_refusal_is_noted_and_costs_nothing() -> None:
    async def steps(double: Double) -> None:
        counted: list[Any] = []
        double.metrics.answered = lambda *values: counted.append(values)  # type: ignore[method-assign]
        status, _, headers_ = await served(double, call(data=b"{"))
        assert status == 400
        assert headers_["x-qwenmock-rule"] == "nebula/http/body/syntax"
        [entry] = await double.store.journal(EVERYTHING)
        assert (entry["status"], entry["charge"], len(entry["fingerprint"])) == (400, None, 16)
        assert entry["refusal"]["kind"] == "malformed"  # type: ignore[index]
        assert (counted[0][1:3], counted[0][4]) == ((400, "parse"), None)
        assert await double.store.charges(EVERYTHING) == []

    on(steps)


def test_rate_limit_says_when_to_come_again() -> None:
    async def steps(double: Double) -> None:
        status, _, headers_ = await served(double, call(headers={"authorization": "Bearer sk-mock-throttled"}))
        assert (status, headers_["retry-after"]) == (429, str(NEBULA.retry_after))
        for _ in range(3):
            await served(double, call(headers={"authorization": "Bearer sk-mock-limited"}))
        status, _, headers_ = await served(double, call(headers={"authorization": "Bearer sk-mock-limited"}))
        assert (status, headers_["retry-after"]) == (429, "60")

    on(steps)


@pytest.mark.parametrize(("body", "is_held"), [({"wait": "1"}, True), ({}, False)])
def test_what_was_held_is_released_if_the_call_fails(slept: list[float], body: dict[str, str], is_held: bool) -> None:
    prompt = "a cat [[qwenmock:status=500,wait=1]]" if body else "a cat [[qwenmock:status=500]]"

    async def steps(double: Double) -> None:
        status, _, _ = await served(double, call(body=BODIES["nebula", "create"] | {"prompt": prompt}))
        assert status == 500
        assert slept == ([1.0] if is_held else [])
        assert await money(double) == (0, 0, 0)

    on(steps)


@pytest.mark.parametrize("failure", [asyncio.CancelledError(), StoreError("full"), ZeroDivisionError("a bug")])
def test_hold_is_released_whatever_happens(
    slept: list[float], failure: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise failure

    monkeypatch.setattr(generation, "_pictures", fail)

    async def steps(double: Double) -> None:
        sent = call(body=BODIES["nebula", "create"] | {"prompt": "a cat [[qwenmock:wait=1]]"})
        if isinstance(failure, asyncio.CancelledError):
            with pytest.raises(asyncio.CancelledError):
                await serve(double, sent)
            assert await double.store.journal(EVERYTHING) == []
        else:
            assert (await served(double, sent))[0] == 500
        assert await money(double) == (0, 0, 0)

    on(steps)


@pytest.mark.parametrize("is_file", [False, True])
@pytest.mark.parametrize("turns", range(10))
def test_cancelled_call_leaves_its_task_with_its_reservation_or_neither(
    turns: int, is_file: bool, tmp_path: Path
) -> None:
    async def steps(double: Double) -> None:
        sent = asyncio.ensure_future(serve(double, call("evolink")))
        for _ in range(turns):
            await asyncio.sleep(0)
        sent.cancel()
        await asyncio.wait([sent])
        await double.store.account(caller(double, "evolink").defaults)
        reserved = PRICE * len(await double.store.tasks(EVERYTHING))
        assert await money(double) == (reserved, reserved, 0)

    on(steps, **({"state": str(tmp_path / "state.db")} if is_file else {}))


def test_hold_that_cannot_be_released_does_not_hide_the_answer(
    slept: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise StoreError("full")

    async def steps(double: Double) -> None:
        double.store.release = fail  # type: ignore[method-assign]
        prompt = "a cat [[qwenmock:status=429,wait=1]]"
        assert (await served(double, call(body=BODIES["nebula", "create"] | {"prompt": prompt})))[0] == 429

    on(steps)


@pytest.mark.parametrize("failure", [InsufficientBalance(), NoReservation("none")])
def test_charge_is_booked_again_after_a_reset(failure: Exception) -> None:
    """A reset removed account or reservation between acceptance and charge."""

    async def steps(double: Double) -> None:
        charge, tried = double.store.charge, []

        async def once(*values: Any, is_held: bool) -> None:
            tried.append(is_held)
            if len(tried) == 1:
                await double.store.reset("ledger")
                raise failure
            await charge(*values, is_held=is_held)

        double.store.charge = once  # type: ignore[method-assign]
        assert (await served(double))[0] == 200
        assert tried == [False, False]
        assert await money(double) == (PRICE, 0, PRICE)

    on(steps)


def test_charge_that_the_balance_does_not_cover_any_more_is_refused() -> None:
    async def steps(double: Double) -> None:
        async def never(*_: Any, is_held: bool) -> None:
            raise InsufficientBalance

        double.store.charge = never  # type: ignore[method-assign]
        status, _, headers_ = await served(double)
        assert status == NEBULA.errors["insufficient_balance"].status
        assert headers_["x-qwenmock-detail"] == "the balance does not cover the cost"

    on(steps)


def test_held_charge_is_not_released_after_it_was_booked(slept: list[float]) -> None:
    async def steps(double: Double) -> None:
        released: list[object] = []

        async def release(*values: object) -> None:
            released.append(values)

        double.store.release = release  # type: ignore[method-assign]
        prompt = "a cat [[qwenmock:wait=1]]"
        assert (await served(double, call(body=BODIES["nebula", "create"] | {"prompt": prompt})))[0] == 200
        assert released == []
        assert await money(double) == (PRICE, 0, PRICE)

    on(steps)


def test_answer_is_sent_although_the_journal_cannot_be_written() -> None:
    async def steps(double: Double) -> None:
        async def fail(*_: object) -> None:
            raise StoreError("full")

        logged: list[Any] = []
        double.log = logged.append
        double.store.record = fail  # type: ignore[method-assign]
        assert (await served(double, call(data=b"{")))[0] == 400
        assert logged[0]["advisories"] == ["not in the journal: full"]

    on(steps)


def test_preference_is_applied_before_anything_else(slept: list[float]) -> None:
    async def steps(double: Double) -> None:
        status, _, headers_ = await served(double, call(headers={"prefer": "code=429, wait=2"}, data=b"{"))
        assert (status, slept) == (429, [2.0])
        assert headers_["preference-applied"] == "code=429, wait=2"
        status, _, headers_ = await served(double, call(headers={"prefer": "wait=0"}))
        assert (status, slept, headers_["preference-applied"]) == (200, [2.0], "wait=0")
        assert "preference-applied" not in (await served(double))[2]

    on(steps)


def test_preference_that_is_misspelt_is_noted() -> None:
    async def steps(double: Double) -> None:
        status, _, headers_ = await served(double, call(headers={"prefer": "cod=429"}))
        advisory = "requested effect: unknown preference 'cod' (did you mean code?): expected one of code, wait"
        assert (status, headers_["x-qwenmock-advisory"]) == (200, advisory)

    on(steps)


def test_connection_is_cut_as_a_fault_says() -> None:
    async def steps(double: Double) -> None:
        await double.plan.set([Fault(drop="mid-body", times=1), Fault(drop="before", times=1)])
        assert [(await serve(double, call())).drop for _ in range(3)] == ["mid-body", "before", None]
        await double.plan.set([Fault(drop="before")])
        assert (await serve(double, call("evolink"))).drop == "before"

    on(steps)


def test_answer_ends_in_the_middle_as_a_fault_says() -> None:
    """The journal has the whole answer, and a refusal of what was accepted is whole."""

    async def steps(double: Double) -> None:
        await double.plan.set([Fault(malformed=True)])
        for slug in ("nebula", "evolink"):
            answer = await serve(double, call(slug))
            [entry, *_] = await double.store.journal(Selection())
            whole = orjson.dumps(entry["answer"])
            assert (answer.status, answer.body) == (200, whole[: len(whole) // 2])

        async def never(*_: object, **__: object) -> None:
            raise StoreError("full")

        double.store.charge = never  # type: ignore[method-assign]
        refused = await serve(double, call())
        assert (refused.status, orjson.loads(refused.body)["code"]) == (500, 500)

    on(steps)


def test_task_is_created_and_charged_later() -> None:
    async def steps(double: Double) -> None:
        status, body, _ = await served(double, call("evolink"))
        assert status == 200
        assert await money(double) == (PRICE, PRICE, 0)
        [entry] = await double.store.journal(EVERYTHING)
        assert (entry["task"], entry["charge"]) == (body["id"], None)

    on(steps)


def test_waits_that_are_not_real_are_noted() -> None:
    async def steps(double: Double) -> None:
        double.waits_are_real = lambda: False
        await served(double)
        [entry] = await double.store.journal(EVERYTHING)
        assert entry["advisories"] == [UNREAL_WAITS]

    on(steps)


# Queries and recordings.


def test_query_is_answered_and_noted() -> None:
    async def steps(double: Double) -> None:
        status, body, _ = await served(double, call("evolink", "credits"))
        assert (status, body["success"]) == (200, True)
        [entry] = await double.store.journal(EVERYTHING)
        assert (entry["endpoint"], entry["charge"]) == ("credits", None)
        assert (await served(double, call("evolink", "task", task_id="task-unified-1")))[0] == 404

    on(steps)


def recording(slug: str, path: str, request: Any, answer: Any, **more: Any) -> Recording:
    return Recording(slug, "POST", path, request, more.pop("status", 200), answer, **more)


def test_recorded_request_is_answered_as_recorded(tmp_path: Path) -> None:
    path = NEBULA.endpoints["create"].path
    name = next(iter(NEBULA.link_names))
    answer = {"data": [{name: "https://gone.example/1.png"}, {name: "https://gone.example/2.png"}]}
    headers_ = {"Retry-After": "7", "Content-Type": "text/x"}
    save(tmp_path, recording("nebula", path, BODIES["nebula", "create"], answer, status=418, headers=headers_))

    async def steps(double: Double) -> None:
        status, body, found = await served(double)
        assert status == 418
        assert (found["retry-after"], found.keys() & {"content-type"}) == ("7", set())
        assert found["x-qwenmock-advisory"] == "answered as recorded"
        links = [each[name] for each in body["data"]]
        assert all(link.startswith("http://mock.example/__files__/") for link in links)
        assert f"Expires={1000 + NEBULA.link_lifetime}&" in links[0]
        recipe = await double.links.recipe(links[0].split("/")[4])
        assert recipe is not None
        assert (recipe.width, recipe.height, recipe.images, recipe.seed) == (1024, 1024, 16, 0)
        [entry] = await double.store.journal(EVERYTHING)
        assert (entry["charge"], next(iter(entry["microseconds"]))) == (None, "replay")
        # The contract answers what was not recorded.
        assert (await served(double, call(body=BODIES["nebula", "create"] | {"prompt": "a dog"})))[0] == 200

    on(steps, replay=tmp_path)


def test_recorded_query_is_found_by_its_task(tmp_path: Path) -> None:
    save(tmp_path, recording("evolink", "/v1/tasks/task-unified-1", None, {"recorded": True}))

    async def steps(double: Double) -> None:
        assert (await served(double, call("evolink", "task", task_id="task-unified-1")))[1] == {"recorded": True}
        assert (await served(double, call("evolink", "task", task_id="task-unified-2")))[0] == 404
        assert (await served(double, call("evolink", "credits")))[1]["success"]

    on(steps, replay=tmp_path)


def test_recorded_links_begin_with_the_public_address(tmp_path: Path) -> None:
    name = next(iter(NEBULA.link_names))
    path = NEBULA.endpoints["create"].path
    save(tmp_path, recording("nebula", path, BODIES["nebula", "create"], {name: "https://gone.example/1.png"}))

    async def steps(double: Double) -> None:
        assert (await served(double))[1][name].startswith("https://public.example/__files__/")

    on(steps, replay=tmp_path, public_url="https://public.example")


# How a refusal is written.


def test_failures_become_documented_errors(caplog: pytest.LogCaptureFixture) -> None:
    error = ApiError("invalid", "x")
    assert to_api_error(error) is error
    assert to_api_error(InsufficientBalance()) == ApiError(
        "insufficient_balance", "the balance does not cover the cost"
    )
    assert to_api_error(StoreError("full")) == ApiError("internal", "the store failed: full")
    assert caplog.records == []
    expected = ApiError("internal", "the mock server failed: ZeroDivisionError: a bug")
    assert to_api_error(ZeroDivisionError("a bug")) == expected
    assert caplog.records[0].exc_info is not None


def test_refusal_has_message_and_headers() -> None:
    async def steps(double: Double) -> None:
        seen = trace()
        seen.job = job()
        rule = NEBULA.rule("nebula/simplified/parameters/n/maximum")
        dialect = double.dialects["nebula"]
        answer = refusal(dialect, call(), ApiError("image_quantity", "so\nwrong ä", rule, {"Retry-After": "7"}), seen)
        assert answer.status == NEBULA.errors["image_quantity"].status
        assert dict(answer.headers) == {
            "x-request-id": "a-request",
            "retry-after": "7",
            "x-qwenmock-detail": "so wrong %C3%A4",
            "x-qwenmock-rule": rule.id,
            "x-qwenmock-source": to_header(rule.source),
        }
        assert [_param(ApiError("invalid", "x", each)) for each in (None, NEBULA.http_rule("body/syntax"))] == ["", ""]
        assert _param(ApiError("invalid", "x", rule)) == "parameters.n"
        http = NEBULA.http_rule("body/syntax")
        evolink = double.dialects["evolink"]
        for broken, param in ((EVOLINK.rule("evolink/edit/prompt/maxLength"), "prompt"), (http, None), (None, None)):
            body = orjson.loads(refusal(evolink, call("evolink"), ApiError("invalid", "x", broken), seen).body)
            assert body["error"].get("param") == param or (param is None and not body["error"].get("param"))

    on(steps)


def test_headers_are_bounded() -> None:
    seen = trace()
    seen.advisories = ["a" * 300, "b" * 300]
    seen.applied = ("wait=1", "code=429")
    found = headers(seen, ApiError("invalid", "c" * 600), {"more": "1"})
    assert found == {
        "x-request-id": "a-request",
        "preference-applied": "wait=1, code=429",
        "x-qwenmock-advisory": "a" * 300 + "; " + "b" * 198,
        "x-qwenmock-detail": "c" * 500,
        "more": "1",
    }
    assert headers(trace()) == {"x-request-id": "a-request"}
    assert to_header("a\r\nb%") == "a%0D%0Ab%25"
    assert to_header("50%") == "50%25"
