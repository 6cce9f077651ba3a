"""The compiled path and the general path give the same answers, charges and journal entries."""

import asyncio
import json
import re
from collections.abc import AsyncGenerator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path as FilePath
from typing import Any

import httpx
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qwenmock.mockserver.calls.compiled import MAX_HEAD
from qwenmock.mockserver.calls.double import create_double, open_store
from qwenmock.mockserver.calls.faults import Fault
from qwenmock.mockserver.clock import Clock
from qwenmock.mockserver.http.app import Application, create_app
from qwenmock.mockserver.settings import Settings
from qwenmock.mockserver.store.compact import CompactEntry, Place
from qwenmock.mockserver.store.protocols import AccountDefaults, InsufficientBalance, Selection
from qwenmock.mockserver.store.records import ChargeRow
from qwenmock.mockserver.store.sqlite.store import SqliteStore
from qwenmock.pytest_plugin.examiner.bodies import example
from qwenmock.pytest_plugin.examiner.strategies import bodies, mutants
from qwenmock.schemas.catalog import Catalog, load
from qwenmock.schemas.models import Endpoint, Variant

CATALOG = load()
VARIANTS = {
    f"{provider.slug}/{endpoint.name}/{variant.name}": (provider, endpoint, variant)
    for provider in CATALOG
    for endpoint in provider.endpoints.values()
    if endpoint.kind == "create"
    for variant in endpoint.variants
}
QUERIES = {
    f"{provider.slug}/{endpoint.name}": (provider, endpoint)
    for provider in CATALOG
    for endpoint in provider.endpoints.values()
    if endpoint.kind in {"task", "list", "credits"}
}
EXAMPLES = {"memory": 30, "file": 10}
KEY = {"Authorization": "Bearer sk-mock"}
KEYS = ["sk-mock", "sk-mock", "sk-mock", "sk-mock.x", "sk-mock-empty", "sk-mock-broken", "sk-mock-limited", "wrong"]
HEADERS: list[dict[str, str]] = [{}, {}, {}, {"Prefer": "code=500"}, {"X-DashScope-Async": "enable"}]
TIMES = {"milliseconds", "microseconds"}
NOW = 1_800_000_000.25


class StoppedClock(Clock):
    """The same moment for both paths: links, charges and entries can be compared as they are."""

    def now(self) -> float:
        return NOW + self.offset


class Path:
    """A double whose requests take one of the paths."""

    def __init__(self, *, is_compiled: bool, catalog: Catalog = CATALOG, **options: Any) -> None:
        double = create_double(Settings(seed=7, **options), catalog)
        double.clock = StoppedClock()
        self.app: Application = create_app(double, calls_out=False)
        double.wake = lambda: None  # each request has an event loop of its own, and the worker only one
        if not is_compiled:
            self.app.compiled = {}

    async def send(self, url: str, body: object, headers: dict[str, str], method: str = "POST") -> tuple[Any, ...]:
        """Send a request; return all that can be seen of it."""
        content: dict[str, object] = {} if method == "GET" else {"json": body}
        if isinstance(body, bytes):
            content, headers = {"content": body}, {"Content-Type": "application/json", **headers}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://double") as client:
            answer = await client.request(method, url, headers=headers, **content)  # type: ignore[arg-type]
        store = self.app.double.store
        (entry,) = await store.journal(Selection(limit=1))
        charges = await store.charges(Selection(limit=1))
        accounts = await store.accounts(Selection())
        tasks = await store.tasks(Selection(limit=1))
        seen = {name: value for name, value in entry.items() if name not in TIMES}
        return answer.status_code, dict(answer.headers), answer.content, seen, charges, accounts, tasks

    async def move(self, seconds: float) -> None:
        """Advance the clock."""
        self.app.double.clock.offset = await self.app.double.store.move_clock(seconds)


