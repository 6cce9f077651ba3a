"""A network of its own for this process: a Linux network namespace that has nothing but loopback.

In it no connection can leave the machine, whoever opens it: threads, extension modules, child processes.
"""

import ctypes
import fcntl
import os
import socket
import struct
import sys
from contextlib import closing
from pathlib import Path

VARIABLE = "QWENMOCK_OFFLINE_NAMESPACE"
"""Environment variable by which child processes know that they are in it already."""
NEW_USER = 0x10000000  # the CLONE_ constants of <sched.h>; `os.unshare` has them from Python 3.12
NEW_NETWORK = 0x40000000
GET_FLAGS, SET_FLAGS = 0x8913, 0x8914  # SIOCGIFFLAGS, SIOCSIFFLAGS
UP = 1


def enter() -> bool:
    """Enter a new network namespace, unless a parent process has; return whether this process is in one.

    Other threads would stay where they are, so only a process with a single thread enters one.
    """
    if sys.platform != "linux":
        return False
    if is_inside():
        return True
    try:
        if len(os.listdir("/proc/self/task")) > 1 or not _is_permitted():  # noqa: PTH208, a count
            return False
        _enter()
    except OSError:
        return False
    os.environ[VARIABLE] = _current()
    return True


def is_inside() -> bool:
    """Return whether this process is in a namespace that `enter` made, here or in a parent process."""
    return os.environ.get(VARIABLE, "") == _current()


def _current() -> str:
    try:
        return str(Path("/proc/self/ns/net").readlink())
    except OSError:
        return "none"


def _is_permitted() -> bool:
    """Try it in a child process: a half entered namespace would leave this one without loopback."""
    child = os.fork()
    if child == 0:
        try:
            _enter()
        except BaseException:  # the child must end here, whatever happens
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


def _enter() -> None:
    user, group = os.geteuid(), os.getegid()
    if user == 0:
        _unshare(NEW_NETWORK)
    else:
        _unshare(NEW_USER | NEW_NETWORK)
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as control:
        request = struct.pack("16sh", b"lo", 0).ljust(40, b"\0")
        name, flags = struct.unpack("16sh", fcntl.ioctl(control, GET_FLAGS, request)[:18])
        fcntl.ioctl(control, SET_FLAGS, struct.pack("16sh", name, flags | UP).ljust(40, b"\0"))


def _unshare(flags: int) -> None:
    if ctypes.CDLL(None, use_errno=True).unshare(flags):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
