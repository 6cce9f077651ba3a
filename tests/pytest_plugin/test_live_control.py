"""`--live-control`: a running double gets the whole examination over HTTP, and is left as it was."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest
from commands import CONTRACT_TESTS, run_here
from extent import EXTENTS, usually

from qwenmock.mockserver.http.server import RunningServer, running
from qwenmock.mockserver.settings import Settings
from qwenmock.pytest_plugin.examiner.connection.discovery import find_control, is_near
from qwenmock.pytest_plugin.examiner.results import CouldNotRun, NotExaminable
from qwenmock.pytest_plugin.examiner.runner import checks_of, run_checks
from qwenmock.pytest_plugin.examiner.session import Examiner
from qwenmock.pytest_plugin.examiner.target import ControlledTarget, Reply
from qwenmock.pytest_plugin.examiner_factory import create_examiner
from qwenmock.pytest_plugin.options import Options, key_variable
from qwenmock.schemas.catalog import load

CATALOG = load()
CHECK = (sys.executable, "-m", "qwenmock.mockserver", "check")
NOBODYS_FAULT = {"key": "sk-mock.somebody", "status": 500}


def outcomes(examiner: Examiner, slug: str, left_out: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return the result of each check, with the reason of a skip, and the status of each rule."""
    checks = [check for check in checks_of(CATALOG[slug]) if not left_out or left_out not in check.name]
    results = {
        each.check.name: f"{each.result}: {each.text if each.result == 'skipped' else ''}"
        for each in run_checks(examiner, checks)
    }
    statuses = {rule: tally.status for rule, tally in examiner.results.tallies.items()}
    examiner.close()
    return results, statuses


EXAMINATIONS = [*((slug, "") for slug in CATALOG.providers), ("evolink", "evolink/edit-plus")]
"""Slugs, and a variant that is left out."""


@pytest.mark.parametrize(("slug", "left_out"), usually(EXAMINATIONS, EXAMINATIONS[-1:]))
def test_running_double_is_examined_like_the_embedded_one(
    server: RunningServer, control: httpx.Client, monkeypatch: pytest.MonkeyPatch, slug: str, left_out: str
) -> None:
    """Each check has the same result, none is skipped for another reason; the clock and the faults stay."""
    monkeypatch.setenv(key_variable(slug), "sk-mock.examined")
    control.post("/clock", json={"advance_seconds": 100})
    [fault] = control.put("/faults", json=[NOBODYS_FAULT]).json()
    options = Options(url=server.url(slug), control=f"{server.origin}/__mock__", profile="smoke")
    over_http = create_examiner(CATALOG[slug], options)
    over_http.preflight()
    embedded = create_examiner(CATALOG[slug], Options(profile="smoke"))
    assert outcomes(over_http, slug, left_out) == outcomes(embedded, slug, left_out)
    assert control.post("/clock", json={"advance_seconds": 0}).json()["offset"] == 100
    assert control.get("/faults").json() == [fault]
    keys = {account["key"] for account in control.get("/ledger").json()["accounts"]}
    assert "sk-mock.examined" in keys
    assert "sk-mock" not in keys


def clean_environment() -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("QWENMOCK_", "PYTEST_"))}
    return {**clean, "QWENMOCK_AI302_KEY": "sk-mock", "COLUMNS": "200"}


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, env=clean_environment(), timeout=240, check=False)


def check(*options: str) -> subprocess.CompletedProcess[str]:
    return run_here("check", *options, environment=clean_environment())


@pytest.mark.parametrize("extent", EXTENTS)
def test_check_finds_the_control_api_and_says_so(
    server: RunningServer, tmp_path: Path, extent: tuple[str, ...]
) -> None:
    control = f"{server.origin}/__mock__"
    by_check, by_pytest = tmp_path / "check.json", tmp_path / "pytest.json"
    common = (server.url("ai302"), "--provider", "ai302", "--contract-profile", "smoke", *extent)
    found = run(*CHECK, *common, "--contract-report", str(by_check))
    given = (*common, "--live-control", control, "--contract-report", str(by_pytest))
    named = run(*CONTRACT_TESTS, "--live-url", *given)
    for done in (found, named):
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"{server.url('ai302')}, which costs nothing: it has a control API at {control}" in done.stdout
    first, second = (json.loads(path.read_text("utf-8")) for path in (by_check, by_pytest))
    assert first["control"] == second["control"] == control
    if not extent:
        assert first["summary"] == second["summary"]
        assert first["summary"]["skipped"] == 0


