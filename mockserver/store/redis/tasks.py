"""Tasks and their callbacks in Redis."""

import time
from collections.abc import Sequence
from dataclasses import replace

from qwenmock.mockserver.models import Charge, Delivery, Task
from qwenmock.mockserver.money import to_units
from qwenmock.mockserver.store.protocols import Selection
from qwenmock.mockserver.store.records import dump, load_delivery, load_task
from qwenmock.mockserver.store.redis.accounts import dump_charge
from qwenmock.mockserver.store.redis.connection import (
    PREFIX,
    Answer,
    Argument,
    Connection,
    account_key,
    gathered,
    tag_of,
)

TASKS = f"{PREFIX}{{index}}:tasks"
"""The account's tag of each task."""
BUSY = f"{PREFIX}{{index}}:busy"
"""Tags of the accounts that may have work."""


class RedisTasks(Connection):
    """The tasks and callbacks, with an index of the accounts that have work."""

    async def add_task(self, task: Task) -> None:
        """Add a new task. What is reserved for its request no longer ends by itself."""
        tag = tag_of(task.provider, task.key)
        await self._call("HSET", TASKS, task.id, tag)
        await self._run_with_work("add_task", tag, task.id, dump(task), task.ends, task.request_id)

    async def _run_with_work(self, script: str, tag: str, *arguments: Argument) -> Answer:
        """Run a script that creates work, and add its account to the index before and after.

        Before, so that work is not forgotten if the process dies; after, since a process that finds no work yet may
        have removed the account.
        """
        await self._call("SADD", BUSY, tag)
        answer = await self._run_on_account(script, tag, *arguments)
        await self._call("SADD", BUSY, tag)
        return answer

    async def _tag_of_task(self, task_id: str) -> str | None:
        tag: bytes | None = await self._call("HGET", TASKS, task_id)
        return None if tag is None else tag.decode()

    async def task(self, task_id: str) -> Task | None:
        """Return a task, or None if it does not exist."""
        tag = await self._tag_of_task(task_id)
        data = tag and await self._call("HGET", account_key(tag, "tasks"), task_id)
        return load_task(data) if data else None

    async def tasks(self, selection: Selection) -> Sequence[Task]:
        """Return the tasks, newest first."""
        tags = await self._tags(selection)
        found = await gathered(self._run_on_account("tasks", tag, selection.limit) for tag in tags)
        tasks = [load_task(data) for data in found]
        return sorted(tasks, key=lambda task: task.created, reverse=True)[: selection.limit]

    async def finished_tasks(self, now: float) -> Sequence[Task]:
        """Return the tasks that have ended and are not settled."""
        tags = await self._busy_tags()
        found = await gathered(self._run_on_account("finished_tasks", tag, repr(now)) for tag in tags)
        return sorted((load_task(data) for data in found), key=lambda task: task.ends)

    async def finish_task(self, task: Task, charge: Charge | None, deliveries: Sequence[Delivery]) -> bool:
        """Settle a task once: book its charge or release its reservation, and add its callbacks."""
        units, row = (0, b"") if charge is None else (to_units(charge.amount), dump_charge(charge))
        callbacks = [value for delivery in deliveries for value in _delivery_arguments(delivery)]
        settled = dump(replace(task, settled=True))
        arguments = (task.id, settled, task.request_id, units, row, *callbacks)
        return bool(await self._run_with_work("finish_task", tag_of(task.provider, task.key), *arguments))

    async def claim_delivery(self, now: float, lease: float) -> Delivery | None:
        """Return a callback whose time has come; no other process gets it until the lease ends."""
        for tag in await self._busy_tags():
            data = await self._run_on_account("claim", tag, repr(now), repr(time.time()), repr(lease))
            if data:
                return load_delivery(data)
        return None

    async def set_delivery(self, delivery: Delivery) -> None:
        """Add a callback, or store its new state and end the claim to it."""
        tag = tag_of(delivery.provider, delivery.key)
        await self._run_with_work("put_delivery", tag, *_delivery_arguments(delivery))

    async def deliveries(self, task_id: str | None) -> Sequence[Delivery]:
        """Return the callbacks of a task, oldest first; None for those of all tasks."""
        if task_id is None:
            tags = await self._tags()
        else:
            tag = await self._tag_of_task(task_id)
            tags = [] if tag is None else [tag]
        found = await gathered(self._run_on_account("deliveries", tag) for tag in tags)
        deliveries = [load_delivery(data) for data in found]
        return [delivery for delivery in deliveries if task_id in {None, delivery.task_id}]

    async def release_held(self, key: str, now: float) -> None:
        """Make the held callbacks of a key ready for delivery."""
        for delivery in await self.deliveries(None):
            if delivery.key == key and delivery.state == "held":
                await self.set_delivery(replace(delivery, state="waiting", due=now))

    async def has_work(self) -> bool:
        """Tell whether a task is not settled, or a callback not delivered yet."""
        is_busy = False
        for tag in await self._busy_tags():
            if await self._run_on_account("work", tag):
                is_busy = True
                continue
            await self._call("SREM", BUSY, tag)
            if await self._run_on_account("work", tag):  # it came between the two
                await self._call("SADD", BUSY, tag)
                is_busy = True
        return is_busy

    async def _busy_tags(self) -> list[str]:
        tags: list[bytes] = await self._call("SMEMBERS", BUSY)
        return sorted(tag.decode() for tag in tags)

    async def _reset_task_index(self) -> None:
        await self._call("DEL", TASKS, BUSY)


def _delivery_arguments(delivery: Delivery) -> tuple[Argument, ...]:
    return delivery.id, dump(delivery), repr(delivery.due), delivery.state
