"""The control API."""

import re
import subprocess
from typing import Any

import httpx
import pytest

from qwenmock.mockserver.calls.double import create_double
from qwenmock.mockserver.errors import SettingsError
from qwenmock.mockserver.http.server import RunningServer, running
from qwenmock.mockserver.settings import Settings
from qwenmock.schemas.catalog import load

PATH = "/v1/images/generations"
BODY = {"model": "qwen-image-plus", "prompt": "a cat", "parameters": {"size": "1328*1328"}}


def test_health_is_told_at_the_root_too(server: RunningServer) -> None:
    for path in ("/health", "/ready", "/__mock__/health"):
        assert httpx.get(server.origin + path).json()["status"] == "ok"


def test_the_root_sends_a_browser_to_the_pages_and_tells_others_where_everything_is(server: RunningServer) -> None:
    accept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
    page = httpx.get(f"{server.origin}/", headers={"Accept": accept}, follow_redirects=True)
    assert (str(page.url), page.headers["content-type"]) == (f"{server.origin}/__mock__/", "text/html; charset=utf-8")
    told = httpx.get(f"{server.origin}/")
    assert told.headers["content-type"] == "text/plain; charset=utf-8"
    addresses = re.findall(rf"{server.origin}\S+", told.text)
    assert [f"{server.origin}/{slug}" in addresses for slug in load().providers] == [True] * len(load().providers)
    others = [address for address in addresses if "/__mock__/" in address or address.endswith("/health")]
    assert len(others) >= 4 + len(load().providers)
    assert {httpx.get(address).status_code for address in others} == {200}
    command = told.text.split("A request that works:\n")[1]
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert "/__files__/" in done.stdout


def test_the_root_is_the_servers_own_beside_a_provider_at_the_root() -> None:
    with running(Settings(port=0, provider="nebula")) as server:
        assert httpx.get(f"{server.origin}/").text.startswith("qwenmock")
        posted = httpx.post(f"{server.origin}/")
        assert (posted.status_code, "x-request-id" in posted.headers) == (404, True), "it is answered as Nebula would"


def test_pictures_are_told_by_what_they_were_made_from(
    nebula: httpx.Client, server: RunningServer, control: httpx.Client
) -> None:
    nebula.post(PATH, json={**BODY, "parameters": {"size": "1664*928"}}).raise_for_status()
    task = {"model": "qwen-image-edit", "prompt": "a hat", "image_urls": ["https://example.com/a.png"]}
    key = {"Authorization": "Bearer sk-mock"}
    created = httpx.post(f"{server.origin}/evolink/v1/images/generations", json=task, headers=key).json()
    control.post("/clock", json={"advance_seconds": 60}).raise_for_status()
    for _ in range(2):  # what a query shows again is no other picture
        httpx.get(f"{server.origin}/evolink/v1/tasks/{created['id']}", headers=key).raise_for_status()
    # A link that somebody else has signed is not one of the server's pictures.
    nebula.post(PATH, json={**BODY, "model": f"{server.origin}/__files__/abc/0.png?Expires=1&Signature=x"})
    hat, cat = control.get("/pictures").json()
    assert (hat["provider"], hat["prompt"], hat["key"]) == ("evolink", "a hat", "sk-mock")
    assert [cat[name] for name in ("prompt", "width", "height")] == ["a cat", 1664, 928]
    assert 0 <= cat["seed"] < 2**31
    assert cat["expires"] == int(cat["created"]) + 86400
    assert httpx.get(server.origin + cat["url"]).headers["content-type"] == "image/png"
    control.post("/clock", json={"advance_seconds": 90000}).raise_for_status()
    assert [picture["url"] for picture in control.get("/pictures").json()] == [hat["url"], cat["url"]]
    assert httpx.get(server.origin + cat["url"]).status_code == 403
    for query, count in {"limit=1": 1, "provider=nebula": 1, "key=x": 0}.items():
        assert len(control.get(f"/pictures?{query}").json()) == count


def test_examples_are_accepted_and_call_nobody(server: RunningServer, control: httpx.Client) -> None:
    examples = control.get("/examples").json()
    assert {example["makes_task"] for example in examples} == {True, False}
    for example in examples:
        headers = {
            "Authorization": "Bearer sk-mock",
            **dict([example["required_header"]] if example["required_header"] else []),
        }
        url = f"{server.origin}/{example['provider']}{example['path']}"
        httpx.request(example["method"], url, json=example["request"], headers=headers).raise_for_status()
    assert "callback" not in str(examples)
    lengths = [len(str(example["request"])) for example in examples]
    assert lengths[0] == min(lengths)


def test_health_says_how_far_the_clock_is_ahead(control: httpx.Client) -> None:
    assert control.get("/health").json()["offset"] == 0
    control.post("/clock", json={"advance_seconds": 90}).raise_for_status()
    assert control.get("/health").json()["offset"] == 90


