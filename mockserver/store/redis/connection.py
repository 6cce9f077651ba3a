"""The connection to Redis: pipelines, scripts, and the index of accounts.

The commands of one turn of the event loop go out as one pipeline. The steps that must be atomic are scripts; each works
on one account, whose keys share a hash tag, so that a cluster keeps them in one slot. What spans accounts (the journal,
the index of accounts, the fault plan) has its own slot and is written separately, in an order that stays right if the
process dies between the two.
"""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Iterable, Sequence
from typing import Any, Protocol, TypeAlias

from qwenmock.mockserver.errors import StoreError
from qwenmock.mockserver.store.protocols import Selection
from qwenmock.mockserver.store.redis.scripts import ACCOUNT_KEYS, SCRIPTS

try:
    import redis
    from redis.asyncio import Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff
    from redis.exceptions import NoScriptError
except ImportError as error:
    raise StoreError("a state in Redis needs: pip install 'qwenmock[redis]'") from error

PREFIX = "qwenmock:"
ACCOUNTS = f"{PREFIX}{{index}}:accounts"
ANSWER_SECONDS = 5.0
SHAS = {name: hashlib.sha1(text.encode()).hexdigest() for name, text in SCRIPTS.items()}

Argument: TypeAlias = str | bytes | int | float
Answer: TypeAlias = Any
"""What Redis answers: an integer, bytes, None, or a list of these; each command has its own."""
Command: TypeAlias = tuple[Argument, ...]


class BlockingClient(Protocol):
    """The part of redis-py's client that is used at start-up, where redis-py leaves the types open."""

    def execute_command(self, *command: Argument) -> Answer:
        """Send a command and return the answer."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


class Connection:
    """The clients of one Redis database.

    Args:
        url: As in `redis://host:6379/0`.
        journal_max: Entries that the journal holds.

    Raises:
        StoreError: Redis cannot be reached.

    """

    def __init__(self, url: str, journal_max: int) -> None:
        self.is_shared = True
        self._journal_max = journal_max
        self._known_accounts: set[str] = set()
        self._queue: list[tuple[asyncio.Future[Answer], Command]] = []
        self._under_way: set[asyncio.Task[None]] = set()
        try:
            self._blocking_client: BlockingClient = redis.Redis.from_url(
                url, socket_timeout=ANSWER_SECONDS, socket_connect_timeout=ANSWER_SECONDS
            )
            # Never retry: a step whose answer was lost may have been done.
            self._client = Redis.from_url(
                url,
                retry=Retry(NoBackoff(), 0),
                socket_timeout=ANSWER_SECONDS,
                socket_connect_timeout=ANSWER_SECONDS,
            )
            self._blocking_client.execute_command("PING")
        except (redis.RedisError, ValueError, OSError) as error:
            raise StoreError(f"{url}: {error}") from error

    async def close(self) -> None:
        """Close the connections."""
        await asyncio.gather(*self._under_way, return_exceptions=True)
        await self._client.aclose()
        self._blocking_client.close()

    def _call_blocking(self, *command: Argument) -> Answer:
        """Send one command at start-up, where waiting blocks no request."""
        try:
            return self._blocking_client.execute_command(*command)
        except redis.RedisError as error:
            raise StoreError(str(error)) from error

    def _call(self, *command: Argument) -> "asyncio.Future[Answer]":
        """Send a command with all others of this turn of the event loop."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()
        if not self._queue:
            loop.call_soon(self._send)
        self._queue.append((future, command))
        return future

    def _send(self) -> None:
        batch, self._queue = self._queue, []
        sending = asyncio.get_running_loop().create_task(self._exchange(batch))
        self._under_way.add(sending)
        sending.add_done_callback(self._under_way.discard)

    async def _exchange(self, batch: list[tuple["asyncio.Future[Answer]", Command]]) -> None:
        """Send commands and deliver their answers; a script that Redis has forgotten is sent again."""
        forgotten: list[tuple[asyncio.Future[Answer], Command]] = []
        try:
            answers = await self._pipeline(command for _, command in batch)
            for (future, command), answer in zip(batch, answers, strict=True):
                if isinstance(answer, NoScriptError):
                    forgotten.append((future, command))
                else:
                    _deliver(future, answer)
            if forgotten:
                await self._pipeline(("SCRIPT LOAD", text) for text in SCRIPTS.values())
                answers = await self._pipeline(command for _, command in forgotten)
                for (future, _), answer in zip(forgotten, answers, strict=True):
                    _deliver(future, answer)
        except (redis.RedisError, OSError) as error:
            for future, _ in batch:
                _deliver(future, error)

    async def _pipeline(self, commands: Iterable[Command]) -> list[Answer]:
        async with self._client.pipeline(transaction=False) as pipe:
            for command in commands:
                pipe.execute_command(*command)
            return await pipe.execute(raise_on_error=False)

    def _run_on_account(self, script: str, tag: str, *arguments: Argument) -> "asyncio.Future[Answer]":
        """Run a script on an account."""
        return self._run(script, [account_key(tag, part) for part in ACCOUNT_KEYS], *arguments)

    def _run(self, script: str, keys: Sequence[str], *arguments: Argument) -> "asyncio.Future[Answer]":
        """Run a script on some keys of one slot."""
        return self._call("EVALSHA", SHAS[script], len(keys), *keys, *arguments)

    async def _add_to_index(self, tag: str, *, is_new: bool = False) -> None:
        """Put an account into the index, if this process has not done so before."""
        if is_new or tag not in self._known_accounts:
            await self._call("ZADD", ACCOUNTS, "NX", time.time(), tag)
            self._known_accounts.add(tag)

    async def _tags(self, selection: Selection | None = None) -> list[str]:
        """Return the tags of the selected accounts, oldest first."""
        selected = selection or Selection()
        tags: list[bytes] = await self._call("ZRANGE", ACCOUNTS, 0, -1)
        found: list[str] = []
        for tag in tags:
            provider, key = owner_of(tag.decode())
            if selected.provider in {None, provider} and selected.key in {None, key}:
                found.append(tag_of(provider, key))
        return found


def tag_of(provider: str, key: str) -> str:
    """Return the hash tag of an account."""
    return f"{provider}:{key}"


def owner_of(tag: str) -> tuple[str, str]:
    """Return provider and key of an account's hash tag."""
    provider, _, key = tag.partition(":")
    return provider, key


def account_key(tag: str, part: str) -> str:
    """Return the name of one of an account's keys."""
    return f"{PREFIX}{{{tag}}}:{part}"


def pairs(answer: Answer) -> list[tuple[bytes, bytes]]:
    """Return a hash as pairs; protocol 2 answers a list, protocol 3 a map."""
    if hasattr(answer, "items"):
        return list(answer.items())
    return list(zip(answer[::2], answer[1::2], strict=True))


async def gathered(answers: Iterable[Awaitable[Answer]]) -> list[Answer]:
    """Return the members of several lists as one list, in order."""
    return [each for members in await asyncio.gather(*answers) for each in members]


def _deliver(future: "asyncio.Future[Answer]", answer: Answer) -> None:
    if future.done():
        return
    if isinstance(answer, Exception):
        failure = StoreError(str(answer) or type(answer).__name__)
        failure.__cause__ = answer
        future.set_exception(failure)
    else:
        future.set_result(answer)
