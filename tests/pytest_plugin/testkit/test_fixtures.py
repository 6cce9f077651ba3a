"""The fixtures for tests of code that calls the APIs."""

import asyncio
import re
import threading
import time
from pathlib import Path
from typing import Any, get_args

import aiohttp
import dashscope
import httpx
import openai
import pytest
import requests
import urllib3

from qwenmock.mockserver import create_app, create_double, running
from qwenmock.mockserver.calls import client_behaviour
from qwenmock.mockserver.testing import entries
from qwenmock.mockserver.testing.intercept import HostRefused, Interception, intercepting
from qwenmock.mockserver.testing.mock import Mock
from qwenmock.pytest_plugin.testkit.usage import Usage

PRODUCTION = "https://llm.ai-nebula.com/v1/images/generations"
BODY = {"model": "qwen-image-plus", "prompt": "a cat", "parameters": {"size": "1328*1328"}}
REAL_KEY = {"Authorization": "Bearer sk-of-a-real-account"}
EVOLINK = {"model": "qwen-image-edit", "prompt": "a hat", "image_urls": ["https://example.com/a.png"]}


def ask(mock: Mock, body: Any = None, path: str = "/v1/images/generations", slug: str = "nebula") -> httpx.Response:
    headers = {"Authorization": f"Bearer {mock.key}"}
    return httpx.post(mock.url(slug) + path, json=body or BODY, headers=headers)


def test_double_answers_and_bills(qwenmock: Mock) -> None:
    assert ask(qwenmock).status_code == 200
    qwenmock.expect_calls(1)
    qwenmock.assert_billed("0.18")
    assert qwenmock.last_request.json == BODY
    assert (qwenmock.last_request.status, qwenmock.last_request.provider) == (200, "nebula")
    assert qwenmock.journal()[0]["status"] == 200
    assert qwenmock.ledger()["charges"][0]["amount"] == "0.18"


def test_a_billed_number_counts_as_it_is_written(qwenmock: Mock) -> None:
    ask(qwenmock)
    qwenmock.assert_billed(0.18)
    with pytest.raises(AssertionError, match=r"expected a charge of 0\.2, got 0\.18 CNY"):
        qwenmock.assert_billed(0.2)


