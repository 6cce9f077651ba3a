"""The store in Redis, for several machines.

What one turn of the event loop asks for goes out as one pipeline. The steps that must be atomic are scripts; each works
on one account, whose keys share a hash tag, so that a cluster keeps them in one slot. What spans accounts (the journal,
the index of accounts, the fault plan) has a slot of its own and is written beside, in an order that a crash between the
two cannot make wrong.
"""

import asyncio
import hashlib
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, cast

import orjson

from qwenmock.mockserver.errors import StoreError
from qwenmock.mockserver.models import Account, Charge, Delivery, Task
from qwenmock.mockserver.money import from_units, to_units
from qwenmock.mockserver.store.protocols import (
    AccountDefaults,
    Fetch,
    InsufficientBalance,
    Selection,
    Shared,
    TooManyRequests,
)
from qwenmock.mockserver.store.records import (
    FETCHES,
    JOURNAL_BYTES,
    KEPT_BYTES,
    MINUTE,
    charge_row,
    dump,
    load_charge,
    load_delivery,
    load_task,
)
from qwenmock.mockserver.store.redis.scripts import ACCOUNT_KEYS, SCRIPTS
from qwenmock.schemas.vocabulary import JSON

try:
    import redis
    from redis.asyncio import Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff
    from redis.exceptions import NoScriptError
except ImportError as error:
    raise StoreError("a state in Redis needs: pip install 'qwenmock[redis]'") from error

PREFIX = "qwenmock:"
PLAN = f"{PREFIX}{{shared}}:state"
FAULTS = (f"{PREFIX}{{shared}}:faults", f"{PREFIX}{{shared}}:left")
SETTINGS = f"{PREFIX}{{shared}}:settings"
JOURNAL = (f"{PREFIX}{{journal}}:entries", f"{PREFIX}{{journal}}:bytes")
FETCHED = f"{PREFIX}{{journal}}:fetches"
KEPT = tuple(f"{PREFIX}{{kept}}:{name}" for name in ("data", "sizes", "turns", "sum", "turn"))
ACCOUNTS = f"{PREFIX}{{index}}:accounts"
TASKS = f"{PREFIX}{{index}}:tasks"
BUSY = f"{PREFIX}{{index}}:busy"
ANSWER_SECONDS = 5.0
PAGE = 200
"""Journal entries that are read at once."""
SHAS = {name: hashlib.sha1(text.encode()).hexdigest() for name, text in SCRIPTS.items()}
GROUPS = {
    "ledger": ("account", "holds", "terms", "charges", "charged"),
    "tasks": ("tasks", "made", "due", "deliveries", "sent", "calls", "leases"),
    "limits": ("hits",),
}


