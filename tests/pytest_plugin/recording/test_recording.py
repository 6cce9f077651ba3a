"""Recording through the proxy and in live runs, replay, HAR and drift; a second double stands in for production."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import orjson
import pytest
from commands import run_here, serving
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from qwenmock import fixtures
from qwenmock.mockserver import create_app, create_double, running
from qwenmock.mockserver.http.server import serving as serving_app
from qwenmock.mockserver.settings import Settings
from qwenmock.schemas.recordings import Recording, load_recordings, save

PROGRAM = [sys.executable, "-m", "qwenmock.mockserver"]
PATH = "/v1/images/generations"
SECRET = "sk-mock.a-secret-9f8e7d6c5b4a"
KEY = {"Authorization": f"Bearer {SECRET}"}
TEXT = {"model": "qwen-image-plus", "prompt": "Mail me at jane.doe@corp.example", "parameters": {"size": "1328*1328"}}
EDIT = {
    "model": "qwen-image-edit-plus",
    "prompt": "a hat",
    "contents": [{"role": "user", "parts": [{"image": fixtures.data_url("landscape.png")}, {"text": "a hat"}]}],
    "parameters": {"n": 2},
}


class Tampering:
    """Changes the JSON that an application answers with."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        held: list[Message] = []

        async def tamper(message: Message) -> None:
            if scope["type"] != "http" or not scope["path"].endswith(PATH):
                await send(message)
            elif message["type"] == "http.response.start":
                held.append(message)
            else:
                body = orjson.loads(message["body"])
                if held[0]["status"] == 200:
                    body["trace_id"] = "t-1"
                    body["data"]["metadata"]["usage"]["tier"] = 3
                    body["data"]["created"] = "yesterday"
                content = orjson.dumps(body)
                headers = [(n, v) for n, v in held[0]["headers"] if n != b"content-length"]
                await send({**held[0], "headers": [*headers, (b"content-length", str(len(content)).encode())]})
                await send({**message, "body": content})

        await self._app(scope, receive, tamper)


@pytest.fixture(scope="module")
def production() -> Iterator[str]:
    with running(Settings(port=0)) as server:
        yield server.url("nebula")


@pytest.fixture(scope="module")
def tampered() -> Iterator[str]:
    with serving_app(Tampering(create_app(create_double(Settings())))) as port:
        yield f"http://127.0.0.1:{port}/nebula"


