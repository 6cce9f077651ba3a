"""Proof that a run stays on this machine: the interpreter itself tells of every connection before it is made."""

import ipaddress
import sys
from typing import Any, cast


class NotOffline(ConnectionError):  # noqa: N818, reads better where it is raised
    """A connection off this machine was about to be made."""


class Guard:
    """Refuses connections off this machine from its start to its end, and counts them.

    Attributes:
        refused: Where to.

    """

    def __init__(self) -> None:
        self.refused: list[str] = []
        self._is_on = False

    def start(self) -> None:
        """Begin. An audit hook cannot be taken back; it does nothing after the end."""
        self._is_on = True
        sys.addaudithook(self._heard)

    def stop(self) -> None:
        """End."""
        self._is_on = False

    def _heard(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._is_on or event not in {"socket.connect", "socket.sendto", "socket.getaddrinfo"}:
            return
        host = self._host(event, arguments)
        if host is not None and not _is_here(host):
            self.refused.append(host)
            raise NotOffline(f"the run is to stay offline (--qwenmock-offline), and a connection to {host} was begun")

    @staticmethod
    def _host(event: str, arguments: tuple[Any, ...]) -> str | None:
        """Return where a call leads; None for a socket of this machine's file system, or a name of no host."""
        address = arguments[0] if event == "socket.getaddrinfo" else arguments[1]
        if isinstance(address, tuple):
            address = cast(tuple[Any, ...], address)[0]
            return address if isinstance(address, str) else None
        return address if event == "socket.getaddrinfo" and isinstance(address, str) else None


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host in {"", "localhost"} or host.endswith(".localhost")