def test_waits_are_judged_only_where_time_is_real(qwenmock: Mock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that replaces `sleep` still has a client that waited as it should."""

    def retry() -> None:
        qwenmock.fail_next(429)
        while ask(qwenmock).status_code == 429:
            pass

    retry()
    assert [each["kind"] for each in qwenmock.verdict()["findings"] if each["severity"] == "error"] == [
        "retry_after_ignored"
    ]
    qwenmock.reset()
    for module, name in ((time, "sleep"), (asyncio, "sleep"), (time, "monotonic")):
        with monkeypatch.context() as patch:
            real = getattr(module, name)
            patch.setattr(module, name, lambda *given, real=real: real(*given))
            retry()
        assert qwenmock.verdict()["ok"], name
        assert "is replaced" in qwenmock.journal()[0]["advisories"][0]
        qwenmock.reset()
    assert ask(qwenmock).status_code == 200
    assert qwenmock.journal()[0]["advisories"] == []


def test_everything_is_at_its_beginning_in_the_next_test(qwenmock: Mock) -> None:
    qwenmock.expect_calls(0)
    qwenmock.assert_billed("0")
    with pytest.raises(AssertionError, match="was not called"):
        _ = qwenmock.last_request


def test_expectations_say_what_was_found(qwenmock: Mock) -> None:
    ask(qwenmock, {"model": "none"})
    table = "  method  provider  model  status  rule\n  POST    nebula    none   400     nebula/contents/model/enum"
    with pytest.raises(AssertionError) as found:
        qwenmock.expect_calls(2)
    assert str(found.value) == f"expected 2 calls, got 1:\n{table}"
    with pytest.raises(AssertionError) as found:
        qwenmock.assert_billed("0.36")
    assert str(found.value) == f"expected a charge of 0.36, got nothing:\n{table}"
    ask(qwenmock)
    ask(qwenmock, EVOLINK, slug="evolink")
    qwenmock.complete_tasks()
    with pytest.raises(AssertionError, match=r"^expected a charge of 1, got charges in several currencies: .*:\n  m"):
        qwenmock.assert_billed(1)
    with pytest.raises(AssertionError, match=r"^expected 0 calls, got 2:\n  m.*\n  P.*\n  POST .* 0\.18 CNY$"):
        qwenmock.expect_calls(0, "nebula")


@pytest.mark.qwenmock_allow("retry_after_ignored")
def test_next_calls_fail_as_documented(qwenmock: Mock) -> None:
    qwenmock.fail_next(429)
    qwenmock.fail_next(500, times=2, provider="nebula")
    assert [ask(qwenmock).status_code for _ in range(4)] == [429, 500, 500, 200]
    with pytest.raises(ValueError, match=r"status: expected one of 400, 401.*, got 418"):
        qwenmock.fail_next(418)
    with pytest.raises(KeyError, match="nobody"):
        qwenmock.url("nobody")


@pytest.mark.qwenmock_allow("link_after_expiry")
def test_clock_balance_and_tasks(qwenmock: Mock) -> None:
    link = ask(qwenmock).json()["data"]["data"][0]["url"]
    qwenmock.advance(90_000)
    assert httpx.get(link).status_code == 403
    with pytest.raises(ValueError, match=r'^missing member "provider": expected for a balance, since '):
        qwenmock.set_balance(0.1)
    qwenmock.set_balance(0.1, provider="nebula")
    assert ask(qwenmock).status_code == 403
    created = ask(qwenmock, EVOLINK, slug="evolink").json()
    assert created["status"] == "pending"
    qwenmock.complete_tasks()
    headers = {"Authorization": f"Bearer {qwenmock.key}"}
    task = httpx.get(f"{qwenmock.url('evolink')}/v1/tasks/{created['id']}", headers=headers).json()
    assert task["status"] == "completed"


@pytest.mark.qwenmock_allow("retry_after_ignored")
def test_fault_that_no_request_met_is_reported(qwenmock: Mock) -> None:
    qwenmock.fail_next(429, times=2)
    assert ask(qwenmock).status_code == 429
    use = Usage().take("test", qwenmock)
    assert [f["detail"] for f in use.findings] == ["a fault with the status 429 has 1 request left to fail"]
    assert ask(qwenmock).status_code == 429
    assert Usage().take("test", qwenmock).findings[-1]["kind"] != "fault_unused"


@pytest.mark.qwenmock_allow("refusal_repeated", "fault_unused")
def test_entries_have_exactly_the_members_of_their_types(qwenmock: Mock) -> None:
    ask(qwenmock)
    ask(qwenmock, {"model": "none"})
    ask(qwenmock, {"model": "none"})
    qwenmock.fail_next(429, model="qwen-image-plus")
    ask(qwenmock, EVOLINK | {"callback_url": "http://127.0.0.1:9/"}, slug="evolink")
    qwenmock.complete_tasks()
    deadline = time.monotonic() + 30
    while qwenmock.journal()[0]["endpoint"] != "callback":
        assert time.monotonic() < deadline, "no callback was sent"
        time.sleep(0.02)
    journal, ledger, verdict = qwenmock.journal(), qwenmock.ledger(), qwenmock.verdict()
    callback, *_, created, _, refused, accepted = journal
    only_callbacks = {"attempt", "state"}
    assert callback.keys() == entries.JournalEntry.__required_keys__ | only_callbacks | {"request_headers"}
    assert refused.keys() == entries.JournalEntry.__annotations__.keys() - only_callbacks
    for entry in (created, accepted):
        assert entry.keys() == refused.keys() - {"fingerprint"}
    assert accepted["charge"].keys() == entries.EntryCharge.__annotations__.keys()
    assert refused["rule"].keys() == entries.BrokenRule.__annotations__.keys()
    assert refused["refusal"].keys() == entries.Refusal.__annotations__.keys()
    assert ledger.keys() == entries.Ledger.__annotations__.keys()
    assert ledger["accounts"][0].keys() == entries.AccountEntry.__annotations__.keys()
    assert ledger["charges"][0].keys() == entries.ChargeEntry.__annotations__.keys()
    assert verdict.keys() == entries.Verdict.__annotations__.keys()
    assert verdict["findings"][0].keys() == entries.VerdictFinding.__annotations__.keys()
    (task,) = qwenmock.control("GET", "tasks")
    assert entries.TaskEntry.__annotations__.keys() <= task.keys()
    (fault,) = qwenmock.control("GET", "faults")
    assert fault.keys() <= entries.Fault.__annotations__.keys()


def test_kinds_of_findings_are_those_that_exist() -> None:
    source = Path(client_behaviour.__file__).read_text("utf-8")
    found = set(re.findall(r'Finding\("(\w+)"', source)) | {"fault_unused"}
    assert found == set(get_args(entries.FindingKind))


@pytest.mark.qwenmock_allow("refusal_repeated")
def test_good_manners_are_asserted(qwenmock: Mock) -> None:
    ask(qwenmock)
    qwenmock.assert_well_behaved()
    for _ in range(2):
        ask(qwenmock, {"model": "none"})
    with pytest.raises(AssertionError, match="refusal_repeated"):
        qwenmock.assert_well_behaved()
    qwenmock.assert_well_behaved(allow=["refusal_repeated"])


def test_httpx_lands_on_the_double(qwenmock: Mock, qwenmock_intercept: Interception) -> None:
    answer = httpx.post(PRODUCTION, json=BODY, headers=REAL_KEY)
    assert answer.status_code == 200
    link = answer.json()["data"]["data"][0]["url"]
    assert link.startswith("http://llm.ai-nebula.com/")
    assert httpx.get(link).content.startswith(b"\x89PNG")
    assert "real" not in str(qwenmock.journal())

    async def call() -> int:
        async with httpx.AsyncClient() as client:
            return (await client.post(PRODUCTION, json=BODY, headers=REAL_KEY)).status_code

    assert asyncio.run(call()) == 200
    qwenmock.expect_calls(2)


def test_requests_and_urllib3_land_on_the_double(qwenmock: Mock, qwenmock_intercept: Interception) -> None:
    with requests.Session() as session:
        answer = session.post(PRODUCTION, json=BODY, headers=REAL_KEY)
        assert answer.json()["code"] == 200
        assert session.get(answer.json()["data"]["data"][0]["url"]).content.startswith(b"\x89PNG")
    pool = urllib3.PoolManager()
    assert pool.request("POST", PRODUCTION, json=BODY, headers=REAL_KEY).status == 200
    pool.clear()
    qwenmock.expect_calls(2)


def test_aiohttp_lands_on_the_double(qwenmock: Mock, qwenmock_intercept: Interception) -> None:
    async def call() -> Any:
        async with aiohttp.ClientSession(headers=REAL_KEY) as session, session.post(PRODUCTION, json=BODY) as answer:
            found = await answer.json()
            async with session.get(found["data"]["data"][0]["url"]) as picture:
                return found, await picture.read()

    found, picture = asyncio.run(call())
    assert found["code"] == 200
    assert picture.startswith(b"\x89PNG")


def test_sdks_as_they_are_land_on_the_double(qwenmock: Mock, qwenmock_intercept: Interception) -> None:
    with openai.OpenAI(base_url="https://llm.ai-nebula.com/v1", api_key="sk-real-looking") as client:
        client.images.generate(
            model="qwen-image-plus", prompt="a cat", extra_body={"parameters": {"size": "1328*1328"}}
        )
    messages = [{"role": "user", "content": [{"image": "https://example.com/a.png"}, {"text": "a hat"}]}]
    answer: Any = dashscope.MultiModalConversation.call(
        model="qwen-image-edit-plus", api_key="sk-real-looking", messages=messages
    )
    assert answer.status_code == 200
    qwenmock.expect_calls(2)


def test_other_hosts_are_refused_with_what_to_do(qwenmock: Mock) -> None:
    with intercepting(qwenmock) as interception:
        with pytest.raises(HostRefused, match=r"qwenmock_intercept\.allow\('other\.example'\)"):
            httpx.get("https://other.example/")
        with pytest.raises(requests.ConnectionError, match="not a production host"):
            requests.get("https://other.example/", timeout=1)
        assert interception.refused == ["other.example", "other.example"]
        interception.allow("other.example")
        assert not interception.is_redirected("other.example")


def test_nothing_stays_patched_even_after_a_failure(qwenmock: Mock) -> None:
    before = (
        httpx.HTTPTransport.handle_request,
        httpx.AsyncHTTPTransport.handle_async_request,
        urllib3.HTTPConnectionPool.urlopen,
        aiohttp.ClientSession._request,
    )

    def failing_test() -> None:
        with intercepting(qwenmock):
            assert httpx.HTTPTransport.handle_request is not before[0]
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        failing_test()
    after = (
        httpx.HTTPTransport.handle_request,
        httpx.AsyncHTTPTransport.handle_async_request,
        urllib3.HTTPConnectionPool.urlopen,
        aiohttp.ClientSession._request,
    )
    assert after == before


def test_double_runs_without_pytest() -> None:
    threads = threading.active_count()
    with running() as server:
        assert httpx.post(server.url("nebula") + "/v1/images/generations", json=BODY).status_code == 401
    assert threading.active_count() == threads

    async def embedded() -> int:
        app = create_app(create_double())
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://double") as client:
            headers = {"Authorization": "Bearer sk-mock"}
            return (await client.post("/nebula/v1/images/generations", json=BODY, headers=headers)).status_code

    assert asyncio.run(embedded()) == 200
