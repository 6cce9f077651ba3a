"""Loaded by Python under `qwenmock run`: aiohttp, urllib3 and http.client by themselves ignore the proxy variables.

Production hosts have an address of their own here. Connections to it, with any port, and to their names are led to the
proxy, which takes them as if it were the host. Connections of HTTP's ports to hosts that are neither allowed nor on
this machine fail; all others stay as they are.
"""

import errno
import importlib.machinery
import importlib.util
import json
import os
import re
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

Address = tuple[str, int] | tuple[str, int, int, int] | str | bytes
Place = tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]
Found = Sequence[tuple[socket.AddressFamily, socket.SocketKind, int, str, Place]]
PLAN = json.loads(os.environ["QWENMOCK_PRELOAD"])
HTTP_PORTS = {80, 443}
STAND_IN = "127.113.119.109"
"""Address of production hosts. The proxy's own would not tell them from this machine: anyio takes no port from it."""
LOOPBACK = re.compile(r"localhost|127(\.\d+){3}|::1|::ffff:127(\.\d+){3}", re.ASCII)
_resolve, _connect, _connect_ex = socket.getaddrinfo, socket.socket.connect, socket.socket.connect_ex
_allowed_addresses: set[str] = set()


def _getaddrinfo(host: bytes | str | None, port: bytes | str | int | None, *rest: int, **options: int) -> Found:
    name = _name(host or "")
    if name in PLAN["hosts"]:
        return _resolve(STAND_IN, PLAN["port"], 0, socket.SOCK_STREAM)
    found = _resolve(host, port, *rest, **options)
    if name in PLAN["allowed"]:
        _allowed_addresses.update(str(each[4][0]) for each in found)
    return found


def _name(host: object) -> str:
    text = host.decode("idna") if isinstance(host, bytes | bytearray) else str(host)
    return text.rstrip(".").lower()


def _checked(self: socket.socket, address: Address) -> Address:
    """Return where a connection goes.

    Raises:
        ConnectionRefusedError: The host is not allowed.

    """
    if self.family not in {socket.AF_INET, socket.AF_INET6}:
        return address
    host = _name(address[0])
    if host == STAND_IN or host in PLAN["hosts"]:
        return ("127.0.0.1" if self.family == socket.AF_INET else "::ffff:127.0.0.1", PLAN["port"])
    is_free = PLAN["passThrough"] or LOOPBACK.fullmatch(host) or host in _allowed_addresses or host in PLAN["allowed"]
    if is_free or address[1] not in HTTP_PORTS:
        return address
    raise ConnectionRefusedError(
        errno.ECONNREFUSED,
        f"qwenmock: {host} is no production host of a provider; "
        f"qwenmock run --allow {host} lets requests to it through",
    )


def _checked_connect(self: socket.socket, address: Address) -> None:
    _connect(self, _checked(self, address))


def _checked_connect_ex(self: socket.socket, address: Address) -> int:
    return _connect_ex(self, _checked(self, address))


def _run_next() -> None:
    """Run the `sitecustomize` that this one hides."""
    here = Path(__file__).parent
    path = [each for each in sys.path if Path(each) != here]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", path)
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


socket.getaddrinfo = _getaddrinfo
socket.socket.connect = _checked_connect  # pyright: ignore[reportAttributeAccessIssue], it takes buffers too
socket.socket.connect_ex = _checked_connect_ex  # pyright: ignore[reportAttributeAccessIssue]
_run_next()
