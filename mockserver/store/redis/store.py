"""The Redis store: all parts on one connection, and the reset that spans them."""

import asyncio

from qwenmock.mockserver.store.protocols import ResetScope
from qwenmock.mockserver.store.redis.accounts import RedisAccounts
from qwenmock.mockserver.store.redis.blobs import RedisBlobs
from qwenmock.mockserver.store.redis.connection import account_key
from qwenmock.mockserver.store.redis.control import RedisControl
from qwenmock.mockserver.store.redis.tasks import RedisTasks

ACCOUNT_PARTS = {
    "ledger": ("account", "holds", "terms", "charges", "charged"),
    "tasks": ("tasks", "made", "due", "deliveries", "sent", "calls", "leases"),
    "limits": ("hits",),
}
"""Keys of each account that each reset deletes."""


class RedisStore(RedisAccounts, RedisTasks, RedisBlobs, RedisControl):
    """A store in one Redis database, shared by all processes that name it.

    Attributes:
        quick: None: nothing is known without asking Redis.

    """

    quick = None

    async def reset(self, what: ResetScope) -> None:
        """Delete state: `journal`, `ledger`, `tasks`, `limits`, `clock`, `faults` or `all` of these."""
        if what in {"journal", "all"}:
            await self._reset_journal()
        parts = [part for group, names in ACCOUNT_PARTS.items() if what in {group, "all"} for part in names]
        if parts:
            tags = await self._tags()
            await asyncio.gather(*(self._call("DEL", *(account_key(tag, part) for part in parts)) for tag in tags))
        if what in {"tasks", "all"}:
            await self._reset_task_index()
        if what in {"clock", "all"}:
            await self.move_clock(None)
        if what in {"faults", "all"}:
            await self.set_faults([])
