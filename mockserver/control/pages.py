"""The pages to look at: one shell, its assets, and what only they ask for.

The shell holds no data, so it needs no token; what it then asks for does. It is built on Preact and htm, which need no
build step: the files that ship are the files that are written.
"""

import asyncio
import hashlib
import hmac
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import cast

import orjson
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from qwenmock.mockserver._version import __version__
from qwenmock.mockserver.calls.double import Double
from qwenmock.mockserver.control.contract import contract
from qwenmock.mockserver.errors import StoreError
from qwenmock.mockserver.store.protocols import Selection
from qwenmock.mockserver.store.records import JournalEntry
from qwenmock.schemas.vocabulary import JSON

STATIC = Path(__file__).parent / "static"
TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".html": "text/html"}
COOKIE = "qwenmock_session"
SECURITY = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data: blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
    "X-Qwenmock": __version__,
}
LOOK_SECONDS = 0.5
MOST_AT_ONCE = 50
"""Entries that one look brings: a page is for reading, however many requests a second there are."""


def session_of(token: str) -> str:
    """Return what the cookie holds for whoever has given the token."""
    return hashlib.blake2b(b"session", key=hashlib.sha256(token.encode()).digest(), digest_size=24).hexdigest()


def page_routes(double: Double) -> list[Route]:
    """Return the routes below `/__mock__` that pages need."""
    pages = Pages(double)
    return [
        Route("/", pages.shell, methods=["GET"]),
        Route("/docs", pages.shell, methods=["GET"]),
        Route("/docs/{provider}", pages.shell, methods=["GET"]),
        Route("/static/{name:path}", pages.asset, methods=["GET"]),
        Route("/session", pages.open_session, methods=["POST"]),
        Route("/contract/{provider}", pages.contract, methods=["GET"]),
        Route("/events", pages.events, methods=["GET"]),
    ]


class Pages:
    """What the routes do."""

    def __init__(self, double: Double) -> None:
        self.double = double
        # Read once: nothing else is served, whatever a path says.
        self._assets = {str(path.relative_to(STATIC)): path for path in STATIC.rglob("*") if path.suffix in TYPES}

    async def shell(self, request: Request) -> Response:
        """Return the page."""
        slug = request.path_params.get("provider")
        status = 200 if slug is None or slug in self.double.catalog.providers else 404
        return FileResponse(STATIC / "page.html", status, SECURITY, TYPES[".html"])

    async def asset(self, request: Request) -> Response:
        """Return a script or a style sheet."""
        path = self._assets.get(request.path_params["name"])
        if path is None:
            return JSONResponse({"error": "there is no such file"}, 404)
        return FileResponse(path, 200, SECURITY, TYPES[path.suffix])

    async def open_session(self, request: Request) -> Response:
        """Take the token once, and answer with a cookie that stands for it."""
        token = self.double.settings.admin_token
        try:
            given: JSON = orjson.loads(await request.body())
            offered = cast(dict[str, JSON], given).get("token") if isinstance(given, dict) else None
        except orjson.JSONDecodeError:
            offered = None
        if token is None or not isinstance(offered, str) or not hmac.compare_digest(offered.encode(), token.encode()):
            return JSONResponse({"error": "that is not the admin token"}, 403)
        response = JSONResponse({"session": "open"})
        is_secure = request.headers.get("x-forwarded-proto", request.url.scheme) == "https"
        response.set_cookie(
            COOKIE, session_of(token), path="/__mock__", httponly=True, samesite="strict", secure=is_secure
        )
        return response

    async def contract(self, request: Request) -> Response:
        """Return a provider's contract."""
        slug = request.path_params["provider"]
        if slug not in self.double.catalog.providers:
            known = ", ".join(self.double.catalog.providers)
            return JSONResponse({"error": f"there is no provider {slug!r}; there are {known}"}, 404)
        return Response(orjson.dumps(contract(self.double.catalog[slug])), media_type="application/json")

    async def events(self, _request: Request) -> Response:
        """Return the journal as server-sent events: what is new, looked for twice a second.

        The store is looked at, not the requests that pass here: so what other workers answered is seen too, and an open
        page costs the same however many requests there are.
        """
        headers = {**SECURITY, "X-Accel-Buffering": "no"}
        return StreamingResponse(self._changes(), 200, headers, "text/event-stream")

    async def _changes(self) -> AsyncGenerator[bytes]:
        last: str | None = None
        is_first = True
        while not self.double.is_stopping():
            try:
                entries = await self.double.store.journal(Selection(limit=MOST_AT_ONCE))
            except StoreError:
                entries = list[JournalEntry]()
            ids = [f"{entry['id']}/{entry['at']}" for entry in entries]
            new = entries[: ids.index(last)] if last in ids else entries
            if new or is_first:
                last = ids[0] if ids else last
                skipped = not is_first and len(new) == MOST_AT_ONCE
                content = {"entries": new, "skipped": skipped, "now": self.double.clock.now()}
                yield b"data: " + orjson.dumps(content) + b"\n\n"
            else:
                yield b": nothing new\n\n"
            is_first = False
            await asyncio.sleep(LOOK_SECONDS)
