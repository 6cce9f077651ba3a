"""The exported OpenAPI documents."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import jsonschema
import pytest

from qwenmock.mockserver.http.server import RunningServer
from qwenmock.schemas.catalog import load

validator = pytest.importorskip("openapi_spec_validator", reason="openapi-spec-validator is not installed")


ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("slug", load().providers)
def test_document_is_valid_and_complete(control: httpx.Client, slug: str) -> None:
    document = control.get(f"/openapi/{slug}.json").json()
    validator.validate(document)
    provider = load()[slug]
    assert set(document["paths"]) == {endpoint.path for endpoint in provider.endpoints.values()}
    create = provider.create_endpoint
    responses = document["paths"][create.path]["post"]["responses"]
    assert {int(status) for status in responses} == provider.statuses


@pytest.mark.parametrize("slug", load().providers)
def test_examples_keep_their_schemas(control: httpx.Client, slug: str) -> None:
    """Other tools show and serve them as answers."""
    document = control.get(f"/openapi/{slug}.json").json()
    tried = 0
    for operations in document["paths"].values():
        for operation in operations.values():
            bodies = [
                *operation["responses"].values(),
                *([operation["requestBody"]] if "requestBody" in operation else []),
            ]
            for callback in operation.get("callbacks", {}).values():
                bodies += [call["post"]["requestBody"] for call in callback.values()]
            for content in (body["content"]["application/json"] for body in bodies):
                for example in content.get("examples", {}).values():
                    jsonschema.validate(example["value"], content["schema"], jsonschema.Draft202012Validator)
                    tried += 1
    assert tried > len(load()[slug].errors)


@pytest.mark.parametrize("slug", load().providers)
def test_schemathesis_finds_the_double_true_to_it(server: RunningServer, slug: str, tmp_path: Path) -> None:
    program = ROOT / ".venv-bench" / "bin" / "schemathesis"
    if not program.exists():
        pytest.skip("schemathesis is not installed; `make peers` does it")
    done = subprocess.run(
        [program, "run", f"{server.origin}/__mock__/openapi/{slug}.json", "-H", "Authorization: Bearer sk-mock"]
        + ["--checks", "status_code_conformance,content_type_conformance,response_schema_conformance"]
        + ["--phases", "examples,coverage,fuzzing", "--max-examples", "20", "--generation-database", "none"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout
    assert re.search(r"(\d+) generated, \1 passed", done.stdout), done.stdout


def test_prism_serves_it(tmp_path: Path, control: httpx.Client) -> None:
    program = ROOT / "benchmarks" / "peers" / "node_modules" / "@stoplight" / "prism-cli" / "dist" / "index.js"
    if not program.exists() or shutil.which("node") is None:
        pytest.skip("prism is not installed; `make peers` does it")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    document = tmp_path / "nebula.json"
    document.write_bytes(control.get("/openapi/nebula.json").content)
    command = ["node", str(program), "mock", "-p", str(port), "--errors", str(document)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as prism:
        try:
            assert prism.stdout is not None
            while "is listening" not in (line := prism.stdout.readline()):
                assert line, "prism ended"
            url = f"http://127.0.0.1:{port}/v1/images/generations"
            body = {"model": "qwen-image-plus", "prompt": "a cat", "parameters": {"size": "1328*1328"}}
            with httpx.Client(headers={"Authorization": "Bearer sk-mock"}, timeout=30) as client:
                assert client.post(url, json=body).json()["msg"] == "Operation successful"
                assert client.post(url, json={**body, "parameters": {"size": "1x1"}}).status_code >= 400
                assert httpx.post(url, json=body).status_code == 401
        finally:
            prism.terminate()


def test_command_prints_it() -> None:
    command = [sys.executable, "-m", "qwenmock.mockserver", "openapi"]
    done = subprocess.run([*command, "nebula"], capture_output=True, text=True, check=True)
    document = json.loads(done.stdout)
    text = json.dumps(document)
    assert document["servers"] == [{"url": "https://llm.ai-nebula.com"}]
    assert "1472*1140" in text
    assert "x-source" in text
    wrong = subprocess.run([*command, "acme"], capture_output=True, text=True, check=False)
    assert (wrong.returncode, wrong.stderr.count("\n")) == (2, 1)
