"""`qwenmock serve` as it is typed."""

import contextlib
import fcntl
import json
import os
import pty
import re
import signal
import socket
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import httpx
import pytest
from commands import COMMAND, run_here, serving

from qwenmock.mockserver.net import webhook_signatures as signatures

BODY = {"model": "qwen-image-plus", "prompt": "a cat", "parameters": {"size": "1328*1328"}}


def refused(*options: str, environment: dict[str, str] | None = None) -> str:
    done = run_here("serve", *options, environment={**os.environ, **(environment or {})})
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("qwenmock: ")
    assert done.stderr.count("\n") == 1
    return done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_server_says_where_it_is_and_stops_cleanly(number: signal.Signals) -> None:
    with serving("--port", "0") as (process, origin):
        answer = httpx.post(
            f"{origin}/nebula/v1/images/generations", json=BODY, headers={"Authorization": "Bearer sk-mock"}
        )
        assert answer.status_code == 200
        process.send_signal(number)
        assert process.stdout is not None
        assert process.stderr is not None
        out, log = process.stdout.read(), process.stderr.read()
        assert process.wait(timeout=20) == 0
        assert f"{origin}/nebula" in out
        assert "sk-mock-limited" in out
        assert out.endswith("stopped\n")
        assert re.search(r"POST /nebula/v1/images/generations 200 [0-9.]+ ms", log)


def test_log_can_be_json() -> None:
    with serving("--port", "0", "--log-format", "json") as (process, origin):
        httpx.post(f"{origin}/nebula/v1/images/generations", json=BODY)
        process.terminate()
        _, log = process.communicate(timeout=20)
        assert json.loads(log)["status"] == 401


def test_quiet_server_logs_no_requests() -> None:
    with serving("--port", "0", "--quiet") as (process, origin):
        httpx.post(f"{origin}/nebula/v1/images/generations", json=BODY)
        process.terminate()
        assert process.communicate(timeout=20)[1] == ""


def test_environment_and_config_file_are_read_in_their_order(tmp_path: Path) -> None:
    config = tmp_path / "qm.toml"
    config.write_text('port = 1\nprovider = "nebula"\n[price]\nnebula = "0.5"\n[keys.sk-mock-own]\nbalance = "3"\n')
    environment = {"QWENMOCK_PORT": "0", "QWENMOCK_CONFIG": str(config)}
    with serving("--price", "nebula=0.25CNY", environment=environment) as (_, origin):
        headers = {"Authorization": "Bearer sk-mock-own"}
        assert httpx.post(f"{origin}/v1/images/generations", json=BODY, headers=headers).status_code == 200
        ledger = httpx.get(f"{origin}/__mock__/ledger").json()
        assert ledger["charges"][0]["amount"] == "0.25"
        assert ledger["accounts"][0]["balance"] == "2.75"


def test_taken_port_is_one_clear_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert f"port {port}" in refused("--port", port)


def test_wrong_options_are_one_clear_line(tmp_path: Path) -> None:
    broken = tmp_path / "broken.toml"
    broken.write_text("port = [")
    unknown = tmp_path / "unknown.toml"
    unknown.write_text("colour = 1")
    (tmp_path / "empty").mkdir()
    for options, named in (
        (["--provider", "acme"], "nebula"),
        (["--port", "70000"], "65535"),
        (["--latency", "slow"], "instant"),
        (["--latency", "5-1"], "instant"),
        (["--price", "acme=1"], "acme"),
        (["--price", "nebula=much"], "SLUG=AMOUNT"),
        (["--price", "nebula=10000.000000001"], "from 0 to 10000"),
        (["--seed", "x"], "an integer from 0"),
        (["--public-url", "mock"], "URL"),
        (["--log-format", "xml"], "json"),
        (["--journal-max", "0"], 'an integer from 1 to 1000000, got "0"'),
        (["--host", "0.0.0.0"], "--admin-token"),
        (["--host", "203.0.113.5", "--admin-token", "x"], "cannot listen"),
        (["--config", str(tmp_path / "none.toml")], "none.toml"),
        (["--config", str(broken)], "broken.toml"),
        (["--config", str(unknown)], "colour"),
        (["--schemas", str(tmp_path / "empty")], "provider.toml"),
    ):
        assert named in refused(*options), options
    assert "QWENMOCK_PORT" in refused(environment={"QWENMOCK_PORT": "x"})


def test_latency_is_waited_for() -> None:
    with serving("--port", "0", "--latency", "300") as (_, origin):
        answer = httpx.post(
            f"{origin}/nebula/v1/images/generations", json=BODY, headers={"Authorization": "Bearer sk-mock"}
        )
        assert answer.elapsed.total_seconds() >= 0.3


def test_listen_prints_and_verifies_callbacks() -> None:
    command = [
        sys.executable,
        "-m",
        "qwenmock.mockserver",
        "listen",
        "--port",
        "0",
        "--fail",
        "1",
        "--secret",
        "whsec_YWJj",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().rpartition(" ")[2].strip()
        body = b'{"id": "task-unified-1"}'
        signed = signatures.headers("whsec_YWJj", "msg_1", int(time.time()), body)
        assert httpx.post(url, content=body, headers=signed).status_code == 500
        assert httpx.post(url, content=body, headers=signed).status_code == 200
        assert httpx.post(url, content=body).status_code == 401
        process.terminate()
        out = process.stdout.read()
    assert out.count("task-unified-1") == 3
    assert "signature valid, answered 200" in out
    assert "signature it is not signed, answered 401" in out
    done = subprocess.run([*command[:4], "--secret", "x"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)


def on_a_terminal(*options: str, columns: int = 120) -> str:
    """Return what the command shows on a terminal for a success and a refusal."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        [*COMMAND, "--port", "0", *options],
        stdout=subprocess.PIPE,
        stderr=follower,
        text=True,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": ""},
    )
    os.close(follower)
    assert process.stdout is not None
    origin = process.stdout.readline().rpartition(" ")[2].strip()
    headers = {"Authorization": "Bearer sk-mock"}
    for body in (BODY, {**BODY, "model": "x\x1b[2J" + "y" * 30}):
        httpx.post(f"{origin}/nebula/v1/images/generations", json=body, headers=headers)
    process.terminate()
    shown = b""
    with contextlib.suppress(OSError):  # the terminal is gone when its last writer is
        while chunk := os.read(leader, 65536):
            shown += chunk
    os.close(leader)
    process.communicate(timeout=20)
    return shown.decode()


def test_terminal_shows_a_coloured_line_for_each_request() -> None:
    shown = on_a_terminal()
    first, second = shown.strip().splitlines()
    assert "\x1b[" in first
    plain = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in (first, second)]
    assert re.search(r"200 nebula +POST qwen-image-plus [0-9.]+ ms 1 x qwen-image-plus, 0.18 CNY", plain[0])
    assert re.search(r"400 nebula +POST create [0-9.]+ ms model must be one of", plain[1])
    assert "\x1b[2J" not in shown
    assert all(len(line) <= 120 for line in plain)


def test_terminal_gets_json_when_asked() -> None:
    lines = on_a_terminal("--log-format", "json").strip().splitlines()
    assert [json.loads(line)["status"] for line in lines] == [200, 400]
