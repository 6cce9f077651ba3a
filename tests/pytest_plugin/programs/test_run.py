"""`qwenmock run`: the command's exit code, output, signals and terminal, its end, and what is said of it."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from qwenmock.mockserver.calls.scenarios import scenario_names
from qwenmock.mockserver.cli import main

RUN = [sys.executable, "-m", "qwenmock.mockserver", "run"]
PAINT = """
import httpx, os, sys
body = {"model": "qwen-image-plus", "prompt": "a cat", "parameters": {"size": "1328*1328"}}
headers = {"Authorization": "Bearer sk-of-mine"}
for status in (200, 401, 401):
    if status == 401:
        headers["Authorization"] = "Bearer sk-mock-expired"
    answer = httpx.post("https://llm.ai-nebula.com/v1/images/generations", json=body, headers=headers)
    assert answer.status_code == status, answer.text
folder = os.path.dirname(os.environ["SSL_CERT_FILE"])
print(folder, oct(os.stat(folder).st_mode)[-3:], sys.stdin.read(), end="")
sys.exit(4)
"""


TEXT = {"model": "qwen-image-plus", "prompt": "a cat", "parameters": {"size": "1328*1328"}}


def run(*words: str, given: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run([*RUN, *words], input=given, capture_output=True, text=True, timeout=60, check=False)


def test_command_is_itself_and_its_summary_is_beside_it(tmp_path: Path) -> None:
    reports = [tmp_path / name for name in ("r.json", "r.md", "r.xml")]
    options = [word for path in reports for word in ("--report", str(path))]
    done = run(*options, "--", sys.executable, "-c", PAINT, given="from stdin")
    assert done.returncode == 4, done.stderr
    folder, mode, given = done.stdout.split(" ", 2)
    assert (mode, given) == ("700", "from stdin")
    assert not Path(folder).exists()
    assert "qwenmock: exit code 4; 3 calls, 1 image: 0.18 CNY that production would cost\n" in done.stderr
    assert "qwenmock: error: refusal_repeated: " in done.stderr
    report = json.loads(reports[0].read_text())
    assert (report["exit_code"], report["calls"], report["cost"]) == (4, 3, {"CNY": "0.18"})
    assert report["coverage"]["nebula"]["never"][0] == "400"
    assert "**0.18 CNY** that production would cost" in reports[1].read_text()
    case = ET.fromstring(reports[2].read_text()).find(".//testcase/failure")
    assert case is not None
    assert case.get("message") == "exit code 4"


def test_conditions_that_do_not_hold_are_exit_code_3() -> None:
    done = run("--max-cost", "0.17", "--fail-on-verdict", "--fail-on-uncovered", "--", sys.executable, "-c", PAINT)
    assert done.returncode == 3
    failed = re.findall(r"^qwenmock: failed: (.*)$", done.stderr, re.MULTILINE)
    assert failed[0] == "it would have cost 0.18 CNY, more than --max-cost 0.17"
    assert failed[1] == "--fail-on-verdict: 1 error in the verdict"
    assert failed[2].startswith("--fail-on-uncovered: nebula: never exercised: 400, ")


def test_table_has_a_line_for_each_scenario(tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text('summary = "A."\nstands_for = "B."\n[[faults]]\nstatus = 401\n')
    report = tmp_path / "matrix.json"
    paint = PAINT.replace("sys.exit(4)", "")
    scenarios = f"callback-lost,{mine}"
    done = run("--scenarios", scenarios, "--report", str(report), "--", sys.executable, "-c", paint)
    assert done.returncode == 1, done.stderr
    table = [line.removeprefix("qwenmock: ") for line in done.stderr.splitlines() if line.startswith("qwenmock: ")]
    assert re.match(r"scenario +exit code +calls +repeated +cost +wasted +findings +seconds$", table[0])
    assert re.match(r"callback-lost +0 +3 +1 +0\.18 CNY +0\.18 CNY +refusal_repeated \(error\), link_never_f", table[1])
    assert re.match(r"\S+mine\.toml +1 +1 +0 +nothing +nothing +– +\d", table[2])
    assert [each["exit_code"] for each in json.loads(report.read_text())] == [0, 1]


def test_refused_host_is_named_at_the_end() -> None:
    done = run("--", "curl", "-sS", "https://example.com/")
    assert done.returncode == 56
    assert "qwenmock: refused: example.com (1 request); --allow example.com lets them through\n" in done.stderr


def test_command_that_cannot_be_run(tmp_path: Path) -> None:
    done = run("--", str(tmp_path / "missing"))
    assert (done.returncode, done.stdout) == (127, "")
    assert done.stderr.startswith(f"qwenmock: cannot run {tmp_path}/missing: No such file or directory\n")
    (tmp_path / "text").write_text("no program")
    assert run("--", str(tmp_path / "text")).returncode == 126


HEEDING = "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.executable, sys.argv[1:])"
"""Lets SIGINT have its effect, which a shell that starts the tests in the background lets them ignore."""


def start(script: str) -> subprocess.Popen[str]:
    """Run a shell script, and wait until it has said `ready`."""
    command = [sys.executable, "-c", HEEDING, *RUN, "--", "sh", "-c", script]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_killed_run_ends_the_whole_group() -> None:
    # The output ends when the last process that could write to it is gone.
    process = start("trap '' TERM HUP INT; sleep 1000 & echo ready; wait")
    process.kill()
    out, _ = process.communicate(timeout=30)
    assert (out, process.returncode) == ("", -signal.SIGKILL)


@pytest.mark.parametrize(
    ("number", "script", "code"),
    [
        (signal.SIGTERM, "echo ready; exec sleep 1000", 128 + signal.SIGTERM),
        (signal.SIGINT, "trap 'exit 9' INT; echo ready; while :; do sleep 0.05; done", 9),
    ],
)
def test_signals_reach_the_command(number: int, script: str, code: int) -> None:
    process = start(script)
    process.send_signal(number)
    _, said = process.communicate(timeout=30)
    assert process.returncode == code
    assert f"qwenmock: exit code {code}; " in said


def test_signal_that_is_ignored_stays_so_for_the_command() -> None:
    """As under `nohup`."""
    ignoring = ["sh", "-c", "trap '' HUP; exec \"$@\"", "sh"]
    command = ["sh", "-c", "kill -HUP $PPID; sleep 0.2; kill -HUP $$; echo lived"]
    done = subprocess.run([*ignoring, *RUN, "--", *command], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (0, "lived\n")


@pytest.mark.parametrize("end", ["2>&-", "2>/dev/full"])
def test_summary_that_cannot_be_written_changes_nothing(end: str) -> None:
    redirected = ["sh", "-c", f'exec "$@" {end}', "sh", *RUN]
    for command, code in ((["sh", "-c", "echo out; exit 4"], 4), (["/missing"], 127)):
        done = subprocess.run([*redirected, "--", *command], stdout=subprocess.PIPE, text=True, timeout=30, check=False)
        assert (done.returncode, done.stdout) == (code, "out\n" if code == 4 else "")


def test_runs_at_once_need_no_output() -> None:
    words = ["--scenarios", "outage,flaky", "--parallel", "2", "--", "sh", "-c", "echo out; exit 4"]
    done = subprocess.run(["sh", "-c", 'exec "$@" >&- 2>&-', "sh", *RUN, *words], timeout=60, check=False)
    assert done.returncode == 4


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_report_on_a_full_disk_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "r.json").symlink_to("/dev/full")
    done = run("--report", str(tmp_path / "r.json"), "--", "true")
    assert done.returncode == 2
    assert done.stderr.splitlines()[1:] == [f"qwenmock: {tmp_path}/r.json: No space left on device"]


def test_command_of_several_lines_is_one_heading(tmp_path: Path) -> None:
    """As in a workflow, whose action gives `bash -c` all of them."""
    report = tmp_path / "r.md"
    run("--report", str(report), "--scenarios", "outage", "--", "sh", "-c", "true `true`\ntrue")
    assert report.read_text().splitlines()[0] == "## ``sh -c 'true `true` true'`` under 1 scenario"


def test_run_without_its_watchdog_ends_as_others() -> None:
    process = start("echo ready; sleep 1; exit 4")
    found = subprocess.check_output(["pgrep", "-P", str(process.pid), "-f", "qwenmock-watchdog"], text=True)
    os.kill(int(found), signal.SIGKILL)
    _, said = process.communicate(timeout=30)
    assert (process.returncode, said.splitlines()[0][:22]) == (4, "qwenmock: exit code 4;")


def test_runs_at_once_are_those_one_after_another(tmp_path: Path) -> None:
    options = ["--seed", "1", "--scenarios", "outage,rate-limited,malformed"]
    url = "https://llm.ai-nebula.com/v1/images/generations"
    headers = ["-H", "Authorization: Bearer sk-x", "-H", "Content-Type: application/json"]
    command = ["--", "curl", "-sS", url, *headers, "-d", json.dumps(TEXT)]
    reports: list[list[dict[str, object]]] = []
    for more in ([], ["--parallel", "3"]):
        path = tmp_path / "report.json"
        done = run(*options, *more, "--report", str(path), *command)
        assert done.returncode == 0, done.stderr
        reports.append([{**each, "seconds": 0} for each in json.loads(path.read_text())])
    assert reports[0] == reports[1]
    assert [each["cost"] for each in reports[0]] == [{}, {}, {"CNY": "0.18"}]
    said = [line for line in done.stderr.splitlines() if line.endswith(":")]
    assert sorted(said) == ["qwenmock: malformed:", "qwenmock: outage:", "qwenmock: rate-limited:"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGKILL, -signal.SIGKILL)])
def test_runs_at_once_end_with_this_one(number: int, code: int, tmp_path: Path) -> None:
    alive = tmp_path / "alive"
    os.mkfifo(alive)
    reader = os.open(alive, os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(alive, os.O_WRONLY)  # without one, a pipe that nobody writes to yet seems to be at its end
    script = f"exec 3> {alive}; echo ready >&3; exec sleep 1000"
    options = ["--scenarios", "outage,flaky", "--parallel", "2", "--", "sh", "-c", script]
    process = subprocess.Popen([*RUN, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    said = b""
    while said != b"ready\n" * 2:
        if select.select([reader], [], [], 0.2)[0]:
            said += os.read(reader, 100)
        assert process.poll() is None
    os.close(writer)
    process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode == code
    # The pipe ends when the last process that could write to it is gone.
    os.set_blocking(reader, True)
    assert os.read(reader, 1) == b""
    os.close(reader)


def test_what_the_command_leaves_behind_is_ended() -> None:
    process = start("sleep 1000 & echo ready; exit 6")
    process.communicate(timeout=30)
    assert process.returncode == 6


def test_terminal_belongs_to_the_command() -> None:
    ask = "import os; assert os.tcgetpgrp(0) == os.getpgrp(); print('hello', input('name? '))"
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [*RUN, "--", sys.executable, "-c", ask])
    seen = b""
    while b"name? " not in seen:
        seen += os.read(terminal, 1000)
    os.write(terminal, b"you\n")
    while b"exit code" not in seen:
        seen += os.read(terminal, 1000)
    assert b"hello you\r\n" in seen
    assert os.waitpid(pid, 0)[1] == 0
    os.close(terminal)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "missing COMMAND...; see `qwenmock run --help`"),
        (("--allow", "http://a", "--", "true"), '--allow: expected a host such as example.com, got "http://a"'),
        (("--allow", "a:80", "--", "true"), '--allow: expected a host such as example.com, got "a:80"'),
        (
            ("--scenarios", "outage,outag", "--", "true"),
            f"unknown scenario 'outag' (did you mean outage?): expected one of {', '.join(scenario_names())}",
        ),
        (("--max-cost", "-1", "--", "true"), '--max-cost: expected a decimal from 0, with at most 9 places, got "-1"'),
    ],
)
def test_wrong_options_are_one_line(words: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", *words]) == 2
    assert capsys.readouterr().err == f"qwenmock: {message}\n"


def test_missing_extra_is_one_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qwenmock.mockserver.gateway.extra.NEEDED", ("no_such_module",))
    for words in (["run", "--", "true"], ["serve", "--proxy"]):
        assert main(words) == 2
        said = "no_such_module is not installed, which the proxy needs: pip install 'qwenmock[run]'"
        assert capsys.readouterr().err == f"qwenmock: {said}\n"