@pytest.fixture(scope="module", params=EXAMPLES)
def state(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def paths(state: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("state")
    files = [None if state == "memory" else str(folder / name) for name in ("compiled.db", "general.db")]
    return Path(is_compiled=True, state=files[0]), Path(is_compiled=False, state=files[1])


def required(endpoint: Endpoint) -> dict[str, str]:
    """Return the header that an endpoint must be called with."""
    return dict([endpoint.required_header] if endpoint.required_header else [])


def usual(variant: Variant) -> Any:
    """Return a valid body whose images are elsewhere."""
    return json.loads(re.sub('"data:[^"]*"', '"https://example.com/a.png"', json.dumps(example(variant))))


@pytest.mark.parametrize("is_compiled", [True, False])
def test_commas_in_a_prompt_are_text(is_compiled: bool) -> None:
    path = Path(is_compiled=is_compiled)
    body = example(CATALOG["nebula"].variants["simplified"]) | {"prompt": "a, " * 4100}
    status, *_ = send(path, f"/nebula{CATALOG['nebula'].endpoints['create'].path}", body, KEY)
    assert status == 200


@pytest.mark.parametrize("is_compiled", [True, False])
def test_deeply_nested_member_is_ignored(is_compiled: bool) -> None:
    """Older versions of jsonschema-rs read nothing that is nested deeper than 255."""
    nested: list[Any] = []
    for _ in range(300):
        nested = [nested]
    body = example(CATALOG["nebula"].variants["simplified"]) | {"unknown": nested}
    path = Path(is_compiled=is_compiled)
    status, *_ = send(path, f"/nebula{CATALOG['nebula'].endpoints['create'].path}", body, KEY)
    assert status == 200


@pytest.mark.parametrize("is_compiled", [True, False])
def test_body_over_a_small_limit_is_refused(is_compiled: bool) -> None:
    catalog = Catalog({"nebula": replace(CATALOG["nebula"], max_body_bytes=20)})
    path = Path(is_compiled=is_compiled, catalog=catalog)
    endpoint = catalog["nebula"].endpoints["create"]
    body = example(endpoint.variants[0], endpoint.variants[0].models[0])
    status, headers, *_ = send(path, f"/nebula{endpoint.path}", body, {"Authorization": "Bearer sk-mock"})
    assert (status, headers["x-qwenmock-rule"]) == (400, "nebula/http/body/maxBytes")


def send(path: Path, *request: Any) -> tuple[Any, ...]:
    return asyncio.run(path.send(*request))


@pytest.mark.parametrize("name", VARIANTS)
def test_hot_path_agrees_with_the_general_path(name: str, state: str, paths: tuple[Path, Path]) -> None:
    provider, endpoint, variant = VARIANTS[name]
    compiled, general = paths

    @settings(
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
        max_examples=EXAMPLES[state],
    )
    @given(
        bodies(variant) | mutants(provider, variant).map(lambda drawn: drawn[1]),
        st.sampled_from(KEYS),
        st.sampled_from([required(endpoint), required(endpoint), *HEADERS]),
    )
    def check(body: object, key: str, headers: dict[str, str]) -> None:
        request = (f"/{provider.slug}{endpoint.path}", body, {"Authorization": f"Bearer {key}", **headers})
        assert send(compiled, *request) == send(general, *request)

    check()


SIMPLIFIED = usual(CATALOG["nebula"].variants["simplified"])
ODD = {
    # JSON may be nested 1024 deep, and in the state file its line of the journal is around it.
    "as deep as can be read": (400, b'{"model": "qwen-image-plus", "prompt": ' + b"[" * 1023 + b"]" * 1023 + b"}"),
    "many members": (400, orjson.dumps({"model": "qwen-image-plus", "prompt": {f"k{n}": 1 for n in range(200)}})),
    "many items": (400, orjson.dumps({"model": "qwen-image-plus", "prompt": [1] * 200})),
    "data URL with quotation marks": (200, orjson.dumps(SIMPLIFIED | {"prompt": "data:" + 'a"' * 150})),
    "more commas than are read": (400, b"{" + b'"prompt": 1, ' * 4000 + orjson.dumps(SIMPLIFIED)[1:]),
}
"""Bodies as they are sent, and the status that they get."""


@pytest.mark.parametrize("name", ODD)
def test_hot_path_agrees_about_odd_json(name: str, paths: tuple[Path, Path]) -> None:
    expected, body = ODD[name]
    url = f"/nebula{CATALOG['nebula'].endpoints['create'].path}"
    for path in paths:
        send(path, url, SIMPLIFIED, KEY)  # opens the account
    answers = [send(path, url, body, KEY) for path in paths]
    assert answers[0] == answers[1]
    assert answers[0][0] == expected


@pytest.mark.parametrize("is_compiled", [True, False])
def test_fault_that_is_set_while_a_body_is_on_its_way_applies(is_compiled: bool) -> None:
    path = Path(is_compiled=is_compiled)
    url = f"/nebula{CATALOG['nebula'].endpoints['create'].path}"
    send(path, url, SIMPLIFIED, KEY)  # opens the account
    data = orjson.dumps(SIMPLIFIED)

    async def body() -> AsyncGenerator[bytes]:
        yield data[:20]
        await path.app.double.plan.set([Fault(status=500)])
        yield data[20:]

    async def run() -> int:
        headers = KEY | {"Content-Type": "application/json", "Content-Length": str(len(data))}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(path.app), base_url="http://double") as client:
            return (await client.post(url, content=body(), headers=headers)).status_code

    assert asyncio.run(run()) == 500


def test_journal_in_memory_does_not_keep_large_headers() -> None:
    path = Path(is_compiled=True)
    url = f"/nebula{CATALOG['nebula'].endpoints['create'].path}"
    store = path.app.double.store
    assert isinstance(store, SqliteStore)

    def kept(size: int) -> bool:
        status, *_ = send(path, url, SIMPLIFIED, KEY | {"X-Long": "x" * size})
        assert status == 200
        return isinstance(store._recent[-1][0], CompactEntry)

    kept(1)  # opens the account
    assert kept(1000)
    assert not kept(MAX_HEAD)


@pytest.mark.parametrize("is_compiled", [True, False])
@pytest.mark.parametrize("rest", [b"", b" " * 9])
def test_request_that_its_client_does_not_finish_costs_nothing(rest: bytes, is_compiled: bool) -> None:
    """What came of its body may be JSON all the same."""
    path = Path(is_compiled=is_compiled)
    url = f"/nebula{CATALOG['nebula'].endpoints['create'].path}"
    send(path, url, SIMPLIFIED, KEY)  # opens the account
    data = orjson.dumps(SIMPLIFIED)
    headers = [
        (b"authorization", b"Bearer sk-mock"),
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % (len(data) + 10)),
    ]
    parts = [data, *([rest] if rest else [])]
    scope = {"type": "http", "method": "POST", "path": url, "query_string": b"", "scheme": "http", "headers": headers}

    async def receive() -> dict[str, Any]:
        if parts:
            return {"type": "http.request", "body": parts.pop(0), "more_body": True}
        return {"type": "http.disconnect"}

    async def discard(_message: Any) -> None:
        pass

    async def run() -> None:
        await path.app(scope, receive, discard)
        assert len(await path.app.double.store.charges(Selection())) == 1
        (entry,) = await path.app.double.store.journal(Selection(limit=1))
        assert entry["refusal"] == {
            "kind": "malformed",
            "detail": "the connection was closed before the end of the body",
        }

    asyncio.run(run())


