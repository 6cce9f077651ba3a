"""uvicorn's HTTP protocol with a limit on what it keeps of a request's head, and without ASGI for usual requests.

uvicorn makes a scope, a request-response cycle and a task for each request, and writes the head and the body of the
answer one by one. A request whose head and body have come together needs none of that if the application answers it
at once: that takes half of the time. If its head is, byte for byte, that of the connection's request before, it is not
parsed either. Every other request takes uvicorn's way, as if it had just come.
"""

import asyncio
import math
import types
from collections.abc import Coroutine, Generator, Sequence, Sized
from typing import Any, TypeAlias, cast

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from qwenmock.mockserver.calls.call import Answer
from qwenmock.mockserver.calls.compiled import SentAnswer
from qwenmock.mockserver.http.app import Application, DirectHead, headers_of
from qwenmock.mockserver.store.headers import CONSTANT_HEADERS

MAX_HEAD_BYTES = 2**17
"""Request line and headers, or what follows the body, such as trailers."""
TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
FAILED = b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
END_OF_HEAD = b"\r\n\r\n"
INVALID = "Invalid HTTP request received."
STOP_SECONDS = 0.05
"""How long an idle connection is still read from when the server stops: its next request may be on its way."""
MOST_QUEUED = 16
"""Requests of one connection that wait for the one before; with more of them nothing is read."""
Answering: TypeAlias = Coroutine[Any, Any, Answer | SentAnswer]
Headers: TypeAlias = Sequence[tuple[bytes, bytes]]


