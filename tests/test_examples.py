"""The examples, as their readers run them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from commands import serving

ROOT = Path(__file__).parent.parent
NODE = shutil.which("node")


def test_python_examples_pass_offline() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--qwenmock-offline", "examples"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "7 passed" in done.stdout
    assert "offline: no outgoing connection was " in done.stdout


@pytest.mark.skipif(NODE is None, reason="node is not installed")
def test_node_example_passes() -> None:
    with serving("--port", "0") as (_, origin):
        environment = {**os.environ, "NEBULA_URL": f"{origin}/nebula", "NEBULA_KEY": "sk-mock"}
        command = [NODE or "", "--test", "editor.test.js"]
        done = subprocess.run(
            command, cwd=ROOT / "examples" / "node", env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "pass 2" in done.stdout
