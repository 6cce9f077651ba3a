"""The pages: one shell and its assets.

The shell holds no data, so it needs no token; the control calls that it then makes do. It is built on Preact and htm,
which need no build step: the files that ship are the files that are written.
"""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
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
    "X-Qwenmock": __version__,
}


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
            return JSONResponse({"error": "no such file"}, 404)
        return FileResponse(path, 200, SECURITY, TYPES[path.suffix])