class DoubleHttpProtocol(HttpToolsProtocol):
    """Offers usual requests to `Application.direct`, and leaves the others to uvicorn.

    Closes a connection that sends more than `MAX_HEAD_BYTES` without a part of a body among them.
    """

    _application: Application | None = None
    _head_bytes = 0
    _is_in_head = True
    _is_held = False
    """Whether the request that is being read may be answered directly; uvicorn does not know of it yet."""
    _body = b""
    """What was read of the body of such a request."""
    _head: DirectHead | None = None
    """Of the last request that was answered directly."""
    _head_as_sent = b""
    """The same as it came: the next one is mostly equal, and need not be parsed again, which saves 4 µs."""
    _usual_length = 0
    """Bytes of a request with this head; 0 if it is not known."""
    _is_between = True
    """Whether everything that came was a part of complete requests."""
    _came_whole = b""
    """The bytes that are being parsed, if a request begins with them."""
    _idle_since = math.inf
    """The loop's time when the last request was answered directly; endless while there is another one."""
    _idle_timer: asyncio.TimerHandle | None = None
    _running: RequestResponseCycle | None = None
    """The request that is being answered; uvicorn only keeps the last one that came."""
    _is_stopping = False
    """Whether the server stops, and the next answer of this connection is its last."""
    _default_headers: Headers = ()
    _start = b""
    """The beginning of every answer with status 200, with these headers."""

    def connection_made(self, transport: Any) -> None:
        """Begin a connection."""
        open_transport = OpenTransport(transport)
        super().connection_made(open_transport)
        self.flow = QueueFlow(open_transport, self.pipeline)
        if isinstance(self.config.app, Application):
            self._application = self.config.app

    def data_received(self, data: bytes) -> None:
        """Parse some bytes, or recognise them."""
        if len(data) == self._usual_length and data.startswith(self._head_as_sent) and self._is_answered_unparsed(data):
            return
        self._came_whole = data if self._is_between else b""
        self._head_bytes += len(data)
        self._idle_since = math.inf
        super().data_received(data)
        self._came_whole = b""
        if self._is_held:
            try:
                self._release()  # the rest of its body has still to come
            except Exception:  # the parser makes the same of an error in what it calls, such as for a URL without host
                self.logger.warning(INVALID)
                self.send_400_response(INVALID)
        if self._is_stopping and self._is_under_way():
            self.cycle.keep_alive = False
        if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            if self._is_in_head:
                self.transport.write(TOO_LARGE)
            self.transport.close()

    def _is_answered_unparsed(self, data: bytes) -> bool:
        """Answer a request whose head is known; return False if it must be parsed."""
        application, head = self._application, self._head
        assert application is not None, "a head is known from a request that it answered"
        assert head is not None, "its length is known"
        if not self._is_between or self._is_under_way() or self._is_stopping or self.flow.write_paused:
            return False
        answering = application.direct(head, data[len(self._head_as_sent) :])
        if answering is None:
            return False
        self._unset_keepalive_if_required()
        self._head_bytes = 0  # line breaks before it
        self._begin(answering)
        return True

    def on_message_begin(self) -> None:
        """Begin to read a request. Its scope is made when it is known that it needs one."""
        self._is_between = False
        self.url = b""
        self.expect_100_continue = False
        self.headers = []

    def on_headers_complete(self) -> None:
        """Hold the request back, or begin it by ASGI."""
        self._is_in_head = False
        self._body = b""
        self._is_held = self._application is not None and not self.expect_100_continue and self._is_free()
        if not self._is_held:
            self._release()

    def _is_free(self) -> bool:
        """Return whether nothing of the connection is under way, and it will remain open."""
        parser = self.parser
        assert parser is not None, "it is parsing"
        return (
            not self._is_under_way()
            and not self._is_stopping
            and not self.flow.write_paused
            and parser.should_keep_alive()
            and not parser.should_upgrade()
            and parser.get_http_version() == "1.1"
        )

    def _is_under_way(self) -> bool:
        return bool(self.cycle and not self.cycle.response_complete)

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._head_bytes = 0
        if self._is_held:
            self._body += body
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """End the request; answer it if it is held."""
        self._head_bytes = 0
        self._is_in_head = self._is_between = True
        if self._is_held and self._is_answered():
            self._is_held = False
            return
        if self._is_held:
            self._release()
        super().on_message_complete()

    def _release(self) -> None:
        """Let uvicorn begin the request, with what was read of it."""
        self._is_held = False
        self._idle_since = math.inf  # an earlier request may have come and been answered with the same bytes
        url, headers, expects_100 = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects_100
        self.headers.extend(headers)  # the list is a part of the scope
        is_next = not self._is_under_way()
        super().on_headers_complete()
        if is_next:
            self._running = self.cycle
        if self._body:
            super().on_body(self._body)

    def _is_answered(self) -> bool:
        """Answer the held request, now or later; return False if it must be answered by ASGI."""
        application, parser, head = self._application, self.parser, self._head
        assert application is not None, "a request is held for an application"
        assert parser is not None, "it is parsing"
        method = parser.get_method()
        if head is None or head.url != self.url or head.sent != self.headers or head.method != method:
            scheme = self.scheme or "http"
            self._head = head = application.direct_head(method, self.url, self.headers, scheme, self.server)
            self._usual_length = 0
        if self._usual_length != len(self._came_whole):
            self._note_length()
        answering = None if head is None else application.direct(head, self._body)
        if answering is None:
            return False
        self._begin(answering)
        return True

    def _note_length(self) -> None:
        """Keep the head as it came, if the request is all that came, and its body is not in chunks."""
        end = self._came_whole.find(END_OF_HEAD) + len(END_OF_HEAD)
        is_plain = self._head is not None and end + len(self._body) == len(self._came_whole)
        self._head_as_sent = self._came_whole[:end]
        self._usual_length = len(self._came_whole) if is_plain else 0

    def _begin(self, answering: Answering) -> None:
        try:
            waits_for = answering.send(None)
        except StopIteration as stop:
            self._write(stop.value)
            self._complete()
        except Exception as error:
            self._fail(error)
        else:
            # Until it is answered, uvicorn lets other requests of the connection wait.
            self.cycle = self._running = cycle = WaitingCycle()
            self._idle_since = math.inf
            if isinstance(waits_for, asyncio.Future):
                # Mostly a commit, and the only wait. A task for that would take 3 µs.
                commit = cast("asyncio.Future[object]", waits_for)
                commit.add_done_callback(lambda _: self._go_on(cycle, answering))
            else:
                self._go_on_in_task(cycle, answering, waits_for)

    def _go_on(self, cycle: "WaitingCycle", answering: Answering) -> None:
        """Go on after the first wait."""
        try:
            waits_for = answering.send(None)
        except StopIteration as stop:
            self._end(cycle, stop.value)
        except asyncio.CancelledError:
            self.transport.abort()
        except Exception as error:
            self._fail(error)
        else:
            self._go_on_in_task(cycle, answering, waits_for)

    def _go_on_in_task(self, cycle: "WaitingCycle", answering: Answering, waits_for: object) -> None:
        async def go_on() -> None:
            try:
                answer = await resumed(answering, waits_for)
            except Exception as error:
                self._fail(error)
            else:
                self._end(cycle, answer)

        task = self.loop.create_task(go_on())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def _end(self, cycle: "WaitingCycle", answer: Answer | SentAnswer) -> None:
        """Send an answer that had to wait."""
        if cycle.disconnected:
            return
        if isinstance(answer, Answer) and answer.drop is not None:
            if answer.drop == "mid-body":
                self.transport.write(cut_body(answer, self.server_state.default_headers))
            self.transport.abort()
            return
        self._write(answer, is_last=not cycle.keep_alive)
        cycle.response_complete = True
        if not cycle.keep_alive:
            self.transport.close()
        if self.pipeline or self.flow.read_paused or self.transport.is_closing():
            self.on_response_complete()
        else:
            self._complete()  # the same, without a new timer

    def _write(self, answer: Answer | SentAnswer, *, is_last: bool = False) -> None:
        if isinstance(answer, Answer) or is_last:
            self.transport.write(self._as_bytes(answer, is_last=is_last))
            return
        if self.server_state.default_headers is not self._default_headers:
            self._default_headers = self.server_state.default_headers
            self._start = STATUS_LINE[200] + lines(self._default_headers) + b"x-request-id: "
        self.transport.write(
            b"".join((self._start, answer.request_id.encode(), AFTER_ID, b"%d\r\n\r\n" % len(answer.body), answer.body))
        )

    def _as_bytes(self, answer: Answer | SentAnswer, *, is_last: bool) -> bytes:
        """Return an answer as it is sent."""
        status = answer.status if isinstance(answer, Answer) else 200
        headers = [*self.server_state.default_headers, *headers_of(answer)]
        if is_last:
            headers.append((b"connection", b"close"))
        return STATUS_LINE[status] + lines(headers) + b"\r\n" + answer.body

    def on_response_complete(self) -> None:
        """Go on with the next request that waits."""
        if self.pipeline:
            self._running = self.pipeline[-1][0]
        super().on_response_complete()

    def _complete(self) -> None:
        """End a request that was answered directly, and after which no other one waits."""
        self.server_state.total_requests += 1
        self._idle_since = self.loop.time()
        if self._idle_timer is None:
            self._idle_timer = self.loop.call_later(self.timeout_keep_alive, self._close_if_idle)

    def _close_if_idle(self) -> None:
        """Close the connection if it has been idle long enough. uvicorn's timer for each request takes 1 µs more."""
        self._idle_timer = None
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left <= 0:
            self.timeout_keep_alive_handler()
        elif left < math.inf:
            self._idle_timer = self.loop.call_later(left, self._close_if_idle)

    def eof_received(self) -> Any:
        """Keep the connection open if the client has sent all and waits for its answer, which may be booked already."""
        if isinstance(self.cycle, WaitingCycle) and self._is_under_way() and self.scheme == "http":
            self.cycle.keep_alive = False
            return True
        return None

    def shutdown(self) -> None:
        """Close the connection when what was sent until now is answered.

        An idle one of a busy client has mostly a request on its way, which would be lost if it were closed at once.
        """
        if self._is_under_way() or self._is_stopping:
            super().shutdown()
        else:
            self._is_stopping = True
            self.loop.call_later(STOP_SECONDS, super().shutdown)

    def connection_lost(self, exc: Exception | None) -> None:
        """End a connection, and tell the request that is being answered, which may not be the last one that came."""
        super().connection_lost(exc)
        if self._running is not None and not self._running.response_complete:
            self._running.disconnected = True
            self._running.message_event.set()
        if self._idle_timer is not None:
            self._idle_timer.cancel()

    def _fail(self, error: Exception) -> None:
        self.logger.error("Exception while answering", exc_info=error)
        self.transport.write(FAILED)
        self.transport.close()


