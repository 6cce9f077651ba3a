"""The life of a task: its id and times, settlement, cancellation, and the callbacks it leads to.

The status of a task is a function of the clock: nothing runs while it is pending or running. When it has ended it is
settled (billed, callbacks planned) exactly once, by the next request that looks at tasks or by the callback worker.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import TypeGuard
from urllib.parse import urlsplit

from qwenmock.mockserver.accounts import pricing
from qwenmock.mockserver.models import Charge, Delivery, Task
from qwenmock.mockserver.services import Services
from qwenmock.schemas.models import Provider
from qwenmock.schemas.vocabulary import JSON

INSTANT = (0.2, 1.0)
"""Seconds from creation to start and to end if no latency is set."""
REALISTIC = 30.0
PENDING_PART = 0.2
"""Fraction of its time that a task waits in the queue."""
LATE_SECONDS = 60.0
HELD_SECONDS = 10.0
ID_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


def new_task_id(provider: Provider, created: float, rng: Random) -> str:
    """Return a new task id in the provider's format."""
    prefix = provider.tasks.prefix if provider.tasks else ""
    if not prefix:
        digits = f"{rng.getrandbits(128):032x}"
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
    return f"{prefix}{int(created)}-{''.join(rng.choices(ID_LETTERS, k=8))}"


def task_times(services: Services, created: float, wait: float) -> tuple[float, float]:
    """Return when a task that is created now starts and ends.

    Args:
        services: Its latency setting applies.
        created: Unix seconds.
        wait: Extra seconds before it starts.

    """
    latency = services.settings.latency
    if latency.maximum == 0:
        return created + INSTANT[0] + wait, created + INSTANT[1] + wait
    seconds = REALISTIC if latency.is_realistic else latency.draw(services.rng)
    return created + seconds * PENDING_PART + wait, created + seconds + wait


async def settle_finished(services: Services) -> None:
    """Bill the tasks that have ended, or release their reservations, and plan their callbacks.

    Many requests see the same tasks end: one of them settles all at once, and the others wait for it.
    """
    if is_running(services.settling):
        await asyncio.shield(services.settling)
        if is_running(services.settling):  # it began after this call: nothing that had ended is missing
            await asyncio.shield(services.settling)
            return
    finished = await services.store.finished_tasks(services.clock.now())
    if finished:
        services.settling = asyncio.gather(*(settle(services, task) for task in finished))
        services.settling.add_done_callback(_forget_failure)
        await asyncio.shield(services.settling)


def is_running(future: asyncio.Future[list[bool]] | None) -> TypeGuard[asyncio.Future[list[bool]]]:
    """Return whether a future of this event loop is not done."""
    return future is not None and not future.done() and future.get_loop() is asyncio.get_running_loop()


def _forget_failure(settling: asyncio.Future[list[bool]]) -> None:
    """Let asyncio not report a failure that nobody waits for any more: the next request settles the rest."""
    if not settling.cancelled():
        settling.exception()


async def settle(services: Services, task: Task) -> bool:
    """Settle a task that has ended. Return whether this call did it, and not another one before."""
    charge = None
    if task.failure is None and task.cancelled is None:
        charge = _charge_for(services, task)
    is_settled = await services.store.finish_task(task, charge, planned_deliveries(services, task))
    if is_settled and charge is not None:
        services.metrics.charged(charge.provider, charge.currency, charge.images, charge.amount)
    return is_settled


async def cancel(services: Services, task: Task) -> Task | None:
    """Cancel a task and return it as cancelled; return None if it has already ended."""
    now = services.clock.now()
    if task.settled or task.status_at(now).ended:
        return None
    cancelled = replace(task, cancelled=now)
    return cancelled if await settle(services, cancelled) else None


def _charge_for(services: Services, task: Task) -> Charge:
    provider = services.catalog[task.provider]
    own = services.settings.prices
    price = pricing.unit_price(provider, task.model, own, task.width * task.height)
    inputs = pricing.input_cost(provider, task.model, own, task.input_images)
    return Charge(
        request_id=task.request_id,
        provider=task.provider,
        model=task.model,
        key=task.key,
        images=len(task.urls),
        unit_price=price,
        currency=provider.currency,
        amount=pricing.cost(price, len(task.urls), inputs),
        created=task.ends,
    )


def planned_deliveries(services: Services, task: Task) -> Sequence[Delivery]:
    """Return the callbacks for a task that has ended, changed by its callback fault if it has one."""
    if task.callback_url is None:
        return []
    now = services.clock.now()
    first = Delivery(
        id=services.new_id(),
        message_id=f"msg_{services.new_id().replace('-', '')}",
        task_id=task.id,
        provider=task.provider,
        key=task.key,
        url=_callback_address(task.callback_url, task.callback_origin),
        due=now,
        state="waiting",
    )
    faulty = {
        "lost": [replace(first, state="lost")],
        "late": [replace(first, due=now + LATE_SECONDS)],
        "out-of-order": [replace(first, state="held", due=now + HELD_SECONDS)],
        "duplicate": [first, replace(first, id=services.new_id())],
    }
    return faulty.get(task.callback_fault or "", [first])


def _callback_address(url: str, origin: str | None) -> str:
    """Return the address that a callback is sent to: its URL, or the same path and query elsewhere."""
    if origin is None:
        return url
    scheme, _, host = origin.partition("://")
    return urlsplit(url)._replace(scheme=scheme, netloc=host).geturl()


def describe(task: Task, now: float, callbacks: Sequence[Delivery]) -> Mapping[str, JSON]:
    """Return a task as the control API shows it."""
    status = task.status_at(now)
    return {
        "id": task.id,
        "provider": task.provider,
        "key": task.key,
        "request_id": task.request_id,
        "model": task.model,
        "state": status.state,
        "progress": status.progress,
        "created": task.created,
        "starts": task.starts,
        "ends": task.ends,
        "urls": list(task.urls) if status.state == "succeeded" else [],
        "failure": task.failure if status.state == "failed" else None,
        "reserved": "0" if task.settled else f"{task.reserved:f}",
        "callbacks": [
            {"id": d.id, "url": d.url, "state": d.state, "due": d.due, "attempts": list(d.attempts)} for d in callbacks
        ],
    }