@pytest.mark.parametrize("name", VARIANTS)
def test_hot_path_agrees_about_what_follows_a_request(name: str, paths: tuple[Path, Path]) -> None:
    """A task is told in each of its states, and charged when it has ended; an account has what was not spent."""
    provider, endpoint, variant = VARIANTS[name]
    request = (f"/{provider.slug}{endpoint.path}", usual(variant), KEY | required(endpoint))
    created, expected = [send(path, *request) for path in paths]
    assert created == expected
    assert created[0] == 200
    for seconds in (0.0, 0.5, 5.0):
        for path in paths:
            asyncio.run(path.move(seconds))
        for asked in QUERIES.values():
            for task_id in (created[3]["task"] or "none", f"{created[3]['task'][:13]}-unknown"):
                query = (f"/{asked[0].slug}{asked[1].path.replace('{task_id}', task_id)}", None, KEY, "GET")
                answers = [send(path, *query) for path in paths]
                assert answers[0] == answers[1]


@pytest.mark.parametrize("name", [*VARIANTS, *QUERIES])
def test_hot_path_answers_usual_requests(name: str, state: str, tmp_path: FilePath, monkeypatch: Any) -> None:
    """The comparison would prove nothing if usual requests took the general path."""
    path = Path(is_compiled=True, state=None if state == "memory" else str(tmp_path / "state.db"))
    task_id = ""
    for provider, endpoint, variant in VARIANTS.values():
        if provider.slug == name.partition("/")[0]:
            answer = send(path, f"/{provider.slug}{endpoint.path}", usual(variant), KEY | required(endpoint))
            task_id = answer[3]["task"] or task_id
    monkeypatch.setattr("qwenmock.mockserver.http.app.serve", None)
    if name in VARIANTS:
        provider, endpoint, variant = VARIANTS[name]
        answer = send(path, f"/{provider.slug}{endpoint.path}", usual(variant), KEY | required(endpoint))
    else:
        provider, endpoint = QUERIES[name]
        answer = send(path, f"/{provider.slug}{endpoint.path.replace('{task_id}', task_id)}", None, KEY, "GET")
    assert answer[0] == 200


