"""What is noted of a call while it is answered, and what the journal says of it: without its key."""

import asyncio
import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import orjson
import pytest
from call_values import CATALOG, call, job, trace

from qwenmock.mockserver._version import __version__
from qwenmock.mockserver.api_error import ApiError
from qwenmock.mockserver.calls import call as call_module
from qwenmock.mockserver.calls import journal
from qwenmock.mockserver.calls.call import Answer, BodyTooLarge, BodyUnfinished, Call, Trace
from qwenmock.mockserver.calls.journal import LARGEST_HASHED, entry, fingerprint, sender_of
from qwenmock.mockserver.models import Charge
from qwenmock.schemas.sources import cited

NEBULA = CATALOG["nebula"]


@pytest.fixture
def ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the performance counter advance by an eighth of a second with each look."""
    counter: Iterator[float] = (1000 + number / 8 for number in itertools.count())
    monkeypatch.setattr(call_module.time, "perf_counter", lambda: next(counter))


# What is noted.


def test_value_of_a_header_or_nothing() -> None:
    made = call(headers={"x-name": "é"})
    assert made.header("x-name") == "é"
    assert made.header("x-other") == ""


def test_call_holds_no_money_at_first() -> None:
    assert Trace("a-request", 1.0).is_held is False


@pytest.mark.usefixtures("ticks")
def test_stages_are_timed_to_the_next_one() -> None:
    made = Trace("a-request", 1.0)
    for stage in ("authenticate", "validate", "charge"):
        made.enter(stage)
        assert made.stage == stage
    assert made.timings(1002.0) == {"authenticate": 125_000, "validate": 125_000, "charge": 1_750_000}


def test_image_that_was_hashed_is_known_by_the_very_text() -> None:
    made, url = trace(), "data:image/png;base64,AAAA"
    assert made.known_digest(url) is None
    found = made.digest(url)
    assert found == hashlib.sha256(b"\0\0\0").hexdigest()
    assert made.known_digest(url) == found
    assert made.known_digest("".join([url])[:-1] + "A") is None


# The fingerprint of a refused call.


def hash_of(text: bytes) -> str:
    return hashlib.blake2b(text, digest_size=8).hexdigest()


def sent(length: object = 4, *, data: bytes | Exception = b"body") -> Call:
    return call(data=data, headers={"content-length": str(length)})


@pytest.mark.parametrize(
    ("made", "hashed"),
    [
        (sent(), b"Bearer sk-mockbody"),
        (sent(2**16), b"Bearer sk-mockbody"),
        (sent(LARGEST_HASHED), b"Bearer sk-mockbody"),
        (sent(LARGEST_HASHED + 1), b"Bearer sk-mock"),
        (sent("-4"), b"Bearer sk-mock"),
        (sent(""), b"Bearer sk-mock"),
        (call(data=b"body"), b"Bearer sk-mock"),
        (sent(data=BodyTooLarge()), b"Bearer sk-mock"),
        (sent(data=BodyUnfinished()), b"Bearer sk-mock"),
        (sent(data=TimeoutError()), b"Bearer sk-mock"),
    ],
)
def test_fingerprint_is_of_the_key_and_of_a_small_body(made: Call, hashed: bytes) -> None:
    assert asyncio.run(fingerprint(made, trace())) == hash_of(hashed)


def test_body_that_was_read_is_not_read_again() -> None:
    noted = trace()
    noted.body = {"a": 1}
    assert asyncio.run(fingerprint(sent(), noted)) == sender_of("Bearer sk-mock") == hash_of(b"Bearer sk-mock")


# The entry.


def written(noted: Trace, answer: Answer, charge: Charge | None = None, error: ApiError | None = None) -> Any:
    headers = {"authorization": "Bearer sk-mock-1234567"}
    return orjson.loads(
        orjson.dumps(entry(call(headers=headers, request_id="a-request"), noted, answer, charge, error))
    )


@pytest.mark.usefixtures("ticks")
def test_entry_of_a_success(monkeypatch: pytest.MonkeyPatch) -> None:
    noted = trace()
    noted.key, noted.variant, noted.body = "sk-mock-1234567", "simplified", {"n": 2}
    noted.job = job(prompt="a cat", negative_prompt="a dog")
    noted.advisories.append("noted")
    charge = Charge("a-request", "nebula", "m", "sk-mock", 2, Decimal("0.18"), "CNY", Decimal("0.360"), 1.0)
    monkeypatch.setattr(journal.time, "perf_counter", lambda: 1001.2345678)
    assert written(noted, Answer(200, b'{"code":200}', {"x-more": "1"}), charge) == {
        "id": "a-request", "at": 1000.0, "provider": "nebula", "endpoint": "create", "method": "POST",
        "path": NEBULA.endpoints["create"].path, "key": "sk-m…4567", "status": 200, "milliseconds": 1234.568,
        "microseconds": {"authenticate": 1234567}, "variant": "simplified", "model": "qwen-image-plus", "task": "",
        "effective_prompt": "a cat", "effective_negative_prompt": "a dog", "request": {"n": 2},
        "answer": {"code": 200}, "retry_after": None, "refusal": None, "rule": None, "advisories": ["noted"],
        "charge": {"id": charge.id, "images": 2, "amount": "0.360", "currency": "CNY"},
        "request_headers": {"authorization": "Bearer sk-m…4567", "content-type": "application/json"},
        "answer_headers": {
            "x-more": "1", "content-type": "application/json", "x-qwenmock": __version__, "content-length": "12",
        },
    }  # fmt: skip


def test_entry_of_a_refusal() -> None:
    rule = replace(NEBULA.rule("nebula/contents/parameters/n/maximum"), reject_certainty="observed")
    error = ApiError("image_quantity", "n is 7", rule, {"Retry-After": "3"})
    found = written(trace(), Answer(400, b"{}", {}), error=error)
    assert found["rule"] == {"id": rule.id, "source": cited(rule.source), "certainty": "observed"}
    assert found["refusal"] == {"kind": "image_quantity", "detail": "n is 7"}
    assert (found["status"], found["retry_after"], found["charge"]) == (400, "3", None)
    assert (found["key"], found["model"], found["effective_prompt"]) == ("", "", "")
    found = written(trace(), Answer(401, b"{}", {}), error=ApiError("unauthorized"))
    assert (found["rule"], found["retry_after"]) == (None, None)
