"""Which network addresses are the inside of somebody's house.

Used for callback addresses and fetched images: the name as it was written, and again every address it resolves to.
"""

import ipaddress
import socket

INTERNAL_NAMES = ("localhost", ".localhost", ".local", ".internal", ".home.arpa")


def is_public_address(text: str) -> bool:
    """Tell whether an IP address leads out: not loopback, private, link-local or otherwise reserved."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if inner is not None:
            return is_public_address(str(inner))
        if address in ipaddress.ip_network("64:ff9b::/96"):
            return is_public_address(str(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)))
    return address.is_global and not address.is_multicast


def is_public_host(host: str) -> bool:
    """Tell whether a host, as written in a URL, may lead out; a name is not looked up here.

    Whatever the system's own resolver takes for an IPv4 address counts as one: `0x7f.1`, `2130706433`, `017700000001`.
    """
    host = host.rstrip(".").lower()
    if not host or host == "localhost" or host.endswith(INTERNAL_NAMES):
        return False
    try:
        return is_public_address(host)
    except ValueError:
        pass
    try:
        return is_public_address(socket.inet_ntoa(socket.inet_aton(host)))
    except (OSError, UnicodeError):
        return True


def is_loopback_address(text: str) -> bool:
    """Tell whether an IP address is this machine's own."""
    return ipaddress.ip_address(text.partition("%")[0]).is_loopback


def is_loopback_host(host: str) -> bool:
    """Tell whether a host, as written in a URL, is this machine by its address or as `localhost`."""
    try:
        return host.lower() == "localhost" or is_loopback_address(host)
    except ValueError:
        return False