@pytest.mark.parametrize("name", VARIANTS)
def test_hot_path_refuses_what_breaks_a_rule(name: str, state: str, tmp_path: FilePath, monkeypatch: Any) -> None:
    provider, endpoint, variant = VARIANTS[name]
    path = Path(is_compiled=True, state=None if state == "memory" else str(tmp_path / "a.db"))
    request = (f"/{provider.slug}{endpoint.path}", {}, KEY | required(endpoint))
    send(path, *request)  # opens the account
    monkeypatch.setattr("qwenmock.mockserver.http.app.serve", None)
    body = usual(variant)
    member = next(name for name, value in body.items() if name != "model" and not isinstance(value, int | float))
    status, headers, *_ = send(path, request[0], body | {member: 5.5}, request[2])
    assert 400 <= status < 500
    assert headers["x-qwenmock-rule"].endswith(f"/{member}/type")


@pytest.mark.parametrize("is_compiled", [True, False])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_request_without_a_body_leaves_its_connection_open(is_compiled: bool, method: str) -> None:
    path = Path(is_compiled=is_compiled)
    endpoint = CATALOG["dashscope"].endpoints["task" if method == "GET" else "cancel"]

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(path.app), base_url="http://double") as client:
            return await client.request(method, f"/dashscope{endpoint.path.replace('{task_id}', 'x')}", headers=KEY)

    assert "connection" not in asyncio.run(ask()).headers


def test_charges_of_a_state_in_memory_can_be_read_at_once_and_never_overdraw() -> None:
    async def run() -> None:
        store = open_store(Settings())
        assert isinstance(store, SqliteStore)
        place = Place("nebula", "create", "POST", "edit", "CNY")
        await store.change_account(AccountDefaults("nebula", "k", "CNY", Decimal(0), None), {"balance": Decimal(5)})
        assert store.quick_balance("nebula", "unknown") is None
        for number in range(5):
            entry = CompactEntry(
                place, "k", "k", f"r{number}", 1.0, 0.1, "/", "m", "", "", "", b"{}", b"{}", "c", 1, "1"
            )
            row = ChargeRow(f"r{number}", "nebula", "m", "k", 1, 10**9, "CNY", 10**9, 1.0)
            assert store.sell(row, entry) is None
            assert len(await store.charges(Selection())) == number + 1
        with pytest.raises(InsufficientBalance):
            store.sell(row._replace(request_id="r5"), entry)
        (account,) = await store.accounts(Selection())
        assert (account.balance, account.spent) == (0, 5)
        assert [each["id"] for each in await store.journal(Selection())] == ["r4", "r3", "r2", "r1", "r0"]

    asyncio.run(run())
