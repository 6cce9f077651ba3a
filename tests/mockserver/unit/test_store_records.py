"""How records are written and read again, and how the journal shortens what it shows."""

import base64
import hashlib
from decimal import Decimal

import orjson
import pytest
from store_values import charge, compact, delivery, entry, row, task

from qwenmock.mockserver._version import __version__
from qwenmock.mockserver.models import charge_id
from qwenmock.mockserver.store.brief import brief, digest_of, is_brief
from qwenmock.mockserver.store.compact import CompactRefusal, dump_compact
from qwenmock.mockserver.store.compact import load_entries as compact_entries
from qwenmock.mockserver.store.headers import answer_headers, request_headers
from qwenmock.mockserver.store.protocols import TooManyRequests
from qwenmock.mockserver.store.records import (
    FETCHES,
    JOURNAL_BYTES,
    KEPT_BYTES,
    MINUTE,
    charge_row,
    dump,
    dump_entry,
    load_charge,
    load_delivery,
    load_entries,
    load_task,
)
from qwenmock.mockserver.store.sqlite.journal import LAST_SEQ


def test_every_record_is_read_as_it_was_written() -> None:
    long = task("t", reserved=Decimal("0.000000001"), cancelled=3.0, failure="x", callback_origin="http://a.example")
    assert load_task(dump(long)) == long
    tried = delivery("d", attempts=({"attempt": 1, "at": 2.0, "status": 500, "error": None, "milliseconds": 1.5},))
    assert load_delivery(dump(tried)) == tried
    assert load_entries(b"[" + dump_entry(entry("a"), "sk-mock") + b"]") == [["sk-mock", entry("a")]]


@pytest.mark.parametrize("price", [None, Decimal("0.25"), Decimal("0.000000001"), Decimal(10_000)])
def test_charge_is_exact(price: Decimal | None) -> None:
    booked = charge("r", "1234567.000000001")._replace(unit_price=price, images=3)
    assert load_charge(charge_row(booked)) == booked
    assert charge_row(booked).amount == 1234567_000000001
    assert charge_row(charge("r", "2")) == row("r")


def test_limits_are_those_of_the_documentation() -> None:
    assert MINUTE == 60
    assert (KEPT_BYTES, JOURNAL_BYTES, FETCHES) == (64 * 2**20, 32 * 2**20, 10_000)
    assert LAST_SEQ == 2**63 - 1, "SQLite's largest number of a row"
    refusal = TooManyRequests(1, 2.5)
    assert (str(refusal), refusal.per_minute, refusal.wait) == ("1 request a minute", 1, 2.5)
    assert str(TooManyRequests(2, 2.5)) == "2 requests a minute"


def test_headers_are_shown_without_secrets() -> None:
    sent = {
        b"authorization": b"bearer sk-mock.secret",
        b"cookie": b"session=secret",
        b"x-api-key": b"secret",
        b"prefer": b"wait=1",
        b"x-latin": b"\xe9",
        b"x-long": b"y" * 201,
        b"n" * 201: b"z" * 200,
    }
    shown = request_headers(sent, "sk-m…cret")
    assert shown == {
        "authorization": "Bearer sk-m…cret", "cookie": "…", "x-api-key": "…", "prefer": "wait=1", "x-latin": "é",
        "x-long": "y" * 200 + "… (201 characters)", "n" * 200: "z" * 200,
    }  # fmt: skip
    assert request_headers(sent, "")["authorization"] == "Bearer …"
    assert request_headers({b"authorization": b"sk-secret"}, "") == {"authorization": "…"}
    assert len(request_headers({b"x-%d" % number: b"" for number in range(101)}, "")) == 100
    assert compact("r")._replace(headers=sent).expand()["request_headers"]["authorization"] == "Bearer sk-m…"
    assert answer_headers({"retry-after": "1"}, 7) == {
        "retry-after": "1", "content-type": "application/json", "x-qwenmock": __version__, "content-length": "7",
    }  # fmt: skip


