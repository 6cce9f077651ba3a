"""EvoLink's tasks, credits and callbacks, with a real receiver."""

import base64
import csv
import io
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from qwenmock import fixtures
from qwenmock.mockserver.http.server import RunningServer, running
from qwenmock.mockserver.net import webhook_signatures as signatures
from qwenmock.mockserver.settings import Settings

PATH = "/evolink/v1/images/generations"
BODY = {
    "model": "qwen-image-edit",
    "prompt": "A cat playing in the grass",
    "image_urls": ["https://example.com/image1.png"],
}
SECRET = "whsec_" + base64.b64encode(b"a secret of a few bytes").decode()


class Receiver:
    """Collects what is posted to it, and answers with the statuses it was given, then 200."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.received: list[tuple[dict[str, str], bytes]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.received.append(({k.lower(): v for k, v in self.headers.items()}, content))
                self.send_response(receiver.statuses.pop(0) if receiver.statuses else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.server.shutdown()
    receiver.server.server_close()


@pytest.fixture(scope="module")
def local_server() -> Iterator[RunningServer]:
    with running(Settings(port=0, allow_local_callbacks=True, callback_secret=SECRET)) as server:
        yield server


@pytest.fixture
def local(local_server: RunningServer) -> Iterator[httpx.Client]:
    headers = {"Authorization": "Bearer sk-mock", "Content-Type": "application/json"}
    with httpx.Client(base_url=local_server.origin, headers=headers) as client:
        client.post("/__mock__/reset", json={})
        yield client


@pytest.fixture
def client(server: RunningServer) -> Iterator[httpx.Client]:
    headers = {"Authorization": "Bearer sk-mock", "Content-Type": "application/json"}
    with httpx.Client(base_url=server.origin, headers=headers) as client:
        yield client


def until(condition: Callable[[], Any], seconds: float = 15) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError("it did not happen in time")


def advance(client: httpx.Client, seconds: float) -> None:
    client.post("/__mock__/clock", json={"advance_seconds": seconds}).raise_for_status()


def create(client: httpx.Client, **more: Any) -> dict[str, Any]:
    answer = client.post(PATH, json=BODY | more)
    assert answer.status_code == 200, answer.text
    return answer.json()


def balance(client: httpx.Client) -> tuple[str, str]:
    [account] = client.get("/__mock__/ledger?provider=evolink&key=sk-mock").json()["accounts"]
    return account["balance"], account["reserved"]


def test_charge_is_shown_in_dollars_too(client: httpx.Client) -> None:
    create(client)
    advance(client, 60)
    [charge] = client.get("/__mock__/ledger").json()["charges"]
    assert (charge["amount"], charge["usd"]) == ("2.3", "0.0319")
    [line] = csv.DictReader(io.StringIO(client.get("/__mock__/ledger.csv").text))
    assert (line["amount"], line["currency"], line["usd"]) == ("2.3", "credits", "0.0319")
    model = client.get("/__mock__/contract/evolink").json()["models"][0]
    assert (model["price"], model["usd"]) == ("2.3", "0.0319")


def test_default_model_is_used_and_noted_where_none_is_named(client: httpx.Client) -> None:
    answer = client.post(PATH, json={name: value for name, value in BODY.items() if name != "model"})
    assert (answer.status_code, answer.json()["model"]) == (200, "qwen-image-edit")
    assert answer.headers["X-Qwenmock-Advisory"] == (
        "model is missing: it is documented as required, and its default qwen-image-edit is used"
    )
    wrong = client.post(PATH, json={**BODY, "model": None})
    assert (wrong.status_code, "X-Qwenmock-Advisory" in wrong.headers) == (400, False)


@pytest.mark.parametrize("exchange", fixtures.exchanges("evolink"), ids=lambda e: e.source)
def test_documented_request_creates_a_task(client: httpx.Client, exchange: fixtures.Exchange) -> None:
    answer = client.post(PATH, json=exchange.request)
    assert answer.status_code == 200
    assert answer.json()["id"].startswith("task-unified-")


def test_task_runs_from_reservation_to_confirmation(client: httpx.Client) -> None:
    created = create(client)
    assert (created["status"], created["progress"], created["usage"]["credits_reserved"]) == ("pending", 0, 2.3)
    assert balance(client) == ("999997.7", "2.3")
    seen = []
    # It starts after 0.2 s and ends after 1 s, and the machine may be slow in between.
    for seconds in (0, 0.3, 0.2, 1):
        advance(client, seconds)
        seen.append(client.get(f"/evolink/v1/tasks/{created['id']}").json())
    assert [task["status"] for task in seen] == ["pending", "processing", "processing", "completed"]
    assert 0 < seen[1]["progress"] < seen[2]["progress"] < seen[3]["progress"] == 100
    assert "results" not in seen[2]
    assert seen[3]["task_info"]["can_cancel"] is False
    assert "usage" not in seen[3]
    assert client.get(seen[3]["results"][0]).status_code == 200
    assert balance(client) == ("999997.7", "0")
    left = client.get("/evolink/v1/credits").json()["data"]
    assert (left["token"]["remaining_credits"], left["user"]["used_credits"]) == (999997.7, 2.3)


@pytest.mark.parametrize(
    ("directive", "code"),
    [
        ("refuse", "content_policy_violation"),
        ("fail-task=generation_timeout", "generation_timeout"),
        ("fail-images=1", "generation_failed_no_content"),
    ],
)
def test_failed_task_gives_its_credits_back(client: httpx.Client, directive: str, code: str) -> None:
    created = create(client, prompt=f"cat [[qwenmock: {directive}]]")
    advance(client, 2)
    task = client.get(f"/evolink/v1/tasks/{created['id']}").json()
    assert (task["status"], task["error"]["code"], task["error"]["type"]) == ("failed", code, "task_error")
    assert "results" not in task
    assert balance(client) == ("1000000", "0")


def test_fault_plan_fails_tasks(client: httpx.Client) -> None:
    client.put("/__mock__/faults", json=[{"provider": "evolink", "fail_task": "service_error", "times": 1}])
    failing, working = create(client), create(client)
    advance(client, 2)
    statuses = [client.get(f"/evolink/v1/tasks/{task['id']}").json()["status"] for task in (failing, working)]
    assert statuses == ["failed", "completed"]


def test_cancelled_task_gives_its_credits_back(client: httpx.Client) -> None:
    created = create(client)
    cancelled = client.post(f"/__mock__/tasks/{created['id']}/cancel", json={}).json()
    assert cancelled["state"] == "cancelled"
    advance(client, 5)
    assert client.get(f"/evolink/v1/tasks/{created['id']}").json()["status"] == "cancelled"
    assert balance(client) == ("1000000", "0")
    assert client.post(f"/__mock__/tasks/{created['id']}/cancel", json={}).status_code == 409


def test_cancellation_and_completion_at_once_end_a_task_in_one_way(client: httpx.Client) -> None:
    """Threads cancel, complete and settle one task; whoever is first decides, and the money follows."""
    ends: list[str] = []
    order = random.Random(7)
    with ThreadPoolExecutor(8) as pool:
        for _ in range(20):
            client.post("/__mock__/reset", json={}).raise_for_status()
            task_id = create(client)["id"]
            cancel, settle = f"/__mock__/tasks/{task_id}/cancel", "/__mock__/ledger"
            calls: list[tuple[str, Callable[[], httpx.Response]]] = [
                *[("cancel", lambda cancel=cancel: client.post(cancel, json={}))] * 3,
                *[("settle", lambda settle=settle: client.get(settle))] * 3,
                *[("complete", lambda: client.post("/__mock__/clock", json={"advance_seconds": 5}))],
            ]
            order.shuffle(calls)
            running = [(name, pool.submit(call)) for name, call in calls]
            answers = [(name, each.result().status_code) for name, each in running]
            assert {status for name, status in answers if name != "cancel"} == {200}
            accepted = answers.count(("cancel", 200))
            ends.append(client.get(f"/evolink/v1/tasks/{task_id}").json()["status"])
            charges = client.get("/__mock__/ledger").json()["charges"]
            assert (accepted, len(charges)) == ((1, 0) if ends[-1] == "cancelled" else (0, 1))
            assert balance(client)[1] == "0"
    assert set(ends) <= {"completed", "cancelled"}


def test_task_is_seen_by_its_own_key_only(client: httpx.Client) -> None:
    task_id = create(client)["id"]
    errors = {
        (f"/evolink/v1/tasks/{task_id}", "Bearer sk-mock.other"): (403, "permission_denied"),
        (f"/evolink/v1/tasks/{task_id}", "Bearer nobody"): (401, "unauthorized"),
        ("/evolink/v1/tasks/task-unified-1-x", "Bearer sk-mock"): (404, "task_not_found"),
        ("/evolink/v1/tasks/nonsense", "Bearer sk-mock"): (400, "invalid_task_id"),
    }
    for (path, authorization), due in errors.items():
        answer = client.get(path, headers={"Authorization": authorization})
        assert (answer.status_code, answer.json()["error"]["code"]) == due


HOOK = "https://example.com/hook"
BAD: dict[str, dict[str, Any]] = {
    "no images": {"image_urls": []},
    "four images": {"image_urls": BODY["image_urls"] * 4},
    "data URL": {"image_urls": [fixtures.data_url("landscape.png")]},
    "svg": {"image_urls": ["https://example.com/a.svg"]},
    "long prompt": {"prompt": "x" * 2001},
    "http": {"callback_url": "http://example.com/hook"},
    "long hook": {"callback_url": HOOK.ljust(2049, "x")},
    "no model": {"model": None},
    "unknown model": {"model": "dall-e"},
    **{
        host: {"callback_url": f"https://{host}/hook"}
        for host in (
            "127.0.0.1",
            "[::1]",
            "2130706433",
            "0177.0.0.1",
            "0x7f000001",
            "localhost",
            "10.1.2.3",
            "172.20.0.1",
            "192.168.0.1",
            "169.254.169.254",
            "[::ffff:10.0.0.1]",
        )
    },
}


@pytest.mark.parametrize("name", BAD)
def test_bad_body_is_refused_and_nothing_is_reserved(client: httpx.Client, name: str) -> None:
    answer = client.post(PATH, json=BODY | BAD[name])
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_request")
    assert answer.json()["error"]["param"] in {"image_urls", "prompt", "callback_url", "model"}
    ledger = client.get("/__mock__/ledger").json()
    assert ledger["charges"] == []
    assert all(account["reserved"] == "0" for account in ledger["accounts"])


def test_missing_money_is_402(client: httpx.Client) -> None:
    answer = client.post(PATH, json=BODY, headers={"Authorization": "Bearer sk-mock-empty"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (402, "insufficient_quota")


def test_callback_brings_the_body_of_the_query_after_billing(local: httpx.Client, receiver: Receiver) -> None:
    created = create(local, callback_url=receiver.url)
    advance(local, 2)
    until(lambda: receiver.received)
    headers, content = receiver.received[0]
    assert local.get(f"/evolink/v1/tasks/{created['id']}").content == content
    assert headers["content-type"] == "application/json"
    assert signatures.problem(SECRET, headers, content, time.time()) is None
    assert signatures.problem(SECRET, headers, content + b" ", time.time()) is not None
    assert len(local.get("/__mock__/ledger").json()["charges"]) == 1
    until(lambda: any(entry["endpoint"] == "callback" for entry in local.get("/__mock__/journal").json()))
    assert len(receiver.received) == 1


def test_callback_is_tried_again_after_1_2_and_4_seconds_and_then_no_more(
    local: httpx.Client, receiver: Receiver
) -> None:
    receiver.statuses = [500, 500, 503, 500, 200]
    created = create(local, callback_url=receiver.url)
    advance(local, 2)

    def callback() -> dict[str, Any]:
        return local.get(f"/__mock__/tasks/{created['id']}").json()["callbacks"][0]

    for tries, pause in enumerate((1, 2, 4), start=1):
        until(lambda tries=tries: len(callback()["attempts"]) == tries)
        last = callback()
        assert last["due"] - last["attempts"][-1]["at"] == pytest.approx(pause, abs=0.9)
        advance(local, pause)
    until(lambda: callback()["state"] == "failed")
    assert [attempt["status"] for attempt in callback()["attempts"]] == [500, 500, 503, 500]
    local.post(f"/__mock__/callbacks/{created['id']}/resend", json={}).raise_for_status()
    until(lambda: len(receiver.received) == 5)


def test_failed_and_cancelled_tasks_call_back_too(local: httpx.Client, receiver: Receiver) -> None:
    create(local, callback_url=receiver.url, prompt="[[qwenmock: refuse]]")
    advance(local, 2)
    until(lambda: b'"status":"failed"' in b"".join(content for _, content in receiver.received))
    created = create(local, callback_url=receiver.url)
    local.post(f"/__mock__/tasks/{created['id']}/cancel", json={})
    until(lambda: b'"status":"cancelled"' in receiver.received[-1][1])


def test_faults_of_delivery(local: httpx.Client, receiver: Receiver) -> None:
    plan = [{"callback": kind, "times": 1} for kind in ("lost", "duplicate", "late", "out-of-order")]
    local.put("/__mock__/faults", json=plan).raise_for_status()
    lost, double, late, held, plain = (create(local, callback_url=receiver.url)["id"] for _ in range(5))
    advance(local, 2)

    def received() -> list[str]:
        return [content.decode().split('"id":"')[1].split('"')[0] for _, content in receiver.received]

    until(lambda: sorted(received()) == sorted([double, double, held, plain]))
    assert received()[-1] == held or received().index(held) > min(received().index(plain), received().index(double))
    ids = [headers["webhook-id"] for headers, content in receiver.received if double.encode() in content]
    assert ids[0] == ids[1]
    advance(local, 61)
    until(lambda: late in received())
    assert lost not in received()
    assert local.get(f"/__mock__/tasks/{lost}").json()["callbacks"][0]["state"] == "lost"


def test_callback_goes_to_another_origin_if_a_fault_says_so(client: httpx.Client, receiver: Receiver) -> None:
    """Also to this machine, and also where the settings do not allow callbacks to it."""
    origin = receiver.url.removesuffix("/hook")
    client.put("/__mock__/faults", json=[{"callback_origin": origin, "times": 1}]).raise_for_status()
    create(client, callback_url="https://example.com:8443/hook?x=1")
    advance(client, 2)
    until(lambda: receiver.received)
    assert receiver.received[0][0]["host"] == origin.removeprefix("http://")


def test_name_that_leads_inside_is_refused_at_delivery(server: RunningServer, client: httpx.Client) -> None:
    """A host name is taken at creation; where it resolves to an internal address, nothing is sent."""
    name = socket.gethostname()
    address = socket.gethostbyname(name)
    if not address.startswith(("127.", "10.", "172.", "192.168.")) or ("." in name and name.endswith(".local")):
        pytest.skip(f"this machine's own name leads to {address}, which is no internal address")
    created = create(client, callback_url=f"https://{name}/hook")
    advance(client, 2)
    attempts = until(lambda: client.get(f"/__mock__/tasks/{created['id']}").json()["callbacks"][0]["attempts"])
    assert "internal address" in attempts[0]["error"]


@pytest.mark.parametrize("path", ["/höök", "/hook?q=猫"])
def test_callback_url_that_cannot_be_requested_is_a_failed_attempt(local: httpx.Client, path: str) -> None:
    created = create(local, callback_url=f"http://127.0.0.1:9{path}")
    advance(local, 2)

    def callback() -> dict[str, Any]:
        return local.get(f"/__mock__/tasks/{created['id']}").json()["callbacks"][0]

    until(lambda: callback()["attempts"])
    assert "ascii" in callback()["attempts"][0]["error"]
    [entry] = [entry for entry in local.get("/__mock__/journal").json() if entry["endpoint"] == "callback"]
    assert entry["status"] == 0


def test_answer_to_a_callback_is_not_read(local: httpx.Client) -> None:
    """A receiver that sends without end is cut off after its header."""
    cut_off = threading.Event()

    def answer(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1500000000\r\n\r\n")
            try:
                for _ in range(1500):
                    connection.sendall(bytes(1_000_000))
            except ConnectionError:
                cut_off.set()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer, args=(listener,))
        thread.start()
        created = create(local, callback_url=f"http://127.0.0.1:{listener.getsockname()[1]}/hook")
        advance(local, 2)
        until(lambda: local.get(f"/__mock__/tasks/{created['id']}").json()["callbacks"][0]["state"] == "delivered")
        thread.join()
    assert cut_off.is_set()


def test_callback_survives_a_restart(tmp_path: Path, receiver: Receiver) -> None:
    settings = Settings(port=0, allow_local_callbacks=True, state=str(tmp_path / "qm.db"))
    headers = {"Authorization": "Bearer sk-mock", "Content-Type": "application/json"}
    with running(settings) as server, httpx.Client(base_url=server.origin, headers=headers) as client:
        created = create(client, callback_url=receiver.url)
    assert receiver.received == []
    with running(settings) as server, httpx.Client(base_url=server.origin, headers=headers) as client:
        until(lambda: receiver.received)
        task = client.get(f"/evolink/v1/tasks/{created['id']}").json()
        assert task["status"] == "completed"
        assert client.get("/" + task["results"][0].split("/", 3)[3]).status_code == 200
        [charge] = client.get("/__mock__/ledger").json()["charges"]
        assert charge["amount"] == "2.3"
