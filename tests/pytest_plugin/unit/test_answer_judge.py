"""What is found wrong with answers and bills: each mistake once, on the double and on a live target."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from qwenmock.pytest_plugin.examiner.answer_judge import (
    billing_mistakes,
    error_mistakes,
    json_of,
    pictures,
    refusal_mistakes,
    success_mistakes,
    unbilled_mistakes,
    values_in,
)
from qwenmock.pytest_plugin.examiner.bodies import example, put
from qwenmock.pytest_plugin.examiner.budget import Budget
from qwenmock.pytest_plugin.examiner.checks.single_request import accept
from qwenmock.pytest_plugin.examiner.findings import Mistake
from qwenmock.pytest_plugin.examiner.invariants import Success
from qwenmock.pytest_plugin.examiner.results import NotExaminable
from qwenmock.pytest_plugin.examiner.session import Examiner
from qwenmock.pytest_plugin.examiner.settings import SessionSettings
from qwenmock.pytest_plugin.examiner.target import Reply, TargetError
from qwenmock.pytest_plugin.examiner_factory import create_examiner, embedded_credentials
from qwenmock.pytest_plugin.options import Options
from qwenmock.schemas.catalog import load
from qwenmock.schemas.models import ErrorKind

CATALOG = load()
NEBULA = CATALOG["nebula"]
EVOLINK = CATALOG["evolink"]
VARIANT = NEBULA.variants["contents"]
JSON_TYPE = {"content-type": "application/json"}


class Target:
    """Answers requests for the ledger and for pictures."""

    name = base_url = "http://target.example"

    def __init__(self) -> None:
        self.charges: list[Any] = []
        self.picture: Reply | None = None
        self.is_up = True
        self.fetched: list[str] = []
        self.probes: list[dict[str, str]] = []

    def send(self, method: str, url: str, headers: Mapping[str, str], _content: bytes = b"") -> Reply:
        if url.startswith("http://ledger.example"):
            return Reply(200, JSON_TYPE, json.dumps({"charges": self.charges}).encode(), 0.0)
        if method == "POST":
            self.probes.append(dict(headers))
            if self.is_up:
                return Reply(400, JSON_TYPE, b"{}", 0.0)
            raise TargetError("down")
        self.fetched.append(url)
        if self.picture is None:
            raise TargetError("no picture")
        return self.picture

    def close(self) -> None: ...


@pytest.fixture(scope="module")
def right() -> tuple[Success, Any, Reply]:
    """A success of the double with two images, its charge, and its first picture."""
    examiner = create_examiner(NEBULA, Options())
    body = put(VARIANT.request.schema, example(VARIANT), ("parameters", "n"), 2)
    success = accept(examiner, VARIANT, body, max_pictures=0)
    charges = examiner.payments.charges(success.request_id)
    picture = pictures(examiner, success, 1)[0]
    examiner.close()
    assert charges is not None
    return success, charges[0], picture


@pytest.fixture
def target(right: tuple[Success, Any, Reply]) -> Target:
    target = Target()
    target.charges = [dict(right[1])]
    target.picture = right[2]
    return target


def examiner_of(target: Target, *, live: bool, slug: str = "nebula") -> Examiner:
    provider = CATALOG[slug]
    settings = SessionSettings(ledger="http://ledger.example/{request_id}", live=live)
    return Examiner(provider, target, embedded_credentials(slug), Budget(Decimal(9), provider.currency), settings)


@pytest.fixture
def double(target: Target) -> Iterator[Examiner]:
    examiner = examiner_of(target, live=False)
    yield examiner
    examiner.close()


@pytest.fixture
def live(target: Target) -> Iterator[Examiner]:
    examiner = examiner_of(target, live=True)
    yield examiner
    examiner.close()


@pytest.fixture
def success(right: tuple[Success, Any, Reply]) -> Success:
    return right[0]


def test_right_answer_has_no_mistakes(double: Examiner, success: Success, target: Target) -> None:
    assert success_mistakes(double, success, None) == []
    assert target.fetched == success.links()[0]
    statuses = {name: double.results.tallies[inv.rule.id].status for name, inv in VARIANT.invariants.items()}
    assert set(statuses.values()) == {"pass"}
    assert all(double.results.tallies[rule.id].passed["accept"] for rule in VARIANT.answer.rules)


def test_pictures_are_looked_at_only_if_asked(double: Examiner, success: Success, target: Target) -> None:
    assert success_mistakes(double, success, 0) == []
    assert target.fetched == []
    tried = {name for name, inv in VARIANT.invariants.items() if inv.rule.id in double.results.tallies}
    assert tried == {name for name, inv in VARIANT.invariants.items() if not inv.needs_images}
    assert success_mistakes(double, replace(success, body=success.body), 1)[0].endswith("again")
    assert target.fetched == success.links()[0][:1]


def test_request_id_that_comes_again(double: Examiner, live: Examiner, success: Success) -> None:
    for examiner in (double, live):
        assert success_mistakes(examiner, success, 0) == []
        [mistake] = success_mistakes(examiner, success, 0)
        assert mistake == f"{success.request_id} again"
        assert isinstance(mistake, Mistake)
        assert mistake.rule is VARIANT.invariants["request-id"].rule
        assert mistake.subject == "answer"
        assert examiner.results.tallies["nebula/contents.200/request-id"].status == "fail"


def test_answer_that_breaks_its_schema(double: Examiner, live: Examiner, success: Success) -> None:
    body = {**success.body, "msg": 1, "code": "x"}  # type: ignore[dict-item]
    reply = Reply(200, JSON_TYPE, b"the body", 0.0)
    mistakes = success_mistakes(double, replace(success, body=body, reply=reply), None)
    assert mistakes == [
        'code: "x", which breaks type',
        "msg: 1, which breaks type",
    ]
    assert double.results.tallies["nebula/contents.200/msg/type"].status == "fail"
    assert double.results.tallies["nebula/contents.200/data/type"].status == "pass"
    assert "msg: 1, which breaks type" in success_mistakes(live, replace(success, body=body, reply=reply), None)


def test_mistake_says_what_is_missing_and_shows_the_beginning_of_what_is_wrong(
    double: Examiner, success: Success
) -> None:
    body: Any = {**success.body, "msg": ["é" * 200]}  # type: ignore[dict-item]
    del body["code"]
    mistakes = success_mistakes(double, replace(success, body=body), None)
    assert mistakes == ["no code", f'msg: ["{"é" * 117}…, which breaks type']
    assert [each.subject for each in mistakes if isinstance(each, Mistake)] == ["answer", "answer"]


def test_pictures_that_do_not_come(live: Examiner, success: Success, target: Target) -> None:
    target.picture = None
    [mistake] = [each for each in success_mistakes(live, success, None) if isinstance(each, Mistake)]
    assert mistake.rule is VARIANT.invariants["picture-format"].rule
    assert mistake.subject == "picture"
    target.is_up = False
    with pytest.raises(NotExaminable, match="no verdict on the images: no picture"):
        success_mistakes(live, success, None)
    assert len(target.probes) == 2
    assert not any("Authorization" in headers for headers in target.probes)


def test_assumed_invariant_is_only_observed_on_a_live_target(
    double: Examiner, live: Examiner, success: Success
) -> None:
    assumed = next(name for name, inv in VARIANT.invariants.items() if inv.rule.certainty == "assumed")
    assert assumed == "default-count"
    wrong = replace(success, asked=example(VARIANT))
    assert len(success_mistakes(double, wrong, 0)) == 1
    assert success_mistakes(live, wrong, 0) == []
    assert live.results.tallies["nebula/contents.200/default-count"].status == "observed"


BILLS: dict[str, tuple[dict[str, Any], str]] = {
    "images": ({"images": 1}, "1 images billed, 2 made"),
    "amount": ({"amount": "0.18"}, "0.18 CNY billed for 2 images, expected 0.36"),
    "amount that is none": ({"amount": "much"}, "much CNY billed for 2 images, expected 0.36"),
    "unit price": ({"unit_price": "0.2"}, "a unit price of 0.2, expected 0.18"),
    "currency": ({"currency": "USD"}, "billed in USD, expected CNY"),
    "model": ({"model": "qwen-image"}, "billed as qwen-image, expected qwen-image-edit-plus"),
}


@pytest.mark.parametrize("name", BILLS)
def test_mistake_of_a_bill(double: Examiner, live: Examiner, success: Success, target: Target, name: str) -> None:
    change, text = BILLS[name]
    target.charges[0].update(change)
    assert billing_mistakes(double, success) == [text]
    assert billing_mistakes(live, success) == [text]


def test_right_bill(double: Examiner, success: Success, target: Target) -> None:
    assert billing_mistakes(double, success) == []
    target.charges[0].update(amount=0.36, unit_price=0.18)
    assert billing_mistakes(double, success) == []
    assert billing_mistakes(double, replace(success, request_id=None)) == []


def test_bill_is_compared_with_the_first_number_of_images(double: Examiner, success: Success, target: Target) -> None:
    body: Any = json.loads(json.dumps(success.body))
    body["data"]["metadata"]["output"]["choices"][0]["message"]["content"].pop()
    assert billing_mistakes(double, replace(success, body=body)) == []
    target.charges[0]["amount"] = "0"
    assert billing_mistakes(double, replace(success, body={}))[0] == "2 images billed, 0 made"


def test_success_is_billed_once(double: Examiner, success: Success, target: Target) -> None:
    target.charges.append(target.charges[0])
    assert billing_mistakes(double, success) == ["2 charges for one success"]
    target.charges.clear()
    assert billing_mistakes(double, success) == ["0 charges for one success"]


def test_ledger_of_a_live_target_may_state_less(
    double: Examiner, live: Examiner, success: Success, target: Target
) -> None:
    target.charges[0] = {"request_id": success.request_id}
    assert billing_mistakes(double, success) == [
        "no amount in the ledger's charge",
        "no currency in the ledger's charge",
        "no images in the ledger's charge",
        "no log in the ledger's charge",
    ]
    assert billing_mistakes(live, success) == []
    assert NEBULA.billing_log is not None
    rule = NEBULA.billing_log.document.rules[0]
    assert live.results.tallies[rule.id].reason == "the ledger's charges have no log"
    target.charges[0]["amount"] = "1"
    assert billing_mistakes(live, success) == ["1  billed for 2 images, expected 0.36"]


def test_provider_without_a_billing_record(target: Target, success: Success) -> None:
    dashscope = CATALOG["dashscope"]
    examiner = examiner_of(target, live=False, slug="dashscope")
    price = dashscope.price_of("qwen-image-edit-plus").amount
    assert price is not None
    target.charges[0] = {"amount": str(2 * price), "currency": "CNY", "images": 2}
    assert billing_mistakes(examiner, success) == []


def test_mistakes_of_the_providers_record(double: Examiner, success: Success, target: Target) -> None:
    target.charges[0]["log"] = {**target.charges[0]["log"], "quota": "12329"}
    mistakes = billing_mistakes(double, success)
    assert len(mistakes) == 2
    assert mistakes[0] == 'quota: "12329", which breaks type'
    assert mistakes[1] == "quota is '12329', expected 12329"


def test_dollars_of_three_images_are_not_documented(
    double: Examiner, live: Examiner, success: Success, target: Target
) -> None:
    def three(images: int) -> Success:
        body: Any = json.loads(json.dumps(success.body))
        body["data"]["data"] = [body["data"]["data"][0]] * images
        content = body["data"]["metadata"]["output"]["choices"][0]["message"]["content"]
        content[:] = [content[0]] * images
        body["data"]["metadata"]["usage"]["image_count"] = images
        charge = target.charges[0]
        charge.update(images=images, amount=str(images * Decimal("0.18")))
        text = f"Image generation: {images} images × ¥0.18 = ¥{images * Decimal('0.18')}"
        charge["log"] = {**charge["log"], "content": text, "quotaDollar": "0.100000"}
        return replace(success, body=body)

    answer = three(3)
    assert len(billing_mistakes(double, answer)) == 1
    assert billing_mistakes(live, answer) == []
    answer = three(2)
    assert len(billing_mistakes(live, answer)) == 1


INVALID = NEBULA.errors["invalid"]
FIXED = NEBULA.errors["image_quantity"]
ASSUMED = NEBULA.errors["refused"]


def refusal(status: int = 400, headers: dict[str, str] = JSON_TYPE, **changes: Any) -> Reply:
    body = {"code": 400, "msg": "Parameter Error: why", "data": None} | changes
    return Reply(status, headers, json.dumps(body).encode(), 0.0)


@pytest.mark.parametrize(
    ("error", "reply", "found"),
    [
        (INVALID, refusal(), None),
        (INVALID, refusal(headers={"content-type": "Application/JSON; charset=utf-8"}), None),
        (FIXED, refusal(msg=FIXED.message), None),
        (INVALID, refusal(401), "status 401, expected 400"),
        (INVALID, refusal(200), "status 200, expected 400"),
        (INVALID, refusal(msg="Error: why"), "the message 'Error: why', documented: 'Parameter Error: {detail}'"),
        (FIXED, refusal(msg=FIXED.message + "!"), "documented: 'Parameter Error: Image quantity exceeds limit'"),
        (INVALID, refusal(code=401), "401 in the body of a 400"),
        (INVALID, refusal(msg=""), 'msg: "", which breaks minLength'),
        (INVALID, refusal(headers={}), "Content-Type: "),
        (INVALID, refusal(headers={"content-type": "text/html"}), "Content-Type: text/html"),
        (INVALID, Reply(400, JSON_TYPE, b"<html>", 0.0), "the body is not JSON: <html>"),
    ],
)
def test_mistake_of_a_refusal(
    double: Examiner, live: Examiner, error: ErrorKind, reply: Reply, found: str | None
) -> None:
    for examiner in (double, live):
        mistakes = refusal_mistakes(examiner, error, reply)
        assert len(mistakes) == (found is not None), mistakes
        assert found is None or found in mistakes[0]


def test_assumed_refusal_of_a_live_target_may_be_any(double: Examiner, live: Examiner) -> None:
    for status, is_right in ((399, False), (400, True), (403, True), (499, True), (500, False)):
        mistakes = refusal_mistakes(live, ASSUMED, Reply(status, {}, b"", 0.0))
        assert (mistakes == []) == is_right, status
        assert refusal_mistakes(double, ASSUMED, Reply(status, {}, b"", 0.0)) != []


def test_message_that_is_published_is_asserted_of_the_double_only(double: Examiner, live: Examiner) -> None:
    reply = refusal(msg="something else")
    published = replace(INVALID, message_certainty="published")
    assumed = replace(INVALID, message_certainty="assumed")
    assert len(refusal_mistakes(double, published, reply)) == 1
    assert refusal_mistakes(live, published, reply) == []
    assert refusal_mistakes(double, assumed, reply) == refusal_mistakes(live, assumed, reply) == []


def error_with_code(**changes: Any) -> tuple[ErrorKind, Any]:
    error = next(kind for kind in EVOLINK.errors.values() if kind.fields.get("code") and kind.certainty != "assumed")
    examiner = create_examiner(EVOLINK, Options())
    body = {"error": {"message": error.message.replace("{detail}", "x"), **error.fields, **changes}}
    examiner.close()
    return error, Reply(error.status, JSON_TYPE, json.dumps(body).encode(), 0.0)


def test_code_of_a_refusal(target: Target) -> None:
    for is_live in (True, False):
        examiner = examiner_of(target, live=is_live, slug="evolink")
        error, reply = error_with_code()
        assert refusal_mistakes(examiner, error, reply) == []
        _, reply = error_with_code(code="other")
        mistakes = refusal_mistakes(examiner, error, reply)
        assert f"the code 'other', {error.certainty}: {error.fields['code']!r}" in mistakes
        if not is_live:
            continue
        assert refusal_mistakes(examiner, replace(error, certainty="assumed"), reply) == []


def test_request_id_of_a_refusal_comes_once(target: Target) -> None:
    target.charges = []
    examiner = examiner_of(target, live=True, slug="dashscope")
    error = CATALOG["dashscope"].errors["invalid"]
    reply = Reply(400, JSON_TYPE, json.dumps({"request_id": "the-id", "code": "x", "message": "y"}).encode(), 0.0)
    assert error_mistakes(examiner, error.document, reply) == []
    assert error_mistakes(examiner, error.document, reply) == ["the request id the-id again"]


def test_refusal_that_is_billed(double: Examiner, target: Target) -> None:
    reply = refusal(headers={**JSON_TYPE, "x-request-id": "id"})
    target.charges = [{"request_id": "id", "amount": "0.18", "currency": "CNY"}]
    assert refusal_mistakes(double, INVALID, reply) == ["billed although refused: 0.18 CNY"]
    assert refusal_mistakes(double, FIXED, replace(reply, status=401))[1:] == ["billed although refused: 0.18 CNY"]
    target.charges = [{"request_id": "id"}]
    assert unbilled_mistakes(double, INVALID.document, reply) == ["billed although refused: an unknown amount "]
    target.charges = []
    assert unbilled_mistakes(double, INVALID.document, reply) == []
    assert unbilled_mistakes(double, INVALID.document, refusal()) == []


def test_values_of_an_answer_that_is_not_json(double: Examiner) -> None:
    page = Reply(200, {}, b"<html>", 0.0)
    assert json_of(page) is None
    assert json_of(refusal())["code"] == 400  # type: ignore[index, call-overload]
    assert values_in(INVALID.document, "message", page) == []
    assert values_in(INVALID.document, "message", refusal()) == ["Parameter Error: why"]
    [mistake] = error_mistakes(double, INVALID.document, page)
    assert mistake == "the body is not JSON: <html>"
    assert isinstance(mistake, Mistake)
    assert mistake.rule is INVALID.document.rule_at[(), "type"]
    [mistake] = error_mistakes(double, INVALID.document, replace(page, body=b"x" * 121))
    assert mistake == f"the body is not JSON: {'x' * 119}…"
