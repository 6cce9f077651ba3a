"""The exported OpenAPI documents."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import jsonschema
import jsonschema_rs
import pytest

from qwenmock.mockserver.control.openapi import openapi
from qwenmock.mockserver.control.patterns import (
    callback_pattern,
    image_patterns,
    integer_pattern,
    size_pattern,
    task_id_pattern,
)
from qwenmock.mockserver.http.server import RunningServer, running
from qwenmock.mockserver.settings import Settings
from qwenmock.pytest_plugin.examiner import sample_images
from qwenmock.pytest_plugin.examiner.bodies import example
from qwenmock.pytest_plugin.examiner.boundaries.rule_edits import edits_of
from qwenmock.pytest_plugin.examiner.schema_judge import broken_rules
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
    # A wrong path and a wrong method are refused in the provider's form too.
    assert {int(status) for status in responses} == provider.statuses | {404, 405}
    assert "Retry-After" in responses["429"]["headers"]
    assert "Allow" in responses["405"]["headers"]
    assert all("X-Request-Id" in response["headers"] for response in responses.values())


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
                for shown in content.get("examples", {}).values():
                    jsonschema.validate(shown["value"], content["schema"], jsonschema.Draft202012Validator)
                    tried += 1
    assert tried > len(load()[slug].errors)


def patterns_in(value: object) -> Iterator[str]:
    """Yield every regular expression in a document."""
    if isinstance(value, dict):
        if isinstance(value.get("pattern"), str):
            yield value["pattern"]
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from patterns_in(each)


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_patterns_are_regular_expressions_of_javascript() -> None:
    """Most tools that read OpenAPI documents compile them so."""
    found = sorted({each for provider in load() for each in patterns_in(json.loads(json.dumps(openapi(provider))))})
    assert len(found) > 5
    script = "for (const each of JSON.parse(require('fs').readFileSync(0))) new RegExp(each, 'u')"
    subprocess.run(["node", "-e", script], input=json.dumps(found), text=True, check=True)


@pytest.mark.parametrize("separator", ["*", "x"])
def test_pattern_of_a_size_by_its_area_has_all_that_may_be_right(separator: str) -> None:
    spec = {"minArea": 512 * 512, "maxArea": 2048 * 2048, "maxRatio": 8}
    pattern = re.compile(size_pattern(spec, separator))
    sides = [(512, 512), (2048, 2048), (4096, 1024), (182, 1456), (5792, 724), (1000, 999)]
    assert all(pattern.search(f"{width}{separator}{height}") for width, height in sides)
    assert not any(
        pattern.search(text) for text in ("1*1", "1x1", "512", "512-512", "6000*6000", f"512{separator}512 ")
    )


@pytest.mark.parametrize("prefix", ["task-unified-", "", "a.b+c/"])
def test_pattern_of_task_ids_begins_with_the_prefix(prefix: str) -> None:
    pattern = re.compile(task_id_pattern(prefix))
    assert pattern.search(f"{prefix}1700-abc")
    assert not pattern.search(prefix)
    assert not prefix or not pattern.search(f"x{prefix[1:]}1700")


@pytest.fixture(scope="module")
def plain_server() -> Iterator[RunningServer]:
    """A double with one kind of store: what other programs find does not depend on the store, and takes long."""
    with running(Settings(port=0)) as server:
        yield server


UNSAYABLE = frozenset(
    {"maxBytes", "minWidth", "maxWidth", "minHeight", "maxHeight", "integrity", "mediaTypes", "encoding", "x-truncate"}
    | {"minArea", "maxArea", "maxRatio"}
)
"""Keywords about the bytes of an image or the product of two sides, which no JSON Schema knows, or about no refusal."""


@pytest.mark.parametrize("slug", load().providers)
def test_document_says_what_the_rules_say(slug: str) -> None:
    """What just keeps a rule is allowed by the document, what just breaks it is not."""
    provider = load()[slug]
    document = openapi(provider)
    wrong: list[str] = []
    for variant in provider.variants.values():
        endpoint = provider.endpoint_of(variant)
        schema = document["paths"][endpoint.path]["post"]["requestBody"]["content"]["application/json"]["schema"]
        # Not jsonschema: a `$` of Python's also matches before a line break at the end.
        checker = jsonschema_rs.Draft202012Validator(schema)
        for rule in variant.request.rules:
            edits = edits_of(provider, variant, rule) if rule.keyword != "maxBytes" else []
            for edit in edits:
                body = edit.change(example(variant))
                broken = broken_rules(variant.request, body)
                if broken and all(each.keyword in UNSAYABLE for each in broken):
                    continue
                if edit.note.startswith("'oss:") or checker.is_valid(body) == (not broken):
                    continue
                wrong.append(f"{rule.id}: {edit.side} {edit.note}")
    assert wrong == []


@pytest.mark.parametrize(("least", "most"), [(512, 2048), (384, 3072), (1, 9), (7, 7), (99, 101), (5, 4096)])
def test_pattern_of_a_range_has_just_its_integers(least: int, most: int) -> None:
    pattern = re.compile(integer_pattern(least, most))
    assert [n for n in range(most + 2000) if pattern.fullmatch(str(n))] == list(range(least, most + 1))
    assert not any(pattern.fullmatch(text) for text in (f"0{least}", f"+{least}", "", f"{least}.0", f" {least}"))


PNG, GIF = (sample_images.picture_url(f"image/{name}") for name in ("png", "gif"))


@pytest.mark.parametrize(
    ("url", "is_allowed"),
    [
        (PNG, True),
        (PNG.replace("image/png", "text/plain"), True),
        (PNG.replace("data:", "DATA:"), True),
        ("https://example.com/a.png?b=c", True),
        ("HTTP://user:password@EXAMPLE.com:8443/图片", True),
        (GIF, False),
        (GIF.replace("image/gif", "image/png"), False),
        (PNG.replace(";base64", ""), False),
        (f"{PNG[:60]}!{PNG[61:]}", False),
        (f"{PNG}\n", False),
        ("data:image/png;base64,", False),
        ("", False),
        ("https://", False),
        ("https:///a.png", False),
        ("ftp://example.com/a.png", False),
        ("https://example.com/a b.png", False),
    ],
)
def test_pattern_of_images_knows_scheme_format_and_encoding(url: str, is_allowed: bool) -> None:
    spec, _ = load()["nebula"].variants["contents"].request.image_terms
    allowed = jsonschema_rs.Draft202012Validator({"allOf": list(image_patterns(spec))})
    assert allowed.is_valid(url) == is_allowed


@pytest.mark.parametrize(
    ("url", "is_allowed"),
    [
        ("https://example.com/hooks?a=b", True),
        ("https://api.example.com:8443", True),
        ("https://local.example.com/", True),
        ("http://example.com/", False),
        ("https://localhost/", False),
        ("https://8.8.8.8/", True),
        ("https://172.32.0.1:443/", True),
        ("https://bücher.example/", True),
        ("https://LocalHost/", False),
        ("https://printer.local:8443/", False),
        ("https://db.internal", False),
        ("https://127.0.0.1/", False),
        ("https://172.16.0.1/", False),
        ("https://100.64.0.1/", False),
        ("https://8.8.8.256/", False),
        ("https://0x7f.0.0.1/", False),
        ("https://2130706433/", False),
        ("https://[::1]/", False),
        ("https://", False),
    ],
)
def test_pattern_of_callbacks_leads_out(url: str, is_allowed: bool) -> None:
    assert (re.search(callback_pattern(["https"]), url) is not None) == is_allowed


@pytest.mark.parametrize("slug", load().providers)
def test_schemathesis_finds_the_double_true_to_it(plain_server: RunningServer, slug: str, tmp_path: Path) -> None:
    """All checks: what the document allows is accepted, what it does not is refused, both as it says."""
    program = ROOT / ".venv-bench" / "bin" / "schemathesis"
    if not program.exists():
        pytest.skip("schemathesis is not installed; `make peers` does it")
    config = ROOT / "tests" / "data" / "schemathesis.toml"
    done = subprocess.run(
        [program, "--config-file", config, "run", f"{plain_server.origin}/__mock__/openapi/{slug}.json"]
        + ["-H", "Authorization: Bearer sk-mock", "--seed", "1"]
        # How fast the machine makes examples is not what is tested.
        + ["--max-examples", "10", "--generation-database", "none", "--suppress-health-check", "too_slow"],
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
