"""Accounts and charges in the control API: what is read from a request, what is changed, and what is told."""

import asyncio
import csv
import io
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from typing import Any, TypeVar
from urllib.parse import urlencode

import jsonschema
import orjson
import pytest
from call_values import CATALOG
from starlette.requests import Request

from qwenmock.mockserver.accounts.pricing import billing_log
from qwenmock.mockserver.calls.double import Double, create_double
from qwenmock.mockserver.control.api import ledger
from qwenmock.mockserver.control.api.ledger import (
    CSV_CHUNK,
    account_change_schema,
    change_account,
    get_ledger,
    get_ledger_csv,
)
from qwenmock.mockserver.control.api.requests import (
    MAX_BODY_BYTES,
    MAX_JSON_BYTES,
    ControlError,
    integer,
    provider_named,
    read_body,
    read_json,
    read_object,
    selection,
)
from qwenmock.mockserver.models import Account, Charge
from qwenmock.mockserver.settings import Settings
from qwenmock.mockserver.store.protocols import Selection

Result = TypeVar("Result")
NEBULA = CATALOG["nebula"]
CHARGE = Charge(
    "00000000-0000-4000-8000-000000000001", "nebula", "qwen-image-plus", "sk-mock", 2, Decimal("0.18"), "CNY",
    Decimal("0.36"), 1000.5,
)  # fmt: skip


def request(*chunks: bytes, account: str = "", **query: str) -> Request:
    """Return a request with a body in chunks."""
    messages = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    messages.append({"type": "http.request", "body": b"", "more_body": False})
    left = iter(messages)

    async def receive() -> Any:
        return next(left)

    scope = {"type": "http", "query_string": urlencode(query).encode(), "headers": [], "path_params": {"key": account}}
    return Request(scope, receive)


def asked(body: object, key: str = "sk-mock") -> Request:
    return request(orjson.dumps(body), account=key)


def on(steps: Callable[[Double], Awaitable[Result]], **settings: Any) -> Result:
    async def run() -> Result:
        double = create_double(Settings(**settings), CATALOG)
        try:
            return await steps(double)
        finally:
            await double.store.close()

    return asyncio.run(run())


def refused(reading: Awaitable[object] | Callable[[], object]) -> tuple[int, str]:
    async def run() -> None:
        if isinstance(reading, Awaitable):
            await reading
        else:
            reading()

    with pytest.raises(ControlError) as caught:
        asyncio.run(run())
    return caught.value.status, str(caught.value)


# What is read from a request.


def test_body_is_read_up_to_a_limit() -> None:
    assert asyncio.run(read_body(request(b"ab", b"c"), 3)) == b"abc"
    assert refused(read_body(request(b"ab", b"cd"), 3)) == (413, "expected a body of at most 3 bytes")
    assert refused(read_body(request(bytes(MAX_BODY_BYTES + 1)))) == (413, "expected a body of at most 16777216 bytes")
    assert len(asyncio.run(read_body(request(bytes(MAX_BODY_BYTES))))) == MAX_BODY_BYTES


def test_json_is_read_up_to_a_smaller_limit() -> None:
    assert asyncio.run(read_json(request(b'{"a": ', b"1}"))) == {"a": 1}
    assert asyncio.run(read_json(request(b"1".ljust(MAX_JSON_BYTES)))) == 1
    assert refused(read_json(request(bytes(MAX_JSON_BYTES + 1)))) == (413, "expected a body of at most 1048576 bytes")
    status, message = refused(read_json(request(b"{")))
    assert (status, message.startswith("invalid JSON: ")) == (400, True)


def test_object_matches_its_schema() -> None:
    schema: Any = {"type": "object", "additionalProperties": False, "properties": {"a": {"type": "integer"}}}
    assert asyncio.run(read_object(asked({"a": 1}), schema)) == {"a": 1}
    assert refused(read_object(asked({"a": "x"}), schema)) == (400, 'a: expected an integer, got "x"')
    assert refused(read_object(asked([]), schema)) == (400, "expected an object, got []")


def test_provider_is_known_by_its_slug() -> None:
    assert provider_named(CATALOG, "nebula") is NEBULA
    expected = f'unknown provider "acme"; expected one of {", ".join(CATALOG.providers)}'
    assert refused(lambda: provider_named(CATALOG, "acme")) == (404, expected)


@pytest.mark.parametrize(("text", "number"), [(None, None), ("0", 0), ("007", 7), ("9" * 9, 999_999_999)])
def test_number_in_a_query(text: str | None, number: int | None) -> None:
    assert integer(text, "limit") == number