def test_sources_name_every_document_and_page_that_a_rule_cites(control: httpx.Client) -> None:
    known = control.get("/sources").json()
    names = {f"{document['name']}, " for document in known["documents"]}
    pages = {f"published: {page['name']}" for page in known["pages"]}
    cited = {rule["source"] for slug in load().providers for rule in rules(control.get(f"/contract/{slug}").json())}
    assert {source for source in cited if source not in pages and not any(map(source.startswith, names))} == set()


def rules(contract: dict[str, Any]) -> list[dict[str, Any]]:
    found = [*contract["http"], *contract["errors"], *contract["models"]]
    return found + [rule for variant in contract["variants"] for rule in variant["rules"] + variant["answers"]]


def test_journal_shows_calls_newest_first_with_masked_keys(nebula: httpx.Client, control: httpx.Client) -> None:
    nebula.post(PATH, json=BODY)
    nebula.post(PATH, json={}, headers={"Authorization": "Bearer sk-secret-key-of-somebody"})
    refused, served = control.get("/journal").json()
    assert (refused["status"], served["status"]) == (401, 200)
    assert "secret" not in str(refused)
    assert served["charge"]["amount"] == "0.18"
    assert served["effective_prompt"] == "a cat"


def test_accounts_change_together_where_the_value_means_the_same(control: httpx.Client) -> None:
    """A rate limit, and a balance of 0."""
    key, rate = "sk-mock.together", 100
    change = {"balance": "0.0", "requests_per_minute": rate}
    accounts = control.patch(f"/accounts/{key}", json=change).json()["accounts"]
    assert {account["currency"] for account in accounts} > {"CNY", "credits"}
    assert {(account["balance"], account["requests_per_minute"]) for account in accounts} == {("0", rate)}
    refused = control.patch(f"/accounts/{key}", json={"balance": "5", "requests_per_minute": 1})
    assert refused.status_code == 400
    assert re.fullmatch(
        r'missing member "provider": expected for a balance, since the accounts of the key have different currencies '
        r"\(.*CNY: [^;]*nebula.*credits: evolink.*\)",
        refused.json()["error"],
    )
    kept = control.get(f"/ledger?key={key}").json()["accounts"]
    assert {account["requests_per_minute"] for account in kept} == {rate}


@pytest.mark.parametrize(
    ("query", "count"),
    [("status=401", 1), ("key=sk-mock", 1), ("provider=nebula", 2), ("limit=1", 1), ("key=nobody", 0), ("limit=0", 0)],
)
def test_journal_can_be_filtered(nebula: httpx.Client, control: httpx.Client, query: str, count: int) -> None:
    nebula.post(PATH, json=BODY)
    nebula.post(PATH, json=BODY, headers={"Authorization": "Bearer sk-mock-expired"})
    assert len(control.get(f"/journal?{query}").json()) == count


def test_journal_holds_no_image(nebula: httpx.Client, control: httpx.Client) -> None:
    long = "data:image/png;base64," + "A" * 100_000
    nebula.post(PATH, json=BODY | {"image": long})
    assert len(control.get("/journal").content) < 5000


def test_journal_is_bounded() -> None:
    with running(Settings(port=0, journal_max=5)) as server, httpx.Client(base_url=server.origin) as client:
        for _ in range(12):
            client.post(f"/nebula{PATH}", json=BODY)
        assert len(client.get("/__mock__/journal").json()) == 5


def test_calls_that_cannot_be_done_say_why(control: httpx.Client) -> None:
    wrong = [
        ("PATCH", "/accounts/sk-mock", {"balance": "-1"}, 400),
        ("PATCH", "/accounts/sk-mock", {"balance": "much"}, 400),
        ("PATCH", "/accounts/sk-mock", {"colour": "red"}, 400),
        ("PATCH", "/accounts/sk-mock", {}, 400),
        ("PATCH", "/accounts/sk-mock", {"requests_per_minute": "3"}, 400),
        ("PATCH", "/accounts/nobody", {"balance": "1"}, 404),
        ("PATCH", "/accounts/sk-mock", {"provider": "acme", "balance": "1"}, 404),
        ("POST", "/clock", {"advance_seconds": -1}, 400),
        ("POST", "/clock", {"advance_seconds": "1"}, 400),
        ("POST", "/clock", [], 400),
        ("POST", "/reset/everything", {}, 404),
        ("PUT", "/faults", {}, 400),
        ("PUT", "/faults", [{"status": 418}], 400),
        ("PUT", "/faults", [{"colour": 1}], 400),
        ("PUT", "/faults", [{"status": 500, "probability": 2}], 400),
        ("PUT", "/faults", [{"provider": "acme", "status": 500}], 400),
        ("PUT", "/faults", [{}], 400),
        ("PUT", "/faults", [{"status": 500, "times": 2**63}], 400),
        ("PUT", "/faults", [{"status": 500, "times": 1e300}], 400),
        ("POST", "/images", {}, 400),
        ("GET", "/journal?limit=x", None, 400),
        ("GET", "/ledger?provider=acme", None, 404),
        ("GET", "/nowhere", None, 404),
        ("DELETE", "/ledger", None, 405),
    ]
    for method, path, body, status in wrong:
        answer = control.request(method, path, json=body)
        assert (answer.status_code, list(answer.json())) == (status, ["error"]), (method, path, body)


