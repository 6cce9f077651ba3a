"""Callbacks: what is sent where, how often, and what is kept of each attempt."""

import asyncio
import base64
import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import orjson
import pytest
from call_values import CATALOG
from store_values import delivery, task

from qwenmock.mockserver._version import __version__
from qwenmock.mockserver.calls.double import Double, create_double
from qwenmock.mockserver.clock import Clock
from qwenmock.mockserver.errors import StoreError
from qwenmock.mockserver.models import Delivery
from qwenmock.mockserver.net import webhook_signatures
from qwenmock.mockserver.net.guarded_client import OutboundError
from qwenmock.mockserver.settings import Settings
from qwenmock.mockserver.store.protocols import AccountDefaults, Selection
from qwenmock.mockserver.tasks import callbacks
from qwenmock.mockserver.tasks.callbacks import CallbackWorker

OWNER = AccountDefaults("evolink", "sk-mock", "credits", Decimal(10), None)
SECRET = "whsec_" + base64.b64encode(b"a secret of a few bytes").decode()
EVERYTHING = Selection()
URL = "https://user:word@hook.example:8443/a?x=1"
TASK = task("t", 10.0, OWNER, model="qwen-image-edit", callback_url=URL)
PLAIN = replace(TASK, callback_url=None)
"""A task that plans no callback by itself."""


class Still(Clock):
    """A clock that stands where it is set."""

    at = 20.0

    def now(self) -> float:
        return self.at


class Receiver:
    """Stands in for the client; answers with the statuses it was given, then 200."""

    def __init__(self, *answers: int | OutboundError) -> None:
        self.answers = list(answers)
        self.sent: list[tuple[str, Mapping[str, str], bytes, float]] = []

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, timeout: float) -> int:
        self.sent.append((url, headers, body, timeout))
        answer = self.answers.pop(0) if self.answers else 200
        if isinstance(answer, OutboundError):
            raise answer
        return answer


Steps = Callable[[Double, CallbackWorker, Receiver], Awaitable[None]]


def on(steps: Steps, *answers: int | OutboundError, calls_out: bool = True, **settings: Any) -> None:
    async def run() -> None:
        double = create_double(Settings(seed=1, **settings), CATALOG)
        double.clock = Still()
        receiver = Receiver(*answers)
        worker = CallbackWorker(double, double.dialects, double.refresh, calls_out=calls_out, poster=receiver)
        try:
            await steps(double, worker, receiver)
        finally:
            await worker.stop()
            await double.store.close()

    asyncio.run(run())


def due(delivery_id: str = "d", **more: Any) -> Delivery:
    return replace(delivery(delivery_id, "t", url=URL, provider="evolink"), **more)


async def kept(double: Double) -> dict[str, Delivery]:
    return {each.id: each for each in await double.store.deliveries(None)}


def test_due_callback_is_sent_as_the_query_of_its_task_would_be() -> None:
    async def steps(double: Double, worker: CallbackWorker, receiver: Receiver) -> None:
        counted: list[tuple[str, str]] = []
        double.metrics.called_back = lambda *values: counted.append(values)  # type: ignore[method-assign]
        logged: list[Any] = []
        double.log = logged.append
        await double.store.add_task(PLAIN)
        await double.store.set_delivery(due())
        await double.store.set_delivery(due("later", due=20.5))
        await worker.deliver_due()
        [(url, headers, body, timeout)] = receiver.sent
        provider = CATALOG["evolink"]
        content = double.dialects["evolink"].task(provider, PLAIN, PLAIN.status_at(20.0), "r-t")
        assert (url, orjson.loads(body), timeout) == (URL, content, 10)
        assert headers == {
            "Host": "hook.example:8443",
            "Content-Type": "application/json",
            "User-Agent": f"qwenmock/{__version__}",
        }
        found = await kept(double)
        [attempt] = found["d"].attempts
        assert 0 <= attempt.pop("milliseconds") < 10_000  # type: ignore[misc]
        assert attempt == {"attempt": 1, "at": 20.0, "status": 200, "error": None}
        assert (found["d"].state, found["later"].state) == ("delivered", "waiting")
        assert counted == [("evolink", "delivered")]
        [entry] = await double.store.journal(EVERYTHING)
        assert entry.pop("milliseconds") >= 0  # type: ignore[misc]
        assert entry == {
            "id": "d", "at": 20.0, "provider": "evolink", "endpoint": "callback", "method": "POST", "path": URL,
            "key": "sk-m…", "status": 200, "variant": "", "model": "qwen-image-edit", "task": "t", "attempt": 1,
            "state": "delivered", "request": content, "answer": None, "refusal": None, "rule": None, "advisories": [],
            "charge": None,
            "request_headers": {
                "host": "hook.example:8443", "content-type": "application/json",
                "user-agent": f"qwenmock/{__version__}",
            },
        }  # fmt: skip
        assert await double.store.journal(Selection(key="sk-mock")) != []
        assert [each["id"] for each in logged] == ["d"]

    on(steps)


