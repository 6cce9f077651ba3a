"""`qwenmock check` and live runs: against real servers, right, wrong, and none at all."""

import contextlib
import errno
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from commands import CONTRACT_TESTS, run_here
from extent import EXTENTS, usually
from wrong_servers.faults import NEBULA, Fault, status

from qwenmock.mockserver.http.server import RunningServer, listen, serving
from qwenmock.mockserver.net.guarded_client import Outbound
from qwenmock.pytest_plugin.commands import examination
from qwenmock.pytest_plugin.commands.check import check as check_command
from qwenmock.pytest_plugin.examiner.budget import Budget
from qwenmock.pytest_plugin.examiner.defaults import key_variable
from qwenmock.pytest_plugin.examiner.runner import checks_of, run_checks
from qwenmock.pytest_plugin.examiner.session import Examiner
from qwenmock.pytest_plugin.examiner.settings import SessionSettings
from qwenmock.pytest_plugin.examiner.target import HttpTarget
from qwenmock.pytest_plugin.examiner_factory import EMBEDDED_KEY, create_examiner, embedded_credentials
from qwenmock.pytest_plugin.options import GivenOptions, Options
from qwenmock.schemas.catalog import load
from qwenmock.schemas.models import Provider

COMMAND = [sys.executable, "-m", "qwenmock.mockserver", "check"]
KEYS = {
    "QWENMOCK_NEBULA_KEY": "sk-mock",
    "QWENMOCK_NEBULA_KEY_EXPIRED": "sk-mock-expired",
    "QWENMOCK_NEBULA_KEY_EMPTY": "sk-mock-empty",
    "QWENMOCK_NEBULA_KEY_FORBIDDEN": "sk-mock-forbidden",
    "QWENMOCK_NEBULA_KEY_BROKEN": "sk-mock-broken",
    "QWENMOCK_NEBULA_KEY_THROTTLED": "sk-mock-throttled",
}


def environment_with(keys: Mapping[str, str]) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("QWENMOCK_")}
    return {**clean, "COLUMNS": "200", **keys}


