"""Receiving callbacks: in this process, on this machine, or with a receiver elsewhere that lists what came.

A check opens a hook, which has an address of its own, and chooses the answers to the first callbacks to it.
"""

import json
import select
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TypeAlias
from uuid import uuid4

from qwenmock.pytest_plugin.examiner.json_values import (
    read_array,
    read_integer,
    read_member,
    read_number,
    read_object,
    read_string,
)
from qwenmock.pytest_plugin.examiner.results import NotExaminable, UnreadableAnswer
from qwenmock.pytest_plugin.examiner.target import EmbeddedTarget, Reply, Target, TargetError
from qwenmock.schemas.vocabulary import JSON

Answer: TypeAlias = int | None
"""The status that a callback is answered with; None for no answer at all."""
PUBLIC = "https://callbacks.example.com"
"""Origin of the addresses that the embedded double, or one that is told to, sends to the examiner."""
ELSEWHERE = "-elsewhere"
"""Follows a hook's name in the address that a redirect leads to."""
HOLD_SECONDS = 60.0
"""How long a callback without an answer is held at most."""
READ_SECONDS = 10.0
"""How long a sender may pause within a callback."""
CLOSING_STEP = 0.1


@dataclass(slots=True)
class ReceivedCallback:
    """A callback that came.

    Attributes:
        at: Seconds, on the clock of the receiver.
        url: As the receiver saw it.
        headers: By lower-case name.
        answered: The status that it was answered with; None for none.
        bill: What the target stated at that moment; None if nobody asked.
        held: Seconds after which the target stopped waiting for an answer; None while that is not known.

    """

    at: float
    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    answered: Answer = 200
    bill: Reply | None = None
    held: float | None = None


@dataclass(slots=True)
class Hook:
    """An address for callbacks.

    Attributes:
        name: Stands in the address.
        url: The address.
        answers: Of the next callbacks; those after them get a 200.
        bill_url: Read with `bill_headers` at the moment when a callback comes; None for nothing.

    """

    name: str
    url: str
    answers: list[Answer]
    bill_url: str | None = None
    bill_headers: Mapping[str, str] = field(default_factory=dict[str, str])
    received: list[ReceivedCallback] = field(default_factory=list[ReceivedCallback])


class CallbackInbox:
    """Receives callbacks.

    Attributes:
        origin: Scheme, host and port of a receiver on this machine, which documents forbid; None for another.
        sees_all: Whether a callback to any address would come here.
        is_instant: Whether waiting moves the target's clock, and takes no time.
        step: Seconds between two looks.
        slack: By how many seconds the time between two callbacks may differ from what is documented.
        patience: Seconds after a task's end in which its callback must come.
        is_out_of_reach: Whether the target was found not to reach it.

    """

    origin: str | None = None
    sees_all = False
    is_instant = False
    step = 0.1
    slack = 1.5
    patience = 30.0

    def __init__(self) -> None:
        self.hooks: dict[str, Hook] = {}
        self.is_out_of_reach = False

    def open(self, answers: Sequence[Answer] = ()) -> Hook:
        """Return a new hook."""
        name = uuid4().hex
        hook = self.hooks[name] = Hook(name, self.address(name, answers), list(answers))
        return hook

    def address(self, name: str, answers: Sequence[Answer]) -> str:
        """Return the address of a hook."""
        raise NotImplementedError

    def callbacks(self, hook: Hook) -> list[ReceivedCallback]:
        """Return what came so far, the oldest first."""
        return list(hook.received)

    def wait(self, seconds: float) -> None:
        """Let time pass on the target."""
        time.sleep(seconds)

    def close(self) -> None:
        """Stop receiving."""

    def receive(self, received: ReceivedCallback) -> Hook | None:
        """Note a callback and choose its answer; return its hook, or None if it is for no hook."""
        hook = next((hook for name, hook in self.hooks.items() if name in received.url), None)
        if hook is not None:
            received.answered = hook.answers.pop(0) if hook.answers else 200
            hook.received.append(received)
        return hook


class EmbeddedInbox(CallbackInbox):
    """Receives the callbacks of the double in this process, on the double's clock."""

    sees_all = True
    is_instant = True
    slack = 0.3

    def __init__(self, now: Callable[[], float]) -> None:
        super().__init__()
        self._now = now
        self._target: EmbeddedTarget | None = None
        self._pass: Callable[[float], Awaitable[None]] | None = None

    def connect(self, target: EmbeddedTarget, let_pass: Callable[[float], Awaitable[None]]) -> None:
        """Connect with the double.

        Args:
            target: The double.
            let_pass: Moves its clock, and sends the callbacks whose time has come.

        """
        self._target, self._pass = target, let_pass

    def address(self, name: str, answers: Sequence[Answer]) -> str:  # noqa: ARG002, they are known here
        """Return a public address: nothing is sent there."""
        return f"{PUBLIC}/{name}"

    def wait(self, seconds: float) -> None:
        """Move the clock."""
        assert self._target is not None, "connected when it was made"
        assert self._pass is not None, "connected when it was made"
        self._target.run(self._pass(seconds))

    async def take(self, url: str, headers: Mapping[str, str], body: bytes, seconds: float) -> Answer:
        """Receive a callback and return the answer.

        Args:
            seconds: How long the double would wait for it.

        """
        lower = {name.lower(): value for name, value in headers.items()}
        received = ReceivedCallback(at=self._now(), method="POST", url=url, headers=lower, body=body)
        hook = self.receive(received)
        if hook is not None and hook.bill_url is not None and self._target is not None:
            received.bill = await self._target.call("GET", hook.bill_url, hook.bill_headers)
        received.held = seconds if received.answered is None else None
        return received.answered


