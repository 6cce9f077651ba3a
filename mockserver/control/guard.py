"""Who may use the control API.

On loopback every program on the machine; with `--admin-token`, only who sends the token. Web pages of other origins are
refused either way: their requests have a foreign Host (DNS rebinding), or a browser says where they come from.
"""

import hmac
import re
from urllib.parse import urlsplit

from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from qwenmock.mockserver._version import __version__
from qwenmock.mockserver.control.session import COOKIE, session_of
from qwenmock.mockserver.net.host_names import is_own_host
from qwenmock.mockserver.net.own_site import is_cross_site
from qwenmock.mockserver.settings import LOOPBACK, Settings

OPEN = re.compile(r"/__mock__/(health|session|ca\.pem|docs(/[^/]*)?|static/.*)?")
"""Paths that need no token: the pages' shell and its files, health, the certificate, and where the token is sent."""


class Guard:
    """Middleware that passes a control call on, or refuses it with a reason."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self.settings = settings
        self.hosts = {*LOOPBACK, settings.host.lower()}
        self.origins: set[str] = set()
        if settings.public_url is not None:
            public = urlsplit(settings.public_url)
            self.hosts.add(public.hostname or "")
            self.origins = {f"{public.scheme}://{public.netloc}".lower()}

    @staticmethod
    def middleware(settings: Settings) -> Middleware:
        """Return the middleware for Starlette."""
        return Middleware(Guard, settings=settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check the call, then pass it on."""
        if scope["type"] == "http":
            refusal = self._refusal(Request(scope))
            if refusal is not None:
                await JSONResponse({"error": refusal[1]}, refusal[0], {"X-Qwenmock": __version__})(scope, receive, send)
                return
        await self.app(scope, receive, send)

    def _refusal(self, request: Request) -> tuple[int, str] | None:
        token = self.settings.admin_token
        if token is not None:
            given = request.headers.get("authorization", "").removeprefix("Bearer ")
            session = request.cookies.get(COOKIE, "")
            if not (
                # Not `request.url`: older versions of Starlette make it of the Host header, which the client writes.
                OPEN.fullmatch(request.scope["path"])
                or hmac.compare_digest(given.encode(), token.encode())
                or hmac.compare_digest(session.encode(), session_of(token).encode())
            ):
                return 401, "send the admin token: Authorization: Bearer TOKEN"
        else:
            for host in request.headers.getlist("host") or [""]:
                if not is_own_host(host, self.hosts):
                    return 403, f"the control API does not answer requests for host {host[:100]!r}"
        if is_cross_site(request.method, request.headers, self.origins):
            return 403, "requests of other web sites are not answered"
        return None