def test_compact_refusal_is_the_documented_one() -> None:
    told = CompactRefusal(400, "invalid", "why", "rule", "source", "documented", "0123", {"x-qwenmock-rule": "rule"})
    refused = compact("r", request=b'{"n":1}', answer=b'{"code":400}')._replace(is_charged=False, refusal=told)
    found = refused.expand()
    assert {name: found[name] for name in ("status", "refusal", "rule", "charge", "fingerprint")} == {
        "status": 400,
        "refusal": {"kind": "invalid", "detail": "why"},
        "rule": {"id": "rule", "source": "source", "certainty": "documented"},
        "charge": None,
        "fingerprint": "0123",
    }
    assert found["answer_headers"]["x-qwenmock-rule"] == "rule"
    for each in (refused, compact("s")):
        assert compact_entries(b"[" + dump_compact(each) + b"]") == [("sk-mock", each.expand())]


def test_id_of_a_charge_is_another_uuid_that_follows_from_the_request() -> None:
    request_id, id_ = "01234567-89ab-4def-8123-456789abcdef", "89abcdef-89ab-4def-8123-456701234567"
    assert charge_id(request_id) == id_
    assert charge(request_id).id == id_


def test_compact_entry_is_the_documented_one() -> None:
    short = compact("r", key="sk-mock.b", request=b'{"n":1}', answer=b'{"images":[]}')
    found = short.expand()
    assert found == {
        "id": "r",
        "at": 1.5,
        "provider": "nebula",
        "endpoint": "create",
        "method": "POST",
        "path": "/path",
        "key": "sk-m…",
        "status": 200,
        "milliseconds": 250.0,
        "microseconds": {"compiled": 250_000},
        "variant": "edit",
        "model": "m",
        "task": "",
        "effective_prompt": "p",
        "effective_negative_prompt": "np",
        "request": {"n": 1},
        "answer": {"images": []},
        "retry_after": None,
        "refusal": None,
        "rule": None,
        "advisories": [],
        "charge": {"id": "r", "images": 1, "amount": "2", "currency": "CNY"},
        "request_headers": {},
        "answer_headers": {
            "x-request-id": "r", "content-type": "application/json", "x-qwenmock": __version__, "content-length": "13",
        },
    }  # fmt: skip
    assert short._replace(is_charged=False).expand()["charge"] is None
    assert short._replace(seconds=1.5).expand()["microseconds"] == {"compiled": 1_500_000}
    assert short._replace(seconds=0.0123456).expand()["milliseconds"] == 12.346
    assert short.size == 2000 + len(b'{"n":1}') + len(b'{"images":[]}')
    assert short._replace(prompt="x" * 5000).expand()["effective_prompt"].endswith("… (5000 characters)")
    assert short._replace(request=b'"' + b"x" * 5000 + b'"').expand()["request"] == "x" * 4000 + "… (5000 characters)"


# What the journal cuts.


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("x" * 200, "x" * 200),
        ("x" * 4000, "x" * 4000),
        ("x" * 4001, "x" * 4000 + "… (4001 characters)"),
        ("data:" + "x" * 195, "data:" + "x" * 195),
        (["a", 1, None, True, 2.5], ["a", 1, None, True, 2.5]),
        ({"a" * 201: 1}, {"a" * 200: 1}),
        ([0] * 100, [0] * 100),
        ([0] * 101, [0] * 100),
        ({str(number): 0 for number in range(101)}, {str(number): 0 for number in range(100)}),
        ({"a": ["x" * 4001]}, {"a": ["x" * 4000 + "… (4001 characters)"]}),
    ],
)
def test_long_values_are_cut(value: object, shown: object) -> None:
    assert brief(value) == shown  # type: ignore[call-overload]


