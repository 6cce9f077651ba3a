"""The offline guard: what it refuses, what it sees, and that it says only what is true."""

import subprocess
import sys

import pytest

from qwenmock.pytest_plugin.testkit import namespace
from qwenmock.pytest_plugin.testkit.offline import Findings, NotOffline, OfflineGuard

CAN_ISOLATE = "import sys; from qwenmock.pytest_plugin.testkit import namespace; sys.exit(not namespace.enter())"
needs_namespace = pytest.mark.skipif(
    subprocess.run([sys.executable, "-c", CAN_ISOLATE], check=False).returncode != 0,
    reason="this system permits no network namespace",
)
WATCHED = "qwenmock: offline: not watched: extension modules with sockets of their own"
ISOLATED = "qwenmock: offline: nothing could leave this machine: the run had a network of its own, with loopback only"
ATTEMPTS = {
    "connect": "socket.socket().connect(('192.0.2.1', 80))",
    "connect_ex": "socket.socket().connect_ex(('192.0.2.1', 80))",
    "IPv6": "socket.socket(socket.AF_INET6).connect(('2001:db8::1', 80))",
    "mapped": "socket.socket(socket.AF_INET6).connect(('::ffff:192.0.2.1', 80))",
    "bytes": "socket.socket().connect((b'192.0.2.1', 80))",
    "bytearray": "socket.socket().connect((bytearray(b'192.0.2.1'), 80))",
    "sendto": "socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 80))",
    "sendmsg": "socket.socket(type=socket.SOCK_DGRAM).sendmsg([b'x'], [], 0, ('192.0.2.1', 80))",
    "getaddrinfo": "socket.getaddrinfo('example.com', 80)",
    "getaddrinfo of bytes": "socket.getaddrinfo(b'example.com', 80)",
    "gethostbyname": "socket.gethostbyname('example.com')",
    "gethostbyname_ex": "socket.gethostbyname_ex('example.com')",
    "gethostbyaddr": "socket.gethostbyaddr('192.0.2.1')",
    "getnameinfo": "socket.getnameinfo(('192.0.2.1', 80), 0)",
    "uvloop": "uvloop.run(connect())",
    "uvloop look-up": "uvloop.run(look_up())",
}
PREAMBLE = """
import asyncio, socket, uvloop

async def connect():
    await asyncio.get_running_loop().create_connection(asyncio.Protocol, "192.0.2.1", 80)

async def look_up():
    await asyncio.get_running_loop().getaddrinfo("example.com", 80)
"""


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:randomly -p no:hypothesispytest")


@pytest.mark.parametrize(
    "option", ["--qwenmock-offline-watch", pytest.param("--qwenmock-offline", marks=needs_namespace)]
)
def test_every_way_out_is_refused_and_listed(pytester: pytest.Pytester, option: str) -> None:
    tests = "".join(
        f"\ndef test_{at}():\n    with pytest.raises(ConnectionError, match='the run is offline'):\n        {attempt}\n"
        for at, attempt in enumerate(ATTEMPTS.values())
    )
    pytester.makepyfile(f"import pytest\n{PREAMBLE}{tests}")
    result = pytester.runpytest_subprocess(option, "-W", "ignore::ResourceWarning", "-p", "no:unraisableexception")
    result.assert_outcomes(passed=len(ATTEMPTS))
    hosts = "192.0.2.1, 2001:db8::1, ::ffff:192.0.2.1, example.com"
    result.stdout.fnmatch_lines([f"qwenmock: offline: {len(ATTEMPTS)} outgoing connections were refused: {hosts}"])
    result.stdout.fnmatch_lines([ISOLATED if option == "--qwenmock-offline" else WATCHED])


def test_what_a_conftest_attempts_is_refused(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        import contextlib, socket
        with contextlib.suppress(OSError):
            socket.gethostbyname("conftest.example")
        """
    )
    pytester.makepyfile("def test_nothing(): pass")
    result = pytester.runpytest_subprocess("--qwenmock-offline-watch")
    result.stdout.fnmatch_lines(["qwenmock: offline: 1 outgoing connection was refused: conftest.example"])


def test_what_workers_refused_is_collected(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import contextlib, socket, pytest

        @pytest.mark.parametrize("name", ["one.example", "two.example"])
        def test_leaves(name):
            with contextlib.suppress(OSError):
                socket.gethostbyname(name)
        """
    )
    result = pytester.runpytest_subprocess("--qwenmock-offline-watch", "-n", "2")
    result.stdout.fnmatch_lines(
        ["qwenmock: offline: 2 outgoing connections were refused: one.example, two.example", f"{WATCHED}*"]
    )


@needs_namespace
@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_child_process_cannot_leave_but_loopback_works(pytester: pytest.Pytester, workers: str) -> None:
    pytester.makepyfile(
        """
        import socket, subprocess, sys

        CONNECT = "import socket; socket.create_connection(('192.0.2.1', 80), 1)"

        def test_child():
            done = subprocess.run([sys.executable, "-c", CONNECT], capture_output=True, text=True)
            assert "Network is unreachable" in done.stderr

        def test_loopback(qwenmock):
            assert qwenmock.journal() == []
        """
    )
    result = pytester.runpytest_subprocess("--qwenmock-offline", "-n", workers)
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["qwenmock: offline: no outgoing connection was made", ISOLATED])


def test_processes_that_nobody_watched_are_named(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("import subprocess\ndef test_child():\n    subprocess.run(['true'])")
    result = pytester.runpytest_subprocess("--qwenmock-offline-watch")
    result.stdout.fnmatch_lines(
        ["qwenmock: offline: no outgoing connection was seen", f"{WATCHED}, processes that the run started"]
    )


def test_without_permission_the_run_is_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(namespace.VARIABLE, raising=False)
    monkeypatch.setattr(namespace, "_is_permitted", lambda: False)
    monkeypatch.setattr(namespace.os, "listdir", lambda _: ["1"])
    assert not namespace.enter()
    assert namespace.VARIABLE not in namespace.os.environ


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "0.0.0.0", "localhost", ""])
def test_this_machine_is_not_refused(address: str) -> None:
    guard = OfflineGuard()
    guard._is_on = True
    guard._audit("socket.connect", (object(), (address, 80)))
    guard._audit("socket.connect", (object(), "/run/a-unix-socket"))
    guard._audit("socket.sendmsg", (object(), None))
    assert guard.findings.refused == []
    with pytest.raises(NotOffline, match=r"192\.0\.2\.1"):
        guard._audit("socket.connect", (object(), ("192.0.2.1", 80)))


def test_what_is_not_known_is_said() -> None:
    findings = Findings(is_isolated=True, open_before=["192.0.2.1"], lost=1)
    assert findings.lines()[2:] == ["connected before the run began: 192.0.2.1", "1 worker ended without a report"]
    findings.add(Findings(is_isolated=False).dump())
    assert findings.lines()[0] == "no outgoing connection was seen"
