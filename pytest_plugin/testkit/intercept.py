"""Interception: requests for the providers' production hosts go to the double, requests for other hosts are refused.

It works for httpx, requests, urllib3 and aiohttp. Only the function that sends one request is replaced in each library,
and it is restored when the context ends. A request keeps its path and its `Host` header, by which the double routes.
"""

import contextlib
import importlib
import ipaddress
from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

import httpx

from qwenmock.pytest_plugin.testkit.mock import KEY, Mock


class HostRefused(ConnectionError):  # noqa: N818, reads better where it is raised
    """Raised when the code under test calls a host that is neither a provider's production host nor allowed."""


class Interception:
    """The object that the `qwenmock_intercept` fixture gives to a test.

    Attributes:
        address: Host and port of the double.
        refused: Hosts that were called and refused, in order.

    """

    def __init__(self, mock: Mock, allow: Iterable[str] = ()) -> None:
        self._hosts = {provider.host for provider in mock.catalog}
        self._allowed = set(allow)
        self.address = mock.address
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
        if host in self._hosts:
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
    return [
        (name, f"Bearer {KEY}" if name.lower() == "authorization" and not _is_mock_key(value) else value)
        for name, value in headers
    ]


def _is_mock_key(authorization: str) -> bool:
    scheme, _, key = authorization.partition(" ")
    return scheme.lower() != "bearer" or key.strip().startswith(KEY)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host in {"localhost", "testserver", ""}


@contextlib.contextmanager
def intercepting(mock: Mock, allow: Iterable[str] = ()) -> Generator[Interception]:
    """Redirect requests for the providers' production hosts to a double until the `with` block ends.

    Libraries that are not installed are left out.

    Args:
        mock: The double.
        allow: Hosts to which requests are let through.

    """
    interception = Interception(mock, allow)
    with contextlib.ExitStack() as stack:
        for library in (_httpx, _httpx2, _urllib3, _aiohttp):
            with contextlib.suppress(ImportError):
                library(interception, stack)
        yield interception


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
        if self is pool or not interception.is_redirected(self.host):
            return urlopen(self, method, url, body, headers, *rest, **options)
        headers = dict(without_real_key(dict(self.headers if headers is None else headers).items()))
        if not any(name.lower() == "host" for name in headers):
            headers["Host"] = self.host
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
        return await request(self, method, url, headers=redirected, **options)

    stack.enter_context(patch.object(aiohttp.ClientSession, "_request", handle))
