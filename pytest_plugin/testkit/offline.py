"""The offline guard: nothing connects to other machines, and the run says what is known about that.

Where the system permits it, the run gets a network of its own (`namespace`), and then nothing can leave the machine.
Everywhere, an audit hook of the interpreter refuses what Python code attempts, and lists it.
"""

import importlib
import ipaddress
import os
import socket
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

from qwenmock.pytest_plugin.testkit import namespace
from qwenmock.schemas.wording import counted

ADDRESS_AT = {
    "socket.connect": 1,
    "socket.sendto": 1,
    "socket.sendmsg": 1,
    "socket.getaddrinfo": 0,
    "socket.getnameinfo": 0,
    "socket.gethostbyname": 0,
    "socket.gethostbyaddr": 0,
}
"""The audit events of the interpreter that name another machine, and which argument does."""
NAMING = {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"}
STARTING = {"subprocess.Popen", "os.posix_spawn", "os.system", "os.fork", "os.forkpty", "os.exec"}
UVLOOP = ("create_connection", "create_datagram_endpoint", "sock_connect", "sock_sendto", "getaddrinfo", "getnameinfo")


class NotOffline(ConnectionError):  # noqa: N818, reads better where it is raised
    """Raised in the code under test when it tries to connect to another machine."""


@dataclass
class Findings:
    """What is known about the connections of a run.

    Attributes:
        refused: Hosts to which a connection was refused, in order.
        processes: Number of processes that were started and not watched.
        open_before: Peers of sockets that were connected before the guard began.
        is_isolated: Whether the run had a network of its own.
        lost: Number of workers that ended without saying what they found.

    """

    refused: list[str] = field(default_factory=list[str])
    processes: int = 0
    open_before: list[str] = field(default_factory=list[str])
    is_isolated: bool = False
    lost: int = 0

    def add(self, worker: dict[str, Any]) -> None:
        """Add what a worker found."""
        found = Findings(**worker)
        self.refused += found.refused
        self.processes += found.processes - 1  # the worker itself was watched
        self.open_before += found.open_before
        self.is_isolated = self.is_isolated and found.is_isolated

    def dump(self) -> dict[str, object]:
        """Return them for `add`."""
        return asdict(self)

    def lines(self) -> list[str]:
        """Return sentences that are true."""
        hosts = ", ".join(sorted(set(self.refused)))
        number = len(self.refused)
        verb = "was" if number == 1 else "were"
        lines = [
            f"{counted(number, 'outgoing connection')} {verb} refused: {hosts}"
            if number
            else "no outgoing connection was made"
            if self.is_isolated
            else "no outgoing connection was seen"
        ]
        if self.is_isolated:
            lines.append("nothing could leave this machine: the run had a network of its own, with loopback only")
        else:
            started = ", processes that the run started" if self.processes > 0 else ""
            lines.append(f"not watched: extension modules with sockets of their own{started}")
        if self.open_before:
            lines.append(f"connected before the run began: {', '.join(sorted(set(self.open_before)))}")
        if self.lost:
            lines.append(f"{counted(self.lost, 'worker')} ended without a report")
        return lines


class OfflineGuard:
    """Refuse connections to other machines between `start` and `stop`.

    Attributes:
        findings: What happened.

    """

    def __init__(self) -> None:
        self.findings = Findings()
        self._is_on = False

    def start(self, *, isolate: bool) -> None:
        """Start refusing connections.

        Args:
            isolate: Whether to give the process a network of its own, if the system permits it.

        """
        self.findings.open_before = connected_peers()
        self.findings.is_isolated = isolate and namespace.enter()
        self._is_on = True
        sys.addaudithook(self._audit)
        self._watch_uvloop()

    def stop(self) -> None:
        """Stop refusing connections. An audit hook cannot be removed; it does nothing from here on."""
        self._is_on = False

    def _audit(self, event: str, arguments: tuple[object, ...]) -> None:
        if not self._is_on:
            return
        if event in STARTING:
            self.findings.processes += 1
        elif event in ADDRESS_AT:
            self._check(_host(arguments[ADDRESS_AT[event]], is_name=event in NAMING))

    def _check(self, host: str | None) -> None:
        if self._is_on and host is not None and not _is_local(host):
            self.findings.refused.append(host)
            raise NotOffline(f"connection to {host} refused: the run is offline (--qwenmock-offline)")

    def _watch_uvloop(self) -> None:
        """Check what uvloop is asked for: it connects without the interpreter's sockets, and so without events."""
        try:
            loop: Any = importlib.import_module("uvloop").Loop
        except ImportError:
            return
        for name in UVLOOP:
            setattr(loop, name, self._checked(getattr(loop, name)))

    def _checked(self, method: Callable[..., object]) -> Callable[..., object]:
        def call(loop: object, *arguments: object, **options: object) -> object:
            for value in (*arguments, options.get("host"), options.get("remote_addr"), options.get("sockaddr")):
                self._check(_host(value, is_name=True))
            return method(loop, *arguments, **options)

        return call


def connected_peers() -> list[str]:
    """Return the other machines to which this process has connected sockets."""
    peers: list[str] = []
    try:
        numbers = [int(path.name) for path in Path("/proc/self/fd").iterdir()]
    except OSError:
        return peers
    for number in numbers:
        try:
            with socket.socket(fileno=os.dup(number)) as found:
                host = _host(found.getpeername(), is_name=False)
        except OSError:
            continue  # no socket, or not connected
        if host is not None and not _is_local(host):
            peers.append(host)
    return peers


def _host(address: object, *, is_name: bool) -> str | None:
    """Return the host of an address; None for a Unix socket, or if none is named."""
    if isinstance(address, tuple):
        address = next(iter(cast(tuple[object, ...], address)), None)
    elif not is_name:
        return None
    if isinstance(address, bytes | bytearray):
        return address.decode("latin-1")
    return address if isinstance(address, str) else None


def _is_local(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host in {"", "localhost"} or host.endswith(".localhost")
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    address = mapped or address
    return address.is_loopback or address.is_unspecified