@pytest.mark.parametrize(
    ("method", "path", "body", "message"),
    [
        ("PATCH", "/accounts/sk-mock", {"colour": "red"},
         'unknown member "colour"; expected provider, balance, requests_per_minute'),
        ("PATCH", "/accounts/sk-mock", {}, "expected at least one of balance, requests_per_minute"),
        ("PATCH", "/accounts/sk-mock", {"requests_per_minute": "3"},
         'requests_per_minute: expected an integer from 0 to 1000000 or null, got "3"'),
        ("PATCH", "/accounts/sk-mock", {"balance": "1_000", "provider": "nebula"},
         "balance: expected a decimal from 0 to 999999999 with at most 9 decimal places, got '1_000'"),
        ("PATCH", "/accounts/sk-mock", {"balance": True}, "balance: expected a string or a number, got true"),
        ("PATCH", "/accounts/nobody", {"balance": "1"}, 'unknown key "nobody"'),
        ("POST", "/clock", {"advance_seconds": -1}, "advance_seconds: expected a number from 0 to 10000000000, got -1"),
        ("POST", "/clock", {}, 'missing member "advance_seconds"'),
        ("POST", "/clock", [], "expected an object, got []"),
        ("POST", "/reset/everything", {},
         "expected one of all, journal, ledger, tasks, faults, limits, clock, got \"everything\""),
        ("PUT", "/faults", [{"status": 418}],
         "status: expected one of 400, 401, 402, 403, 404, 429, 500, 503, got 418"),
        ("GET", "/journal?limit=x", None, "limit: expected an integer of at least 0, got \"x\""),
        ("GET", "/ledger?provider=acme", None,
         "unknown provider \"acme\"; expected one of ai302, aigc, dashscope, evolink, nebula"),
        ("GET", "/tasks/x", None, 'unknown task "x"'),
        ("POST", "/callbacks/x/resend", {}, 'no callback "x", and no task with one'),
        ("POST", "/images?suffix=../x", {}, "suffix: expected 1 to 9 letters or digits, got \"../x\""),
    ],
)  # fmt: skip
def test_error_says_what_is_expected(control: httpx.Client, method: str, path: str, body: object, message: str) -> None:
    assert control.request(method, path, json=body).json() == {"error": message}