@pytest.mark.parametrize("text", ["", "-1", "1.0", "a", "٣", "²", "9" * 10])
def test_other_numbers_are_refused(text: str) -> None:
    assert refused(lambda: integer(text, "limit")) == (400, f'limit: expected an integer of at least 0, got "{text}"')


def test_filters_are_read_from_the_query() -> None:
    async def steps(double: Double) -> None:
        assert selection(double, request(), 7) == Selection(limit=7)
        chosen = request(provider="nebula", key="k", request_id="r", status="400", limit="0")
        assert selection(double, chosen, 7) == Selection(
            provider="nebula", key="k", request_id="r", status=400, limit=0
        )
        with pytest.raises(ControlError, match="unknown provider"):
            selection(double, request(provider="acme"), 7)

    on(steps)


# Accounts.


def test_schema_of_a_change() -> None:
    schema = account_change_schema(CATALOG)
    jsonschema.Draft202012Validator.check_schema(schema)
    for body in ({"requests_per_minute": 0}, {"requests_per_minute": 10**6}, {"requests_per_minute": None}):
        assert asyncio.run(read_object(asked(body), schema)) == body
    for limit in (-1, 10**6 + 1):
        status, message = refused(read_object(asked({"requests_per_minute": limit}), schema))
        assert (status, message.startswith("requests_per_minute: expected ")) == (400, True)
    for body in ({}, {"provider": "nebula"}, {"balance": 1, "more": 1}):
        assert refused(read_object(asked(body), schema))[0] == 400


def test_change_is_made_at_one_provider_or_all() -> None:
    async def steps(double: Double) -> None:
        found = await change_account(double, asked({"provider": "nebula", "balance": "1.50"}))
        assert found == {
            "accounts": [
                {
                    "provider": "nebula", "key": "sk-mock", "currency": "CNY", "balance": "1.5", "reserved": "0",
                    "spent": "0", "requests_per_minute": None,
                }
            ]
        }  # fmt: skip
        found = await change_account(double, asked({"requests_per_minute": 3.0}))
        assert [each["provider"] for each in found["accounts"]] == list(CATALOG.providers)
        assert {each["requests_per_minute"] for each in found["accounts"]} == {3}
        assert {type(each["requests_per_minute"]) for each in found["accounts"]} == {int}
        assert [each["balance"] for each in found["accounts"] if each["provider"] == "nebula"] == ["1.5"]
        found = await change_account(double, asked({"requests_per_minute": None, "balance": 0}))
        assert {(each["requests_per_minute"], each["balance"]) for each in found["accounts"]} == {(None, "0")}

    on(steps)


def test_one_balance_is_not_set_in_several_currencies() -> None:
    async def steps(double: Double) -> None:
        with pytest.raises(ControlError) as caught:
            await change_account(double, asked({"balance": 5}))
        assert caught.value.status == 400
        message = str(caught.value)
        assert message.startswith('missing member "provider": expected for a balance, since the accounts of the key ')
        assert "CNY: " in message
        assert await double.store.accounts(Selection()) == []

    on(steps)


@pytest.mark.parametrize(
    ("body", "key", "status", "message"),
    [
        ({"balance": 1}, "nobody", 404, 'unknown key "nobody"'),
        ({"balance": "x", "provider": "nebula"}, "sk-mock", 400, "balance: "),
        ({"balance": 1, "provider": "acme"}, "sk-mock", 404, "unknown provider"),
    ],
)
def test_change_that_is_wrong(body: object, key: str, status: int, message: str) -> None:
    async def steps(double: Double) -> None:
        with pytest.raises(ControlError) as caught:
            await change_account(double, asked(body, key))
        assert (caught.value.status, str(caught.value)[: len(message)]) == (status, message)

    on(steps)


def test_currencies_are_compared_only_among_the_accounts_that_are_changed() -> None:
    same = [provider for provider in CATALOG if provider.currency == NEBULA.currency]
    assert len(same) > 1
    ledger._require_one_currency(same, Decimal(5))
    other = next(provider for provider in CATALOG if provider.currency != NEBULA.currency)
    with pytest.raises(ControlError, match=f"different currencies \\(CNY: nebula; {other.currency}: {other.slug}\\)"):
        ledger._require_one_currency([NEBULA, other], Decimal(5))
    ledger._require_one_currency(list(CATALOG), Decimal(0))
    ledger._require_one_currency(list(CATALOG), None)


# Charges.


