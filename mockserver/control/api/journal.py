"""The journal, its changes as server-sent events, and the verdict on the client."""

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import replace
from urllib.parse import quote, urlencode

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from qwenmock.mockserver.calls.client_behaviour import verdict
from qwenmock.mockserver.calls.double import Double
from qwenmock.mockserver.calls.journal_feed import MAX_ENTRIES, MAX_STREAMS
from qwenmock.mockserver.control.api.journal_search import read_search
from qwenmock.mockserver.control.api.requests import ControlError, selection
from qwenmock.mockserver.errors import StoreError
from qwenmock.mockserver.store.compact import Line
from qwenmock.mockserver.store.search import Cursor, Search, expand, search
from qwenmock.schemas.vocabulary import JSON

POLL_SECONDS = 0.5
COUNT_SECONDS = 5.0
"""Between two times that all matching entries are counted for an event stream: old ones are dropped unnoticed."""


async def list_journal(double: Double, request: Request) -> Response:
    """Return journal entries, the newest first."""
    found = await search(double.store, read_search(double, request, double.settings.journal_max))
    headers = {"X-Total-Count": str(found.total)}
    if found.next is not None:
        headers["Link"] = f'<{_with_cursor(request, found.next)}>; rel="next"'
    return Response(orjson.dumps(found.entries), 200, headers, "application/json")


def _with_cursor(request: Request, cursor: Cursor) -> str:
    query = {**request.query_params, "cursor": str(cursor)}
    return f"{quote(request.url.path)}?{urlencode(query)}"


async def get_verdict(double: Double, request: Request) -> Mapping[str, JSON]:
    """Return how the client behaved, as far as the journal goes back."""
    newest_first = await double.store.journal(selection(double, request, double.settings.journal_max))
    return verdict(list(reversed(newest_first)), await double.store.fetches(), double.catalog)


async def stream_journal(double: Double, request: Request) -> Response:
    """Return the journal as server-sent events."""
    query = read_search(double, request, MAX_ENTRIES)
    if double.journal_feed.is_full:
        raise ControlError(503, f"expected at most {MAX_STREAMS} open event streams")
    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return StreamingResponse(_events(double, query), 200, headers, "text/event-stream")


async def _events(double: Double, query: Search) -> AsyncGenerator[bytes]:
    stream = _Stream(double, query)
    with double.journal_feed.stream():
        while not double.is_stopping():
            try:
                content = await stream.event()
            except StoreError as error:
                yield b": %s\n\n" % str(error).encode().replace(b"\n", b" ")
            else:
                yield b": nothing new\n\n" if content is None else b"data: " + orjson.dumps(content) + b"\n\n"
            await asyncio.sleep(POLL_SECONDS)


class _Stream:
    """What one event stream has sent.

    Args:
        double: The server.
        query: Which entries it follows.

    """

    def __init__(self, double: Double, query: Search) -> None:
        self._double = double
        self._query = query
        self._look: int | None = None
        self._total = 0
        self._counted_at = 0.0

    async def event(self) -> Mapping[str, object] | None:
        """Return the content of the next event; None if there is nothing new."""
        news = None if self._look is None else await self._double.journal_feed.since(self._look)
        if news is None:
            return await self._begin()
        self._look, lines = news
        matching: list[Line] = [line for line in lines if self._query.matches(line)]
        before = self._total
        await self._count(len(matching))
        if not matching and self._total == before:
            return None
        shown = [expand(line) for line in matching[: self._query.limit]]
        return self._content(shown, len(matching), begins=False)

    async def _begin(self) -> Mapping[str, object]:
        look = await self._double.journal_feed.begin()
        found = await search(self._double.store, self._query)
        self._look, self._total, self._counted_at = look, found.total, time.monotonic()
        return self._content(found.entries, len(found.entries), begins=True)

    async def _count(self, added: int) -> None:
        self._total += added
        if not self._query.has_filter:
            self._total = await self._double.store.journal_length()
        elif time.monotonic() - self._counted_at >= COUNT_SECONDS:
            self._total = (await search(self._double.store, replace(self._query, limit=0))).total
            self._counted_at = time.monotonic()

    def _content(self, entries: Sequence[object], matching: int, *, begins: bool) -> Mapping[str, object]:
        return {
            "entries": entries,
            "begins": begins,
            "matching": matching,
            "skipped": matching > len(entries),
            "total": self._total,
            "now": self._double.clock.now(),
        }
