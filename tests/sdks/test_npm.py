"""Clients from npm, run with Node: `make sdks` installs them."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from qwenmock import fixtures
from qwenmock.mockserver.http.server import RunningServer

HERE = Path(__file__).parent
pytestmark = pytest.mark.skipif(
    shutil.which("node") is None or not (HERE / "node_modules").exists(),
    reason="Node or its packages are not there; `make sdks` installs them",
)


def run(script: str, *arguments: str) -> dict[str, Any]:
    environment = {**os.environ, "EVOLINK_API_KEY": "sk-mock"}
    command = ["node", str(HERE / script), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_openai_package(server: RunningServer) -> None:
    seen = run("openai.mjs", server.origin, fixtures.data_url("landscape.png"))
    assert seen["code"] == 200
    assert [httpx.get(seen[name]).status_code for name in ("link", "edited")] == [200, 200]
    assert seen["expired"] == ["AuthenticationError", 401]
    assert seen["broken"] == ["InternalServerError", 500]


def test_evolink_package(server: RunningServer) -> None:
    seen = run("evolink.mjs", server.origin)
    assert seen["created"]["id"].startswith("task-unified-")
    assert seen["statuses"][-1] == "completed"
    assert httpx.get(seen["results"][0]).status_code == 200
    assert "Status: completed" in seen["told"]
    assert seen["refused"][:2] == ["ApiHttpError", 400]
