"""The contract is data: a change in a schema is followed by everything, with no other edit."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest
from commands import CONTRACT_TESTS
from extent import usually

from qwenmock.mockserver.http.server import running
from qwenmock.mockserver.settings import Settings
from qwenmock.pytest_plugin.examiner.sample_images import picture_url, read_png
from qwenmock.schemas.catalog import HERE


@pytest.fixture
def changed(tmp_path: Path) -> Path:
    """Nebula with five images at most, another size and another price."""
    shutil.copytree(HERE / "nebula", tmp_path / "schemas" / "nebula")
    folder = tmp_path / "schemas" / "nebula"
    for name, old, new in (
        ("contents.schema.json", '"maximum": 6', '"maximum": 5'),
        ("common.schema.json", '"1328*1328"', '"1280*1280"'),
        ("provider.toml", 'amount = "0.18"', 'amount = "0.235"'),
    ):
        content = (folder / name).read_text("utf-8")
        assert content.count(old) == 1
        (folder / name).write_text(content.replace(old, new), "utf-8")
    return folder.parent


def test_server_pictures_and_billing_follow(changed: Path) -> None:
    headers = {"Authorization": "Bearer sk-mock"}
    with (
        running(Settings(port=0, schemas=changed)) as server,
        httpx.Client(base_url=server.origin, headers=headers) as client,
    ):

        def post(body: object) -> httpx.Response:
            return client.post("/nebula/v1/images/generations", json=body)

        def text(size: str) -> dict[str, object]:
            return {"model": "qwen-image-plus", "prompt": "x", "parameters": {"size": size}}

        def edit(n: int) -> dict[str, object]:
            contents = [{"role": "user", "parts": [{"image": picture_url()}, {"text": "x"}]}]
            return {"model": "qwen-image-edit-plus", "prompt": "x", "parameters": {"n": n}, "contents": contents}

        assert post(text("1328*1328")).json()["msg"] == "Parameter Error: Unsupported image size"
        link = post(text("1280*1280")).json()["data"]["data"][0]["url"]
        assert read_png(client.get(link).content) == (1280, 1280)
        assert post(edit(6)).json()["msg"] == "Parameter Error: Image quantity exceeds limit"
        assert len(post(edit(5)).json()["data"]["data"]) == 5
        [charge, _] = client.get("/__mock__/ledger").json()["charges"]
        assert charge["amount"] == "1.175"
        assert charge["log"]["content"] == "Image generation: 5 images × ¥0.235 = ¥1.18"
        assert charge["log"]["quota"] == 16096


SELECTED = [[], ["-k", "maximum or size or billed"]]


@pytest.mark.parametrize("selected", usually(SELECTED, SELECTED[1:]), ids=lambda selected: " ".join(selected) or "all")
def test_contract_tests_follow_and_pass(changed: Path, selected: list[str]) -> None:
    environment = {**os.environ, "QWENMOCK_SCHEMAS": str(changed)}
    command = [*CONTRACT_TESTS, "--contract-profile", "smoke", *selected]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=changed, check=False)
    assert done.returncode == 0, done.stdout


def test_contract_tests_hold_a_server_to_the_changed_data(changed: Path) -> None:
    """A server of the unchanged contract does not pass for one of the changed."""
    with running(Settings(port=0)) as server:
        selected = [
            "--live-url",
            server.url("nebula"),
            "--provider",
            "nebula",
            "-k",
            "n/maximum",
            "--live-budget",
            "100",
        ]
        environment = {**os.environ, "QWENMOCK_SCHEMAS": str(changed), "QWENMOCK_NEBULA_KEY": "sk-mock"}
        done = subprocess.run(
            [*CONTRACT_TESTS, *selected], capture_output=True, text=True, env=environment, cwd=changed, check=False
        )
    assert done.returncode == 1, done.stdout
    assert "nebula/contents/parameters/n/maximum" in done.stdout
    assert re.search("^sent: +6$", done.stdout, re.MULTILINE)
    file = re.search("^file: +(.*[.]body)$", done.stdout, re.MULTILINE)
    assert file is not None
    assert json.loads(Path(file[1]).read_bytes())["parameters"]["n"] == 6
