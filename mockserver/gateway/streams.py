"""HTTP/1.1 on a connection, as server or client: h11 reads and writes the messages, asyncio the bytes."""

import asyncio
import socket
import ssl
from collections.abc import Sequence

import h11

MAX_HEAD_BYTES = 2**17
"""Request or status line and headers."""
CHUNK_BYTES = 2**16
HANDSHAKE_SECONDS = 20.0
CLOSE_SECONDS = 1.0

Headers = list[tuple[bytes, bytes]]
Event = h11.Request | h11.Response | h11.InformationalResponse | h11.Data | h11.EndOfMessage | h11.ConnectionClosed


class HttpStream:
    """One side of a connection that speaks HTTP/1.1.

    Args:
        role: `h11.SERVER` or `h11.CLIENT`, what this side is.
        reader: Of the connection.
        writer: Of the connection.

    """

    def __init__(self, role: type[h11.CLIENT | h11.SERVER], reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self.http = h11.Connection(role, max_incomplete_event_size=MAX_HEAD_BYTES)
        self.reader = reader
        self.writer = writer

    async def next_event(self) -> Event:
        """Return the next part of a message; `h11.ConnectionClosed` where the other side closed between two.

        Raises:
            h11.RemoteProtocolError: The other side does not speak HTTP/1.1, or closed within a message.

        """
        while True:
            event = self.http.next_event()
            if isinstance(event, Event):
                return event
            if event is h11.PAUSED:
                raise h11.RemoteProtocolError("a message came before its turn")
            if self.http.they_are_waiting_for_100_continue:
                await self.send(h11.InformationalResponse(status_code=100, headers=[]))
            self.http.receive_data(await self.reader.read(CHUNK_BYTES))

    async def send(self, *events: Event) -> None:
        """Send parts of a message."""
        for event in events:
            self.writer.write(self.http.send(event) or b"")
        await self.writer.drain()

    def start_next(self) -> bool:
        """Begin the next exchange on the connection; return whether there can be one."""
        if self.http.our_state is not h11.DONE or self.http.their_state is not h11.DONE or self.reader.at_eof():
            return False
        self.http.start_next_cycle()
        return True

    def abort(self) -> None:
        """Cut the connection."""
        self.writer.transport.abort()

    async def close(self) -> None:
        """Close the connection when what was written is sent."""
        self.writer.close()
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self.writer.wait_closed()
        except OSError:
            self.abort()


async def accept_on(sock: socket.socket, context: ssl.SSLContext | None) -> HttpStream:
    """Return the stream of a connection that was accepted, with TLS where there is a context.

    Raises:
        OSError: The connection broke, or the client did not accept the certificate.

    """
    loop = asyncio.get_running_loop()
    # An answer is written in parts. Without this the second one waits 40 ms for the client to acknowledge the first.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    reader = asyncio.StreamReader(limit=CHUNK_BYTES)
    protocol = asyncio.StreamReaderProtocol(reader)
    transport, _ = await loop.connect_accepted_socket(
        lambda: protocol,
        sock,
        ssl=context,
        ssl_handshake_timeout=None if context is None else HANDSHAKE_SECONDS,
    )
    return HttpStream(h11.SERVER, reader, asyncio.StreamWriter(transport, protocol, reader, loop))


async def start_tls(stream: HttpStream, context: ssl.SSLContext) -> HttpStream:
    """Return the stream within TLS on a connection, on which nothing was received since the last message.

    Raises:
        OSError: The connection broke, or the client did not accept the certificate.

    """
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=CHUNK_BYTES)
    protocol = asyncio.StreamReaderProtocol(reader)
    transport = await loop.start_tls(
        stream.writer.transport, protocol, context, server_side=True, ssl_handshake_timeout=HANDSHAKE_SECONDS
    )
    if transport is None:
        raise ConnectionResetError("the client closed during the handshake")
    protocol.connection_made(transport)
    return HttpStream(h11.SERVER, reader, asyncio.StreamWriter(transport, protocol, reader, loop))


def without(headers: Sequence[tuple[bytes, bytes]], names: frozenset[bytes]) -> Headers:
    """Return headers without some, and without those that the `Connection` header names."""
    named = {each.strip().lower() for name, value in headers if name == b"connection" for each in value.split(b",")}
    return [(name, value) for name, value in headers if name not in names and name not in named]
