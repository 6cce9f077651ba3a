"""The journal as HAR, as a curl script and as a test for pytest: other programs read and run them."""

import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from qwenmock import fixtures
from qwenmock.mockserver.http.server import RunningServer, running
from qwenmock.mockserver.settings import Settings

PATH = "/v1/images/generations"
BODY = {"model": "qwen-image-plus", "prompt": 'it\'s "a cat" $HOME `id` 猫\n', "parameters": {"size": "1328*1328"}}
EVIL = 'x\'; touch taken; echo \'\n touch taken """ \\'


@pytest.fixture(scope="module")
def filled() -> RunningServer:  # type: ignore[misc]
    key = {"Authorization": "Bearer sk-mock"}
    with running(Settings(port=0)) as server, httpx.Client(base_url=server.origin, headers=key) as client:
        nebula = f"/nebula{PATH}"
        picture = fixtures.data_url("landscape.png")
        edit = {"model": "qwen-image-edit-plus", "prompt": "a hat", "parameters": {"n": 1}}
        parts = [{"image": picture}, {"text": "a hat"}]
        client.post(nebula, json=BODY).raise_for_status()
        client.post(nebula, json=edit | {"contents": [{"role": "user", "parts": parts}]}).raise_for_status()
        assert client.post(nebula, json=BODY | {"model": EVIL}).status_code == 400
        assert client.post(nebula, json=BODY, headers={"Authorization": "Bearer wrong"}).status_code == 401
        assert client.post(nebula, json=BODY, headers={"Prefer": "code=500"}).status_code == 500
        task = {"model": "qwen-image-edit", "prompt": "a hat", "image_urls": ["https://example.com/a.png"]}
        created = client.post(f"/evolink{PATH}", json=task).raise_for_status().json()
        client.get(f"/evolink/v1/tasks/{created['id']}").raise_for_status()
        yield server


def exported(server: RunningServer, kind: str, query: str = "") -> httpx.Response:
    return httpx.get(f"{server.origin}/__mock__/journal.{kind}{query}").raise_for_status()


def test_archive_has_every_exchange_oldest_first(filled: RunningServer) -> None:
    answer = exported(filled, "har")
    assert answer.headers["content-disposition"] == 'attachment; filename="journal.har"'
    log = answer.json()["log"]
    assert log["version"] == "1.2"
    statuses = [entry["response"]["status"] for entry in log["entries"]]
    assert statuses == [200, 200, 400, 401, 500, 200, 200]
    first = log["entries"][0]
    assert first["request"]["url"] == f"{filled.origin}/nebula{PATH}"
    assert {"name": "authorization", "value": "Bearer sk-m…"} in first["request"]["headers"]
    assert first["startedDateTime"].endswith("Z")
    assert "url" in first["response"]["content"]["text"]
    assert "postData" not in log["entries"][-1]["request"]
    assert len(exported(filled, "har", "?status=4xx").json()["log"]["entries"]) == 2
    assert httpx.get(f"{filled.origin}/__mock__/journal.har?status=x").status_code == 400


def test_script_makes_the_calls_again(filled: RunningServer, tmp_path: Path) -> None:
    script = exported(filled, "sh").text
    with running(Settings(port=0)) as other:
        environment = {"PATH": "/usr/bin:/bin", "QWENMOCK_URL": other.origin, "QWENMOCK_KEY": "sk-mock"}
        done = subprocess.run(
            ["sh", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        newest = httpx.get(f"{other.origin}/__mock__/journal").json()
    before = [entry for entry in httpx.get(f"{filled.origin}/__mock__/journal").json() if entry["method"] == "POST"]
    # Without those that were refused before their body was read.
    assert [entry["status"] for entry in reversed(newest)] == [200, 200, 400, 200]
    known = [entry for entry in before if entry["request"] is not None]
    assert [each["request"] for each in newest if "contents" not in each["request"]] == [
        each["request"] for each in known if "contents" not in each["request"]
    ]
    assert list(tmp_path.iterdir()) == [], "a text of a request was run"


def test_test_passes_on_a_double_of_its_own(filled: RunningServer, tmp_path: Path) -> None:
    (tmp_path / "test_journal.py").write_text(exported(filled, "py").text, "utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "4 passed" in done.stdout, done.stdout
    wrong = exported(filled, "py", "?status=400").text.replace("'status': 400", "'status': 200")
    (tmp_path / "test_journal.py").write_text(wrong, "utf-8")
    assert "1 failed" in subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False).stdout
    assert not (tmp_path / "taken").exists()


def test_bodies_that_are_no_json_or_shortened(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text('{"secret": 1}')
    texts = [b"", b"@secret", b'{"model": "it\'s']
    edit = {"model": "qwen-image-edit-plus", "prompt": "a hat", "parameters": {"n": 1}}
    parts = [{"image": f"data:image/png;base64,{'A' * 400}"}, {"text": "a hat"}]
    headers = {"Authorization": "Bearer sk-mock", "Content-Type": "application/json"}
    with running(Settings(port=0)) as server, httpx.Client(base_url=server.origin, headers=headers) as client:
        for text in (*texts, b'["\xff"]'):
            answer = client.post(f"/nebula{PATH}", content=text)
            assert answer.headers["x-qwenmock-rule"] == "nebula/http/body/syntax"
        broken = client.post(f"/nebula{PATH}", json=edit | {"contents": [{"role": "user", "parts": parts}]})
        assert broken.headers["x-qwenmock-rule"].endswith("/image/mediaTypes")
        (tmp_path / "test_journal.py").write_text(exported(server, "py").text, "utf-8")
        archive = exported(server, "har").json()["log"]["entries"]
        script = exported(server, "sh").text
        client.post("/__mock__/reset/journal").raise_for_status()
        subprocess.run(["sh", "-c", script], cwd=tmp_path, capture_output=True, check=True)
        again = client.get("/__mock__/journal").json()
    sent = [entry["request"].get("postData", {}).get("text", "") for entry in archive]
    assert sent[: len(texts)] == [text.decode() for text in texts]
    assert [entry["request"] for entry in reversed(again)][: len(texts)] == [text.decode() for text in texts]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "3 passed" in done.stdout, done.stdout


def test_script_sends_a_body_that_is_too_long_for_an_argument() -> None:
    headers = {"Authorization": "Bearer sk-mock"}
    with running(Settings(port=0)) as server, httpx.Client(base_url=server.origin, headers=headers) as client:
        long = BODY | {"notes": ["it's"] + ["x" * 3900] * 60}
        client.post(f"/nebula{PATH}", json=long).raise_for_status()
        script = exported(server, "sh").text
        client.post("/__mock__/reset/journal").raise_for_status()
        done = subprocess.run(["sh"], input=script, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        [entry] = client.get("/__mock__/journal").json()
    assert entry["status"] == 200
    assert entry["request"] == long
