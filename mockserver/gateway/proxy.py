"""The proxy itself: one listener for CONNECT, for requests with a whole URL, and for direct ones with or without TLS.

Direct requests come from clients that use no proxy, whose connections are led here by what is in `preload`. They reach
the double only. A host that is not allowed is never connected to, and never looked up.
"""

import asyncio
import contextlib
import socket
import threading
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Collection, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import TypeVar
from urllib.parse import urlsplit

import h11
import orjson

from qwenmock.mockserver._version import __version__
from qwenmock.mockserver.accounts.keys import own_authorization
from qwenmock.mockserver.gateway.authority import Authority
from qwenmock.mockserver.gateway.hosts import HostPolicy, Route, normal_host, split_target
from qwenmock.mockserver.gateway.streams import (
    CHUNK_BYTES,
    Headers,
    HttpStream,
    accept_on,
    start_tls,
    without,
)
from qwenmock.mockserver.http.server import listen

T = TypeVar("T")
IDLE_SECONDS = 60.0
"""How long a client may wait before its next request. The double waits longer (75 s), and so never closes first."""
CONNECT_SECONDS = 20.0
DRAIN_SECONDS = 2.0
PLAIN_PORT = 80
"""In a tunnel to this port clients speak HTTP, to others TLS."""
TLS_HANDSHAKE = b"\x16"
PORTS = {"http": 80, "https": 443}
OWN_HOP = frozenset(
    {b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection"}
    | {b"te", b"trailer", b"transfer-encoding", b"upgrade"}
)
"""Headers that concern one connection."""
NOT_ASKED = OWN_HOP - {b"transfer-encoding"} | {b"expect", b"host", b"x-forwarded-host", b"x-forwarded-proto"}
"""Headers of requests that are not forwarded: the proxy has answered them, or writes its own."""


class Refused(Exception):  # noqa: N818, reads better where it is raised
    """A request that is not forwarded, with the answer's status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Proxy:
    """A forward proxy in front of a double.

    Args:
        policy: Which hosts lead where.
        authority: Issues the certificates of the production hosts.
        double: Host and port of the double.
        keys: Additional keys of the double; every other key that it does not know is replaced.

    Attributes:
        refused: How many requests were refused, by host.
        passed: How many connections were let through, by host.

    """

    def __init__(
        self, policy: HostPolicy, authority: Authority, double: tuple[str, int], keys: Collection[str] = ()
    ) -> None:
        self.policy = policy
        self.authority = authority
        self.refused: Counter[str] = Counter()
        self.passed: Counter[str] = Counter()
        self._double = double
        self._keys = frozenset(keys)

    async def serve(self, listener: socket.socket) -> None:
        """Serve the connections of a listening socket until cancelled."""
        loop = asyncio.get_running_loop()
        listener.setblocking(False)
        connections: set[asyncio.Task[None]] = set()
        try:
            while True:
                sock, _ = await loop.sock_accept(listener)
                connection = asyncio.create_task(self._connection(sock))
                connections.add(connection)
                connection.add_done_callback(connections.discard)
        finally:
            for connection in connections:
                connection.cancel()
            await asyncio.gather(*connections, return_exceptions=True)

    async def _connection(self, sock: socket.socket) -> None:
        # A broken connection concerns its client only, which knows.
        with contextlib.suppress(OSError, h11.ProtocolError):
            is_tls = await _first_byte(sock) == TLS_HANDSHAKE
            stream = await accept_on(sock, self.authority.context if is_tls else None)
            async with _closing(stream):
                await _Client(self, stream, "https" if is_tls else "http").serve()

    def route(self, host: str) -> Route:
        """Return where requests for a host go, and count those that do not go to the double."""
        route = self.policy.route(host)
        if route is Route.REFUSE:
            self.refused[host] += 1
        elif route is Route.PASS:
            self.passed[host] += 1
        return route

    async def open(self, scheme: str, host: str, port: int) -> HttpStream:
        """Connect to where requests for a host go.

        Raises:
            Refused: The host is not allowed, or cannot be reached.

        """
        route = self.route(host)
        if route is Route.REFUSE:
            raise Refused(502, self.policy.refusal(host))
        if route is Route.DOUBLE:
            return await _connect("http", *self._double)
        return await _connect(scheme, host, port)

    def headers_for(self, request: h11.Request, scheme: str, host: str, port: int) -> Headers:
        """Return the headers with which a request is forwarded."""
        headers = without(list(request.headers), NOT_ASKED)
        if self.policy.route(host) is not Route.DOUBLE:
            named = f"[{host}]" if ":" in host else host
            return [(b"host", (named if port == PORTS[scheme] else f"{named}:{port}").encode()), *headers]
        own = [(b"host", host.encode()), (b"x-forwarded-proto", scheme.encode())]
        return own + [(name, self._own_key(value) if name == b"authorization" else value) for name, value in headers]

    def _own_key(self, authorization: bytes) -> bytes:
        return own_authorization(authorization.decode("latin-1"), self._keys).encode("latin-1")


class _Client:
    """A connection of a client, with at most one connection that its requests are forwarded on."""

    def __init__(self, proxy: Proxy, stream: HttpStream, scheme: str, host: str | None = None) -> None:
        self._proxy = proxy
        self._stream = stream
        self._scheme = scheme
        self._host = host  # of the tunnel that the connection is in
        self._upstream: HttpStream | None = None
        self._upstream_of = ("", "", 0)

    async def serve(self) -> None:
        """Answer requests until the client closes."""
        try:
            while await self._answer_next() and self._stream.start_next():
                pass
        finally:
            if self._upstream is not None:
                self._upstream.abort()

    async def _answer_next(self) -> bool:
        """Answer a request; return whether another one may follow."""
        try:
            async with asyncio.timeout(IDLE_SECONDS):
                request = await self._stream.next_event()
        except h11.RemoteProtocolError as error:
            await self._refuse(Refused(error.error_status_hint, f"qwenmock: this proxy speaks HTTP/1.1: {error}"))
            return False
        if not isinstance(request, h11.Request):
            return False
        try:
            if request.method == b"CONNECT":
                await self._tunnel(request.target.decode("ascii", "replace"))
                return False
            await self._forward(request)
        except Refused as refusal:
            await self._refuse(refusal)
            return False
        return True

    async def _refuse(self, refusal: Refused) -> None:
        """Answer with the reason. The status line has it too: clients show no more of a CONNECT that was refused."""
        if self._stream.http.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
            self._stream.abort()
            return
        body = orjson.dumps({"error": str(refusal)})
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            (b"x-qwenmock", __version__.encode()),
            (b"connection", b"close"),
        ]
        reason = str(refusal).encode("ascii", "replace")
        response = h11.Response(status_code=refusal.status, headers=headers, reason=reason)
        await self._stream.send(response, h11.Data(data=body), h11.EndOfMessage())
        # A client that is still sending might not read the answer if the connection were closed at once.
        with contextlib.suppress(h11.RemoteProtocolError, TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                while self._stream.http.their_state is h11.SEND_BODY:
                    await self._stream.next_event()

    # Tunnels

    async def _tunnel(self, target: str) -> None:
        if self._host is not None:
            raise Refused(400, "qwenmock: a tunnel in a tunnel is not supported")
        host, port = _valid(split_target, target)
        route = self._proxy.route(host)
        if route is Route.REFUSE:
            raise Refused(502, self._proxy.policy.refusal(host))
        if route is Route.PASS:
            await self._pass(host, port)
            return
        # Nothing may be awaited between the answer and the handshake: the client's first bytes belong to it.
        self._stream.writer.write(self._stream.http.send(_established()) or b"")
        if port == PLAIN_PORT:
            inner = HttpStream(h11.SERVER, self._stream.reader, self._stream.writer)
            if early := self._stream.http.trailing_data[0]:
                inner.http.receive_data(early)
            await _Client(self._proxy, inner, "http", host).serve()
            return
        inner = await start_tls(self._stream, self._proxy.authority.context_of(host))
        async with _closing(inner):
            await _Client(self._proxy, inner, "https", host).serve()

    async def _pass(self, host: str, port: int) -> None:
        """Hand bytes on in both directions, unseen."""
        other = await _connect("http", host, port)
        async with _closing(other):
            await self._stream.send(_established())
            other.writer.write(self._stream.http.trailing_data[0])
            copies = [
                asyncio.create_task(_copy(self._stream.reader, other.writer)),
                asyncio.create_task(_copy(other.reader, self._stream.writer)),
            ]
            try:
                await asyncio.gather(*copies)
            finally:
                for copy in copies:
                    copy.cancel()

    # Requests

    async def _forward(self, request: h11.Request) -> None:
        scheme, host, port, path = self._destination(request)
        if any(name == b"upgrade" and b"h2c" not in value for name, value in request.headers):
            raise Refused(501, "qwenmock: this proxy forwards HTTP/1.1 requests, no WebSocket and no other protocol")
        upstream = await self._open(scheme, host, port)
        headers = self._proxy.headers_for(request, scheme, host, port)
        try:
            await upstream.send(h11.Request(method=request.method, target=path, headers=headers))
            await self._send_body(upstream)
            await self._send_answer(upstream)
        except (h11.RemoteProtocolError, OSError):
            # A cut connection is a cut connection for the client too.
            self._stream.abort()
            raise

    def _destination(self, request: h11.Request) -> tuple[str, str, int, bytes]:
        """Return scheme, host, port and path of a request.

        Raises:
            Refused: It has none that can be forwarded.

        """
        target = request.target.decode("latin-1")
        if target.lower().startswith(("http://", "https://")):
            scheme, host, port, path = _valid(_parts_of, target)
            if self._host is not None and host != self._host:
                raise Refused(400, f"qwenmock: a request for {host} in a tunnel to {self._host}")
            return scheme, host, port, path.encode("latin-1")
        host = self._host
        if host is None:
            named = next((value for name, value in request.headers if name == b"host"), b"")
            host = _valid(normal_host, named.decode("latin-1"))
            if self._proxy.policy.route(host) is not Route.DOUBLE:
                raise Refused(400, "qwenmock: this is a proxy; name it in HTTP_PROXY and HTTPS_PROXY")
        if not target.startswith("/"):
            raise Refused(400, f"qwenmock: expected a path or a URL, got {target[:100]!r}")
        return self._scheme, host, PORTS[self._scheme], request.target

    async def _open(self, scheme: str, host: str, port: int) -> HttpStream:
        destination = (scheme, host, port)
        if self._upstream is not None:
            if self._upstream_of == destination and self._upstream.start_next():
                return self._upstream
            self._upstream.abort()
        self._upstream, self._upstream_of = None, destination
        self._upstream = await self._proxy.open(scheme, host, port)
        return self._upstream

    async def _send_body(self, upstream: HttpStream) -> None:
        while True:
            event = await self._stream.next_event()
            if not isinstance(event, h11.Data | h11.EndOfMessage):
                raise h11.RemoteProtocolError("the client closed within its request")
            await upstream.send(event)
            if isinstance(event, h11.EndOfMessage):
                return

    async def _send_answer(self, upstream: HttpStream) -> None:
        while True:
            event = await upstream.next_event()
            if isinstance(event, h11.InformationalResponse):
                continue
            if isinstance(event, h11.ConnectionClosed):
                raise ConnectionResetError("no answer")
            if isinstance(event, h11.Response):
                headers = without(list(event.headers), OWN_HOP)
                event = h11.Response(status_code=event.status_code, headers=headers, reason=event.reason)
            await self._stream.send(event)
            if isinstance(event, h11.EndOfMessage):
                return


def _established() -> h11.Response:
    return h11.Response(status_code=200, headers=[], reason=b"Connection Established")


def _parts_of(url: str) -> tuple[str, str, int, str]:
    """Return scheme, host, port and path of a URL."""
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return parts.scheme, normal_host(parts.netloc.rpartition("@")[2]), parts.port or PORTS[parts.scheme], path


def _valid(parse: Callable[[str], T], text: str) -> T:
    """Parse what a client sent.

    Raises:
        Refused: It is malformed.

    """
    try:
        return parse(text)
    except ValueError as error:
        raise Refused(400, f"qwenmock: {error}") from error


async def _connect(scheme: str, host: str, port: int) -> HttpStream:
    """Open a connection.

    Raises:
        Refused: It cannot be opened.

    """
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            reader, writer = await asyncio.open_connection(host, port, ssl=True if scheme == "https" else None)
    except OSError as error:
        raise Refused(502, f"qwenmock: cannot connect to {host} port {port}: {error or 'no answer'}") from error
    return HttpStream(h11.CLIENT, reader, writer)


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Hand bytes on until the source ends."""
    while data := await source.read(CHUNK_BYTES):
        target.write(data)
        await target.drain()
    if target.can_write_eof():
        target.write_eof()


async def _first_byte(sock: socket.socket) -> bytes:
    """Return the first byte that was received, and leave it there; b"" where the client has closed.

    Raises:
        OSError: The connection broke, or nothing came in time. The socket is closed then.

    """
    loop = asyncio.get_running_loop()
    readable: asyncio.Future[None] = loop.create_future()
    loop.add_reader(sock, lambda: None if readable.done() else readable.set_result(None))
    try:
        async with asyncio.timeout(IDLE_SECONDS):
            await readable
        loop.remove_reader(sock)
        return sock.recv(1, socket.MSG_PEEK)
    except BaseException:
        loop.remove_reader(sock)
        sock.close()
        raise


@asynccontextmanager
async def _closing(stream: HttpStream) -> AsyncGenerator[None]:
    try:
        yield
    finally:
        await stream.close()


@contextmanager
def proxying(proxy: Proxy, host: str = "127.0.0.1", port: int = 0) -> Generator[int]:
    """Run a proxy in a thread until the block ends; yield its port.

    Raises:
        SettingsError: The port is in use.

    """
    listener = listen(host, port)
    loop = asyncio.SelectorEventLoop()  # `_first_byte` waits for sockets, which the default loop of Windows cannot
    task = loop.create_task(proxy.serve(listener))
    thread = threading.Thread(target=_run, args=(loop, task), daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join()
        listener.close()


def _run(loop: asyncio.AbstractEventLoop, task: asyncio.Task[None]) -> None:
    try:
        with contextlib.suppress(asyncio.CancelledError):
            loop.run_until_complete(task)
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