class OpenTransport(asyncio.Transport):
    """A transport that ignores what is done with it once it is closing.

    One of uvloop raises RuntimeError then: between the end of a connection and `connection_lost` an answer may be sent.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__()
        self._transport = transport
        self.is_closing = transport.is_closing
        self.get_extra_info = transport.get_extra_info
        self.close = transport.close
        self.abort = transport.abort

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send bytes."""
        if not self.is_closing():
            self._transport.write(data)

    def pause_reading(self) -> None:
        """Read nothing for now."""
        if not self.is_closing():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        if not self.is_closing():
            self._transport.resume_reading()


class QueueFlow(FlowControl):
    """Reads no more while many requests of the connection wait.

    uvicorn reads on whenever an answer is complete or an application asks for its request, which may bring a thousand
    more requests each time: 50 MB of them took 1.3 GB.
    """

    def __init__(self, transport: asyncio.Transport, queue: Sized) -> None:
        super().__init__(transport)
        self._queue = queue

    def resume_reading(self) -> None:
        """Read on, if the queue is short."""
        if len(self._queue) <= MOST_QUEUED:
            super().resume_reading()


class _NobodyWaits:
    def set(self) -> None:
        pass


class WaitingCycle(RequestResponseCycle):
    """What uvicorn sees of a request that is answered directly, until it is.

    It has only what the protocol asks a cycle for: there is no ASGI application behind it.
    """

    response_complete = False
    disconnected = False
    keep_alive = True
    message_event: Any = _NobodyWaits()

    def __init__(self) -> None:
        pass  # none of what uvicorn makes for an application


AFTER_ID = b"\r\n" + b"".join(b"%s: %s\r\n" % header for header in CONSTANT_HEADERS) + b"content-length: "


def lines(headers: Headers) -> bytes:
    """Return headers as they are sent."""
    return b"".join(b"%s: %s\r\n" % header for header in headers)


def cut_body(answer: Answer, default_headers: Headers) -> bytes:
    """Return an answer that ends in the middle of its body."""
    headers = (*default_headers, (b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer.body)))
    return STATUS_LINE[200] + lines(headers) + b"\r\n" + answer.body[: len(answer.body) // 2]


@types.coroutine
def resumed(coroutine: Coroutine[Any, Any, Any], waits_for: object) -> Generator[Any, Any, Any]:
    """Await a coroutine that has begun outside of a task, and has come to its first wait."""
    try:
        while True:
            try:
                sent = yield waits_for
            except BaseException as error:
                waits_for = coroutine.throw(error)
            else:
                waits_for = coroutine.send(sent)
    except StopIteration as stop:
        return stop.value
