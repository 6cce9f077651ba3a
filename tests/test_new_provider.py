"""Providers made from OpenAPI documents, from one end to the other: made, checked, served and examined."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from commands import serving
from extent import EXTENTS

from qwenmock.mockserver.control.openapi import openapi
from qwenmock.pytest_plugin.examiner.sample_images import data_url, picture, read_png
from qwenmock.schemas.catalog import load
from qwenmock.schemas.models import Provider

ACME = Path(__file__).parent / "data" / "acme.openapi.json"
COMMAND = [sys.executable, "-m", "qwenmock.mockserver"]
KEY = {"Authorization": "Bearer sk-mock"}


def run(*arguments: str, folder: Path) -> str:
    done = subprocess.run([*COMMAND, *arguments], cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def examined(folder: Path, *options: str) -> list[dict[str, Any]]:
    """Examine the double of a catalogue, and return the report."""
    report = folder / "report.json"
    run(
        "check",
        "--schemas",
        "my-schemas",
        "--contract-profile",
        "smoke",
        "--contract-report",
        str(report),
        *options,
        folder=folder,
    )
    content = json.loads(report.read_text("utf-8"))
    return content if isinstance(content, list) else [content]


@pytest.mark.parametrize("extent", EXTENTS)
def test_public_document_is_served_and_examined(tmp_path: Path, extent: tuple[str, ...]) -> None:
    assert "next: qwenmock provider check" in run("provider", "new", "acme", "--openapi", str(ACME), folder=tmp_path)
    assert "my-schemas/acme: 0 mistakes" in run("provider", "check", "my-schemas/acme", folder=tmp_path)
    with serving("--port", "0", "--schemas", str(tmp_path / "my-schemas")) as (_, origin):
        base = f"{origin}/acme/api/v1"
        body = {"model": "acme-paint-2", "prompt": "A rocket", "num_images": 2}
        created = httpx.post(f"{base}/images/generations", json=body, headers=KEY).json()
        assert created["status"] == "queued"
        assert created["id"].startswith("gen_")
        httpx.post(f"{origin}/__mock__/clock", json={"advance_seconds": 60})
        task = httpx.get(f"{base}/tasks/{created['id']}", headers=KEY).json()
        assert (task["status"], task["progress"]) == ("completed", 100)
        assert [read_png(httpx.get(image["url"]).content) for image in task["output"]["images"]] == [(1024, 1024)] * 2
        edit = {"model": "acme-retouch-1", "prompt": "Red", "image": [data_url(picture("image/png"))], "n": 3}
        edited = httpx.post(f"{base}/images/edits", json=edit, headers=KEY).json()
        assert len(edited["data"]) == 3
        refused = httpx.post(f"{base}/images/edits", json={**edit, "n": 5}, headers=KEY)
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, "invalid_parameter")
        assert refused.json()["error"]["message"] == "n must be at most 4, got 5"
        assert httpx.get(f"{base}/account/balance", headers=KEY).json()["currency"] == "EUR"
        other = httpx.post(f"{base}/images/generations", json=body, headers=KEY).json()
        assert httpx.post(f"{base}/tasks/{other['id']}/cancel", headers=KEY).json() == {"cancelled": True}
    [part] = examined(tmp_path, *extent)
    assert part["summary"]["conforms"], part["failures"]
    assert extent or part["summary"]["pass"] > 200


def without_extensions(value: Any) -> Any:
    """Return a document as others write it: with nothing of this project's vocabulary."""
    if isinstance(value, list):
        return [without_extensions(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {name: without_extensions(each) for name, each in value.items() if not name.startswith("x-")}


def made_again(provider: Provider, document: Any, folder: Path) -> Provider:
    """Make a provider of a provider's document, and return it."""
    (folder / "document.json").write_text(json.dumps(document), "utf-8")
    run("provider", "new", provider.slug, "--openapi", "document.json", folder=folder)
    assert "0 mistakes" in run("provider", "check", f"my-schemas/{provider.slug}", folder=folder)
    return load(folder / "my-schemas")[provider.slug]


@pytest.mark.parametrize("slug", load().providers)
def test_own_document_gives_the_same_provider(slug: str, tmp_path: Path) -> None:
    provider = load()[slug]
    again = made_again(provider, openapi(provider), tmp_path)
    known = {(each.method, each.path) for each in provider.endpoints.values() if each.kind not in {"list", "upload"}}
    assert {(each.method, each.path) for each in again.endpoints.values()} == known
    assert again.models.keys() == provider.models.keys()
    assert again.base_url == provider.base_url
    for endpoint in again.endpoints.values():
        [same] = [e for e in provider.endpoints.values() if (e.method, e.path) == (endpoint.method, endpoint.path)]
        assert endpoint.required_header == same.required_header
        for mine, its in zip(endpoint.variants, same.variants, strict=True):
            assert mine.models == its.models
            assert mine.request.roles == its.request.roles
            limits = {(rule.path, rule.keyword): rule.value for rule in mine.request.rules}
            assert limits == {(rule.path, rule.keyword): rule.value for rule in its.request.rules} | limits
    statuses = {name: kind.status for name, kind in provider.errors.items() if name in again.errors}
    told = {"unauthorized", "insufficient_balance", "rate_limited", "internal", "task_not_found", "unknown_model"}
    assert {name: again.errors[name].status for name in statuses.keys() & told} == {
        name: statuses[name] for name in statuses.keys() & told
    }


@pytest.mark.thorough
@pytest.mark.parametrize("slug", load().providers)
def test_double_of_an_own_document_passes_its_examination(slug: str, tmp_path: Path) -> None:
    """Without the extensions: as far as plain OpenAPI can say what a provider is."""
    provider = load()[slug]
    again = made_again(provider, without_extensions(openapi(provider)), tmp_path)
    for mine in again.variants.values():
        assert {"model", "prompt"} <= mine.request.roles.keys()
    [part] = examined(tmp_path)
    assert part["summary"]["conforms"], part["failures"]
    assert part["summary"]["fail"] == 0
    assert part["summary"]["pass"] > 100