class LocalInbox(CallbackInbox):
    """Receives callbacks on a loopback port, in threads of its own, from the first hook on."""

    patience = 15.0

    def __init__(self, target: Target) -> None:
        super().__init__()
        self._target = target
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None

    def address(self, name: str, answers: Sequence[Answer]) -> str:  # noqa: ARG002, they are known here
        """Return an address on this machine, where something listens from now on."""
        if self._server is None:
            self._server = _Server(("127.0.0.1", 0), _handler(self))
            self.origin = f"http://127.0.0.1:{self._server.server_port}"
            self._thread = threading.Thread(target=self._server.serve_forever, args=(CLOSING_STEP,))
            self._thread.start()
        return f"{self.origin}/{name}"

    def take(self, received: ReceivedCallback) -> Hook | None:
        """Note a callback, with what the target states of its bill at this moment."""
        with self._lock:
            hook = self.receive(received)
        if hook is not None and hook.bill_url is not None:
            try:
                received.bill = self._target.send("GET", hook.bill_url, hook.bill_headers)
            except TargetError:
                received.bill = None
        return hook

    def hold(self, handler: BaseHTTPRequestHandler, received: ReceivedCallback) -> None:
        """Wait until the sender of a callback closes the connection."""
        began = time.monotonic()
        while not self._closing.is_set() and time.monotonic() - began < HOLD_SECONDS:
            readable, _, _ = select.select([handler.connection], [], [], CLOSING_STEP)
            if readable:
                break
        received.held = time.monotonic() - began

    def close(self) -> None:
        """Stop the server and its threads."""
        self._closing.set()
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # `server_close` waits for them

    def handle_error(self, request: object, client_address: object) -> None:
        """Print nothing: a sender that closes the connection is no error here."""


def _handler(inbox: LocalInbox) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = READ_SECONDS

        def serve(self) -> None:
            received = ReceivedCallback(
                at=time.monotonic(),
                method=self.command,
                url=f"{inbox.origin}{self.path}",
                headers={name.lower(): value for name, value in self.headers.items()},
                body=self._body(),
            )
            hook = inbox.take(received)
            status = received.answered
            if status is None:
                inbox.hold(self, received)
                self.close_connection = True
                return
            self.send_response(status)
            if 300 <= status < 400 and hook is not None:
                self.send_header("Location", f"{inbox.origin}/{hook.name}{ELSEWHERE}")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _body(self) -> bytes:
            if self.headers.get("transfer-encoding", "").lower() != "chunked":
                return self.rfile.read(int(self.headers.get("content-length") or 0))
            chunks: list[bytes] = []
            while size := int(self.rfile.readline().partition(b";")[0] or b"0", 16):
                chunks.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(chunks)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002, the base class names it so
            """Print nothing."""

    for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"):
        setattr(Handler, f"do_{method}", Handler.serve)
    return Handler


class PolledInbox(CallbackInbox):
    """Reads what a receiver elsewhere lists, such as `qwenmock listen`.

    Args:
        url: The receiver's address, which the target can reach; a query is added.
        poll: Where the list is read.
        reader: Reads it.

    """

    step = 1.0
    slack = 3.0
    patience = 120.0

    def __init__(self, url: str, poll: str, reader: Target) -> None:
        super().__init__()
        self._url = url
        self._poll = poll
        self._reader = reader

    def address(self, name: str, answers: Sequence[Answer]) -> str:
        """Return the receiver's address with the hook's name, and the answers that it is asked for."""
        asked = ",".join("none" if answer is None else str(answer) for answer in answers)
        query = f"callback={name}" + (f"&answers={asked}" if asked else "")
        return f"{self._url}{'&' if '?' in self._url else '?'}{query}"

    def callbacks(self, hook: Hook) -> list[ReceivedCallback]:
        """Read the list.

        Raises:
            NotExaminable: It cannot be read.

        """
        try:
            reply = self._reader.send("GET", self._poll, {})
            if reply.status != 200:
                raise NotExaminable(f"the list of callbacks cannot be read: status {reply.status}")
            found = [_listed(entry) for entry in read_array(reply.json(), "the list of callbacks")]
        except (TargetError, UnreadableAnswer) as error:
            raise NotExaminable(f"the list of callbacks cannot be read: {error}") from error
        return sorted((each for each in found if hook.name in each.url), key=lambda each: each.at)

    def close(self) -> None:
        """Close the reader's connections."""
        self._reader.close()


def _listed(entry: JSON) -> ReceivedCallback:
    """Return a callback in a receiver's list, or raise UnreadableAnswer."""
    headers = read_object(read_member(entry, "headers"), "headers")
    status = read_member(entry, "status")
    return ReceivedCallback(
        at=read_number(read_member(entry, "at"), "at"),
        method=read_string(read_member(entry, "method"), "method"),
        url=read_string(read_member(entry, "url"), "url"),
        headers={
            name.lower(): value if isinstance(value, str) else json.dumps(value) for name, value in headers.items()
        },
        body=read_string(read_member(entry, "body"), "body").encode(),
        answered=None if status is None else read_integer(status, "status"),
    )
