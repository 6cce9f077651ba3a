"""Loaded by Python under `qwenmock run`: aiohttp, urllib3 and http.client by themselves ignore the proxy variables.

The addresses of production hosts are those of the proxy, which takes connections as if it were the host. Connections of
HTTP's ports to hosts that are neither allowed nor on this machine fail; all others stay as they are.
"""

import errno
import importlib.machinery
import importlib.util
import json
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

Address = tuple[str, int] | tuple[str, int, int, int] | str | bytes
Place = tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]
Found = Sequence[tuple[socket.AddressFamily, socket.SocketKind, int, str, Place]]
PLAN = json.loads(os.environ["QWENMOCK_PRELOAD"])
HTTP_PORTS = {80, 443}
_resolve, _connect, _connect_ex = socket.getaddrinfo, socket.socket.connect, socket.socket.connect_ex
_allowed_addresses: set[str] = set()


def _getaddrinfo(host: bytes | str | None, port: bytes | str | int | None, *rest: int, **options: int) -> Found:
    name = (host.decode("idna") if isinstance(host, bytes) else str(host or "")).rstrip(".").lower()
    if name in PLAN["hosts"]:
        return _resolve("127.0.0.1", PLAN["port"], 0, socket.SOCK_STREAM)
    found = _resolve(host, port, *rest, **options)
    if name in PLAN["allowed"]:
        _allowed_addresses.update(str(each[4][0]) for each in found)
    return found


def _check(self: socket.socket, address: Address) -> None:
    if self.family not in {socket.AF_INET, socket.AF_INET6} or address[1] not in HTTP_PORTS or PLAN["passThrough"]:
        return
    host = str(address[0])
    is_local = host == "localhost" or host.startswith(("127.", "::1", "::ffff:127."))
    if not is_local and host not in _allowed_addresses and host not in PLAN["allowed"]:
        raise ConnectionRefusedError(
            errno.ECONNREFUSED,
            f"qwenmock: {host} is no production host of a provider; qwenmock run --allow HOST lets requests through",
        )


def _checked_connect(self: socket.socket, address: Address) -> None:
    _check(self, address)
    _connect(self, address)


def _checked_connect_ex(self: socket.socket, address: Address) -> int:
    _check(self, address)
    return _connect_ex(self, address)


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
