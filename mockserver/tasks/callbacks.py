"""The callback_worker: settles tasks when they end and makes their callbacks, at least once each.

Any replica may claim a callback; a claim ends with its lease, so that another takes over what a dead one left. What
is tried is told in the journal.
"""

import asyncio
import time
from dataclasses import replace

import orjson

from qwenmock.mockserver._version import __version__
from qwenmock.mockserver.accounts.keys import mask
from qwenmock.mockserver.calls.double import Double
from qwenmock.mockserver.errors import StoreError
from qwenmock.mockserver.models import Delivery
from qwenmock.mockserver.net import webhook_signatures
from qwenmock.mockserver.net.guarded_client import Outbound, OutboundError
from qwenmock.mockserver.tasks.lifecycle import settle_finished, view
from qwenmock.schemas.vocabulary import JSON

LOOK_SECONDS = 0.05
"""Between two looks while something is under way."""
IDLE_SECONDS = 1.0
"""Between two looks otherwise: another replica may have created a task."""
LEASE_SECONDS = 15.0
MOST_AT_ONCE = 64


class CallbackWorker:
    """Runs beside the server, from the first task on.

    Args:
        calls_out: Whether callbacks are made; tasks are settled either way.

    """

    def __init__(self, double: Double, *, calls_out: bool) -> None:
        self._double = double
        self._calls_out = calls_out
        self._outbound = Outbound(allow_loopback=double.settings.allow_local_callbacks)
        self._running: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._under_way: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begin, or look again at once."""
        if self._running is None or self._running.done():
            self._running = asyncio.get_running_loop().create_task(self._run())
        self._wake.set()

    async def stop(self) -> None:
        """End. A callback that is being made is made again after a restart."""
        for each in (self._running, *self._under_way):
            if each is not None:
                each.cancel()
        await asyncio.gather(*filter(None, (self._running, *self._under_way)), return_exceptions=True)

    async def _run(self) -> None:
        while True:
            try:
                await self._double.refresh()
                await settle_finished(self._double)
                while self._calls_out and len(self._under_way) < MOST_AT_ONCE and await self._claim():
                    pass
                busy = await self._double.store.has_work()
            except StoreError:
                busy = True  # the store may be back at the next look
            self._wake.clear()
            try:
                await asyncio.wait_for(self._wake.wait(), LOOK_SECONDS if busy else IDLE_SECONDS)
            except TimeoutError:
                continue

    async def _claim(self) -> bool:
        now = self._double.clock.now()
        delivery = await self._double.store.claim_delivery(now, time.time() + LEASE_SECONDS)
        if delivery is None:
            return False
        attempt = asyncio.get_running_loop().create_task(self._attempt(delivery))
        self._under_way.add(attempt)
        attempt.add_done_callback(self._under_way.discard)
        return True

    async def _attempt(self, delivery: Delivery) -> None:
        """Make a callback once, and say what came of it."""
        double = self._double
        task = await double.store.task(delivery.task_id)
        if task is None:
            await double.store.set_delivery(replace(delivery, state="lost"))
            return
        provider = double.catalog[delivery.provider]
        terms = provider.callbacks
        assert terms is not None, "the loader checks it: a request may name a callback"
        now = double.clock.now()
        content: JSON = double.dialects[provider.slug].task(provider, task, view(task, now), task.request_id)
        body = orjson.dumps(content)
        started = time.perf_counter()
        status, failure = 0, None
        try:
            status = await self._outbound.post(delivery.url, self._headers(delivery, body), body, terms.timeout_seconds)
        except OutboundError as error:
            failure = str(error)
        milliseconds = round((time.perf_counter() - started) * 1000, 3)
        tries = len(delivery.attempts) + 1
        attempt = {"attempt": tries, "at": now, "status": status, "error": failure, "milliseconds": milliseconds}
        attempted = replace(delivery, attempts=(*delivery.attempts, attempt))
        pauses = terms.retry_seconds
        if 200 <= status < 300:
            attempted = replace(attempted, state="delivered")
        elif tries <= len(pauses):
            attempted = replace(attempted, due=double.clock.now() + pauses[tries - 1])
        else:
            attempted = replace(attempted, state="failed")
        await double.store.set_delivery(attempted)
        if attempted.state == "delivered":
            await double.store.release_held(delivery.key, double.clock.now())
        double.metrics.called_back(delivery.provider, attempted.state)
        await self._tell(attempted, attempt, content)

    def _headers(self, delivery: Delivery, body: bytes) -> dict[str, str]:
        host = delivery.url.split("/")[2]
        headers = {"Host": host, "Content-Type": "application/json", "User-Agent": f"qwenmock/{__version__}"}
        secret = self._double.settings.callback_secret
        if secret is not None:
            headers |= webhook_signatures.headers(secret, delivery.message_id, int(time.time()), body)
        return headers

    async def _tell(self, delivery: Delivery, attempt: dict[str, JSON], content: JSON) -> None:
        """Put an attempt into the journal."""
        entry: dict[str, JSON] = {
            "id": delivery.id,
            "at": attempt["at"],
            "provider": delivery.provider,
            "endpoint": "callback",
            "method": "POST",
            "path": delivery.url,
            "key": mask(delivery.key),
            "status": attempt["status"],
            "milliseconds": attempt["milliseconds"],
            "variant": "",
            "model": content.get("model", ""),
            "task": delivery.task_id,
            "attempt": attempt["attempt"],
            "state": delivery.state,
            "request": content,
            "answer": None,
            "refusal": None if attempt["error"] is None else {"kind": "callback", "detail": attempt["error"]},
            "rule": None,
            "advisories": [],
            "charge": None,
        }
        await self._double.store.record(entry, delivery.key)
        self._double.log(entry)
