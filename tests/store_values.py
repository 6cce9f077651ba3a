"""Values for tests of the stores, and a store that is closed after a test's steps."""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

from qwenmock.mockserver.models import Charge, Delivery, Task
from qwenmock.mockserver.store.compact import CompactEntry, Place
from qwenmock.mockserver.store.protocols import AccountDefaults
from qwenmock.mockserver.store.records import ChargeRow
from qwenmock.mockserver.store.sqlite.store import SqliteStore

DEFAULTS = AccountDefaults("nebula", "sk-mock", "CNY", Decimal(10), None)
OTHER_KEY = DEFAULTS._replace(key="sk-mock.b")
OTHER_PROVIDER = DEFAULTS._replace(provider="aigc")
OWNERS = (DEFAULTS, OTHER_KEY, OTHER_PROVIDER)
"""Two share the provider, and two the key."""
PLACE = Place("nebula", "create", "POST", "edit", "CNY")

Steps = Callable[[SqliteStore], Awaitable[None]]


def on(path: str | None, steps: Steps, journal_max: int = 1000) -> None:
    """Run steps on a store in memory or in a file."""

    async def run() -> None:
        store = SqliteStore(path, journal_max)
        try:
            await steps(store)
        finally:
            await store.close()

    asyncio.run(run())


def charge(request_id: str, amount: str = "2", owner: AccountDefaults = DEFAULTS) -> Charge:
    price = Decimal(amount)
    return Charge(request_id, owner.provider, "qwen-image", owner.key, 1, price, "CNY", price, created=1.5)


def row(request_id: str, amount: int = 2 * 10**9, owner: AccountDefaults = DEFAULTS) -> ChargeRow:
    return ChargeRow(request_id, owner.provider, "qwen-image", owner.key, 1, amount, "CNY", amount, created=1.5)


def entry(id_: str, status: int = 200, provider: str = "nebula", **more: Any) -> Any:
    return {"id": id_, "provider": provider, "status": status, **more}


def compact(id_: str, key: str = "sk-mock", request: bytes = b"{}", answer: bytes = b"{}") -> CompactEntry:
    return CompactEntry(PLACE, key, "sk-m…", id_, 1.5, 0.25, "/path", "m", "", "p", "np", request, answer, True, 1, "2")


def task(task_id: str, ends: float = 10.0, owner: AccountDefaults = DEFAULTS, **more: Any) -> Task:
    values: dict[str, Any] = {
        "id": task_id,
        "provider": owner.provider,
        "endpoint": "create",
        "variant": "v",
        "key": owner.key,
        "request_id": f"r-{task_id}",
        "model": "m",
        "prompt": "p",
        "prompt_extend": False,
        "created": 1.0,
        "starts": 2.0,
        "ends": ends,
        "urls": ("http://mock.example/1.png", "http://mock.example/2.png"),
        "width": 640,
        "height": 480,
        "failed": 0,
        "failure": None,
        "callback_url": None,
        "callback_fault": None,
        "reserved": Decimal(2),
    }
    return Task(**values | more)


def delivery(delivery_id: str, task_id: str = "t", due: float = 5.0, state: Any = "waiting", **more: Any) -> Delivery:
    values: dict[str, Any] = {"provider": "nebula", "key": "sk-mock", "url": "https://hook.example/", **more}
    return Delivery(id=delivery_id, message_id=f"msg_{delivery_id}", task_id=task_id, due=due, state=state, **values)