def test_body_that_is_not_json_is_refused(control: httpx.Client) -> None:
    answer = control.put("/faults", content=b"{", headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("invalid JSON: ")


def test_whole_numbers_may_be_written_with_a_point(control: httpx.Client) -> None:
    body = {"requests_per_minute": 3.0, "provider": "nebula"}
    [account] = control.patch("/accounts/sk-mock", json=body).json()["accounts"]
    assert account["requests_per_minute"] == 3
    [fault] = control.put("/faults", json=[{"status": 429.0, "times": 2.0}]).json()
    assert (fault["status"], fault["times"]) == (429, 2)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_mutation_by_a_page_of_another_site_is_refused(server: RunningServer, headers: dict[str, str]) -> None:
    for content_type in ("application/json", "text/plain"):
        sent = {**headers, "Content-Type": content_type}
        for method, path in (("POST", "reset"), ("PATCH", "accounts/sk-mock"), ("PUT", "faults")):
            answer = httpx.request(method, f"{server.origin}/__mock__/{path}", headers=sent, content=b"{}")
            assert answer.status_code == 403, path
    assert httpx.get(f"{server.origin}/__mock__/ledger", headers=headers).status_code == 200


def test_mutation_needs_neither_a_body_nor_a_content_type(server: RunningServer) -> None:
    reset = f"{server.origin}/__mock__/reset"
    own = {"Origin": server.origin, "Sec-Fetch-Site": "same-origin"}
    assert httpx.post(reset).status_code == 200
    assert httpx.post(reset, headers=own).status_code == 200
    assert subprocess.run(["curl", "-sSf", "-X", "POST", reset], capture_output=True, check=False).returncode == 0
    form = {"Content-Type": "application/x-www-form-urlencoded"}  # what curl -d sends
    change = httpx.patch(f"{server.origin}/__mock__/accounts/sk-mock", content=b'{"balance": "0"}', headers=form)
    assert change.status_code == 200


def test_page_behind_a_proxy_may_change_things() -> None:
    with running(Settings(port=0, public_url="https://mock.example", admin_token="secret")) as server:
        headers = {"Authorization": "Bearer secret", "Origin": "https://mock.example", "Sec-Fetch-Site": "same-origin"}
        assert httpx.post(f"{server.origin}/__mock__/reset", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["rebinding.example.com", "127.evil.example", "127.0.0.1.nip.io", "localhost.evil.example", "mock", "[::1", ""],
)
def test_foreign_host_name_is_refused(server: RunningServer, host: str) -> None:
    for method, path in (("GET", "ledger"), ("PATCH", "accounts/sk-mock")):
        answer = httpx.request(
            method, f"{server.origin}/__mock__/{path}", json={"balance": "1"}, headers={"Host": host}
        )
        assert answer.status_code == 403
    assert httpx.get(f"{server.origin}/__mock__/ledger").json()["accounts"] == []


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2:80", "localhost:4010", "LOCALHOST", "[::1]:4010"])
def test_own_host_name_is_accepted(server: RunningServer, host: str) -> None:
    assert httpx.get(f"{server.origin}/__mock__/ledger", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["127.evil.example", "127.0.0.1.nip.io"])
def test_name_that_begins_like_a_loopback_address_needs_a_token(host: str) -> None:
    with pytest.raises(SettingsError, match="set --admin-token"):
        create_double(Settings(host=host))


def test_token_is_demanded_when_set() -> None:
    with running(Settings(port=0, admin_token="open sesame")) as server:
        url = f"{server.origin}/__mock__/ledger"
        assert httpx.get(url).status_code == 401
        for given in ("Bearer wrong", "Basic open sesame", "Bearer", "Bearer  open sesame"):
            assert httpx.get(url, headers={"Authorization": given}).status_code == 401
        assert httpx.get(url, headers={"Authorization": "Bearer open sesame"}).status_code == 200
        assert httpx.get(f"{server.origin}/__mock__/health").status_code == 200


def test_json_is_bounded(control: httpx.Client) -> None:
    """It is parsed in the event loop, where it must not delay others."""
    plan = [{"status": 429, "key": "k" * 2**20}]
    answer = control.put("/faults", json=plan)
    assert (answer.status_code, answer.json()) == (413, {"error": "expected a body of at most 1048576 bytes"})
    assert control.get("/faults").json() == []


def test_reset_begins_anew(nebula: httpx.Client, control: httpx.Client) -> None:
    nebula.post(PATH, json=BODY)
    control.post("/reset/ledger", json={})
    assert control.get("/ledger").json() == {"accounts": [], "charges": []}
    assert len(control.get("/journal").json()) == 1
    control.post("/reset", json={})
    assert control.get("/journal").json() == []


def test_limit_of_an_account_can_be_set(nebula: httpx.Client, control: httpx.Client) -> None:
    control.patch("/accounts/sk-mock.slow", json={"requests_per_minute": 1, "provider": "nebula"}).raise_for_status()
    headers = {"Authorization": "Bearer sk-mock.slow"}
    assert [nebula.post(PATH, json=BODY, headers=headers).status_code for _ in range(2)] == [200, 429]


def test_same_seed_gives_the_same_answers() -> None:
    def bodies() -> list[str]:
        with running(Settings(port=0, seed=5)) as server, httpx.Client(base_url=server.origin) as client:
            headers = {"Authorization": "Bearer sk-mock", "Host": "mock"}
            answers = [client.post(f"/nebula{PATH}", json=BODY, headers=headers).json() for _ in range(3)]
            return [answer["data"]["metadata"]["request_id"] for answer in answers]

    first = bodies()
    assert first == bodies()
    assert len(set(first)) == 3


def test_price_can_be_set_and_strict_refuses_what_is_not_documented() -> None:
    from decimal import Decimal

    with running(Settings(port=0, strict=True, prices={"nebula": Decimal("0.25")})) as server:
        client = httpx.Client(base_url=server.origin, headers={"Authorization": "Bearer sk-mock"})
        assert client.post(f"/nebula{PATH}", json=BODY | {"steps": 5}).status_code == 400
        assert client.post(f"/nebula{PATH}", json=BODY).status_code == 200
        [charge] = client.get("/__mock__/ledger").json()["charges"]
        assert charge["amount"] == "0.25"
        assert charge["log"]["content"] == "Image generation: 1 image × ¥0.25 = ¥0.25"
        client.close()


def test_provider_can_be_mounted_at_the_root_and_public_url_begins_links() -> None:
    settings = Settings(port=0, provider="nebula", public_url="https://mock.example.com/qm")
    with running(settings) as server:
        answer = httpx.post(server.origin + PATH, json=BODY, headers={"Authorization": "Bearer sk-mock"})
        assert answer.json()["data"]["data"][0]["url"].startswith("https://mock.example.com/qm/__files__/")
