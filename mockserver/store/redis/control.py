"""Settings, the clock's offset and the fault plan in Redis."""

import asyncio
import time
from collections.abc import Mapping, Sequence

import orjson

from qwenmock.mockserver.errors import StoreError
from qwenmock.mockserver.store.protocols import Shared
from qwenmock.mockserver.store.records import FaultValues
from qwenmock.mockserver.store.redis.connection import PREFIX, Argument, Connection, pairs

STATE = f"{PREFIX}{{shared}}:state"
FAULTS = f"{PREFIX}{{shared}}:faults"
LEFT = f"{PREFIX}{{shared}}:left"
SETTINGS = f"{PREFIX}{{shared}}:settings"
VERSION = "2"
"""Of what is kept; a database with another version is refused."""


class RedisControl(Connection):
    """What all processes on the same database share.

    Raises:
        StoreError: Redis cannot be reached, or another version of qwenmock has written to the database.

    """

    def __init__(self, url: str, journal_max: int) -> None:
        super().__init__(url, journal_max)
        # One look: a process that starts at the same time writes the version before any other setting.
        kept: Mapping[bytes, bytes] = self._call_blocking("HGETALL", SETTINGS)
        if not kept:
            self.setting("version", VERSION)
        elif kept.get(b"version") != VERSION.encode():
            raise StoreError(f"{url}: written by another version of qwenmock; expected an empty database")

    def setting(self, name: str, default: str) -> str:
        """Return a value that all processes share and restarts keep; store the default if there is none."""
        self._call_blocking("HSETNX", SETTINGS, name, default)
        value: bytes = self._call_blocking("HGET", SETTINGS, name)
        return value.decode()

    def register(self) -> int:
        """Return the number of this process, unique on this state, from 0."""
        processes: int = self._call_blocking("HINCRBY", STATE, "processes", 1)
        return processes - 1

    async def shared(self) -> Shared:
        """Return the present offset and plan number."""
        offset, plan = await self._call("HMGET", STATE, "offset", "plan")
        return Shared(offset=float(offset or 0), plan=int(plan or 0))

    async def move_clock(self, seconds: float | None) -> float:
        """Add to the clock's offset and return it; None resets it to 0."""
        return float(await self._run("move_clock", (STATE,), "" if seconds is None else repr(float(seconds))))

    async def set_faults(self, faults: Sequence[FaultValues]) -> None:
        """Replace the fault plan."""
        arguments: list[Argument] = []
        first = int(time.time() * 1000) * 1000  # the new plan must not have ids of an older one
        for number, fault in enumerate(faults, first):
            times = fault.get("times")
            arguments += [number, orjson.dumps(fault), times if isinstance(times, int) else ""]
        await self._run("set_faults", (STATE, FAULTS, LEFT), *arguments)

    async def faults(self) -> Mapping[str, FaultValues]:
        """Return the remaining faults by id, in order, each with the `times` that are left."""
        faults, left = await asyncio.gather(self._call("HGETALL", FAULTS), self._call("HGETALL", LEFT))
        found: dict[str, FaultValues] = {}
        times = {fault_id: int(number) for fault_id, number in pairs(left)}
        for fault_id, fault in sorted(pairs(faults), key=lambda pair: int(pair[0])):
            if times.get(fault_id) != 0:
                counted = {"times": times[fault_id]} if fault_id in times else {}
                found[fault_id.decode()] = orjson.loads(fault) | counted
        return found

    async def use_fault(self, fault_id: str) -> bool:
        """Count down a fault that has `times`. Returns False if none are left."""
        return bool(await self._run("use_fault", (LEFT,), fault_id))
