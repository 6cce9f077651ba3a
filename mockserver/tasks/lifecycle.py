"""Work that goes on after its request was answered.

A task's state is a function of the clock: nothing runs while it is pending or processing. What must happen when it
ends (billing, then callbacks) happens once, when anybody next looks or when the callback_worker does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

from qwenmock.mockserver.accounts import pricing
from qwenmock.mockserver.calls.double import Double
from qwenmock.mockserver.models import Charge, Delivery, Task
from qwenmock.schemas.models import Provider
from qwenmock.schemas.vocabulary import JSON

INSTANT = (0.2, 1.0)
"""Seconds after creation that a task starts, and ends, where no latency is set."""
REALISTIC = 30.0
PENDING_PART = 0.2
"""Part of its time that a task waits in the queue."""
LATE_SECONDS = 60.0
HELD_SECONDS = 10.0
ID_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


@dataclass(frozen=True, slots=True)
class TaskStatus:
    """How a task looks at one moment.

    Attributes:
        state: `pending`, `running`, `succeeded`, `failed` or `cancelled`.
        progress: 0 to 100, never falling.

    """

    state: str
    progress: int

    @property
    def ended(self) -> bool:
        """Whether it will not change any more."""
        return self.state not in {"pending", "running"}


def view(task: Task, now: float) -> TaskStatus:
    """Return how a task looks at a moment."""
    at = min(now, task.ends if task.cancelled is None else task.cancelled)
    part = (at - task.starts) / (task.ends - task.starts)
    progress = 0 if part < 0 else 1 + int(98 * part)
    if task.cancelled is not None:
        return TaskStatus("cancelled", progress)
    if now < task.starts:
        return TaskStatus("pending", 0)
    if now < task.ends:
        return TaskStatus("running", min(progress, 99))
    return TaskStatus("succeeded", 100) if task.failure is None else TaskStatus("failed", 99)


def new_id(provider: Provider, created: float, rng: Random) -> str:
    """Return an id for a task, in the provider's form."""
    prefix = provider.tasks.prefix if provider.tasks else ""
    if not prefix:
        digits = f"{rng.getrandbits(128):032x}"
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
    return f"{prefix}{int(created)}-{''.join(rng.choices(ID_LETTERS, k=8))}"


def times(double: Double, created: float, wait: float) -> tuple[float, float]:
    """Return when a task that is created now starts, and when it ends."""
    latency = double.settings.latency
    if latency.most == 0:
        return created + INSTANT[0] + wait, created + INSTANT[1] + wait
    takes = REALISTIC if latency.is_realistic else latency.draw(double.rng)
    return created + takes * PENDING_PART + wait, created + takes + wait


async def settle_finished(double: Double) -> None:
    """Bill the tasks that have ended, or give back what was held for them, and set their callbacks up."""
    now = double.clock.now()
    for task in await double.store.finished_tasks(now):
        await finish(double, task)


async def finish(double: Double, task: Task) -> bool:
    """Settle one task that has ended. Returns whether it was this call that did."""
    charge = None
    if task.failure is None and task.cancelled is None:
        charge = _charge(double, task)
    is_done = await double.store.finish_task(task, charge, deliveries(double, task))
    if is_done and charge is not None:
        double.metrics.charged(charge.provider, charge.currency, charge.images, charge.amount)
    return is_done


async def cancel(double: Double, task: Task) -> Task | None:
    """Cancel a task and return it as it then is; None where it has ended already."""
    now = double.clock.now()
    if task.settled or view(task, now).ended:
        return None
    cancelled = replace(task, cancelled=now)
    return cancelled if await finish(double, cancelled) else None


def _charge(double: Double, task: Task) -> Charge:
    provider = double.catalog[task.provider]
    price = pricing.unit_price(provider, task.model, double.settings.prices)
    return Charge(
        id=double.new_id(),
        request_id=task.request_id,
        provider=task.provider,
        model=task.model,
        key=task.key,
        images=len(task.urls),
        unit_price=price,
        currency=provider.currency,
        amount=pricing.cost(price, len(task.urls)),
        created=task.ends,
    )


def deliveries(double: Double, task: Task) -> Sequence[Delivery]:
    """Return the callbacks for a task that has ended, as its fault, if any, would have them."""
    if task.callback_url is None:
        return []
    now = double.clock.now()
    first = new_delivery(double, task, now)
    faulty = {
        "lost": [replace(first, state="lost")],
        "late": [replace(first, due=now + LATE_SECONDS)],
        "out-of-order": [replace(first, state="held", due=now + HELD_SECONDS)],
        "duplicate": [first, replace(first, id=double.new_id())],
    }
    return faulty.get(task.callback_fault or "", [first])


def new_delivery(double: Double, task: Task, due: float) -> Delivery:
    """Return a callback for a task."""
    return Delivery(
        id=double.new_id(),
        message_id=f"msg_{double.new_id().replace('-', '')}",
        task_id=task.id,
        provider=task.provider,
        key=task.key,
        url=task.callback_url or "",
        due=due,
        state="waiting",
    )


def describe(task: Task, now: float, callbacks: Sequence[Delivery]) -> Mapping[str, JSON]:
    """Return a task as the control API shows it."""
    seen = view(task, now)
    return {
        "id": task.id,
        "provider": task.provider,
        "key": task.key,
        "request_id": task.request_id,
        "model": task.model,
        "state": seen.state,
        "progress": seen.progress,
        "created": task.created,
        "starts": task.starts,
        "ends": task.ends,
        "urls": list(task.urls) if seen.state == "succeeded" else [],
        "failure": task.failure if seen.state == "failed" else None,
        "reserved": "0" if task.settled else f"{task.reserved:f}",
        "callbacks": [
            {"id": d.id, "url": d.url, "state": d.state, "due": d.due, "attempts": list(d.attempts)} for d in callbacks
        ],
    }
