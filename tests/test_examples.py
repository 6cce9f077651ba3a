"""The examples, as their readers run them."""

import os
import re
import shutil
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"
NODE, GO = shutil.which("node"), shutil.which("go")


def test_python_examples_pass_offline() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--qwenmock-offline", "examples"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "7 passed" in done.stdout
    assert "offline: no outgoing connection was " in done.stdout


def under_run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `qwenmock run` in a folder."""
    command = [sys.executable, "-m", "qwenmock.mockserver", "run", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)


def table_of(done: subprocess.CompletedProcess[str]) -> dict[str, list[str]]:
    """Return the rows of the table of scenarios, by name, from the exit code to the seconds."""
    rows = [re.split(r"  +", line) for line in done.stderr.splitlines() if line.startswith("qwenmock: ")]
    return {name.removeprefix("qwenmock: "): cells for name, *cells in rows if len(cells) > 2}


SCENARIOS = ("--scenarios", "rate-limited,malformed,links-expired", "--parallel", "3", "--")


@pytest.mark.skipif(NODE is None, reason="node is not installed")
def test_node_example_passes(tmp_path: Path) -> None:
    folder = EXAMPLES / "node"
    done = under_run(folder, "--", NODE or "", "--test")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "pass 2" in done.stdout
    picture = tmp_path / "edited.png"
    done = under_run(
        folder, "--", NODE or "", "editor.js", "../../fixtures/images/landscape.png", "Night", str(picture)
    )
    assert (done.returncode, done.stdout) == (0, f"stored {picture}\n"), done.stderr
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "qwenmock: exit code 0; 1 call, 1 image: 0.18 CNY that production would cost\n" in done.stderr


@pytest.mark.skipif(NODE is None, reason="node is not installed")
def test_mistakes_of_the_careless_node_example_are_in_the_table(tmp_path: Path) -> None:
    careful = table_of(under_run(tmp_path, *SCENARIOS, NODE or "", str(EXAMPLES / "node" / "editor.js")))
    careless = table_of(under_run(tmp_path, *SCENARIOS, NODE or "", str(EXAMPLES / "node" / "careless.js")))
    compare(careful, careless)


@pytest.mark.thorough
@pytest.mark.skipif(GO is None, reason="go is not installed")
def test_go_example_passes_and_mistakes_of_the_careless_one_are_in_the_table(tmp_path: Path) -> None:
    folder = EXAMPLES / "go"
    programs: list[str] = []
    for name in (".", "./careless"):
        programs.append(str(tmp_path / f"program{len(programs)}"))
        subprocess.run([GO or "", "build", "-o", programs[-1], name], cwd=folder, check=True)
    done = under_run(folder, "--", GO or "", "test", "-count=1", "./...")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ok" in done.stdout
    careful, careless = [table_of(under_run(tmp_path, *SCENARIOS, program)) for program in programs]
    compare(careful, careless)


def compare(careful: dict[str, list[str]], careless: dict[str, list[str]]) -> None:
    """The careful program loses what it cannot avoid, and has no error; the other one pays more and has errors."""
    exit_code, calls, _, cost, wasted, findings, _ = careful["rate-limited"]
    assert (exit_code, calls, cost, wasted, findings) == ("0", "4", "0.18 CNY", "nothing", "–")
    assert "3 × retry_after_ignored (error)" in careless["rate-limited"]
    for name, times in (("malformed", 2), ("links-expired", 3)):
        assert careful[name][3] == "0.18 CNY"
        assert careless[name][1:4] == [str(times), str(times - 1), f"{Decimal('0.18') * times} CNY"]
        assert careless[name][4] == f"{Decimal('0.18') * (times - 1)} CNY"


def test_action_runs_its_command_and_writes_the_summary(tmp_path: Path) -> None:
    """Its steps as the runner calls them; what is installed is the package under test."""
    action = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
    _, run, show = action["runs"]["steps"]
    (tmp_path / "qwenmock" / "bin").mkdir(parents=True)
    script = tmp_path / "qwenmock" / "bin" / "qwenmock"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -m qwenmock.mockserver "$@"\n')
    script.chmod(0o700)
    environment = {
        **os.environ,
        "RUNNER_TEMP": str(tmp_path),
        "GITHUB_OUTPUT": str(tmp_path / "output"),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
        "COMMAND": "curl -sS https://api.evolink.ai/v1/credits -H 'Authorization: Bearer sk-x' && exit 7",
        "OPTIONS": "--scenarios outage,flaky",
    }
    done = subprocess.run(["bash", "-e", "-c", run["run"]], env=environment, capture_output=True, check=False)
    assert done.returncode == 7, done.stderr.decode()
    subprocess.run(["bash", "-e", "-c", show["run"]], env=environment, check=True)
    assert (tmp_path / "output").read_text() == f"report={tmp_path}/qwenmock.md\n"
    assert "under 2 scenarios" in (tmp_path / "summary").read_text().splitlines()[0]
    assert set(action["inputs"]) == {"command", "options", "summary"}