class RedisStore:
    """A store in one Redis database, shared by all that name it.

    Args:
        url: As in `redis://host:6379/0`.
        journal_max: Entries the journal holds.

    Raises:
        StoreError: Redis cannot be reached.

    """

    def __init__(self, url: str, journal_max: int) -> None:
        self.is_shared = True
        self._journal_max = journal_max
        self._known: set[str] = set()
        self._queue: list[tuple[asyncio.Future[Any], tuple[Any, ...]]] = []
        self._under_way: set[asyncio.Task[None]] = set()
        times: Any = {"socket_timeout": ANSWER_SECONDS, "socket_connect_timeout": ANSWER_SECONDS}
        try:
            self._at_start: Any = redis.Redis.from_url(url, **times)
            # Never twice by itself: a step whose answer was lost may have been done.
            self._client: Any = Redis.from_url(url, retry=Retry(NoBackoff(), 0), **times)
            self._at_start.ping()
        except (redis.RedisError, ValueError, OSError) as error:
            raise StoreError(f"{url}: {error}") from error

    def setting(self, name: str, default: str) -> str:
        """Return a value that all workers share, and that restarts keep; the default is kept where there is none."""
        try:
            self._at_start.hsetnx(SETTINGS, name, default)
            return self._at_start.hget(SETTINGS, name).decode()
        except redis.RedisError as error:
            raise StoreError(str(error)) from error

    def register(self) -> int:
        """Return a number that no other process has had on this state."""
        try:
            return self._at_start.hincrby(PLAN, "processes", 1) - 1
        except redis.RedisError as error:
            raise StoreError(str(error)) from error

    def _call(self, *command: Any) -> "asyncio.Future[Any]":
        """Send a command with all others of this turn of the event loop."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        if not self._queue:
            loop.call_soon(self._send)
        self._queue.append((future, command))
        return future

    def _send(self) -> None:
        batch, self._queue = self._queue, []
        sending = asyncio.get_running_loop().create_task(self._exchange(batch))
        self._under_way.add(sending)
        sending.add_done_callback(self._under_way.discard)

    async def _exchange(self, batch: list[tuple["asyncio.Future[Any]", tuple[Any, ...]]]) -> None:
        """Send commands and hand out their answers; a script that Redis has forgotten is sent again."""
        forgotten: list[tuple[asyncio.Future[Any], tuple[Any, ...]]] = []
        try:
            for (future, command), answer in zip(batch, await self._pipeline(c for _, c in batch), strict=True):
                if isinstance(answer, NoScriptError):
                    forgotten.append((future, command))
                elif not future.done():
                    _hand_out(future, answer)
            if forgotten:
                await self._pipeline(("SCRIPT LOAD", text) for text in SCRIPTS.values())
                again = await self._pipeline(command for _, command in forgotten)
                for (future, _), answer in zip(forgotten, again, strict=True):
                    if not future.done():
                        _hand_out(future, answer)
        except (redis.RedisError, OSError) as error:
            for future, _ in batch:
                if not future.done():
                    _hand_out(future, error)

    async def _pipeline(self, commands: Iterable[tuple[Any, ...]]) -> list[Any]:
        async with self._client.pipeline(transaction=False) as pipe:
            for command in commands:
                pipe.execute_command(*command)
            return await pipe.execute(raise_on_error=False)

    def _step(self, name: str, tag: str, *arguments: Any) -> "asyncio.Future[Any]":
        """Run a script on an account."""
        keys = [f"{PREFIX}{{{tag}}}:{part}" for part in ACCOUNT_KEYS]
        return self._call("EVALSHA", SHAS[name], len(keys), *keys, *arguments)

    def _shared_step(self, name: str, keys: Sequence[str], *arguments: Any) -> "asyncio.Future[Any]":
        return self._call("EVALSHA", SHAS[name], len(keys), *keys, *arguments)

    async def shared(self) -> Shared:
        """Return what may have been changed by another process."""
        offset, plan = await self._call("HMGET", PLAN, "offset", "plan")
        return Shared(float(offset or 0), int(plan or 0))

    async def move_clock(self, seconds: float | None) -> float:
        """Add to the clock's offset, or with None set it to 0, and return it."""
        return float(await self._shared_step("move_clock", (PLAN,), "" if seconds is None else repr(float(seconds))))

    async def set_faults(self, faults: Sequence[Mapping[str, JSON]]) -> None:
        """Replace the fault plan."""
        arguments: list[Any] = []
        first = int(time.time() * 1000) * 1000  # ids of an older plan must not fit the new one
        for number, fault in enumerate(faults, first):
            arguments += [number, orjson.dumps(fault), fault.get("times", "")]
        await self._shared_step("set_faults", (PLAN, *FAULTS), *arguments)

    async def faults(self) -> Mapping[str, Mapping[str, JSON]]:
        """Return the faults by id, in order, each with the `times` that are left."""
        faults, left = await asyncio.gather(*(self._call("HGETALL", key) for key in FAULTS))
        found: dict[str, Mapping[str, JSON]] = {}
        times = {id_: int(number) for id_, number in _pairs(left)}
        for id_, fault in sorted(_pairs(faults), key=lambda pair: int(pair[0])):
            if times.get(id_) != 0:
                found[id_.decode()] = orjson.loads(fault) | ({"times": times[id_]} if id_ in times else {})
        return found

    async def use_fault(self, fault_id: str) -> bool:
        """Count down a fault that has `times`. Returns False where none is left."""
        return bool(await self._shared_step("use_fault", (FAULTS[1],), fault_id))

    async def _announce(self, tag: str, *, is_new: bool = False) -> None:
        """Put an account into the index."""
        if is_new or tag not in self._known:
            await self._call("ZADD", ACCOUNTS, "NX", time.time(), tag)
            self._known.add(tag)

    async def _opened(self, name: str, defaults: AccountDefaults, *arguments: Any) -> Any:
        """Run a script that opens its account where there is none, and return the rest of its answer."""
        tag = _tag(defaults.provider, defaults.key)
        await self._announce(tag)
        limit = "" if defaults.requests_per_minute is None else defaults.requests_per_minute
        begin = (defaults.currency, to_units(defaults.balance), limit)
        is_new, *rest = await self._step(name, tag, *begin, *arguments)
        if is_new:
            await self._announce(tag, is_new=True)
        return rest

    async def account(self, defaults: AccountDefaults) -> Account:
        """Return the account, defaults it where there is none yet."""
        return _account(defaults.provider, defaults.key, await self._opened("open", defaults))

    async def change_account(self, defaults: AccountDefaults, changes: Mapping[str, JSON]) -> Account:
        """Set `balance` or `requests_per_minute` and return the account."""
        arguments: list[Any] = []
        for name, value in changes.items():
            if name == "balance":
                arguments += [name, to_units(value)]
            elif name == "requests_per_minute":
                arguments += ["rpm", "" if value is None else value]
            else:
                raise ValueError(f"an account has no {name} to change")
        return _account(defaults.provider, defaults.key, await self._opened("change", defaults, *arguments))

    async def admit(self, defaults: AccountDefaults, now: float) -> Decimal:
        """Count a request against its key's limit, over the last minute. Returns the balance."""
        balance, per_minute, wait = await self._opened("admit", defaults, repr(now), MINUTE)
        if float(wait) > 0:
            raise TooManyRequests(int(per_minute), float(wait))
        return from_units(int(balance))

    async def reserve(self, defaults: AccountDefaults, request_id: str, amount: Decimal, until: float | None) -> None:
        """Take the amount off the balance and hold it for the request."""
        term = "" if until is None else repr(until)
        (said,) = await self._opened("reserve", defaults, request_id, to_units(amount), term)
        if said == b"short":
            raise InsufficientBalance

    async def release(self, provider: str, key: str, request_id: str) -> None:
        """Give back what is held for the request, if anything is."""
        await self._step("release", _tag(provider, key), request_id)

    async def release_expired(self) -> None:
        """Give back what requests hold whose process has died."""
        await asyncio.gather(*(self._step("expire", tag, time.time()) for tag in await self._tags()))

    async def charge(self, charge: Charge, entry: Mapping[str, JSON], *, is_held: bool) -> None:
        """Book the charge, then put what the journal says of its request beside it."""
        row = orjson.dumps(charge_row(charge))
        arguments = (charge.request_id, to_units(charge.amount), "held" if is_held else "", row)
        said = await self._step("charge", _tag(charge.provider, charge.key), *arguments)
        if said == b"short":
            raise InsufficientBalance
        if said == b"unheld":
            raise StoreError(f"nothing is held any more for request {charge.request_id}")
        await self.record(entry, charge.key)

    async def add_task(self, task: Task) -> None:
        """Keep a new task."""
        tag = _tag(task.provider, task.key)
        await self._call("HSET", TASKS, task.id, tag)
        await self._busy("add_task", tag, task.id, dump(task), task.ends)

    async def _busy(self, name: str, tag: str, *arguments: Any) -> Any:
        """Run a script that leaves work under way, and note that before and after it.

        Before, so that a crash between the two forgets nothing; after, as who finds no work yet removes the note.
        """
        await self._call("SADD", BUSY, tag)
        done = await self._step(name, tag, *arguments)
        await self._call("SADD", BUSY, tag)
        return done

    async def task(self, task_id: str) -> Task | None:
        """Return a task."""
        tag = await self._call("HGET", TASKS, task_id)
        data = tag and await self._call("HGET", f"{PREFIX}{{{tag.decode()}}}:tasks", task_id)
        return load_task(data) if data else None

    async def tasks(self, selection: Selection) -> Sequence[Task]:
        """Return tasks, newest first."""
        tags = await self._tags(selection)
        lists = await asyncio.gather(*(self._step("tasks", tag, selection.limit) for tag in tags))
        found = [load_task(data) for each in lists for data in each]
        return sorted(found, key=lambda task: task.created, reverse=True)[: selection.limit]

    async def finished_tasks(self, now: float) -> Sequence[Task]:
        """Return the tasks that have ended and were not settled."""
        lists = await asyncio.gather(*(self._step("finished_tasks", tag, repr(now)) for tag in await self._busy_tags()))
        return sorted((load_task(data) for each in lists for data in each), key=lambda task: task.ends)

    async def finish_task(self, task: Task, charge: Charge | None, deliveries: Sequence[Delivery]) -> bool:
        """Settle a task, once."""
        units, row = (0, b"") if charge is None else (to_units(charge.amount), orjson.dumps(charge_row(charge)))
        calls = [value for delivery in deliveries for value in _delivery_arguments(delivery)]
        settled = dump(replace(task, settled=True))
        arguments = (task.id, settled, task.request_id, units, row, *calls)
        return bool(await self._busy("finish_task", _tag(task.provider, task.key), *arguments))

    async def claim_delivery(self, now: float, lease: float) -> Delivery | None:
        """Return a callback that is due, and keep others from it until the lease ends."""
        for tag in await self._busy_tags():
            data = await self._step("claim", tag, repr(now), repr(time.time()), repr(lease))
            if data:
                return load_delivery(data)
        return None

    async def set_delivery(self, delivery: Delivery) -> None:
        """Keep a callback's new state, and end the claim to it."""
        tag = _tag(delivery.provider, delivery.key)
        await self._busy("put_delivery", tag, *_delivery_arguments(delivery))

    async def deliveries(self, task_id: str | None) -> Sequence[Delivery]:
        """Return the callbacks of a task, or all, oldest first."""
        if task_id is None:
            tags = await self._tags()
        else:
            tag = await self._call("HGET", TASKS, task_id)
            tags = [tag.decode()] if tag else []
        lists = await asyncio.gather(*(self._step("deliveries", tag) for tag in tags))
        found = [load_delivery(data) for each in lists for data in each]
        return [delivery for delivery in found if task_id in {None, delivery.task_id}]

    async def release_held(self, key: str, now: float) -> None:
        """Let the callbacks of a key go that were held until another had gone out."""
        for delivery in await self.deliveries(None):
            if delivery.key == key and delivery.state == "held":
                await self.set_delivery(replace(delivery, state="waiting", due=now))

    async def has_work(self) -> bool:
        """Tell whether a task or a callback is still under way."""
        is_busy = False
        for tag in await self._busy_tags():
            if await self._step("work", tag):
                is_busy = True
                continue
            await self._call("SREM", BUSY, tag)
            if await self._step("work", tag):  # it came between the two
                await self._call("SADD", BUSY, tag)
                is_busy = True
        return is_busy

    async def _busy_tags(self) -> list[str]:
        return sorted(tag.decode() for tag in await self._call("SMEMBERS", BUSY))

    async def _tags(self, selection: Selection | None = None) -> list[str]:
        """Return the tags of the accounts asked for, oldest first."""
        asked = selection or Selection()
        tags = [tag.decode() for tag in await self._call("ZRANGE", ACCOUNTS, 0, -1)]
        owners = [tag.partition(":") for tag in tags]
        return [
            f"{provider}:{key}"
            for provider, _, key in owners
            if asked.provider in {None, provider} and asked.key in {None, key}
        ]

    async def accounts(self, selection: Selection) -> Sequence[Account]:
        """Return the accounts, oldest first."""
        tags = await self._tags(selection)
        fields = ("currency", "balance", "reserved", "spent", "rpm")
        rows = await asyncio.gather(*(self._call("HMGET", f"{PREFIX}{{{tag}}}:account", *fields) for tag in tags))
        found: list[Account] = []
        for tag, row in zip(tags, rows, strict=True):
            if row[0] is not None:
                provider, _, key = tag.partition(":")
                found.append(_account(provider, key, row))
        return found

    async def charges(self, selection: Selection) -> Sequence[Charge]:
        """Return the charges, newest first."""
        tags = await self._tags(selection)
        lists = await asyncio.gather(*(self._charges_of(tag, selection) for tag in tags))
        newest = sorted((line for each in lists for line in each), key=lambda line: line[0], reverse=True)
        return [load_charge(tuple(orjson.loads(row))) for _, row in newest[: selection.limit]]

    async def _charges_of(self, tag: str, selection: Selection) -> list[tuple[int, bytes]]:
        """Return the lines of an account, each with the microsecond of Redis' clock that it was booked at."""
        keys = f"{PREFIX}{{{tag}}}:"
        lines: list[tuple[bytes, Any]]
        if selection.request_id is not None:
            place = await self._call("HGET", f"{keys}charged", selection.request_id)
            lines = await self._call("XRANGE", f"{keys}charges", place, place) if place else []
        else:
            lines = await self._call("XREVRANGE", f"{keys}charges", "+", "-", "COUNT", max(selection.limit, 1))
        fields = [dict(_pairs(line)) for _, line in lines]
        return [(int(float(line[b"at"])), line[b"row"]) for line in fields]

    async def record(self, entry: Mapping[str, JSON], key: str) -> None:
        """Put an entry into the journal; the oldest leave when it is full."""
        line = orjson.dumps([key, entry])
        await self._shared_step("record", JOURNAL, self._journal_max, JOURNAL_BYTES, line)

    async def journal(self, selection: Selection) -> Sequence[Mapping[str, JSON]]:
        """Return journal entries, newest first."""
        found: list[Mapping[str, JSON]] = []
        for start in range(0, self._journal_max, PAGE):
            lines = await self._call("LRANGE", JOURNAL[0], start, start + PAGE - 1)
            entries = [orjson.loads(line) for line in lines]
            found += [entry for key, entry in entries if selection.fits(key, entry)]
            if len(found) >= selection.limit or len(lines) < PAGE:
                break
        return found[: selection.limit]

    async def fetched(self, fetch: Fetch) -> None:
        """Note that a picture was asked for, once however often; the oldest such notes leave when they are many."""
        note = ("late:" if fetch.is_expired else "open:") + fetch.path
        await asyncio.gather(
            self._call("ZADD", FETCHED, "NX", time.time(), note),
            self._call("ZREMRANGEBYRANK", FETCHED, 0, -FETCHES - 1),
        )

    async def fetches(self) -> Sequence[Fetch]:
        """Return which pictures were asked for, the oldest first."""
        notes = [note.decode().partition(":") for note in await self._call("ZRANGE", FETCHED, 0, -1)]
        return [Fetch(path, word == "late") for word, _, path in notes]

    async def keep(self, digest: str, data: bytes) -> None:
        """Keep some bytes under their digest; the longest unused leave when there is no room."""
        await self._shared_step("keep", KEPT, digest, data, KEPT_BYTES)

    async def kept(self, digest: str) -> bytes | None:
        """Return what is kept under the digest."""
        return await self._call("HGET", KEPT[0], digest)

    async def reset(self, what: str) -> None:
        """Forget `journal` (fetches too), `ledger` (accounts begin anew), `tasks`, `limits` or `all`."""
        if what in {"journal", "all"}:
            await self._call("DEL", *JOURNAL, FETCHED)
        groups = [parts for name, parts in GROUPS.items() if what in {name, "all"}]
        parts = [part for group in groups for part in group]
        if parts:
            tags = await self._tags()
            await asyncio.gather(*(self._call("DEL", *(f"{PREFIX}{{{tag}}}:{part}" for part in parts)) for tag in tags))
        if what in {"tasks", "all"}:
            await self._call("DEL", TASKS, BUSY)

    async def close(self) -> None:
        """Let go of the connections."""
        await asyncio.gather(*self._under_way, return_exceptions=True)
        await self._client.aclose()
        self._at_start.close()


def _tag(provider: str, key: str) -> str:
    return f"{provider}:{key}"


def _hand_out(future: "asyncio.Future[Any]", answer: Any) -> None:
    if isinstance(answer, Exception):
        failure = StoreError(str(answer) or type(answer).__name__)
        failure.__cause__ = answer
        future.set_exception(failure)
    else:
        future.set_result(answer)


def _pairs(answer: Any) -> list[tuple[bytes, bytes]]:
    """Return a hash as pairs, whichever way the protocol's version hands it out."""
    if isinstance(answer, dict):
        return list(cast(dict[bytes, bytes], answer).items())
    return list(zip(answer[::2], answer[1::2], strict=True))


def _delivery_arguments(delivery: Delivery) -> tuple[Any, ...]:
    return delivery.id, dump(delivery), repr(delivery.due), delivery.state


def _account(provider: str, key: str, row: Sequence[bytes]) -> Account:
    currency, balance, reserved, spent, per_minute = row
    amounts = from_units(int(balance)), from_units(int(reserved)), from_units(int(spent))
    return Account(provider, key, currency.decode(), *amounts, int(per_minute) if per_minute else None)
