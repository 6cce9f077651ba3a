"""Which network addresses are public.

Used for callback URLs and fetched images: for the host as written, and again for the address it resolves to.
"""

import ipaddress
import socket
import unicodedata

INTERNAL_NAMES = ("localhost", ".localhost", ".local", ".internal", ".home.arpa")


GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
"""The only IPv6 addresses that are assigned to the public internet. Outside are site-local ones, `::127.0.0.1`, NAT64
for local use and others, several of which `is_global` calls public."""
NAT64 = ipaddress.ip_network("64:ff9b::/96")
IDNA_DOTS = str.maketrans("\u3002\uff0e\uff61", "...")
"""What a resolver reads as a dot."""


def is_public_address(text: str) -> bool:
    """Return whether an IP address is public: not loopback, private, link-local or otherwise reserved."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        inner = _ipv4_within(address)
        if inner is not None:
            return is_public_address(str(inner))
        if address not in GLOBAL_UNICAST:
            return False
    return address.is_global and not address.is_multicast


def _ipv4_within(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address that an IPv6 address leads to."""
    if address in NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)


def is_public_host(host: str) -> bool:
    """Return whether a host, as written in a URL, may be public. A name is not resolved here.

    Every notation that the system's resolver reads as an IPv4 address counts: `0x7f.1`, `2130706433`, `017700000001`,
    and full-width digits.
    """
    host = unicodedata.normalize("NFKC", host.translate(IDNA_DOTS)).rstrip(".").lower()
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
    """Return whether an IP address is a loopback address."""
    return ipaddress.ip_address(text.partition("%")[0]).is_loopback


def is_loopback_host(host: str) -> bool:
    """Return whether a host, as written in a URL, is `localhost` or a loopback address."""
    try:
        return host.lower() == "localhost" or is_loopback_address(host)
    except ValueError:
        return False
