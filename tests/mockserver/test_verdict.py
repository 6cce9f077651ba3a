"""How clients behaved, from what they did."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from qwenmock.mockserver.http.server import RunningServer, running
from qwenmock.mockserver.settings import Settings

PATH = "/v1/images/generations"
BODY = {"model": "qwen-image-plus", "prompt": "a cat", "parameters": {"size": "1328*1328"}}
KEY = {"Authorization": "Bearer sk-mock"}
EVOLINK = {"model": "qwen-image-edit", "prompt": "a hat", "image_urls": ["https://example.com/a.png"]}


def findings(server: RunningServer) -> dict[str, Any]:
    verdict = httpx.get(f"{server.origin}/__mock__/verdict").json()
    assert verdict["ok"] == all(finding["severity"] != "error" for finding in verdict["findings"])
    return {finding["kind"]: finding for finding in verdict["findings"]}


def ask(server: RunningServer, body: Any = None, **headers: str) -> httpx.Response:
    return httpx.post(server.url("nebula") + PATH, json=body or BODY, headers={**KEY, **headers})


def fetch(answer: httpx.Response) -> int:
    return httpx.get(answer.json()["data"]["data"][0]["url"]).status_code


def test_well_behaved_client_is_not_blamed(server: RunningServer) -> None:
    assert fetch(ask(server)) == 200
    assert findings(server) == {}


def test_ignored_retry_after(server: RunningServer) -> None:
    for _ in range(4):
        ask(server, Authorization="Bearer sk-mock-limited")
    ask(server, Authorization="Bearer sk-mock-limited")
    assert "next request came after" in findings(server)["retry_after_ignored"]["detail"]


@pytest.mark.parametrize(
    ("body", "key", "status"),
    [({"model": "none"}, "sk-mock", 400), (BODY, "sk-mock-expired", 401), (BODY, "sk-mock-forbidden", 403)],
)
def test_repeated_refusal(server: RunningServer, body: Any, key: str, status: int) -> None:
    for _ in range(3):
        assert ask(server, body, Authorization=f"Bearer {key}").status_code == status
    assert f"sent 3 times although it was refused with {status}" in findings(server)["refusal_repeated"]["detail"]


def test_other_prompt_or_other_key_is_not_the_same_request_repeated(server: RunningServer) -> None:
    for prompt in ("a cat", "a dog"):
        assert ask(server, {**BODY, "prompt": prompt}, Authorization="Bearer nobody-knows-this").status_code == 401
    for key in ("sk-unknown-one", "sk-unknown-two"):
        assert ask(server, Authorization=f"Bearer {key}").status_code == 401
    assert findings(server) == {}


def test_repeated_charge_says_what_was_lost(server: RunningServer) -> None:
    for _ in range(3):
        fetch(ask(server))
    assert findings(server)["charge_repeated"]["lost"] == "0.36 CNY"


def test_retry_storm(server: RunningServer) -> None:
    for _ in range(12):
        ask(server, Prefer="code=500")
    assert "12 tries of one request" in findings(server)["retry_storm"]["detail"]


def test_polling_too_fast_and_after_the_end(server: RunningServer) -> None:
    # It must not end by itself while it is polled, however slow the machine is.
    slow = {**EVOLINK, "prompt": "a cat [[qwenmock: wait=30]]"}
    created = httpx.post(server.url("evolink") + PATH, json=slow, headers=KEY).json()
    task = f"{server.url('evolink')}/v1/tasks/{created['id']}"
    for _ in range(5):
        httpx.get(task, headers=KEY)
    httpx.post(f"{server.origin}/__mock__/clock", json={"advance_seconds": 60})
    for _ in range(3):
        assert httpx.get(task, headers=KEY).json()["status"] == "completed"
    found = findings(server)
    assert "polled_too_fast" in found
    assert "looked at 2 times more" in found["polled_after_the_end"]["detail"]


def test_links_opened_late_or_never(server: RunningServer) -> None:
    answer = ask(server)
    assert "1 charged request were never fetched" in findings(server)["link_never_fetched"]["detail"]
    httpx.post(f"{server.origin}/__mock__/clock", json={"advance_seconds": 90_000})
    assert fetch(answer) == 403
    late = findings(server)["link_after_expiry"]
    assert (late["detail"], late["requests"]) == (
        "1 link opened after the end of its time",
        [answer.headers["x-request-id"]],
    )


def test_tests_that_run_side_by_side_are_not_blamed_for_each_other(server: RunningServer) -> None:
    answers = [ask(server, Authorization=f"Bearer sk-mock.{name}") for name in ("one", "other")]
    assert fetch(answers[0]) == 200
    httpx.post(f"{server.origin}/__mock__/clock", json={"advance_seconds": 90_000})
    assert fetch(answers[1]) == 403
    verdicts = [httpx.get(f"{server.origin}/__mock__/verdict?key=sk-mock.{name}").json() for name in ("one", "other")]
    assert [verdict["ok"] for verdict in verdicts] == [True, False]


def test_processes_on_one_state_know_of_each_other_s_fetches(tmp_path: Path) -> None:
    state = str(tmp_path / "state.db")
    with running(Settings(port=0, state=state)) as server, running(Settings(port=0, state=state)) as other:
        link = ask(server).json()["data"]["data"][0]["url"]
        assert httpx.get(link.replace(server.origin, other.origin)).status_code == 200
        assert findings(server) == {}
