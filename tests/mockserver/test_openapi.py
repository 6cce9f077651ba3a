"""The exported OpenAPI documents."""

import json
import subprocess
import sys

import httpx
import pytest

from qwenmock.schemas.catalog import load

validator = pytest.importorskip("openapi_spec_validator", reason="openapi-spec-validator is not installed")


@pytest.mark.parametrize("slug", load().providers)
def test_document_is_valid_and_complete(control: httpx.Client, slug: str) -> None:
    document = control.get(f"/openapi/{slug}.json").json()
    validator.validate(document)
    provider = load()[slug]
    assert set(document["paths"]) == {endpoint.path for endpoint in provider.endpoints.values()}
    create = provider.endpoints["create"]
    responses = document["paths"][create.path]["post"]["responses"]
    assert {int(status) for status in responses} == provider.statuses


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
