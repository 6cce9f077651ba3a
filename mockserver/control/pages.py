"""The pages: one shell and its assets.

The shell holds no data, so it needs no token; the control calls that it then makes do. It is built on Preact and htm,
which need no build step: the files that ship are the files that are written.
"""

import gzip
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from qwenmock.mockserver._version import __version__
from qwenmock.mockserver.calls.double import Double

STATIC = Path(__file__).parent / "static"
TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".html": "text/html"}
SECURITY = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data: blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
    "Vary": "Accept-Encoding",
    "X-Qwenmock": __version__,
}


class _Asset(NamedTuple):
    """A file of the pages: as it is, compressed, and what tells its versions apart."""

    plain: bytes
    compressed: bytes
    etag: str


def page_routes(double: Double) -> list[Route]:
    """Return the routes of the pages below `/__mock__`."""
    pages = Pages(double)
    return [
        Route("/", pages.shell, methods=["GET"]),
        Route("/docs", pages.shell, methods=["GET"]),
        Route("/docs/{provider}", pages.shell, methods=["GET"]),
        Route("/static/{name:path}", pages.asset, methods=["GET"]),
    ]


class Pages:
    """The shell and its assets."""

    def __init__(self, double: Double) -> None:
        self.double = double
        # Listed once: nothing else is served, whatever a path says.
        self._assets = {str(path.relative_to(STATIC)): path for path in STATIC.rglob("*") if path.suffix in TYPES}

    async def shell(self, request: Request) -> Response:
        """Return the page."""
        slug = request.path_params.get("provider")
        status = 200 if slug is None or slug in self.double.catalog.providers else 404
        return _sent(request, STATIC / "page.html", status)

    async def asset(self, request: Request) -> Response:
        """Return a script or a style sheet."""
        path = self._assets.get(request.path_params["name"])
        if path is None:
            return JSONResponse({"error": "no such file"}, 404)
        return _sent(request, path, 200)


def _sent(request: Request, path: Path, status: int) -> Response:
    """Return a file as the browser wants it: compressed, or not at all if it has this version."""
    asset = _read(path, path.stat().st_mtime_ns)
    headers = {**SECURITY, "ETag": asset.etag}
    if status == 200 and request.headers.get("if-none-match") == asset.etag:
        return Response(None, 304, headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(asset.compressed, status, {**headers, "Content-Encoding": "gzip"}, TYPES[path.suffix])
    return Response(asset.plain, status, headers, TYPES[path.suffix])


@lru_cache(maxsize=256)
def _read(path: Path, _modified: int) -> _Asset:
    plain = path.read_bytes()
    return _Asset(plain, gzip.compress(plain, mtime=0), f'"{blake2b(plain, digest_size=12).hexdigest()}"')
