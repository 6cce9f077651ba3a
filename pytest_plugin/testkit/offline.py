"""A guard that refuses connections to other machines, by an audit hook of the interpreter."""

import ipaddress
import sys
from typing import cast

CONNECTING = {"socket.connect", "socket.sendto", "socket.getaddrinfo"}


class NotOffline(ConnectionError):  # noqa: N818, reads better where it is raised
    """Raised in the code under test when it tries to connect to another machine."""


class OfflineGuard:
    """Refuse connections to other machines between `start` and `stop`.

    Attributes:
        refused: Hosts to which a connection was refused, in order.

    """

    def __init__(self) -> None:
        self.refused: list[str] = []
        self._is_on = False

    def start(self) -> None:
        """Start refusing connections."""
        self._is_on = True
        sys.addaudithook(self._audit)

    def stop(self) -> None:
        """Stop refusing connections. An audit hook cannot be removed; it does nothing from here on."""
        self._is_on = False

    def _audit(self, event: str, arguments: tuple[object, ...]) -> None:
        if not self._is_on or event not in CONNECTING:
            return
        host = _host(event, arguments)
        if host is not None and not _is_local(host):
            self.refused.append(host)
            raise NotOffline(f"connection to {host} refused: the run is offline (--qwenmock-offline)")


def _host(event: str, arguments: tuple[object, ...]) -> str | None:
    """Return the host of a call; None for a Unix socket or if the call names no host."""
    address = arguments[0] if event == "socket.getaddrinfo" else arguments[1]
    if isinstance(address, tuple):
        host = cast(tuple[object, ...], address)[0]
        return host if isinstance(host, str) else None
    return address if event == "socket.getaddrinfo" and isinstance(address, str) else None


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host in {"", "localhost"} or host.endswith(".localhost")
