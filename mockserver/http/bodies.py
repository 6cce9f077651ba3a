"""The body of a request, as it comes by ASGI."""

import asyncio
import contextlib
import mmap

from starlette.types import Receive

from qwenmock.mockserver.calls.call import BodyTooLarge, BodyUnfinished
from qwenmock.mockserver.calls.large_bodies import Buffer

DRAIN_SECONDS = 20.0
DRAIN_PAUSE_SECONDS = 2.0
"""How long a client may send nothing before the rest of its body is no longer waited for."""
DRAIN_BYTES = 64 * 2**20
LARGEST_BLOCK = 2**24
"""Bytes that are allocated, filled with zeros and copied to at once: for 37 MB that would take 20 ms."""
DIGITS = 18
"""Of a length; Python converts no number of 5000 digits."""


class Body:
    """The body of a request, read only up to a limit.

    Nothing large is copied at once, neither to join the parts nor, as a `bytearray` does, to make room for more: 37 MB
    take 20 to 50 ms, in which no other request is answered. What is announced and does not come takes no memory.

    Args:
        receive: The ASGI callable.
        method: Of the request.
        headers: Of the request, by lower-case name.
        max_bytes: The limit.

    Attributes:
        max_bytes: The limit.
        announced: Its length by the Content-Length header; 0 without one.
        received: Bytes that came of it.
        ended: Whether all of it was received, or there is none.

    """

    def __init__(self, receive: Receive, method: str, headers: dict[bytes, bytes], max_bytes: int) -> None:
        self._receive = receive
        self.max_bytes = max_bytes
        length = headers.get(b"content-length", b"")
        self.received = 0
        self.announced = int(length[:DIGITS]) if length.isdigit() else 0
        # Another method may have a body whose length no header states: not every server under this one speaks HTTP/1.
        is_without = not length and method == "GET" and b"transfer-encoding" not in headers
        self.ended = length == b"0" or is_without
        self._data: Buffer = b""
        """What was received; if it came in several parts, there may be room for more behind it."""

    async def read(self) -> Buffer:
        """Return the body; it may be read again.

        Raises:
            BodyTooLarge: It is larger than the limit, by its Content-Length or when received.
            BodyUnfinished: The client left before its end: what came of it may be JSON, and is no request.

        """
        if max(self.announced, self.received) > self.max_bytes:
            raise BodyTooLarge
        while not self.ended:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise BodyUnfinished
            chunk: bytes = message.get("body", b"")
            self.received += len(chunk)
            self.ended = not message.get("more_body", False)
            if self.received > self.max_bytes:
                raise BodyTooLarge
            self._add(chunk)
        if len(self._data) > self.received:
            self._data = _cut(self._data, self.received)
        return self._data

    def _add(self, chunk: bytes) -> None:
        """Add the last part of what was received."""
        if not self._data:
            self._data = chunk
            return
        start = self.received - len(chunk)
        data = self._data
        if isinstance(data, bytes) or self.received > len(data):
            # Its length may not be announced, or not be true: not every server under this one looks at it.
            whole = self.announced if self.announced >= self.received else self.max_bytes
            data = _room(min(2 * self.received, whole), whole)
            data[:start] = self._data[:start]
            self._data = data
        data[start : self.received] = chunk

    async def drain(self) -> None:
        """Discard the rest for a while.

        A client that is still sending might not read the answer if the connection were closed at once.
        """
        dropped = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                while not self.ended and dropped < DRAIN_BYTES:
                    # Not wait_for: before Python 3.12 it drops a cancellation that comes together with the message.
                    async with asyncio.timeout(DRAIN_PAUSE_SECONDS):
                        message = await self._receive()
                    dropped += len(message.get("body", b""))
                    self.ended = not message.get("more_body", False)


def _room(size: int, whole: int) -> bytearray | mmap.mmap:
    """Return room for so many bytes, or for the whole of a large body: the system provides what is written to."""
    return bytearray(size) if size <= LARGEST_BLOCK else mmap.mmap(-1, whole, flags=mmap.MAP_PRIVATE)


def _cut(data: Buffer, size: int) -> Buffer:
    """Return the beginning of some data."""
    if isinstance(data, mmap.mmap) and size > LARGEST_BLOCK:
        # Not every system can change the size of a mapping.
        with contextlib.suppress(SystemError):
            data.resize(size)
            return data
    return data[:size]
