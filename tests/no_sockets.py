"""A pytest plugin for `make check`: a test that opens a socket or starts a process fails.

An audit hook of the interpreter sees the attempt. Load it with `-p tests.no_sockets`.
"""

import sys
from collections.abc import Generator

import pytest

FORBIDDEN = {
    "socket.bind": "opens a socket",
    "socket.connect": "opens a socket",
    "subprocess.Popen": "starts a process",
    "os.fork": "starts a process",
    "os.posix_spawn": "starts a process",
}


class Guard:
    """The audit hook. It cannot be removed, so it is switched on for the duration of each test."""

    is_on = False

    def audit(self, event: str, _arguments: tuple[object, ...]) -> None:
        if self.is_on and event in FORBIDDEN:
            raise AssertionError(f"this test {FORBIDDEN[event]}: take its file out of the targets of `make check`")


GUARD = Guard()


def pytest_configure() -> None:
    sys.addaudithook(GUARD.audit)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol() -> Generator[None, object, object]:
    GUARD.is_on = True
    try:
        return (yield)
    finally:
        GUARD.is_on = False
