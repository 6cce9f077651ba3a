"""HTTP requests that the server sends: callbacks, and input images with `--fetch-images`.

A connection goes to the very address that was checked. A name that resolves to an internal address, or does so only
the second time, leads nowhere.
"""

import asyncio
import socket
from collections.abc import Iterable
from typing import Any, Protocol, cast
from urllib.parse import urljoin, urlsplit

import httpcore

from qwenmock.mockserver.net.public_addresses import is_loopback_address, is_public_address

REDIRECTS = 3


class OutboundError(Exception):
    """A request failed, was not answered in time, or leads to an internal address."""


class Poster(Protocol):
    """What sends callbacks: `Outbound`, or a receiver in this process."""

    async def post(self, url: str, headers: dict[str, str], body: bytes, seconds: float) -> int:
        """Send a body and return the HTTP status, or raise OutboundError; see `Outbound.post`."""
        ...


class _GuardedBackend(httpcore.AsyncNetworkBackend):
    """Connects to allowed addresses only."""

    def __init__(self, *, allow_loopback: bool) -> None:
        self._inner: httpcore.AsyncNetworkBackend = cast(Any, httpcore).AnyIOBackend()
        self._allow_loopback = allow_loopback

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Resolve the name, check the address, and connect to that address."""
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise httpcore.ConnectError(f"{host} cannot be resolved: {error.strerror}") from error
        address = str(found[0][4][0])
        if not is_public_address(address) and not (self._allow_loopback and is_loopback_address(address)):
            raise httpcore.ConnectError(f"{host} leads to the internal address {address}")
        return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await self._inner.sleep(seconds)


class Outbound:
    """An HTTP client for public addresses.

    Args:
        allow_loopback: Whether requests to this machine are allowed too.

    """

    def __init__(self, *, allow_loopback: bool) -> None:
        self._backend = _GuardedBackend(allow_loopback=allow_loopback)

    async def post(self, url: str, headers: dict[str, str], body: bytes, seconds: float) -> int:
        """Send a body and return the HTTP status. Redirects are not followed, and the answer's body is not read.

        Args:
            url: Absolute.
            headers: Of the request, with `Host`.
            body: The content.
            seconds: Timeout.

        Raises:
            OutboundError: The request failed or timed out.

        """
        try:
            async with (
                asyncio.timeout(seconds),
                httpcore.AsyncConnectionPool(network_backend=self._backend) as pool,
                pool.stream("POST", _request_url(url), headers=_encoded(headers), content=body) as response,
            ):
                return response.status
        except TimeoutError as error:
            raise OutboundError(f"no answer within {seconds:g} s") from error
        except _FAILURES as error:
            raise OutboundError(_reason(error)) from error

    async def get(self, url: str, max_bytes: int, seconds: float) -> bytes | None:
        """Return the content at a URL, following redirects; None if it is longer than `max_bytes`.

        Args:
            url: Absolute.
            max_bytes: Longest content.
            seconds: Timeout.

        Raises:
            OutboundError: The request failed or timed out, or the status is not 200.

        """
        try:
            async with asyncio.timeout(seconds), httpcore.AsyncConnectionPool(network_backend=self._backend) as pool:
                for _ in range(REDIRECTS + 1):
                    async with pool.stream("GET", _request_url(url)) as response:
                        location = _location(response)
                        if response.status in {301, 302, 303, 307, 308} and location is not None:
                            url = urljoin(url, location.decode("latin-1"))
                            continue
                        return await _limited(response, max_bytes)
        except TimeoutError as error:
            raise OutboundError(f"no answer within {seconds:g} s") from error
        except _FAILURES as error:
            raise OutboundError(_reason(error)) from error
        raise OutboundError(f"more than {REDIRECTS} redirects")


_FAILURES = (
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.TimeoutException,
    httpcore.UnsupportedProtocol,
    httpcore.ConnectionNotAvailable,
    OSError,
    ValueError,  # also UnicodeError: characters outside ASCII, or a name that no resolver accepts
)


def _location(response: httpcore.Response) -> bytes | None:
    return next((value for name, value in response.headers if name.lower() == b"location"), None)


async def _limited(response: httpcore.Response, max_bytes: int) -> bytes | None:
    if response.status != 200:
        raise OutboundError(f"status {response.status}")
    chunks: list[bytes] = []
    size = 0
    async for chunk in response.aiter_stream():
        size += len(chunk)
        if size > max_bytes:
            return None
        chunks.append(chunk)
    return b"".join(chunks)


def _request_url(url: str) -> httpcore.URL:
    """Return a URL as it is sent.

    Raises:
        ValueError: It has characters outside ASCII, or a port that does not exist.

    """
    _ = urlsplit(url).port
    return httpcore.URL(url.encode("ascii"))


def _encoded(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
