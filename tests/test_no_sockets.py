"""The plugin that keeps the tests of `make check` free of sockets and processes."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("socket.create_server(('127.0.0.1', 0)).close()", "opens a socket"),
        ("subprocess.run(['true'])", "starts a process"),
        ("socket.socketpair()[0].close()", None),
    ],
)
def test_plugin_finds_sockets_and_processes(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, statement: str, said: str | None
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    pytester.makepyfile(f"import socket, subprocess\ndef test_it():\n    {statement}")
    done = pytester.runpytest_subprocess("-p", "tests.no_sockets", "-p", "no:cacheprovider")
    done.assert_outcomes(failed=said is not None, passed=said is None)
    if said is not None:
        done.stdout.fnmatch_lines([f"*this test {said}*"])
