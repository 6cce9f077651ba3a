"""Servers whose callbacks are wrong in one way: missing, early, another body, other repetitions, other addresses."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson
from wrong_servers.faults import Exchange, Fault, holder, places

from qwenmock.mockserver.models import Delivery, Task
from qwenmock.mockserver.net.guarded_client import Poster
from qwenmock.mockserver.tasks import callbacks, lifecycle
from qwenmock.schemas.models import Provider
from qwenmock.schemas.vocabulary import JSON

ONCE = "test_callback_comes_once_with_the_result"
REPEATED = "test_callback_is_repeated"
ADDRESSES = "test_forbidden_addresses_get_no_callback"
SAMPLE: Mapping[str, JSON] = {
    "created": 1,
    "id": "task-unified-1-a",
    "model": "m",
    "object": "o",
    "progress": 1,
    "status": "s",
    "task_info": {"can_cancel": True},
    "type": "t",
    "results": ["r"],
}
"""The members of a callback."""


def faults(provider: Provider) -> Iterator[Fault]:
    """Yield the faults of a provider that sends callbacks."""
    if provider.callbacks is None:
        return
    for name, between in _SENDERS.items():
        yield Fault(f"callback {name}", provider.slug, between=between, check=ONCE)
    yield from _body_faults(provider)
    yield from _state_faults(provider)
    yield from _billing_faults(provider)
    yield from _repetition_faults(provider)
    yield from _address_faults(provider)


class Changed:
    """Sends callbacks with something changed."""

    def __init__(self, poster: Poster, change: Callable[[Poster, "Posted"], Any]) -> None:
        self._poster = poster
        self._change = change

    async def post(self, url: str, headers: dict[str, str], body: bytes, seconds: float) -> int:
        return await self._change(self._poster, Posted(url, headers, body, seconds))


class Posted:
    """A callback on its way out."""

    def __init__(self, url: str, headers: dict[str, str], body: bytes, seconds: float) -> None:
        self.url, self.headers, self.body, self.seconds = url, headers, body, seconds

    async def by(self, poster: Poster) -> int:
        return await poster.post(self.url, self.headers, self.body, self.seconds)


def changing(change: Callable[[Poster, Posted], Any]) -> Callable[[Poster], Poster]:
    return lambda poster: Changed(poster, change)


def with_body(edit: Callable[[Any], object]) -> Callable[[Poster], Poster]:
    """Return what edits the JSON of each callback."""

    async def change(poster: Poster, posted: Posted) -> int:
        content = json.loads(posted.body)
        edit(content)
        posted.body = json.dumps(content).encode()
        return await posted.by(poster)

    return changing(change)


async def _lost(_poster: Poster, _posted: Posted) -> int:
    return 200


async def _twice(poster: Poster, posted: Posted) -> int:
    await posted.by(poster)
    return await posted.by(poster)


async def _again_after_success(poster: Poster, posted: Posted) -> int:
    status = await posted.by(poster)
    return 500 if status == 200 else status


async def _as_text(poster: Poster, posted: Posted) -> int:
    posted.headers = {**posted.headers, "Content-Type": "text/plain"}
    return await posted.by(poster)


async def _as_form(poster: Poster, posted: Posted) -> int:
    posted.body = b"payload=" + posted.body
    return await posted.by(poster)


async def _empty(poster: Poster, posted: Posted) -> int:
    posted.body = b""
    return await posted.by(poster)


async def _wrapped(poster: Poster, posted: Posted) -> int:
    posted.body = b'{"data": ' + posted.body + b"}"
    return await posted.by(poster)


_SENDERS: Mapping[str, Callable[[Poster], Poster]] = {
    "never comes": changing(_lost),
    "comes twice": changing(_twice),
    "is repeated after a 200": changing(_again_after_success),
    "is sent as text": changing(_as_text),
    "is sent as a form": changing(_as_form),
    "has no body": changing(_empty),
    "is wrapped": changing(_wrapped),
    "has a member that a query lacks": with_body(lambda body: body.update(event="task.completed")),
}


def _body_faults(provider: Provider) -> Iterator[Fault]:
    """Yield a fault for each member: left out, and with another value."""
    for path in places(SAMPLE):
        name = "/".join(map(str, path))

        def drop(body: Any, path: tuple[Any, ...] = path) -> None:
            del holder(body, path)[path[-1]]

        def alter(body: Any, path: tuple[Any, ...] = path) -> None:
            value = holder(body, path)[path[-1]]
            holder(body, path)[path[-1]] = _other(value)

        yield Fault(f"callback without {name}", provider.slug, between=with_body(drop), check=ONCE)
        if not isinstance(holder(SAMPLE, path)[path[-1]], dict | list):
            yield Fault(f"callback with another {name}", provider.slug, between=with_body(alter), check=ONCE)


def _other(value: Any) -> JSON:
    if isinstance(value, bool):
        return not value
    return value + 1 if isinstance(value, int) else f"{value}x"


def _state_faults(provider: Provider) -> Iterator[Fault]:
    """Yield servers that call back after some ends only, or too early."""
    checks = {
        "succeeded": ONCE,
        "failed": "test_failure_is_called_back",
        "cancelled": "test_cancellation_is_called_back",
    }
    assert provider.tasks is not None, "callbacks are those of tasks"
    for state, check in checks.items():
        name = provider.tasks.states[state].name.encode()

        async def silent(poster: Poster, posted: Posted, name: bytes = name) -> int:
            return 200 if b'"status":"' + name in posted.body else await posted.by(poster)

        def as_other(body: Any, name: str = name.decode()) -> None:
            body["status"] = "processing" if body["status"] == name else body["status"]

        yield Fault(f"no callback for a task that has {state}", provider.slug, between=changing(silent), check=check)
        yield Fault(f"callback that has not {state}", provider.slug, between=with_body(as_other), check=check)
    yield Fault("callback when a task starts", provider.slug, double=_early, check=ONCE)
    yield Fault(
        "callback a minute late", provider.slug, double=_delivering(lambda d: replace(d, due=d.due + 60)), check=ONCE
    )


def _delivering(change: Callable[[Delivery], Delivery]) -> Callable[[Any], None]:
    """Return what changes the callbacks that are planned when a task has ended."""

    def install(double: Any) -> None:
        finish = double.store.finish_task

        async def finish_task(task: Task, charge: Any, deliveries: Sequence[Delivery]) -> bool:
            return await finish(task, charge, [change(delivery) for delivery in deliveries])

        double.store.finish_task = finish_task

    return install


def _early(double: Any) -> None:
    """Plan the callback of a task when it is created."""
    add = double.store.add_task

    async def add_task(task: Task) -> None:
        await add(task)
        for delivery in lifecycle.planned_deliveries(double, task):
            await double.store.set_delivery(replace(delivery, due=task.starts))

    double.store.add_task = add_task
    double.store.quick_balance = lambda *_: None  # all requests take the general way


def _billing_faults(provider: Provider) -> Iterator[Fault]:
    """Yield a server that bills when its callback was received, and not before."""
    is_sending = [False]

    async def change(poster: Poster, posted: Posted) -> int:
        is_sending[0] = True
        try:
            return await posted.by(poster)
        finally:
            is_sending[0] = False

    def tamper(exchange: Exchange, _memory: dict[str, Any]) -> None:
        if exchange.path.endswith("/ledger") and is_sending[0]:
            exchange.json = {**exchange.json, "charges": []}

    yield Fault("callback before the bill", provider.slug, tamper, between=changing(change), check=ONCE)


def _repetition_faults(provider: Provider) -> Iterator[Fault]:
    """Yield servers with other pauses, numbers of attempts and time-outs."""
    terms = provider.callbacks
    assert terms is not None, "only called for providers that send callbacks"
    pauses = terms.retry_seconds
    schedules: Mapping[str, tuple[int, ...]] = {
        "is never repeated": (),
        "is repeated once": pauses[:1],
        "is repeated once less": pauses[:-1],
        "is repeated once more": (*pauses, 2 * pauses[-1]),
        "is repeated at once": tuple(0 for _ in pauses),
        "is repeated every second": tuple(1 for _ in pauses),
        "is repeated after twice the pauses": tuple(2 * pause for pause in pauses),
        "is repeated after the pauses in reverse": pauses[::-1],
        "is repeated after 3 s in the end": (*pauses[:-1], pauses[-1] - 1),
        "is repeated after 5 s in the end": (*pauses[:-1], pauses[-1] + 1),
        "is repeated after minutes": tuple(60 * pause for pause in pauses),
    }
    for name, schedule in schedules.items():
        changed = replace(terms, retry_seconds=schedule)
        yield Fault(
            f"callback {name}", provider.slug, change=lambda p, c=changed: replace(p, callbacks=c), check=REPEATED
        )
    for seconds in (1, 5, 9, 11, 20, 60):
        changed = replace(terms, timeout_seconds=seconds)
        yield Fault(
            f"callback waits {seconds} s for an answer",
            provider.slug,
            change=lambda p, c=changed: replace(p, callbacks=c),
            check=REPEATED,
        )
    for name, between in _ANSWERS.items():
        yield Fault(f"callback {name}", provider.slug, between=between, check=REPEATED)


async def _ignores_errors(poster: Poster, posted: Posted) -> int:
    await posted.by(poster)
    return 200


async def _ignores_silence(poster: Poster, posted: Posted) -> int:
    try:
        return await posted.by(poster)
    except callbacks.OutboundError:
        return 200


def _changing_when_repeated(poster: Poster) -> Poster:
    seen: set[str] = set()

    async def change(poster: Poster, posted: Posted) -> int:
        if posted.url in seen:
            posted.body = posted.body.replace(b'"progress":100', b'"progress":99')
        seen.add(posted.url)
        return await posted.by(poster)

    return Changed(poster, change)


_ANSWERS: Mapping[str, Callable[[Poster], Poster]] = {
    "takes an error for success": changing(_ignores_errors),
    "takes silence for success": changing(_ignores_silence),
    "changes when it is repeated": _changing_when_repeated,
}


def _address_faults(provider: Provider) -> Iterator[Fault]:
    """Yield servers that refuse a forbidden address, and call it all the same."""
    for name, is_called in {
        "over http": lambda url: url.startswith("http://"),
        "on this machine": lambda url: "127.0.0.1" in url or "localhost" in url,
        "in a private network": lambda url: "://10." in url or "://192.168." in url,
        "of a cloud's metadata": lambda url: "169.254.169.254" in url,
        "in IPv6": lambda url: "://[" in url,
    }.items():
        yield Fault(f"callback to an address {name}", provider.slug, **_calling(is_called), check=ADDRESSES)


def _calling(is_called: Callable[[str], bool]) -> dict[str, Any]:
    """Return what posts to forbidden addresses when requests that name them are refused."""
    posters: list[Poster] = []

    def between(poster: Poster) -> Poster:
        posters.append(poster)
        return poster

    def double(double: Any) -> None:
        record = double.store.record

        async def record_and_call(entry: Any, key: str) -> None:
            await record(entry, key)
            request = json.loads(orjson.dumps(entry["request"]))
            url = request.get("callback_url") if isinstance(request, dict) else None
            if entry["status"] == 400 and isinstance(url, str) and is_called(url):
                await posters[-1].post(url, {}, b"{}", 10)

        double.store.record = record_and_call
        double.store.quick_balance = lambda *_: None  # all requests take the general way

    return {"between": between, "double": double}