@contextlib.contextmanager
def proxy(target: str, *options: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    command = [*PROGRAM, "proxy", "--provider", "nebula", "--target", target, "--port", "0", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().split()[1], process
    finally:
        process.terminate()
        process.communicate(timeout=20)


def run(*arguments: str, code: int = 0) -> str:
    done = run_here(*arguments)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def test_proxy_forwards_keeps_and_writes_no_secret(production: str, tmp_path: Path) -> None:
    with proxy(production, "--record", str(tmp_path / "kept"), "--budget", "1") as (origin, _):
        answers = [httpx.post(origin + PATH, json=body, headers=KEY) for body in (TEXT, EDIT, {"model": "none"})]
    assert [answer.status_code for answer in answers] == [200, 200, 400]
    assert answers[0].json()["data"]["data"][0]["url"].startswith(production.removesuffix("/nebula"))
    kept = load_recordings(tmp_path / "kept")
    assert sorted(recording.status for recording in kept) == [200, 200, 400]
    written = "".join(path.read_text("utf-8") for path in (tmp_path / "kept").iterdir())
    body = SECRET.removeprefix("sk-")
    assert not any(body[at : at + 8] in written for at in range(len(body) - 7))
    signature = httpx.URL(answers[0].json()["data"]["data"][0]["url"]).params["Signature"]
    assert signature not in written
    assert "jane.doe" not in written
    assert "base64," not in written
    assert "person@example.com" in written
    assert all(recording.violations == () for recording in kept)


def test_proxy_spends_no_more_than_its_budget(production: str) -> None:
    with proxy(production, "--budget", "0.2") as (origin, _):
        first, second = (httpx.post(origin + PATH, json=TEXT, headers=KEY) for _ in range(2))
        assert (first.status_code, second.status_code) == (200, 402)
        assert "not forwarded" in second.json()["error"]
        free = httpx.post(origin + PATH, json=TEXT | {"model": "none"}, headers=KEY)
        assert free.status_code == 402  # a model that nobody knows may cost something too
    with proxy(production) as (origin, _):
        assert httpx.post(origin + PATH, json=TEXT, headers=KEY).status_code == 402
        assert httpx.get(f"{origin}/elsewhere").status_code == 404


def test_drift_names_what_production_changed(tampered: str, tmp_path: Path) -> None:
    kept, reports = tmp_path / "kept", [tmp_path / f"drift.{ending}" for ending in ("md", "html", "json")]
    with proxy(tampered, "--record", str(kept), "--budget", "1") as (origin, process):
        for body in (TEXT, EDIT):
            assert httpx.post(origin + PATH, json=body, headers=KEY).status_code == 200
        process.terminate()
        said, _ = process.communicate(timeout=20)
    assert "nebula/simplified.200/data/created/type: the answer breaks it" in said
    options = [word for path in reports for word in ("--report", str(path))]
    patch = tmp_path / "proposal.patch"
    command = ("drift", "--provider", "nebula", "--recorded", str(kept), *options, "--propose", str(patch))
    shown = run(*command, code=1)
    for text in (shown, reports[0].read_text("utf-8"), reports[1].read_text("utf-8")):
        assert "trace_id" in text
        assert "data.metadata.usage.tier" in text
        assert "created" in text
    found = json.loads(reports[2].read_text("utf-8"))
    assert {each["place"] for each in found["undocumented"]} == {"trace_id", "data.metadata.usage.tier"}
    assert any("data/created/type" in rule for rule in found["broken"])
    root = Path(__file__).parents[3]
    check = subprocess.run(
        ["git", "apply", "--check", str(patch)], cwd=root, capture_output=True, text=True, check=False
    )
    assert check.returncode == 0, check.stderr + patch.read_text("utf-8")
    assert '"x-certainty": "observed"' in patch.read_text("utf-8")
    copy = tmp_path / "schemas"
    subprocess.run(["cp", "-r", str(root / "schemas"), str(copy)], check=True)
    subprocess.run(["patch", "-p2", "-d", str(copy), "-i", str(patch)], check=True, capture_output=True)
    from qwenmock.schemas.catalog import load

    rules = {rule.id: rule for rule in load(copy)["nebula"].rules}
    assert rules["nebula/simplified.200/trace_id/type"].certainty == "observed"


def test_no_drift_where_the_contract_is_kept(production: str, tmp_path: Path) -> None:
    with proxy(production, "--record", str(tmp_path), "--budget", "1") as (origin, _):
        httpx.post(origin + PATH, json=EDIT, headers=KEY)
    said = run("drift", "--provider", "nebula", "--recorded", str(tmp_path))
    assert "production keeps what the documents say" in said


def test_drift_asks_a_live_endpoint(
    production: str, tampered: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("QWENMOCK_NEBULA_KEY", raising=False)
    asked = ("drift", "--provider", "nebula", "--live-url")
    assert "QWENMOCK_NEBULA_KEY" in run(*asked, production, code=2)
    monkeypatch.setenv("QWENMOCK_NEBULA_KEY", SECRET)
    assert "trace_id" in run(*asked, tampered, "--live-budget", "2", code=1)
    written = "".join(path.read_text("utf-8") for path in (tmp_path / "qwenmock-drift" / "nebula").iterdir())
    assert "a-secret" not in written


def test_recordings_are_replayed_and_the_rest_is_by_contract(production: str, tmp_path: Path) -> None:
    with proxy(production, "--record", str(tmp_path), "--budget", "1") as (origin, _):
        recorded = httpx.post(origin + PATH, json=EDIT, headers=KEY).json()
    for path in tmp_path.iterdir():
        path.write_text(path.read_text("utf-8").replace("Operation successful", "As it was recorded"), "utf-8")
    with serving("--port", "0", "--replay", str(tmp_path)) as (_, origin):
        # Another order of members, the same meaning.
        body = dict(reversed(EDIT.items()))
        answer = httpx.post(f"{origin}/nebula{PATH}", json=body, headers=KEY)
        assert answer.json()["msg"] == "As it was recorded"
        assert answer.json()["data"]["metadata"]["usage"] == recorded["data"]["metadata"]["usage"]
        links = [each["url"] for each in answer.json()["data"]["data"]]
        assert len(set(links)) == 2
        assert all(httpx.get(link).content.startswith(b"\x89PNG") for link in links)
        assert "recorded" in answer.headers["X-Qwenmock-Advisory"]
        assert httpx.post(f"{origin}/nebula{PATH}", json=TEXT, headers=KEY).json()["msg"] == "Operation successful"
        assert httpx.post(f"{origin}/nebula{PATH}", json=EDIT).status_code == 401
    assert "folder not found" in run("serve", "--replay", str(tmp_path / "none"), code=2)
    (tmp_path / "broken.json").write_text("{}")
    assert "broken.json" in run("serve", "--replay", str(tmp_path), code=2)


def test_a_task_is_replayed_as_it_went(tmp_path: Path) -> None:
    task = {"id": "task-unified-1-recorded", "object": "image.generation.task", "results": []}
    path = f"/v1/tasks/{task['id']}"
    for at, status in enumerate(("pending", "processing", "completed"), start=1):
        save(tmp_path, Recording("evolink", "GET", path, None, 200, {**task, "status": status}, at=float(at)))
    with serving("--port", "0", "--replay", str(tmp_path)) as (_, origin):
        found = [httpx.get(f"{origin}/evolink{path}", headers=KEY).json()["status"] for _ in range(4)]
        assert found == ["pending", "processing", "completed", "completed"]


def test_live_contract_run_keeps_its_exchanges(
    production: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QWENMOCK_NEBULA_KEY", SECRET)
    options = ("--provider", "nebula", "--live-budget", "1", "--contract-profile", "smoke", "--record", str(tmp_path))
    run("check", production, *options)
    kept = load_recordings(tmp_path, "nebula")
    assert {200, 400} <= {recording.status for recording in kept}
    assert "a-secret" not in "".join(path.read_text("utf-8") for path in tmp_path.iterdir())
    assert "--record needs --live" in run("check", "--record", str(tmp_path), code=2)


def test_har_out_and_in_again(production: str, tmp_path: Path) -> None:
    with proxy(production, "--record", str(tmp_path / "kept"), "--budget", "1") as (origin, _):
        httpx.post(origin + PATH, json=TEXT, headers=KEY)
    har = tmp_path / "kept.har"
    assert "1 exchange\n" in run("har", "export", str(tmp_path / "kept"), str(har))
    document = json.loads(har.read_text("utf-8"))
    assert document["log"]["entries"][0]["request"]["url"] == f"https://llm.ai-nebula.com{PATH}"
    # As a browser writes it: with the key.
    document["log"]["entries"][0]["request"]["headers"].append({"name": "Authorization", "value": f"Bearer {SECRET}"})
    document["log"]["entries"].append({**document["log"]["entries"][0]})
    document["log"]["entries"][1]["request"] = {
        **document["log"]["entries"][0]["request"],
        "url": "https://elsewhere.example/",
    }
    har.write_text(json.dumps(document))
    assert "1 exchange\n" in run("har", "import", str(har), str(tmp_path / "again"))
    (first,), (second,) = (load_recordings(tmp_path / name) for name in ("kept", "again"))
    assert first.at > 0
    assert second == first
    document["log"]["entries"][0]["startedDateTime"] = "yesterday"
    har.write_text(json.dumps(document))
    assert "entry 0: ValueError" in run("har", "import", str(har), str(tmp_path / "again"), code=2)
    har.write_text("[]")
    assert "not a HAR file" in run("har", "import", str(har), str(tmp_path / "again"), code=2)