@pytest.mark.parametrize("length", [300, 2**15 - 22, 2**15 - 21, 10**5])
def test_image_is_shown_as_its_digest(length: int) -> None:
    image = (b"AbC" * length)[:length]
    url = "data:image/png;Base64," + base64.b64encode(image).decode()
    digest = hashlib.sha256(image).hexdigest()
    assert digest_of(url) == digest
    assert digest_of(url.replace(";", ";" + "x" * 977 + ";")) == digest, "the comma is the last character of the head"
    assert brief(url) == f"data:image/png;Base64,… ({len(url)} characters, sha256 {digest[:16]})"
    assert brief("data:" + "x" * 300).startswith("data:" + "x" * 95 + ",…")
    assert brief({"a": [url]}) == {"a": [brief(url)]}
    assert brief({"a": [url]}, digest=str.upper) == {
        "a": [f"data:image/png;Base64,… ({len(url)} characters, sha256 {url[:16].upper()})"]
    }


@pytest.mark.parametrize(
    "url",
    [
        "data:" + "x" * 300,
        "data:image/png," + "AbCd" * 100,
        "data:image/png;base64," + "AbCd" * 100 + "!",
        "data:image/png;base64," + "AbCd" * 10**5 + "A",
        "data:image/png;base64" + "AbCd" * 100,
        "data:image/png;" + "x" * 978 + ";base64" + "," + "AbCd" * 100,
        "data:image/png;base64,é" + "AbCd" * 100,
        "data:\ud800" + "x" * 300,
    ],
)
def test_data_url_without_an_image_is_shown_as_the_digest_of_its_text(url: str) -> None:
    assert digest_of(url) == hashlib.sha256(url.encode("utf-8", "replace")).hexdigest()
    assert f"… ({len(url)} characters, sha256 {digest_of(url)[:16]})" in brief(url)


@pytest.mark.parametrize(("depth", "is_cut"), [(21, False), (22, True)])
def test_deep_values_are_cut(depth: int, is_cut: bool) -> None:
    array = orjson.loads("[" * depth + "]" * depth)
    cut = "[" * 21 + '["\\u2026"]' + "]" * 21 if is_cut else "[" * depth + "]" * depth
    assert brief(array) == orjson.loads(cut)
    object_ = orjson.loads('{"a":' * (depth - 1) + "{}" + "}" * (depth - 1))
    cut = '{"a":' * 21 + '"\\u2026"' + "}" * 21
    assert brief(object_) == (orjson.loads(cut) if is_cut else object_)


def texts(length: int, run: int) -> bytes:
    """Return a JSON array of texts: many of a length, and one of another."""
    return orjson.dumps([*["x" * 50] * (length // 53), "y" * run])


@pytest.mark.parametrize(
    ("data", "passes"),
    [
        (b"{}", True),
        (b"[" * 20, True),
        (b"[" * 21, False),
        (b"{" * 10 + b"[" * 10, True),
        (b"{" * 11 + b"[" * 10, False),
        (b'""' * 2000, True),
        (b'""' * 2000 + b"0", False),
        (texts(600, 199), True),
        (texts(600, 201), False),
        (texts(600, 1000), False),
        (b'"' + b"x" * 199, True),
        (b'"' + b"x" * 200, False),
        (b'"' + b"x" * 199 + b'"', True),
        (b'"' + b"x" * 200 + b'"', False),
        (b"x" * 200, True),
        (b'"",' * 99 + b'""', True),
        (b'"",' * 100 + b'""', False),
        (b'["data:' + b'x\\"' * 120 + b'"]', False),
    ],
)
def test_quick_check_lets_nothing_long_pass(data: bytes, passes: bool) -> None:
    assert is_brief(data) is passes


@pytest.mark.parametrize("run", [201, 202, 250, 400, 401])
@pytest.mark.parametrize("before", range(0, 210, 7))
def test_long_text_is_seen_wherever_it_stands(before: int, run: int) -> None:
    assert not is_brief(b'["' + b"a" * before + b'","' + b"y" * run + b'"]')
