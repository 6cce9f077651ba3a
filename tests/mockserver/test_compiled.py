"""The compiled path and the general path give the same answers, charges and journal entries."""

import asyncio
import json
import re
from dataclasses import replace
from decimal import Decimal
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qwenmock.mockserver.calls.double import create_double
from qwenmock.mockserver.clock import Clock
from qwenmock.mockserver.http.app import Application, create_app
from qwenmock.mockserver.settings import Settings
from qwenmock.mockserver.store.compact import CompactEntry, Place
from qwenmock.mockserver.store.protocols import AccountDefaults, InsufficientBalance, Selection
from qwenmock.mockserver.store.records import ChargeRow
from qwenmock.pytest_plugin.examiner.bodies import example
from qwenmock.pytest_plugin.examiner.strategies import bodies, mutants
from qwenmock.schemas.catalog import Catalog, load

CATALOG = load()
VARIANTS = {
    f"{provider.slug}/{endpoint.name}/{variant.name}": (provider, endpoint, variant)
    for provider in CATALOG
    for endpoint in provider.endpoints.values()
    if endpoint.kind == "create" and endpoint.created_response is None
    for variant in endpoint.variants
}
QUICK = settings(
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    max_examples=40,
)
KEY = {"Authorization": "Bearer sk-mock"}
KEYS = ["sk-mock", "sk-mock", "sk-mock", "sk-mock.x", "sk-mock-empty", "sk-mock-broken", "sk-mock-limited", "wrong"]
HEADERS: list[dict[str, str]] = [{}, {}, {}, {"Prefer": "code=500"}, {"X-DashScope-Async": "enable"}]
TIMES = {"milliseconds", "microseconds"}


class StoppedClock(Clock):
    """The same moment for both paths: links, charges and entries can be compared as they are."""

    def now(self) -> float:
        return 1_800_000_000.25


class Path:
    """A double whose requests take one of the paths."""

    def __init__(self, *, is_compiled: bool, catalog: Catalog = CATALOG, **options: Any) -> None:
        double = create_double(Settings(seed=7, **options), catalog)
        double.clock = StoppedClock()
        self.app: Application = create_app(double, calls_out=False)
        if not is_compiled:
            self.app.compiled = {}

    async def send(self, url: str, body: object, headers: dict[str, str]) -> tuple[Any, ...]:
        """Send a request; return all that can be seen of it."""
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://double") as client:
            answer = await client.post(url, json=body, headers=headers)
        store = self.app.double.store
        (entry,) = await store.journal(Selection(limit=1))
        charges = await store.charges(Selection(limit=1))
        accounts = await store.accounts(Selection())
        seen = {name: value for name, value in entry.items() if name not in TIMES}
        return answer.status_code, dict(answer.headers), answer.content, seen, charges, accounts


@pytest.fixture(scope="module")
def paths() -> tuple[Path, Path]:
    return Path(is_compiled=True), Path(is_compiled=False)


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
def test_hot_path_agrees_with_the_general_path(name: str, paths: tuple[Path, Path]) -> None:
    provider, endpoint, variant = VARIANTS[name]
    compiled, general = paths

    @QUICK
    @given(
        bodies(variant) | mutants(provider, variant).map(lambda drawn: drawn[1]),
        st.sampled_from(KEYS),
        st.sampled_from(HEADERS),
    )
    def check(body: object, key: str, headers: dict[str, str]) -> None:
        request = (f"/{provider.slug}{endpoint.path}", body, {"Authorization": f"Bearer {key}", **headers})
        assert send(compiled, *request) == send(general, *request)

    check()


@pytest.mark.parametrize("name", VARIANTS)
def test_hot_path_answers_usual_requests(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison would prove nothing if usual requests took the general path."""
    provider, endpoint, variant = VARIANTS[name]
    path = Path(is_compiled=True)
    send(path, f"/{provider.slug}{endpoint.path}", {}, {"Authorization": "Bearer sk-mock"})  # opens the account
    monkeypatch.setattr("qwenmock.mockserver.http.app.serve", None)
    body = json.loads(re.sub('"data:[^"]*"', '"https://example.com/a.png"', json.dumps(example(variant))))
    answer = send(path, f"/{provider.slug}{endpoint.path}", body, {"Authorization": "Bearer sk-mock"})
    assert answer[0] == 200


def test_charges_of_a_state_in_memory_can_be_read_at_once_and_never_overdraw() -> None:
    async def run() -> None:
        store = create_double(Settings(), CATALOG).store
        place = Place("nebula", "create", "POST", "edit", "CNY")
        await store.change_account(AccountDefaults("nebula", "k", "CNY", Decimal(0), None), {"balance": Decimal(5)})
        assert store.quick_balance("nebula", "unknown") is None
        for number in range(5):
            entry = CompactEntry(
                place, "k", "k", f"r{number}", 1.0, 0.1, "/", "m", "", "", "", b"{}", b"{}", "c", 1, "1"
            )
            row = ChargeRow(f"c{number}", f"r{number}", "nebula", "m", "k", 1, 10**9, "CNY", 10**9, 1.0)
            assert store.sell(row, entry) is None
            assert len(await store.charges(Selection())) == number + 1
        with pytest.raises(InsufficientBalance):
            store.sell(row._replace(request_id="r5"), entry)
        (account,) = await store.accounts(Selection())
        assert (account.balance, account.spent) == (0, 5)
        assert [each["id"] for each in await store.journal(Selection())] == ["r4", "r3", "r2", "r1", "r0"]

    asyncio.run(run())
