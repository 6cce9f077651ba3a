"""Interception: requests for the providers' production hosts go to the double, requests for other hosts are refused.

It works for httpx, requests, urllib3, aiohttp, http.client and urllib. Only the functions that send one request are
replaced in each library, and they are restored when the context ends. A request keeps its path and its `Host` header,
by which the double routes. Each hop of a redirect is a request. Proxies of the environment are not used: one on this
machine would lead to production. Other processes and libraries with HTTP clients of their own are out of reach.
"""

import contextlib
import http.client
import importlib
import ipaddress
import os
import socket
from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping
from typing import Any, Protocol
from unittest.mock import patch
from urllib.parse import urlsplit

import httpx

from qwenmock.mockserver.accounts.keys import own_authorization
from qwenmock.schemas.catalog import Catalog


class HostRefused(ConnectionError):  # noqa: N818, reads better where it is raised
    """Raised when the code under test calls a host that is neither a provider's production host nor allowed."""


class Destination(Protocol):
    """The double that requests are redirected to."""

    @property
    def catalog(self) -> Catalog:
        """The providers that it serves."""
        ...

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        ...


class Interception:
    """The object that the `qwenmock_intercept` fixture and `Mock.intercept` give.

    Attributes:
        address: Host and port of the double.
        refused: Hosts that were called and refused, in order.

    """

    def __init__(self, double: Destination, allow: Iterable[str] = ()) -> None:
        self._catalog = double.catalog
        self._hosts = {provider.host for provider in double.catalog}
        self._allowed = set(allow)
        self.address = double.address
        self.refused: list[str] = []

    def allow(self, *hosts: str) -> None:
        """Let requests to some hosts through.

        Args:
            hosts: Host names or addresses, without a port.

        """
        self._allowed.update(hosts)

    def is_redirected(self, host: str) -> bool:
        """Return whether requests to a host are redirected to the double.

        Args:
            host: Host name or address.

        Returns:
            True if they are redirected, False if they are let through.

        Raises:
            HostRefused: The host is neither a provider's production host nor allowed.

        """
        host = host.strip("[]").lower()
        if host in self._hosts or any(provider.serves(host) for provider in self._catalog):
            return True
        if host in self._allowed or _is_loopback(host):
            return False
        self.refused.append(host)
        raise HostRefused(
            f"{host} is not a production host of a provider ({', '.join(sorted(self._hosts))}), and other hosts are "
            f"refused in tests; qwenmock_intercept.allow({host!r}) lets requests through"
        )