def test_callback_is_signed_if_there_is_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    async def steps(double: Double, worker: CallbackWorker, receiver: Receiver) -> None:
        await double.store.add_task(PLAIN)
        await double.store.set_delivery(due())
        monkeypatch.setattr("time.time", lambda: 1234.5)
        await worker.deliver_due()
        [(_, headers, body, _)] = receiver.sent
        lower = {name.lower(): value for name, value in headers.items()}
        assert webhook_signatures.problem(SECRET, lower, body, 1234.0) is None
        assert (lower["webhook-id"], lower["webhook-timestamp"]) == ("msg_d", "1234")
        assert lower["host"] == "hook.example:8443"

    on(steps, callback_secret=SECRET)


@pytest.mark.parametrize(
    ("status", "is_delivered"), [(199, False), (200, True), (204, True), (299, True), (300, False), (500, False)]
)
def test_status_of_success_ends_the_attempts(status: int, is_delivered: bool) -> None:
    async def steps(double: Double, worker: CallbackWorker, receiver: Receiver) -> None:
        await double.store.add_task(PLAIN)
        await double.store.set_delivery(due())
        await worker.deliver_due()
        found = (await kept(double))["d"]
        assert (found.state, found.due) == (("delivered", 5.0) if is_delivered else ("waiting", 21.0))
        [entry] = await double.store.journal(EVERYTHING)
        assert (entry["status"], entry["refusal"], entry["state"]) == (status, None, found.state)

    on(steps, status)


def test_callback_is_tried_again_after_each_pause_and_then_fails() -> None:
    async def steps(double: Double, worker: CallbackWorker, receiver: Receiver) -> None:
        await double.store.add_task(PLAIN)
        await double.store.set_delivery(due())
        seen: list[tuple[str, float]] = []
        clock: Any = double.clock
        for _ in range(4):
            await worker.deliver_due()
            found = (await kept(double))["d"]
            seen.append((found.state, found.due - clock.at))
            clock.at = found.due
        assert seen == [("waiting", 1), ("waiting", 2), ("waiting", 4), ("failed", 0)]
        assert [each["attempt"] for each in found.attempts] == [1, 2, 3, 4]
        assert [each["status"] for each in found.attempts] == [500, 0, 302, 500]
        assert [each["error"] for each in found.attempts] == [None, "no answer", None, None]
        assert [each["at"] for each in found.attempts] == [20.0, 21.0, 23.0, 27.0]
        clock.at = 99.0
        await worker.deliver_due()
        assert len(receiver.sent) == 4
        refusals = [entry["refusal"] for entry in await double.store.journal(EVERYTHING)]
        assert refusals == [None, None, {"kind": "callback", "detail": "no answer"}, None]

    on(steps, 500, OutboundError("no answer"), 302, 500)


def test_held_callback_is_released_when_another_one_arrives() -> None:
    async def steps(double: Double, worker: CallbackWorker, receiver: Receiver) -> None:
        await double.store.add_task(PLAIN)
        await double.store.set_delivery(due("held", state="held", due=30.0))
        await double.store.set_delivery(due("bad"))
        await worker.deliver_due()
        assert (await kept(double))["held"].state == "held"
        await double.store.set_delivery(due("good"))
        await worker.deliver_due()
        # It is due now, and sent in the next round.
        found = (await kept(double))["held"]
        assert (found.state, found.due) == ("waiting", 20.0)
        await worker.deliver_due()
        assert (await kept(double))["held"].state == "delivered"

    on(steps, 500)


def test_callback_of_a_task_that_is_gone_is_lost() -> None:
    async def steps(double: Double, worker: CallbackWorker, receiver: Receiver) -> None:
        await double.store.set_delivery(due())
        await worker.deliver_due()
        assert (await kept(double))["d"].state == "lost"
        assert receiver.sent == []
        assert await double.store.journal(EVERYTHING) == []

    on(steps)


def test_ended_tasks_are_settled_before_their_callbacks_are_sent() -> None:
    async def steps(double: Double, worker: CallbackWorker, receiver: Receiver) -> None:
        refreshed: list[bool] = []

        async def refresh() -> None:
            refreshed.append(True)

        worker._refresh = refresh
        await double.store.add_task(TASK)
        await worker.deliver_due()
        assert refreshed == [True]
        assert [url for url, *_ in receiver.sent] == [URL]
        assert (await double.store.task("t")).settled  # type: ignore[union-attr]

    on(steps)


def test_only_a_fault_may_send_a_callback_to_this_machine() -> None:
    """Without a poster of its own, the worker makes two: who sets an origin may use this machine."""

    async def run(allowed: bool) -> tuple[Any, Any]:
        double = create_double(Settings(allow_local_callbacks=allowed), CATALOG)
        worker = CallbackWorker(double, double.dialects, double.refresh, calls_out=True)
        await double.store.close()
        return worker._poster, worker._redirected

    for allowed in (False, True):
        poster, redirected = asyncio.run(run(allowed))
        assert (poster._backend._allow_loopback, redirected._backend._allow_loopback) == (allowed, True)


