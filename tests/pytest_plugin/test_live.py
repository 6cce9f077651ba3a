"""`pytest contract_tests --live-url …` against a real server."""

import os
import subprocess

import httpx
import pytest
from commands import CONTRACT_TESTS

from qwenmock.mockserver.http.server import RunningServer

COMMAND = [*CONTRACT_TESTS, "-rs"]


def examine(server: RunningServer, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, "--live-url", server.url("nebula"), "--provider", "nebula", *options]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("QWENMOCK_")}
    return subprocess.run(command, capture_output=True, text=True, env={**clean, **environment}, check=False)


@pytest.mark.parametrize("key", [{}, {"QWENMOCK_NEBULA_KEY": "sk-nobody"}])
def test_without_a_valid_key_nothing_is_examined(
    server: RunningServer, control: httpx.Client, key: dict[str, str]
) -> None:
    done = examine(server, **key)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stdout + done.stderr
    assert done.stderr.startswith("qwenmock: ")
    assert "QWENMOCK_NEBULA_KEY" in done.stderr
    assert all(entry["status"] == 401 for entry in control.get("/journal").json())


def test_target_that_is_not_there_is_not_examined() -> None:
    command = [*COMMAND, "--live-url", "http://127.0.0.1:9", "--provider", "nebula"]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "QWENMOCK_NEBULA_KEY": "sk-mock"}, check=False
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stdout + done.stderr


def test_at_the_default_budget_nothing_is_billed(server: RunningServer, control: httpx.Client) -> None:
    done = examine(server, QWENMOCK_NEBULA_KEY="sk-mock")
    assert done.returncode == 0, done.stdout
    assert "--live-budget" in done.stdout
    assert control.get("/ledger").json()["charges"] == []


def test_with_a_budget_no_more_than_that_is_spent(server: RunningServer, control: httpx.Client) -> None:
    control.patch("/accounts/sk-mock", json={"balance": "1000", "provider": "nebula"})
    done = examine(server, "--live-budget", "2", "-k", "n/maximum or smallest", QWENMOCK_NEBULA_KEY="sk-mock")
    assert done.returncode == 0, done.stdout
    [account] = control.get("/ledger").json()["accounts"]
    assert 998 <= float(account["balance"]) < 1000


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--live-url", "nonsense", "--provider", "nebula"], "URL"),
        (["--live-url", "http://127.0.0.1:9"], "--provider"),
        (["--provider", "acme"], "acme"),
        (["--live-budget", "much"], "--live-budget"),
        (["--live-budget", "-1"], "--live-budget"),
        (["--live-ledger", "http://127.0.0.1:9"], "{request_id}"),
        (["--contract-profile", "huge"], "huge"),
    ],
)
def test_wrong_options_are_usage_errors(options: list[str], named: str) -> None:
    done = subprocess.run([*COMMAND, *options], capture_output=True, text=True, check=False)
    assert done.returncode == 4
    assert named in done.stdout + done.stderr
