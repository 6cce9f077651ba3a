"""The host in a `Host` header, and whether it names this machine.

A web page that rebinds its own name to this machine still sends that name, so only known names and loopback addresses
are accepted.
"""

import re
from collections.abc import Collection

from qwenmock.mockserver.net.public_addresses import is_loopback_address

_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::[0-9]{0,5})?", re.ASCII)


def host_of(header: str) -> str | None:
    """Return the host in a `Host` header, in lower case and without its port; None if it is malformed."""
    match = _HOST.fullmatch(header)
    return None if match is None else (match[1] or match[2]).lower()


def is_own_host(header: str, names: Collection[str]) -> bool:
    """Return whether a `Host` header names this machine.

    Args:
        header: Its value.
        names: The names and addresses that are accepted besides loopback addresses, in lower case.

    """
    host = host_of(header)
    if host is None:
        return False
    try:
        return host in names or is_loopback_address(host)
    except ValueError:
        return False