def test_redirected_callback_is_sent_by_the_other_poster() -> None:
    async def steps(double: Double, worker: CallbackWorker, receiver: Receiver) -> None:
        other = Receiver()
        worker._redirected = other
        for task_id, origin in (("t", None), ("u", "http://127.0.0.1:9")):
            await double.store.add_task(replace(PLAIN, id=task_id, callback_origin=origin))
            await double.store.set_delivery(due(f"d-{task_id}", task_id=task_id, url=f"https://{task_id}.example/"))
        await worker.deliver_due()
        assert [sent[0] for sent in receiver.sent] == ["https://t.example/"]
        assert [sent[0] for sent in other.sent] == ["https://u.example/"]

    on(steps)


# The worker beside the server.


async def turns(number: int = 30) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


@pytest.mark.parametrize("calls_out", [True, False])
def test_worker_settles_and_sends_by_itself_when_it_is_woken(calls_out: bool) -> None:
    async def steps(double: Double, worker: CallbackWorker, receiver: Receiver) -> None:
        worker.start()
        await turns()
        await double.store.add_task(TASK)
        assert receiver.sent == []
        worker.start()
        await turns()
        assert (await double.store.task("t")).settled  # type: ignore[union-attr]
        assert len(receiver.sent) == calls_out
        assert worker._deliveries == set()
        running = worker._running
        worker.start()
        assert worker._running is running

    on(steps, calls_out=calls_out)


class Pauses:
    """Notes how long the worker waits for the next round, which begins at once."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, rounds: int) -> None:
        self.seen: list[float] = []
        self._rounds = rounds
        self._thread, self._real = threading.get_ident(), asyncio.timeout
        monkeypatch.setattr(callbacks.asyncio, "timeout", self._timeout)

    def _timeout(self, seconds: float) -> Any:
        # Servers of other tests wait in threads of theirs.
        if threading.get_ident() != self._thread:
            return self._real(seconds)
        self.seen.append(seconds)
        return asyncio.Timeout(asyncio.get_running_loop().time() - 1 if len(self.seen) < self._rounds else None)


def test_worker_looks_more_often_while_there_is_work(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses = Pauses(monkeypatch, 4)

    async def steps(double: Double, worker: CallbackWorker, receiver: Receiver) -> None:
        await double.store.set_delivery(due(state="held", due=99.0))
        worker.start()
        while len(pauses.seen) < 2:
            await asyncio.sleep(0)
        await double.store.set_delivery(due(state="delivered"))
        while len(pauses.seen) < 4:
            await asyncio.sleep(0)

    on(steps)
    assert pauses.seen[:2] == [0.05, 0.05]
    assert pauses.seen[-1] == 1.0


def test_worker_goes_on_after_a_failure_of_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses = Pauses(monkeypatch, 2)

    async def steps(double: Double, worker: CallbackWorker, receiver: Receiver) -> None:
        failures = [StoreError("gone")]

        async def refresh() -> None:
            if failures:
                raise failures.pop()

        worker._refresh = refresh
        await double.store.add_task(TASK)
        worker.start()
        while len(pauses.seen) < 2:
            await asyncio.sleep(0)
        assert (await double.store.task("t")).settled  # type: ignore[union-attr]
        assert pauses.seen[0] == 0.05
        assert failures == []

    on(steps)


def test_at_most_64_callbacks_are_sent_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def steps(double: Double, worker: CallbackWorker, receiver: Receiver) -> None:
        answer = asyncio.Event()

        async def post(*sent: Any) -> int:
            receiver.sent.append(sent)
            await answer.wait()
            return 200

        receiver.post = post  # type: ignore[method-assign]
        await double.store.add_task(PLAIN)
        for number in range(70):
            await double.store.set_delivery(due(f"d{number}"))
        worker.start()
        await turns(300)
        assert len(receiver.sent) == 64
        await worker.stop()
        assert worker._running is not None
        assert worker._running.done()
        assert {each.state for each in (await kept(double)).values()} == {"waiting"}

    on(steps)


def test_attempt_has_its_milliseconds(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter([1.0, 3.2345678])
    monkeypatch.setattr("time.perf_counter", lambda: next(seconds, 9.0))

    async def steps(double: Double, worker: CallbackWorker, receiver: Receiver) -> None:
        attempt = await worker._attempt(receiver, due(), {}, b"{}", 20.0, 10)
        assert attempt["milliseconds"] == 2234.568

    on(steps)


def test_claim_ends_15_seconds_later(monkeypatch: pytest.MonkeyPatch) -> None:
    async def steps(double: Double, worker: CallbackWorker, receiver: Receiver) -> None:
        claims: list[tuple[float, float]] = []

        async def claim(now: float, lease: float) -> None:
            claims.append((now, lease))

        monkeypatch.setattr("time.time", lambda: 1000.0)
        double.store.claim_delivery = claim  # type: ignore[method-assign]
        await worker.deliver_due()
        assert claims == [(20.0, 1015.0)]

    on(steps)