async def told(double: Double, charges: Sequence[Charge]) -> list[tuple[str, Selection | None]]:
    """Let a store have charges and one account, and return what is then asked of it."""
    seen: list[tuple[str, Selection | None]] = []

    async def of_charges(selected: Selection) -> Sequence[Charge]:
        seen.append(("charges", selected))
        return charges

    async def of_accounts(selected: Selection) -> Sequence[Account]:
        seen.append(("accounts", selected))
        return []

    async def release() -> None:
        seen.append(("release", None))

    double.store.charges = of_charges  # type: ignore[method-assign]
    double.store.accounts = of_accounts  # type: ignore[method-assign]
    double.store.release_expired = release  # type: ignore[method-assign]
    return seen


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> list[Double]:
    """Return the doubles whose finished tasks are settled."""
    found: list[Double] = []

    async def settle(double: Double) -> None:
        found.append(double)

    monkeypatch.setattr(ledger, "settle_finished", settle)
    return found


def test_ledger_has_what_is_settled_and_not_what_has_expired(settled: list[Double]) -> None:
    async def steps(double: Double) -> None:
        free = CHARGE._replace(unit_price=None, amount=Decimal(0))
        seen = await told(double, [CHARGE, free])
        found = await get_ledger(double, request(key="sk-mock"))
        assert settled == [double]
        expected = Selection(key="sk-mock", limit=1000)
        assert seen == [("release", None), ("accounts", expected), ("charges", expected)]
        assert found["accounts"] == []
        first, second = found["charges"]
        assert first == {
            "id": CHARGE.id, "request_id": CHARGE.request_id, "provider": "nebula", "model": "qwen-image-plus",
            "key": "sk-mock", "images": 2, "unit_price": "0.18", "currency": "CNY", "amount": "0.36",
            "usd": first["usd"], "created": 1000.5,
            "log": billing_log(NEBULA, "qwen-image-plus", 2, Decimal("0.18")),
        }  # fmt: skip
        assert (second["unit_price"], second["amount"], second["usd"]) == (None, "0", None)

    on(steps)


async def table(double: Double, **query: str) -> tuple[Any, list[bytes]]:
    response: Any = await get_ledger_csv(double, request(**query))
    return response, [chunk if isinstance(chunk, bytes) else chunk.encode() async for chunk in response.body_iterator]


def priced() -> Charge:
    """Return a charge whose price a document also names in US dollars."""
    slug, model, price = next(
        (provider.slug, model, price)
        for provider in CATALOG
        for model, price in provider.models.items()
        if price.usd is not None and price.amount is not None
    )
    return CHARGE._replace(provider=slug, model=model, unit_price=price.amount, images=1)


def test_charges_in_dollars() -> None:
    async def steps(double: Double) -> None:
        charge = priced()
        usd = f"{CATALOG[charge.provider].models[charge.model].usd:f}"
        assert ledger._charge(double, charge)["usd"] == usd
        assert "".join(ledger._csv_lines(CATALOG, [charge])).splitlines()[1].endswith(f",{usd}")

    on(steps)


def test_charges_are_a_table(settled: list[Double]) -> None:
    async def steps(double: Double) -> None:
        seen = await told(double, [CHARGE, CHARGE._replace(unit_price=None, key='a,"b')])
        response, chunks = await table(double, provider="nebula")
        assert settled == [double]
        assert seen == [("charges", Selection(provider="nebula", limit=1_000_000))]
        assert response.status_code == 200
        assert response.headers["content-disposition"] == 'attachment; filename="ledger.csv"'
        assert response.headers["content-type"] == "text/csv; charset=utf-8"
        rows = list(csv.reader(io.StringIO(b"".join(chunks).decode())))
        assert rows[0] == [*Charge._fields, "usd"]
        assert rows[1][:9] == [
            CHARGE.request_id, "nebula", "qwen-image-plus", "sk-mock", "2", "0.18", "CNY", "0.36", "1000.5",
        ]  # fmt: skip
        assert (rows[2][3], rows[2][5], rows[2][9]) == ('a,"b', "", "")

    on(steps)


def test_long_table_comes_in_pieces(settled: list[Double]) -> None:
    async def steps(double: Double) -> None:
        await told(double, [CHARGE] * 2000)
        _, chunks = await table(double)
        _, first, *others = csv.reader(io.StringIO(b"".join(chunks).decode()))
        assert others == [first] * 1999
        *whole, last = map(len, chunks)
        assert 1 < len(whole) < 10
        assert all(CSV_CHUNK < length < CSV_CHUNK + 200 for length in whole)
        assert last < CSV_CHUNK

    on(steps)
    assert len(settled) == 1