def check(*options: str, keys: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    environment = environment_with(KEYS if keys is None else keys)
    return subprocess.run(
        [*COMMAND, *options], capture_output=True, text=True, env=environment, timeout=240, check=False
    )


def check_here(*options: str, keys: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command in this process; some tests start it as users do."""
    return run_here("check", *options, environment=environment_with(KEYS if keys is None else keys))


def refused(*options: str, keys: dict[str, str] | None = None) -> str:
    """Return the one line with which the command refuses to examine."""
    done = check_here(*options, keys=keys)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stdout + done.stderr
    return done.stderr


@contextlib.contextmanager
def raw_server(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """Serve what a function writes to each connection."""
    listener = listen("127.0.0.1", 0)

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=run, args=(connection,), daemon=True).start()

    def run(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            answer(connection)

    threading.Thread(target=serve, daemon=True).start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    listener.close()


@pytest.mark.thorough
def test_embedded_double_conforms(tmp_path: Path) -> None:
    paths = [tmp_path / f"report.{suffix}" for suffix in ("json", "html", "md")]
    options = [part for path in paths for part in ("--contract-report", str(path))]
    done = check("--contract-profile", "smoke", *options, keys={})
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("conforms") >= 5
    reports = json.loads(paths[0].read_text("utf-8"))
    assert [report["provider"] for report in reports] == list(load().providers)
    # Not one rule is decoration: each is tried, and holds.
    assert [row["id"] for report in reports for row in report["rules"] if row["status"] != "pass"] == []
    nebula = next(report for report in reports if report["provider"] == "nebula")
    rule = next(row for row in nebula["rules"] if row["id"] == "nebula/contents/parameters/n/maximum")
    assert rule["status"] == "pass"
    assert rule["accept"]["passed"] >= 1
    assert rule["reject"]["tried"] == rule["reject"]["passed"] >= 1
    assert (nebula["requests"], nebula["spent"]) == (sum(nebula["statuses"].values()), "0")
    page = paths[1].read_text("utf-8")
    assert "nebula/contents/parameters/n/maximum" in page
    assert "<script" not in page
    assert "http-equiv" not in page
    assert paths[2].read_text("utf-8").startswith("# Contract report")


def test_live_double_conforms_within_its_budget(server: RunningServer, control: httpx.Client, tmp_path: Path) -> None:
    control.patch("/accounts/sk-mock", json={"balance": "20", "provider": "nebula"})
    path = tmp_path / "r.json"
    done = check(server.url("nebula"), "--provider", "nebula", "--live-budget", "20", "--contract-report", str(path))
    assert done.returncode == 0, done.stdout
    assert "sk-mock" not in done.stdout + path.read_text("utf-8")
    report = json.loads(path.read_text("utf-8"))
    spent = 20 - float(control.get("/ledger?key=sk-mock&provider=nebula").json()["accounts"][0]["balance"])
    assert 0 < spent <= 20
    assert float(report["budget"]["spent"]) >= round(spent, 2)


def test_at_budget_zero_not_one_billable_request_is_sent(server: RunningServer, control: httpx.Client) -> None:
    """Every request that leaves is one that a right server refuses, and none could be billed by its worst case."""
    done = check_here(server.url("nebula"), "--provider", "nebula", "--live-budget", "0", "--live-allow", "rate-limit")
    assert done.returncode == 0, done.stdout
    journal = control.get("/journal?limit=1000").json()
    assert journal
    # 429 is the answer to a key that is over its limit, at every endpoint: like the others it is never billed.
    assert {entry["status"] for entry in journal} <= {400, 401, 429}
    assert not any(entry["charge"] for entry in journal)
    assert control.get("/ledger").json()["charges"] == []
    assert all(not isinstance(entry["request"], dict) or not entry["request"].get("model") for entry in journal)


@pytest.mark.parametrize("extent", EXTENTS)
def test_ledger_of_a_live_target_is_read(server: RunningServer, extent: tuple[str, ...]) -> None:
    ledger = f"{server.origin}/__mock__/ledger?request_id={{request_id}}"
    common = ("--provider", "nebula", "--live-budget", "10", *extent)
    done = check_here(server.url("nebula"), *common, "--live-ledger", ledger)
    assert done.returncode == 0, done.stdout


SHOWN = [
    "answers 201",
    "refuses with 422",
    "refuses with 500",
    "refuses with an HTML page",
    "states one image too many",
    "always makes one image",
    "repeats its request id",
    "serves a smaller picture",
    "takes an expired key",
    "fails with an HTML page",
    "answers half its JSON",
]


@pytest.mark.parametrize("name", usually(SHOWN, SHOWN[:1]))
def test_wrong_server_is_found_over_http(name: str) -> None:
    fault: Fault = next(fault for fault in NEBULA if fault.name == name)
    app, _ = fault.server(load()["nebula"])
    with serving(app) as port:
        done = check(
            f"http://127.0.0.1:{port}/nebula",
            "--provider",
            "nebula",
            "--live-budget",
            "12",
            "--contract-profile",
            "smoke",
        )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "curl -sS" in done.stdout
    assert "$QWENMOCK_NEBULA_KEY" in done.stdout
    assert "sk-mock" not in done.stdout


def test_curl_printed_on_the_terminal_reproduces() -> None:
    fault = next(fault for fault in NEBULA if fault.name == "refuses with 422")
    app, _ = fault.server(load()["nebula"])
    with serving(app) as port:
        live = ("--provider", "nebula", "--contract-profile", "smoke", "--live-budget", "0")
        done = check_here(f"http://127.0.0.1:{port}/nebula", *live)
        assert run_curl(next(line for line in done.stdout.splitlines() if line.startswith("curl ")), KEYS) == "422"
    # No part of a name is read as markup, and what is alike is told once.
    assert re.search(r"^contract: nebula/simplified/type ─", done.stdout, re.MULTILINE)
    found_by = r"found by test_\w+\[nebula\S*\] and \d+ other checks; the same for \d+ other rules: nebula/full/type"
    assert re.search(found_by, done.stdout)
    assert done.stdout.count("got:      status 422, expected 400") == 1


def test_curl_with_a_picture_names_a_file_and_reproduces(tmp_path: Path) -> None:
    """A picture of a megabyte is in a file beside the report; the command is as short as the others."""
    fault = next(fault for fault in NEBULA if fault.name == "answers 201")
    app, _ = fault.server(load()["nebula"])
    path = tmp_path / "r.json"
    common = ("--provider", "nebula", "--contract-profile", "smoke", "--live-budget", "1000")
    with serving(app) as port:
        check_here(f"http://127.0.0.1:{port}/nebula", *common, "--contract-report", str(path))
        failures = json.loads(path.read_text("utf-8"))["failures"]
        assert max(len(failure["curl"]) for failure in failures) < 800
        failure = next(each for each in failures if each["files"])
        body, picture = map(Path, failure["files"])
        assert {body.parent, picture.parent} == {tmp_path / "r-files"}
        assert picture.read_bytes().startswith(b"\x89PNG")
        assert failure["curl"] in failure["text"]
        assert f"@{body}" in failure["curl"]
        assert run_curl(failure["curl"], KEYS) == "201"


def run_curl(command: str, keys: Mapping[str, str]) -> str:
    """Paste a printed command into a shell that has the keys, and return the status."""
    line = ["bash", "-c", command + " -o /dev/null -w '%{http_code}'"]
    return subprocess.run(line, capture_output=True, text=True, env={**os.environ, **keys}, check=True).stdout


def examiner_at(origin: str, provider: Provider, **more: Any) -> Examiner:
    target = HttpTarget(f"{origin}/{provider.slug}")
    settings = SessionSettings(**more)
    return Examiner(provider, target, embedded_credentials(provider.slug), Budget(None, provider.currency), settings)


@pytest.mark.parametrize(
    ("slug", "due", "answered", "check_name", "shown"),
    [
        ("nebula", 400, 422, "contents/parameters/n/maximum", "/v1/images/generations"),
        ("nebula", 401, 418, "without_a_valid_key", "KEY-unknown-key"),
        ("nebula", 401, 418, "expired_key", "KEY_EXPIRED"),
        ("nebula", 403, 418, "without_money", "KEY_EMPTY"),
        ("dashscope", 400, 422, "synthesis/input/prompt/required", "x-dashscope-async: enable"),
    ],
)
def test_printed_curl_reproduces(slug: str, due: int, answered: int, check_name: str, shown: str) -> None:
    """Address, headers and key are those of the request that failed."""
    provider = load()[slug]
    app, _ = Fault("answers otherwise", slug, status(due, answered)).server(provider)
    checks = [check for check in checks_of(provider) if check_name in check.name]
    with serving(app) as port:
        examiner = examiner_at(f"http://127.0.0.1:{port}", provider)
        told = [outcome.text for outcome in run_checks(examiner, checks) if outcome.result == "failed"]
        examiner.close()
        curl = next(text.splitlines()[-1] for text in told if shown in text)
        variables = {key_variable(slug, purpose): key for purpose, key in examiner.credentials.special.items()}
        assert run_curl(curl, {**variables, key_variable(slug): EMBEDDED_KEY}) == str(answered), curl
    assert "sk-mock" not in curl


def test_embedded_examination_calls_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its requests name addresses for callbacks that belong to others."""
    called: list[str] = []

    async def post(_self: Outbound, url: str, *_: object) -> int:
        called.append(url)
        return 200

    monkeypatch.setattr(Outbound, "post", post)
    provider = load()["evolink"]
    examiner = create_examiner(provider, Options())
    named = [check for check in checks_of(provider) if "callback_url" in check.name]
    checks = [check for check in named if "every_model" not in check.name]  # EvoLink has one model
    assert {outcome.result for outcome in run_checks(examiner, checks)} == {"passed"}
    examiner.control.advance(1)
    examiner.control.balance()
    examiner.close()
    assert called == []


def test_forms_of_a_key_are_masked() -> None:
    provider = load()["nebula"]
    examiner = examiner_at("http://127.0.0.1:9", provider)
    told = examiner.credentials.mask("sk-mock, sk-mock-empty, sk-mockery, SK-MOCK, k-mock")
    name = "QWENMOCK_NEBULA_KEY"
    assert told == f"${name}, ${name}_EMPTY, ${{{name}}}ery, ${{{name}^^}}, ${{{name}#?}}"


def test_live_target_is_given_pictures_that_are_there(server: RunningServer, control: httpx.Client) -> None:
    """Nothing is at example.com: a provider that fetches what it is sent would refuse it, and rightly so."""
    provider, real = load()["aigc"], "https://pictures.test/cat.jpeg"
    examiner = examiner_at(server.origin, provider, live=True, image=real)
    checks = [check for check in checks_of(provider) if "image/schemes" in check.name]
    outcomes = list(run_checks(examiner, checks))
    examiner.close()
    assert [outcome.text for outcome in outcomes if outcome.result == "failed"] == []
    assert any("nothing is there" in outcome.text for outcome in outcomes)
    taken = [json.dumps(entry["request"]) for entry in control.get("/journal?status=200").json()]
    assert {scheme for scheme in ("http", "https") if any(f'"{scheme}:{real[6:]}"' in sent for sent in taken)} == {
        "http",
        "https",
    }
    assert all("example.com" not in request for request in taken)


def test_live_target_is_not_asked_for_models_that_others_sell(server: RunningServer, control: httpx.Client) -> None:
    """It may sell them too, and bill them, whatever its document lists."""
    provider = load()["nebula"]
    examiner = examiner_at(server.origin, provider, live=True)
    named = [check for check in checks_of(provider) if "simplified/model/enum" in check.name]
    # The variant has one model: there is no further one to try the rule with.
    checks = [check for check in named if "every_model" not in check.name]
    assert {outcome.result for outcome in run_checks(examiner, checks)} == {"passed"}
    examiner.close()
    sent = {entry["request"]["model"] for entry in control.get("/journal").json()}
    sold = {model for other in load() for model in other.models}
    assert sent & sold == {"qwen-image-plus"}
    assert sent - sold


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"


def read_request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")), 0
    )
    while len(body) < length:
        body += connection.recv(65536)
    return head


def refuse(connection: socket.socket) -> None:
    body = b'{"code":401,"msg":"no","data":null}'
    head = f"HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    connection.sendall(head.encode() + b"Connection: close\r\n\r\n" + body)


def cutting(connection: socket.socket) -> None:
    if b"sk-mock" in read_request(connection):
        connection.sendall(HEAD + b'{"code"')
    else:
        refuse(connection)


def dripping(connection: socket.socket) -> None:
    if b"sk-mock" not in read_request(connection):
        refuse(connection)
        return
    connection.sendall(HEAD)
    for _ in range(300):
        connection.sendall(b" ")
        time.sleep(0.1)


@pytest.mark.parametrize("answer", [cutting, dripping])
def test_answer_that_does_not_arrive_whole_is_found(answer: Callable[[socket.socket], None]) -> None:
    with raw_server(answer) as origin:
        options = ("--live-budget", "5", "--contract-profile", "smoke", "--live-timeout", "2")
        done = check_here(origin, "--provider", "nebula", *options)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "arrives whole" in done.stdout


def html(connection: socket.socket) -> None:
    read_request(connection)
    connection.sendall(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\nConnection: close\r\n\r\n<html>"
    )


def noise(connection: socket.socket) -> None:
    connection.sendall(b"\x00\xff\x00 hello\r\n\r\n")


def redirect(connection: socket.socket) -> None:
    read_request(connection)
    connection.sendall(
        b"HTTP/1.1 301 Moved\r\nLocation: https://example.com/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    )


@pytest.mark.parametrize(
    ("answer", "named"), [(html, "does not have this API"), (noise, "cannot be examined"), (redirect, "redirects")]
)
def test_target_that_speaks_something_else_is_one_line_and_exit_2(
    answer: Callable[[socket.socket], None], named: str
) -> None:
    with raw_server(answer) as origin:
        assert named in refused(origin, "--provider", "nebula")


def always(status: int, body: bytes) -> Callable[[socket.socket], None]:
    """Return what answers every request alike."""
    head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"

    def answer(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(f"{head}Connection: close\r\n\r\n".encode() + body)

    return answer


@pytest.mark.parametrize("status", usually([400, 404, 422, 429, 503], [404, 503]))
def test_target_that_answers_everything_alike_is_one_line_and_exit_2(status: int) -> None:
    with raw_server(always(status, b'{"error": "slow"}')) as origin:
        assert f"answers every request with a {status}" in refused(origin, "--provider", "nebula")


def test_running_double_needs_no_key(server: RunningServer) -> None:
    common = ("--provider", "nebula", "--contract-seconds", "1")
    assert check_here(server.url("nebula"), *common, keys={}).returncode == 0
    hint = check_here(server.origin, *common, keys={})
    assert (hint.returncode, f"did you mean {server.url('nebula')}?" in hint.stderr) == (2, True), hint.stderr


@pytest.mark.parametrize("key", ["sk-mock.a\nb", "sk-mock.schlüssel", "sk mine"])
def test_key_that_no_header_can_have_is_named_and_not_printed(server: RunningServer, key: str) -> None:
    line = refused(server.url("nebula"), "--provider", "nebula", keys={"QWENMOCK_NEBULA_KEY": key})
    assert "QWENMOCK_NEBULA_KEY: expected printable ASCII" in line
    assert key[-3:] not in line


@pytest.mark.parametrize("extent", EXTENTS)
def test_blanks_around_a_key_are_left_out(server: RunningServer, extent: tuple[str, ...]) -> None:
    keys = {"QWENMOCK_NEBULA_KEY": "  sk-mock\n"}
    options = ("--provider", "nebula", "--live-budget", "0", "--contract-profile", "smoke")
    done = check_here(server.url("nebula"), *options, *extent, keys=keys)
    assert done.returncode == 0, done.stdout + done.stderr


HEARS_CTRL_C = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("qwenmock.mockserver", run_name="__main__", alter_sys=True)
"""
"""The command where the tests run in the background, so that their children ignore Ctrl-C."""


def test_interrupted_run_leaves_no_green_report(server: RunningServer, tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    arguments = ["check", server.url("nebula"), "--provider", "nebula", "--contract-report", str(path)]
    command = [sys.executable, "-c", HEARS_CTRL_C, *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while len(httpx.get(f"{server.origin}/__mock__/journal").json()) < 20:
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    summary = json.loads(path.read_text("utf-8"))["summary"]
    assert (summary["conforms"], summary["interrupted"]) == (False, True)
    assert "interrupted; examined:" in printed


def test_report_that_cannot_be_written_loses_no_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "r.md").mkdir()
    refused = check("--provider", "aigc", "--contract-report", str(tmp_path / "r.md"), keys={})
    assert (refused.returncode, "cannot be written" in refused.stderr) == (2, True), refused.stderr

    def full(_self: Path, *_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    given = GivenOptions(provider=["aigc"], contract_seconds="1", contract_report=[str(tmp_path / "r.json")])
    assert examination.examine(given) == 2


def _broken(*_: object) -> int:
    raise KeyError("broken on purpose")


def test_error_outside_of_a_check_is_exit_3(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(examination, "exit_code", _broken)
    assert check_command(GivenOptions(provider=["aigc"], contract_seconds="0")) == 3
    assert "internal error of the examiner: KeyError: 'broken on purpose'" in capsys.readouterr().err


def test_target_that_is_not_there_or_has_no_certificate_is_exit_2(server: RunningServer) -> None:
    closed = check("http://127.0.0.1:9", "--provider", "nebula")
    no_tls = check(server.origin.replace("http:", "https:"), "--provider", "nebula")
    for done in (closed, no_tls):
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr


@pytest.mark.parametrize("budget", ["0", "5"])
def test_wrong_key_is_never_a_green_run(server: RunningServer, budget: str) -> None:
    keys = {"QWENMOCK_NEBULA_KEY": "sk-nobody-at-all"}
    line = refused(server.url("nebula"), "--provider", "nebula", "--live-budget", budget, keys=keys)
    assert "QWENMOCK_NEBULA_KEY" in line
    assert "nobody" not in line


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["http://127.0.0.1:9", "--provider", "nebula"], "QWENMOCK_NEBULA_KEY"),
        (["http://127.0.0.1:9"], "--provider"),
        (["--provider", "acme"], "acme"),
        (["--contract-report", "r.txt"], ".html"),
        (["--live-image", "cat.png"], "--live-image"),
        (["--contract-report", "/nowhere/at/all/r.md"], "no folder"),
        (["http://[", "--provider", "nebula"], "expected a URL"),
        (["http://user:secret@127.0.0.1:9", "--provider", "nebula"], "without a user and a password"),
    ],
)
def test_what_cannot_be_run_is_one_line_and_exit_2(options: list[str], named: str) -> None:
    assert named in refused(*options, keys={})


@pytest.mark.thorough
def test_xdist_has_one_report_and_one_budget(server: RunningServer, control: httpx.Client, tmp_path: Path) -> None:
    pytest.importorskip("xdist")
    path = tmp_path / "r.json"
    options = [
        "--live-url",
        server.url("nebula"),
        "--provider",
        "nebula",
        "--live-budget",
        "6",
        "--contract-report",
        str(path),
    ]
    environment = {**os.environ, **KEYS}
    done = subprocess.run(
        [*CONTRACT_TESTS, "-n", "2", *options], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stdout
    [account] = control.get("/ledger?key=sk-mock&provider=nebula").json()["accounts"]
    assert 1_000_000 - 6 <= float(account["balance"]) < 1_000_000
    report = json.loads(path.read_text("utf-8"))
    tried = [row for row in report["rules"] if row["reject"]["tried"]]
    assert len(tried) > 50
    assert float(report["spent"]) <= 6
    assert "nebula: spent" in done.stdout