def without_real_key(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return headers in which a key that the double does not know is replaced by one that it accepts.

    Tests need not know where the code under test gets its key from, and no real key reaches the journal.
    """
    return [(name, own_authorization(value) if name.lower() == "authorization" else value) for name, value in headers]


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host in {"localhost", "testserver", ""}


@contextlib.contextmanager
def intercepting(double: Destination, allow: Iterable[str] = ()) -> Generator[Interception]:
    """Redirect requests for the providers' production hosts to a double until the `with` block ends.

    Libraries that are not installed are left out.

    Args:
        double: The double.
        allow: Hosts to which requests are let through.

    """
    interception = Interception(double, allow)
    with contextlib.ExitStack() as stack:
        _without_proxies(stack)
        for library in (_http_client, _httpx, _httpx2, _urllib3, _aiohttp):
            with contextlib.suppress(ImportError):
                library(interception, stack)
        yield interception


def import_libraries() -> None:
    """Import the libraries that `intercepting` changes; the first time that takes a while."""
    for name in ("httpx2", "urllib3", "aiohttp"):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def _without_proxies(stack: contextlib.ExitStack) -> None:
    stack.enter_context(patch.dict(os.environ, {"NO_PROXY": "*", "no_proxy": "*"}))
    for name in [name for name in os.environ if name.lower().endswith("_proxy") and name.lower() != "no_proxy"]:
        del os.environ[name]  # `patch.dict` puts them back


def _http_client(interception: Interception, stack: contextlib.ExitStack) -> None:
    """Do so for http.client, which urllib uses."""
    putrequest: Callable[..., None] = http.client.HTTPConnection.putrequest
    putheader: Callable[..., None] = http.client.HTTPConnection.putheader

    def open_double(connection: http.client.HTTPConnection, host: str) -> bool:
        if not interception.is_redirected(host):
            return False
        if connection.sock is None or connection.sock.getpeername()[:2] != interception.address:
            connection.close()
            connection.sock = socket.create_connection(interception.address)
        return True

    def request(self: http.client.HTTPConnection, method: str, url: str, *rest: Any, **options: Any) -> None:
        parts = urlsplit(url)
        tunnel: str | None = getattr(self, "_tunnel_host", None)
        # A proxy gets the whole URL, or a tunnel.
        if open_double(self, parts.hostname or tunnel or self.host) and parts.hostname:
            url = parts._replace(scheme="", netloc="").geturl()
        putrequest(self, method, url, *rest, **options)

    def header(self: http.client.HTTPConnection, name: str, *values: Any) -> None:
        if self.sock is not None and self.sock.getpeername()[:2] == interception.address and len(values) == 1:
            text = values[0].decode("latin-1") if isinstance(values[0], bytes) else str(values[0])
            values = (without_real_key([(name, text)])[0][1],)
        putheader(self, name, *values)

    stack.enter_context(patch.object(http.client.HTTPConnection, "putrequest", request))
    stack.enter_context(patch.object(http.client.HTTPConnection, "putheader", header))
    for kind in (http.client.HTTPConnection, http.client.HTTPSConnection):
        stack.enter_context(patch.object(kind, "connect", _connecting(kind.connect, open_double)))


def _connecting(
    connect: Callable[[Any], None], open_double: Callable[[http.client.HTTPConnection, str], bool]
) -> Callable[[http.client.HTTPConnection], None]:
    def handle(self: http.client.HTTPConnection) -> None:
        if not open_double(self, getattr(self, "_tunnel_host", None) or self.host):
            connect(self)

    return handle


def _httpx(interception: Interception, stack: contextlib.ExitStack, name: str = "httpx") -> None:
    library: Any = importlib.import_module(name)
    send: Callable[[object, httpx.Request], httpx.Response] = library.HTTPTransport.handle_request
    send_async: Callable[[object, httpx.Request], Awaitable[httpx.Response]]
    send_async = library.AsyncHTTPTransport.handle_async_request

    def redirect(request: httpx.Request) -> httpx.Request:
        if not interception.is_redirected(request.url.host):
            return request
        host, port = interception.address
        return library.Request(
            request.method,
            request.url.copy_with(scheme="http", host=host, port=port),
            headers=without_real_key(request.headers.multi_items()),  # `Host` stays: the double routes by it
            stream=request.stream,
            extensions=request.extensions,
        )

    def handle(self: object, request: httpx.Request) -> httpx.Response:
        return send(self, redirect(request))

    async def handle_async(self: object, request: httpx.Request) -> httpx.Response:
        return await send_async(self, redirect(request))

    stack.enter_context(patch.object(library.HTTPTransport, "handle_request", handle))
    stack.enter_context(patch.object(library.AsyncHTTPTransport, "handle_async_request", handle_async))


def _httpx2(interception: Interception, stack: contextlib.ExitStack) -> None:
    """Do the same for the successor of httpx, which some SDKs use."""
    _httpx(interception, stack, "httpx2")


def _urllib3(interception: Interception, stack: contextlib.ExitStack) -> None:
    import urllib3

    urlopen: Callable[..., urllib3.BaseHTTPResponse] = urllib3.HTTPConnectionPool.urlopen
    host, port = interception.address
    pool = urllib3.HTTPConnectionPool(host, port, maxsize=10)
    stack.callback(pool.close)

    def handle(
        self: urllib3.HTTPConnectionPool,
        method: str,
        url: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        *rest: object,
        **options: object,
    ) -> urllib3.BaseHTTPResponse:
        # A proxy gets the whole URL.
        target = (urlsplit(url).hostname if url.startswith(("http://", "https://")) else None) or self.host
        if self is pool or not interception.is_redirected(target):
            return urlopen(self, method, url, body, headers, *rest, **options)
        headers = dict(without_real_key(dict(self.headers if headers is None else headers).items()))
        if not any(name.lower() == "host" for name in headers):
            headers["Host"] = target
        options["assert_same_host"] = False
        if url.startswith(("http://", "https://")):
            url = urlsplit(url)._replace(scheme="", netloc="").geturl()
        return urlopen(pool, method, url, body, headers, *rest, **options)

    stack.enter_context(patch.object(urllib3.HTTPConnectionPool, "urlopen", handle))


def _aiohttp(interception: Interception, stack: contextlib.ExitStack) -> None:
    import aiohttp
    from yarl import URL

    request: Callable[..., Awaitable[aiohttp.ClientResponse]]
    request = aiohttp.ClientSession._request  # pyright: ignore[reportPrivateUsage]
    host, port = interception.address

    async def handle(
        self: aiohttp.ClientSession,
        method: str,
        address: str | URL,
        *,
        headers: Mapping[str, str] | None = None,
        **options: Any,  # those of aiohttp, passed on
    ) -> aiohttp.ClientResponse:
        build: Callable[[str | URL], URL] = getattr(self, "_build_url", URL)
        url = build(address)
        if not interception.is_redirected(url.host or ""):
            return await request(self, method, address, headers=headers, **options)
        redirected = dict(without_real_key({**self.headers, **dict(headers or {})}.items()))
        redirected["Host"] = url.host or ""
        url = url.with_scheme("http").with_host(host).with_port(port)
        options.pop("proxy", None)
        return await request(self, method, url, headers=redirected, **options)

    pass_on: Callable[..., Awaitable[object]] = getattr(aiohttp.BaseConnector, "connect")  # noqa: B009, its types differ

    async def check_hop(
        self: aiohttp.BaseConnector, outgoing: aiohttp.ClientRequest, *rest: object, **options: object
    ) -> object:
        name = outgoing.url.host or ""
        if interception.is_redirected(name):
            raise HostRefused(f"a redirect leads to {name}, where aiohttp cannot be intercepted")
        return await pass_on(self, outgoing, *rest, **options)

    stack.enter_context(patch.object(aiohttp.ClientSession, "_request", handle))
    stack.enter_context(patch.object(aiohttp.BaseConnector, "connect", check_hop))
