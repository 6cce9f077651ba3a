"""Where the proxy takes a request: to the double, to the host itself, or nowhere.

The decision is made on the name or address as the client wrote it. An address is never looked up to find out whose it
is, and a name that is not on a list is never resolved.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from qwenmock.mockserver.net.host_names import host_of


class Route(Enum):
    """Where a request goes."""

    DOUBLE = "to the double"
    PASS = "to the host itself"
    REFUSE = "nowhere"


@dataclass(frozen=True)
class HostPolicy:
    """Which hosts are replaced, which are let through.

    Attributes:
        production: The providers' production hosts, in lower case. They always lead to the double.
        allowed: Hosts that are let through, in lower case.
        pass_through: Whether all other hosts are let through.
        advice: What a refusal tells, with `{host}` for the host.

    """

    production: frozenset[str]
    allowed: frozenset[str] = frozenset()
    pass_through: bool = False
    advice: str = "this proxy leads to the double only"

    def route(self, host: str) -> Route:
        """Return where requests for a host go.

        Args:
            host: Normalized by `normal_host`.

        """
        if host in self.production:
            return Route.DOUBLE
        return Route.PASS if self.pass_through or host in self.allowed else Route.REFUSE

    def refusal(self, host: str) -> str:
        """Return what a client is told whose request was refused."""
        return f"qwenmock: {host} is no production host of a provider; {self.advice.format(host=host)}"


def normal_host(text: str) -> str:
    """Return a host in lower case, without its port and without the dot of a full name.

    Args:
        text: As in a URL, a `Host` header or the target of CONNECT.

    Raises:
        ValueError: It is no host in ASCII.

    """
    host = (host_of(text) or "").rstrip(".")
    if not host:
        raise ValueError(f"expected a host such as example.com, got {text[:100]!r}")
    return host


def split_target(target: str) -> tuple[str, int]:
    """Return host and port of the target of CONNECT.

    Raises:
        ValueError: It is not `HOST:PORT`.

    """
    _, colon, port = target.rpartition(":")
    if not colon or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f"expected HOST:PORT, got {target[:100]!r}")
    return normal_host(target), int(port)


def hosts_in(values: Iterable[str]) -> frozenset[str]:
    """Return hosts as `route` compares them."""
    return frozenset(map(normal_host, values))