@pytest.mark.parametrize("extent", EXTENTS)
@pytest.mark.parametrize("option", [("--live-budget", "0"), ("--live-ledger", "http://127.0.0.1:9/{request_id}")])
def test_options_for_targets_that_cost_money_treat_a_double_as_one(
    server: RunningServer, control: httpx.Client, option: tuple[str, str], extent: tuple[str, ...]
) -> None:
    common = ("--provider", "ai302", "--contract-profile", "smoke", *extent)
    done = check(server.url("ai302"), *common, *option)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "control API" not in done.stdout
    assert "(budget 0)" in done.stdout
    assert control.get("/ledger").json()["charges"] == []


@pytest.mark.parametrize(
    ("url", "near"),
    [
        ("http://127.0.0.1:4010/nebula", True),
        ("http://[::1]:4010/nebula", True),
        ("http://localhost:4010/nebula", True),
        ("http://10.1.2.3/nebula", True),
        ("http://qwenmock:4010/nebula", True),
        ("https://double.internal/nebula", True),
        ("http://[nonsense/nebula", False),
        ("http:///nebula", False),
        ("http://8.8.8.8/nebula", False),
        ("https://local.example.com", False),
        *((provider.base_url, False) for provider in CATALOG),
    ],
)
def test_only_targets_that_are_near_are_asked(url: str, near: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_near(url) == near
    if not near:
        monkeypatch.setattr(f"{find_control.__module__}.HttpTarget", None)  # whoever asks fails
        assert find_control(url, None) is None


def test_server_that_is_no_double_has_no_control_api() -> None:
    assert find_control("http://127.0.0.1:9/nebula", None) is None


def test_token_is_needed_where_one_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QWENMOCK_AI302_KEY", "sk-mock")
    with running(Settings(port=0, admin_token="let-me-in")) as server:
        url, control = server.url("ai302"), f"{server.origin}/__mock__"
        with pytest.raises(NotExaminable, match="refuses calls: status 401"):
            find_control(url, None)
        assert find_control(url, "let-me-in") == control
        asked = (url, "--provider", "ai302", "--contract-profile", "smoke")
        without = check(*asked)
        # pytest 8.3 ends with an empty line.
        assert (without.returncode, without.stderr.strip().count("\n")) == (0, 0), without.stdout + without.stderr
        assert "set QWENMOCK_ADMIN_TOKEN to have it used" in without.stderr
        assert "(budget 0)" in without.stdout
        refused = check(*asked, "--live-control", control)
        assert (refused.returncode, refused.stderr.count("\n")) == (2, 1), refused.stdout + refused.stderr
        assert "admin token" in refused.stderr
        monkeypatch.setenv("QWENMOCK_ADMIN_TOKEN", "let-me-in")
        examiner = create_examiner(CATALOG["ai302"], Options(url=url, control=control))
        examiner.preflight()
        examiner.control.advance(60)
        assert server.double.clock.offset == 60
        assert examiner.control.balance() > 0
        examiner.close()
        assert server.double.clock.offset == 0


def test_token_goes_to_the_control_api_only() -> None:
    sent: dict[str, str | None] = {}

    class Listening:
        name = base_url = "http://double/nebula"

        def send(self, _method: str, url: str, headers: Mapping[str, str], _content: bytes = b"") -> Reply:
            sent[url] = headers.get("Authorization")
            return Reply(200, {}, b"", 0)

        def close(self) -> None:
            sent["closed"] = None

    target = ControlledTarget(Listening(), "http://double/__mock__", "let-me-in")
    for url in ("http://double/__mock__/clock", "http://double/nebula/v1", "http://double/__mock__elsewhere/x"):
        target.send("POST", url, {})
    target.close()
    assert [value for value in sent.values() if value] == ["Bearer let-me-in"]
    assert sent["http://double/__mock__/clock"] == "Bearer let-me-in"
    assert "closed" in sent


def test_address_without_a_control_api_is_not_taken_for_one(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QWENMOCK_AI302_KEY", "sk-mock")
    wrong = Options(url=server.url("ai302"), control=f"{server.origin}/nowhere")
    examiner = create_examiner(CATALOG["ai302"], wrong)
    with pytest.raises(CouldNotRun, match="/nowhere is not a control API"):
        examiner.preflight()
    examiner.close()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--provider", "nebula", "--live-control", "http://127.0.0.1:9"], "--live-control needs a URL to examine"),
        (["http://127.0.0.1:9", "--provider", "nebula", "--live-control", "here"], "--live-control: expected a URL"),
    ],
)
def test_wrong_options_are_one_line_and_exit_2(options: list[str], named: str) -> None:
    done = check(*options)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert named in done.stderr


def test_several_processes_do_not_move_one_clock(server: RunningServer) -> None:
    pytest.importorskip("xdist")
    target = ("--live-url", server.url("ai302"), "--provider", "ai302", "--live-control", f"{server.origin}/__mock__")
    done = run(*CONTRACT_TESTS, "-n", "2", *target)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stdout + done.stderr
    assert "one process" in done.stderr
