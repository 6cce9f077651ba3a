"""The callback worker: settles tasks when they end and delivers their callbacks, at least once each.

Any replica may claim a delivery. A claim ends with its lease, so another replica takes over what a dead one left.
Every attempt is recorded in the journal.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from urllib.parse import urlsplit

import orjson

from qwenmock.mockserver._version import __version__
from qwenmock.mockserver.accounts.keys import mask
from qwenmock.mockserver.dialects import Dialect
from qwenmock.mockserver.errors import StoreError
from qwenmock.mockserver.models import CallbackAttempt, Delivery
from qwenmock.mockserver.net import webhook_signatures
from qwenmock.mockserver.net.guarded_client import Outbound, OutboundError, Poster
from qwenmock.mockserver.services import Services
from qwenmock.mockserver.store.records import NewEntry
from qwenmock.mockserver.tasks.lifecycle import settle_finished
from qwenmock.schemas.vocabulary import JSON

BUSY_SECONDS = 0.05
"""Between two rounds while a task or a callback is pending."""
IDLE_SECONDS = 1.0
"""Between two rounds otherwise: another replica may have created a task."""
LEASE_SECONDS = 15.0
MAX_CONCURRENT = 64


class CallbackWorker:
    """Runs beside the server, from the first task on.

    Args:
        services: What it works with.
        dialects: By provider slug; they write the callback bodies.
        refresh: Loads what other processes have changed.
        calls_out: Whether callbacks are sent by themselves; tasks are settled either way.
        poster: Sends them; by default to public addresses, and to this machine if the settings allow it.

    """

    def __init__(
        self,
        services: Services,
        dialects: Mapping[str, Dialect],
        refresh: Callable[[], Awaitable[None]],
        *,
        calls_out: bool,
        poster: Poster | None = None,
    ) -> None:
        self._services = services
        self._dialects = dialects
        self._refresh = refresh
        self._calls_out = calls_out
        self._poster = poster or Outbound(allow_loopback=services.settings.allow_local_callbacks)
        # Only the control API sets another origin, and who may use that may use this machine.
        self._redirected = poster or Outbound(allow_loopback=True)
        self._running: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._deliveries: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Start the worker, or begin its next round now."""
        if self._running is None or self._running.done():
            self._running = asyncio.get_running_loop().create_task(self._run())
        self._wake.set()

    async def stop(self) -> None:
        """Stop the worker. A delivery that is cut off is attempted again after a restart."""
        for each in (self._running, *self._deliveries):
            if each is not None:
                each.cancel()
        await asyncio.gather(*filter(None, (self._running, *self._deliveries)), return_exceptions=True)

    async def deliver_due(self) -> None:
        """Settle the tasks that have ended, and attempt every callback whose time has come, once."""
        await self._refresh()
        await settle_finished(self._services)
        while await self._claim():
            pass
        await asyncio.gather(*self._deliveries)

    async def _run(self) -> None:
        while True:
            try:
                await self._refresh()
                await settle_finished(self._services)
                while self._calls_out and len(self._deliveries) < MAX_CONCURRENT and await self._claim():
                    pass
                is_busy = await self._services.store.has_work()
            except StoreError:
                is_busy = True  # the store may be back in the next round
            self._wake.clear()
            # Not wait_for: before Python 3.12 it drops a cancellation that comes together with the event.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(BUSY_SECONDS if is_busy else IDLE_SECONDS):
                    await self._wake.wait()

    async def _claim(self) -> bool:
        """Claim a delivery and start it. Return whether there was one."""
        delivery = await self._services.store.claim_delivery(self._services.clock.now(), time.time() + LEASE_SECONDS)
        if delivery is None:
            return False
        attempt = asyncio.get_running_loop().create_task(self._deliver(delivery))
        self._deliveries.add(attempt)
        attempt.add_done_callback(self._deliveries.discard)
        return True

    async def _deliver(self, delivery: Delivery) -> None:
        """Attempt a delivery once, and store and record its outcome."""
        services = self._services
        task = await services.store.task(delivery.task_id)
        if task is None:
            await services.store.set_delivery(replace(delivery, state="lost"))
            return
        provider = services.catalog[delivery.provider]
        terms = provider.callbacks
        assert terms is not None, "the loader checks it: a request may name a callback"
        now = services.clock.now()
        status = task.status_at(now)
        content = self._dialects[provider.slug].task(provider, task, status, task.request_id)
        poster = self._poster if task.callback_origin is None else self._redirected
        body = orjson.dumps(content)
        headers = self._headers(delivery, body)
        attempt = await self._attempt(poster, delivery, headers, body, now, terms.timeout_seconds)
        attempted = _after(delivery, attempt, terms.retry_seconds, services.clock.now())
        await services.store.set_delivery(attempted)
        if attempted.state == "delivered":
            await services.store.release_held(delivery.key, services.clock.now())
        services.metrics.called_back(delivery.provider, attempted.state)
        await self._record(attempted, attempt, headers, content)

    async def _attempt(
        self,
        poster: Poster,
        delivery: Delivery,
        headers: dict[str, str],
        body: bytes,
        now: float,
        timeout: float,
    ) -> CallbackAttempt:
        """Send a callback; return the attempt as it is kept with the delivery."""
        started = time.perf_counter()
        status, failure = 0, None
        try:
            status = await poster.post(delivery.url, headers, body, timeout)
        except OutboundError as error:
            failure = str(error)
        return {
            "attempt": len(delivery.attempts) + 1,
            "at": now,
            "status": status,
            "error": failure,
            "milliseconds": round((time.perf_counter() - started) * 1000, 3),
        }

    def _headers(self, delivery: Delivery, body: bytes) -> dict[str, str]:
        host = urlsplit(delivery.url).netloc.rpartition("@")[2]
        headers = {"Host": host, "Content-Type": "application/json", "User-Agent": f"qwenmock/{__version__}"}
        secret = self._services.settings.callback_secret
        if secret is not None:
            headers |= webhook_signatures.headers(secret, delivery.message_id, int(time.time()), body)
        return headers

    async def _record(
        self, delivery: Delivery, attempt: CallbackAttempt, headers: Mapping[str, str], content: Mapping[str, JSON]
    ) -> None:
        """Record an attempt in the journal."""
        entry: NewEntry = {
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
            "model": str(content.get("model", "")),
            "task": delivery.task_id,
            "attempt": attempt["attempt"],
            "state": delivery.state,
            "request": content,
            "answer": None,
            "refusal": None if attempt["error"] is None else {"kind": "callback", "detail": attempt["error"]},
            "rule": None,
            "advisories": [],
            "charge": None,
            "request_headers": {name.lower(): value for name, value in headers.items()},
        }
        await self._services.store.record(entry, delivery.key)
        self._services.log(entry)


def _after(delivery: Delivery, attempt: CallbackAttempt, retry_seconds: Sequence[float], now: float) -> Delivery:
    """Return a delivery after an attempt: delivered, waiting for the next attempt, or failed."""
    attempted = replace(delivery, attempts=(*delivery.attempts, attempt))
    if 200 <= attempt["status"] < 300:
        return replace(attempted, state="delivered")
    number = attempt["attempt"]
    if number <= len(retry_seconds):
        return replace(attempted, due=now + retry_seconds[number - 1])
    return replace(attempted, state="failed")
