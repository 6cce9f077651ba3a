"""Refusal of requests that web pages of other sites make a browser send.

A page can rebind its own name to this machine: its requests then carry that name as `Host`. It can also send a form to
this machine: a browser names the page's origin in `Origin`, and its relation in `Sec-Fetch-Site`. A program that is not
a browser sends neither.
"""

from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from qwenmock.mockserver._version import __version__
from qwenmock.mockserver.net.host_names import is_own_host

SAFE_METHODS = ("GET", "HEAD")


def is_cross_site(method: str, headers: Headers, origins: Collection[str] = ()) -> bool:
    """Return whether a request could change something and comes from a web page of another origin.

    Args:
        method: HTTP method.
        headers: Of the request.
        origins: Of this server besides those that the request's `Host` names, in lower case.

    """
    if method in SAFE_METHODS:
        return False
    if any(relation not in {"same-origin", "none"} for relation in headers.getlist("sec-fetch-site")):
        return True
    own = {*origins} | {f"{scheme}://{host}" for host in headers.getlist("host") for scheme in ("http", "https")}
    return any(origin.lower() not in own for origin in headers.getlist("origin"))


class OwnSiteOnly:
    """Middleware that refuses requests for a foreign host name, and those from web pages of other sites.

    Args:
        app: Gets the other requests.
        names: Names and addresses of this server besides `localhost` and loopback addresses, in lower case.

    """

    def __init__(self, app: ASGIApp, names: Collection[str]) -> None:
        self._app = app
        self._names = {"localhost", *names}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check the request, then pass it on."""
        if scope["type"] == "http":
            refusal = self._refusal(scope)
            if refusal is not None:
                answer = JSONResponse({"error": refusal}, 403, {"X-Qwenmock": __version__})
                await answer(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _refusal(self, scope: Scope) -> str | None:
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        # The address that the client connected to is no name that a page could rebind.
        names = {*self._names, scope["server"][0]}
        if not hosts or not all(is_own_host(host, names) for host in hosts):
            return f"requests for host {headers.get('host', '')[:100]!r} are not answered"
        return "requests of other web sites are not answered" if is_cross_site(scope["method"], headers) else None
