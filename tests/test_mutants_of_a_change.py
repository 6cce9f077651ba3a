"""`make mutants SINCE=COMMIT` and CI, with a real repository."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def run(since: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.mutants", "--minutes", "0", "--changed-since", since]
    return subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=a", "-c", "user.email=a@mock.example")
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def test_commit_that_is_not_in_the_clone_is_an_error() -> None:
    found = run("no-such-commit")
    assert found.returncode == 2
    assert "no-such-commit" in found.stderr


def test_ci_goes_on_without_history(tmp_path: Path) -> None:
    """The part of .ci/run that runs mutants, in a clone that has one commit."""
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    part = "since=" + script.partition("since=")[2].partition("# The same inputs")[0]
    (tmp_path / "Makefile").write_text("mutants:\n\t@echo mutants since $(SINCE): $(MUTANT_OPTIONS)\n")
    git(tmp_path, "init")

    def ci(**environment: str) -> tuple[int, str, str]:
        command = ["bash", "-euc", part]
        path = {"PATH": "/usr/bin:/bin:/usr/local/bin"}
        found = subprocess.run(
            command, cwd=tmp_path, check=False, capture_output=True, text=True, env=path | environment
        )
        return found.returncode, found.stdout, found.stderr

    expected = (0, "", "QWENMOCK_CHANGED_SINCE names no commit of this clone: no mutants are run\n")
    assert ci() == expected
    git(tmp_path, "commit", "--allow-empty", "-m", "one")
    assert ci() == expected
    assert ci(QWENMOCK_CHANGED_SINCE="gone") == expected
    assert ci(QWENMOCK_CHANGED_SINCE="HEAD") == (0, "mutants since HEAD: --processes 2 --minutes 8\n", "")
