"""Calls to the production hosts land on the double: httpx, requests and urllib3, aiohttp. Other hosts are refused.

Only what a library does to send one request is replaced, and it is put back when the context ends. A call keeps its
path and its `Host` header: the double routes by that.
"""

import contextlib
import importlib
import ipaddress
from collections.abc import Generator, Iterable
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

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

    def is_taken(self, host: str) -> bool:
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
            f"{host} is no production host of a provider ({', '.join(sorted(self._hosts))}), and tests here do not "
            f"call other hosts; qwenmock_intercept.allow({host!r}) lets it through"
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
    """Intercept until the block ends, however it ends."""
    interception = Interception(mock, allow)
    with contextlib.ExitStack() as stack:
        for library in (_httpx, _httpx2, _urllib3, _aiohttp):
            with contextlib.suppress(ImportError):
                library(interception, stack)
        yield interception


def _httpx(interception: Interception, stack: contextlib.ExitStack, name: str = "httpx") -> None:
    library: Any = importlib.import_module(name)
    send: Any = library.HTTPTransport.handle_request
    send_async: Any = library.AsyncHTTPTransport.handle_async_request

    def redirected(request: Any) -> Any:
        if not interception.is_taken(request.url.host):
            return request
        host, port = interception.address
        url = request.url.copy_with(scheme="http", host=host, port=port)
        # The same stream and headers, `Host` among them: only where it goes is another.
        headers = without_real_key(request.headers.multi_items())
        extensions = request.extensions
        return library.Request(request.method, url, headers=headers, stream=request.stream, extensions=extensions)

    def handle(self: Any, request: Any) -> Any:
        return send(self, redirected(request))

    async def handle_async(self: Any, request: Any) -> Any:
        return await send_async(self, redirected(request))

    stack.enter_context(patch.object(library.HTTPTransport, "handle_request", handle))
    stack.enter_context(patch.object(library.AsyncHTTPTransport, "handle_async_request", handle_async))


def _httpx2(interception: Interception, stack: contextlib.ExitStack) -> None:
    """Do the same for httpx' successor, which some SDKs are built on."""
    _httpx(interception, stack, "httpx2")


def _urllib3(interception: Interception, stack: contextlib.ExitStack) -> None:
    import urllib3

    urlopen: Any = urllib3.HTTPConnectionPool.urlopen
    host, port = interception.address
    ours: Any = urllib3.HTTPConnectionPool(host, port, maxsize=10)
    stack.callback(ours.close)

    def handle(self: Any, method: str, url: str, *rest: Any, **options: Any) -> Any:
        if self is ours or not interception.is_taken(self.host):
            return urlopen(self, method, url, *rest, **options)
        headers: Any = options.get("headers")
        headers = dict(without_real_key(dict(self.headers if headers is None else headers).items()))
        if not any(name.lower() == "host" for name in headers):
            headers["Host"] = self.host
        options["headers"] = headers
        options["assert_same_host"] = False
        if url.startswith(("http://", "https://")):
            parts = urlsplit(url)
            url = parts._replace(scheme="", netloc="").geturl()
        return urlopen(ours, method, url, *rest, **options)

    stack.enter_context(patch.object(urllib3.HTTPConnectionPool, "urlopen", handle))


def _aiohttp(interception: Interception, stack: contextlib.ExitStack) -> None:
    import aiohttp
    from yarl import URL

    request: Any = aiohttp.ClientSession._request  # pyright: ignore[reportPrivateUsage]
    host, port = interception.address

    async def handle(self: Any, method: str, address: Any, **options: Any) -> Any:
        build: Any = getattr(self, "_build_url", URL)
        url: Any = build(address)
        if interception.is_taken(url.host or ""):
            given: Any = {**self.headers, **dict(options.get("headers") or {})}
            headers = dict(without_real_key(given.items()))
            headers["Host"] = url.host
            options["headers"] = headers
            address = url.with_scheme("http").with_host(host).with_port(port)
        return await request(self, method, address, **options)

    stack.enter_context(patch.object(aiohttp.ClientSession, "_request", handle))
