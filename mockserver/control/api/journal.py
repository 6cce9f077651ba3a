"""The journal, its changes as server-sent events, and the verdict on the client."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from qwenmock.mockserver.calls.client_behaviour import verdict
from qwenmock.mockserver.calls.double import Double
from qwenmock.mockserver.calls.journal_feed import MAX_ENTRIES, MAX_STREAMS
from qwenmock.mockserver.control.api.requests import ControlError, selection
from qwenmock.mockserver.store.records import JournalEntry
from qwenmock.schemas.vocabulary import JSON

POLL_SECONDS = 0.5


async def list_journal(double: Double, request: Request) -> Sequence[JournalEntry]:
    """Return journal entries, the newest first."""
    return list(await double.store.journal(selection(double, request, double.settings.journal_max)))


async def get_verdict(double: Double, request: Request) -> Mapping[str, JSON]:
    """Return how the client behaved, as far as the journal goes back."""
    newest_first = await double.store.journal(selection(double, request, double.settings.journal_max))
    return verdict(list(reversed(newest_first)), await double.store.fetches(), double.catalog)


async def stream_journal(double: Double, _request: Request) -> Response:
    """Return the journal as server-sent events."""
    if double.journal_feed.is_full:
        raise ControlError(503, f"expected at most {MAX_STREAMS} open event streams")
    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return StreamingResponse(_events(double), 200, headers, "text/event-stream")


async def _events(double: Double) -> AsyncGenerator[bytes]:
    last: str | None = None
    is_first = True
    with double.journal_feed.stream():
        while not double.is_stopping():
            entries = await double.journal_feed.newest()
            ids = [f"{entry['id']}/{entry['at']}" for entry in entries]
            new = entries[: ids.index(last)] if last in ids else entries
            if new or is_first:
                last = ids[0] if ids else last
                skipped = not is_first and len(new) == MAX_ENTRIES
                content = {"entries": new, "skipped": skipped, "now": double.clock.now()}
                yield b"data: " + orjson.dumps(content) + b"\n\n"
            else:
                yield b": nothing new\n\n"
            is_first = False
            await asyncio.sleep(POLL_SECONDS)
