"""`docs/adding-a-provider.md`, followed literally."""

import contextlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from extent import EXTENTS

from qwenmock.mockserver.http.server import running
from qwenmock.mockserver.settings import Settings
from qwenmock.mockserver.testing.mock import Mock
from qwenmock.pytest_plugin.examiner.sample_images import read_png
from qwenmock.pytest_plugin.recording.drift import drift
from qwenmock.pytest_plugin.testkit.usage import Usage, never
from qwenmock.schemas.catalog import load
from qwenmock.schemas.recordings import Recording, save

TASKS = "acmetasks"
KEY = {"Authorization": "Bearer sk-mock"}
BODY = {"model": "acme-2", "prompt": "A rocket", "n": 2}
PAGE = (Path(__file__).parent.parent / "docs" / "adding-a-provider.md").read_text("utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write every file that the page shows, under the name it gives it."""
    root = tmp_path_factory.mktemp("project")
    files = re.findall(r"`(my-schemas/[^`]+)`:\n\n```(?:json|toml)\n(.*?)```", PAGE, re.DOTALL)
    assert len(files) == 11
    for name, content in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content, "utf-8")
    return root


def commands() -> list[str]:
    return [block.strip() for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)]


@pytest.mark.parametrize("extent", EXTENTS)
def test_document_becomes_a_provider_as_the_page_says(tmp_path: Path, extent: tuple[str, ...]) -> None:
    shutil.copy(Path(__file__).parent / "data" / "acme.openapi.json", tmp_path)
    for line in (line for block in commands()[:2] for line in block.splitlines() if " serve " not in line):
        program, *words = shlex.split(line)
        assert program == "qwenmock"
        words += ["--contract-profile", "smoke", *extent] if words[0] == "check" else []
        command = [sys.executable, "-m", "qwenmock.mockserver", *words]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    assert "my-schemas/acme" in PAGE.partition("## By hand")[0]


def test_provider_answers_as_the_page_says(folder: Path) -> None:
    serve, curl, _ = commands()[2:]
    assert shlex.split(serve)[:2] == ["qwenmock", "serve"]
    with running(Settings(port=0, schemas=folder / shlex.split(serve)[-1])) as server:
        done = subprocess.run(
            curl.replace("http://127.0.0.1:4010", server.origin), shell=True, capture_output=True, text=True, check=True
        )
        links = re.findall(r'"url":"([^"]+)"', done.stdout)
        assert [read_png(httpx.get(link).content) for link in links] == [(512, 512)] * 2
        [charge] = httpx.get(f"{server.origin}/__mock__/ledger").json()["charges"]
        assert (charge["amount"], charge["currency"]) == ("0.1", "USD")


def test_provider_passes_its_examination(folder: Path) -> None:
    *assignments, program, option, package = shlex.split(commands()[4])
    assert (program, option) == ("pytest", "--pyargs")
    environment = {**os.environ, **dict(each.split("=") for each in assignments)}
    report = folder / "report.json"
    command = [sys.executable, "-m", "pytest", option, package, "-q", "-p", "no:cacheprovider"]
    command += ["--contract-report", str(report)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=folder, check=False)
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
    for part in json.loads(report.read_text("utf-8")):
        by_id = {rule["id"]: rule["status"] for rule in part["rules"]}
        assert part["summary"]["conforms"], part["provider"]
        assert set(by_id.values()) == {"pass"}
        assert f"{part['provider']}/http/retry-after/required" in by_id
        assert f"{part['provider']}/generation.200/distinct-links" in by_id


# The provider with tasks, in everything that reads answers


@pytest.fixture
def mock(folder: Path) -> Iterator[Mock]:
    with running(Settings(port=0, schemas=folder / "my-schemas")) as server, contextlib.closing(Mock(server)) as found:
        yield found


def paint(mock: Mock, queries: int) -> list[dict[str, Any]]:
    """Create a task, let it end, and return the answers to some queries after that."""
    created = httpx.post(mock.url(TASKS) + "/v2/paintings", json=BODY, headers=KEY).json()
    address = f"{mock.url(TASKS)}/v2/paintings/{created['id']}"
    answers = [created, httpx.get(address, headers=KEY).json()]
    mock.advance(60)
    return answers + [httpx.get(address, headers=KEY).json() for _ in range(queries)]


def test_client_behaviour_knows_the_states(mock: Mock) -> None:
    answers = paint(mock, 3)
    assert [answer["status"] for answer in answers] == ["queued", "queued", "painted", "painted", "painted"]
    found = {finding["kind"]: finding["detail"] for finding in mock.verdict()["findings"]}
    assert "had ended, and was looked at 2 times more" in found["polled_after_the_end"]


def test_usage_report_knows_the_states(mock: Mock) -> None:
    paint(mock, 1)
    usage = Usage()
    usage.take("a test", mock)
    assert usage.touched[TASKS].states == {"pending", "succeeded"}
    missing = [each for each in never(usage.touched[TASKS], mock.catalog, TASKS) if each.startswith("task")]
    assert missing == ["task running", "task failed", "task cancelled"]


def test_replay_renews_the_links(folder: Path, tmp_path: Path) -> None:
    old = [f"https://tasks.acme.example/{n}.png?Expires=1" for n in range(2)]
    answer = {"id": "acme-1", "status": "painted", "progress": 100, "results": old, "homepage": old[0]}
    save(tmp_path, Recording(TASKS, "GET", "/v2/paintings/acme-1", None, 200, answer))
    with running(Settings(port=0, schemas=folder / "my-schemas", replay=tmp_path)) as server:
        replayed = httpx.get(f"{server.url(TASKS)}/v2/paintings/acme-1", headers=KEY).json()
        assert [read_png(httpx.get(link).content) for link in replayed["results"]] == [(1024, 1024)] * 2
    assert replayed["homepage"] == old[0], "not an image, by the provider's schemas"
    assert replayed["status"] == "painted"


def test_drift_compares_with_the_provider_s_schemas(folder: Path) -> None:
    catalog = load(folder / "my-schemas")
    images = {"created": 1, "data": [{"url": "https://a.example/1.png"}], "metadata": {"request_id": "1"}}
    body = {"model": "acme-1", "prompt": "A rocket", "n": 2}
    found = drift(catalog["acme"], [Recording("acme", "POST", "/v1/pictures", body, 200, images)])
    assert found.quantities == ["POST /v1/pictures: 2 pictures were asked for, 1 came"]
    seen = {"id": "acme-1", "status": "drying", "artist": "me"}
    found = drift(catalog[TASKS], [Recording(TASKS, "GET", "/v2/paintings/acme-1", None, 200, seen)])
    assert [each.place for each in found.undocumented] == ["artist"]
    assert any(rule.endswith("/status/enum") for rule in found.broken)


def test_playground_gets_the_contract(mock: Mock) -> None:
    contract = mock.control("GET", f"contract/{TASKS}")
    [variant] = contract["variants"]
    assert (variant["endpoint"], variant["task_id"], variant["path"]) == ("paint", ["id"], "/v2/paintings")
    assert variant["roles"]["prompt"] == [["prompt"]]
    assert {rule["id"] for rule in contract["http"]} >= {f"{TASKS}/http/retry-after/required"}
