"""Each reason to refuse a call, with its boundary; and what an accepted one costs and ends in."""

import asyncio
import base64
import hashlib
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import orjson
import pytest
from call_values import BODIES, CATALOG, call, caller, job, trace

from qwenmock.mockserver.accounts.profiles import Profile
from qwenmock.mockserver.api_error import ApiError
from qwenmock.mockserver.calls import acceptance
from qwenmock.mockserver.calls.acceptance import (
    _failure,
    _failure_code,
    accept,
    admit,
    authorize,
    check_balance,
    check_texts,
    note_default,
    note_unnamed_images,
    parse,
    receive,
    select_variant,
    validate,
    with_model,
)
from qwenmock.mockserver.calls.call import BodyTooLarge, BodyUnfinished, Call, Trace
from qwenmock.mockserver.calls.double import Double, create_double
from qwenmock.mockserver.calls.effects import NO_EFFECTS, Effects
from qwenmock.mockserver.calls.faults import Fault
from qwenmock.mockserver.calls.large_bodies import LARGEST_TEXT
from qwenmock.mockserver.settings import Settings
from qwenmock.mockserver.store.protocols import AccountChanges

NEBULA, DASHSCOPE, EVOLINK = CATALOG["nebula"], CATALOG["dashscope"], CATALOG["evolink"]
BODY = BODIES["nebula", "create"]
MESSAGE = "requested by a directive or a fault"


def on(steps: Callable[[Double], Awaitable[None]], **settings: Any) -> None:
    async def run() -> None:
        double = create_double(Settings(seed=1, **settings), CATALOG)
        try:
            await steps(double)
        finally:
            await double.store.close()

    asyncio.run(run())


async def refused(step: Awaitable[object]) -> ApiError:
    with pytest.raises(ApiError) as refusal:
        await step
    return refusal.value


def rejected(check: Callable[[], object]) -> tuple[str, str, str]:
    """Return kind, detail and rule of a refusal."""
    with pytest.raises(ApiError) as refusal:
        check()
    return of(refusal.value)


def of(error: ApiError) -> tuple[str, str, str]:
    return error.kind, error.detail, error.rule.id if error.rule else ""


# Receiving.


def test_received_request_has_its_caller_and_balance() -> None:
    async def steps(double: Double) -> None:
        seen = trace()
        received = await receive(double, call(), seen)
        assert received == (caller(double), 1000000, BODY)
        assert seen.key == "sk-mock"
        assert [stage for stage, _ in seen.marks] == ["authenticate", "limit", "parse"]
        seen = trace()
        error = await refused(receive(double, call(headers={"authorization": "Bearer nobody"}), seen))
        assert of(error)[::2] == ("unauthorized", "nebula/http/authorization/known")
        assert seen.key == ""

    on(steps)


def test_key_over_its_limit_is_told_when_to_come_again() -> None:
    async def steps(double: Double) -> None:
        limited = caller(double, key="sk-mock-limited")
        assert [await admit(double, limited, 100.5) for _ in range(3)] == [1000000] * 3
        error = await refused(admit(double, limited, 130.0))
        assert of(error) == ("rate_limited", "3 requests a minute", "")
        assert error.headers == {"Retry-After": "31"}
        assert of(await refused(admit(double, caller(double, key="sk-mock-throttled"), 1.0))) == (
            "rate_limited",
            "this key is always rate limited",
            "",
        )

    on(steps)


def parsed(data: bytes | Exception, content_type: str = "application/json") -> tuple[object, Trace]:
    """Return what a body is parsed as, or why it is refused, and the trace."""
    seen = trace()
    try:
        return asyncio.run(parse(call(data=data, headers={"content-type": content_type}), seen)), seen
    except ApiError as error:
        return of(error), seen


@pytest.mark.parametrize(
    "text", ["application/json", "Application/JSON", "application/json; charset=utf-8", " application/json ;"]
)
def test_content_type_is_json(text: str) -> None:
    assert parsed(b"{}", text)[0] == {}


@pytest.mark.parametrize("text", ["", "text/json", "application/json+x", "x;application/json", "t" * 101])
def test_other_content_type_is_refused(text: str) -> None:
    detail = f"Content-Type must be application/json, got {text[:100]!r}"
    assert parsed(b"{}", text)[0] == ("malformed", detail, "nebula/http/content-type/const")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (BodyTooLarge(), ("malformed", "the body must have at most 44040192 bytes", "nebula/http/body/maxBytes")),
        (
            BodyUnfinished(),
            ("malformed", "the connection was closed before the end of the body", "nebula/http/body/syntax"),
        ),
        (b'{"a":[' + b"0," * 4000 + b"0]}", {"a": [0] * 4001}),
        (
            b'{"a":[' + b"0," * 4001 + b"0]}",
            ("malformed", "the body must have at most 4000 commas outside of its strings", ""),
        ),
        (b"", ("malformed", "invalid JSON: it is empty", "nebula/http/body/syntax")),
        (b"[]", ("invalid", "the body must be an object, got an array of 0", "")),
        (b"7", ("invalid", "the body must be an object, got 7", "")),
    ],
)
def test_body_is_a_json_object(data: Any, expected: object) -> None:
    assert parsed(data)[0] == expected


def test_body_that_is_no_json_is_noted_in_part() -> None:
    found, seen = parsed(b"{" + b"x" * 600)
    assert found[:1] == ("malformed",)  # type: ignore[index]
    assert found[1].startswith("invalid JSON: ")  # type: ignore[index]
    assert "empty" not in found[1]  # type: ignore[index]
    assert seen.body == "{" + "x" * 499
    assert parsed(b"\xff{")[1].body == "�{"


def test_body_is_noted_as_it_is_or_shortened(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[object] = []

    async def in_turn(function: Callable[..., object], *values: object) -> object:
        threads.append(function)
        return function(*values)

    monkeypatch.setattr(acceptance, "in_turn", in_turn)
    assert orjson.dumps(parsed(b'{ "a" : 1 }')[1].body) == b'{ "a" : 1 }'
    for length, in_thread in ((5000, 0), (2**18, 0), (2**18 + 1, 1)):
        text = b"x" * (length - len(b'{"a":""}'))
        found, seen = parsed(b'{"a":"' + text + b'"}')
        assert found == {"a": text.decode()}
        assert seen.body == {"a": "x" * 4000 + f"… ({len(text)} characters)"}
        assert len(threads) == in_thread


def test_digest_of_an_image_that_was_noted_is_known() -> None:
    image = b"an image" * 100
    url = "data:image/png;base64," + base64.b64encode(image).decode()
    found, seen = parsed(orjson.dumps({"a": url}))
    url = found["a"]
    assert seen.known_digest(url) == hashlib.sha256(image).hexdigest()
    assert seen.known_digest("".join([url[:100], url[100:]])) is None, "only of the text itself"


# Which variant.


def chosen(slug: str, endpoint: str, body: dict[str, Any]) -> object:
    double = create_double(Settings(seed=1), CATALOG)
    try:
        return select_variant(double, call(slug, endpoint), body).name
    except ApiError as error:
        return of(error)
    finally:
        asyncio.run(double.store.close())


def test_wrong_model_is_told_from_the_document_that_the_rest_fits() -> None:
    body = {"model": "qwen-image-9", "prompt": "A cat", "image_urls": ["https://example.com/1.png"]}
    assert str(chosen("evolink", "create", body)).endswith("'evolink/edit/model/enum')")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"model": "qwen-image-plus"}, "simplified"),
        ({"model": "qwen-image-plus", "extra": {}}, "full"),
        ({"model": "qwen-image-edit-plus"}, "contents"),
        ({}, ("invalid", "model is required", "nebula/contents/model/required")),
        ({"extra": {}}, ("invalid", "model is required", "nebula/full/model/required")),
        ({"model": 7}, ("invalid", "model must be a string, got 7", "nebula/contents/model/type")),
        (
            {"model": "x", "extra": 1},
            (
                "unknown_model",
                f'model must be one of {", ".join(NEBULA.endpoints["create"].by_model)}, got the string "x"',
                "nebula/full/model/enum",
            ),
        ),
    ],
)
def test_model_and_members_choose_the_variant(body: dict[str, Any], expected: object) -> None:
    assert chosen("nebula", "create", body) == expected


# Whether it is valid.


def of_n(number: int) -> dict[str, Any]:
    return BODY | {"parameters": {"size": "1328*1328", "n": number}}


def test_body_is_checked_against_its_variant() -> None:
    async def steps(double: Double) -> None:
        validator = double.handlers["nebula", "simplified"].validator
        seen = trace()
        validate(validator, BODY, seen, is_strict=True)
        assert seen.advisories == []
        kind, detail, rule = rejected(lambda: validate(validator, of_n(7), seen, is_strict=False))
        assert (kind, rule) == ("image_quantity", "nebula/simplified/parameters/n/maximum")
        assert "got 7" in detail
        unknown = BODY | {"flavour": 1, "colour": 2}
        validate(validator, unknown, seen, is_strict=False)
        assert seen.advisories == ["flavour is not a documented field", "colour is not a documented field"]
        expected = ("invalid", "flavour is not a documented field", "")
        assert rejected(lambda: validate(validator, unknown, seen, is_strict=True)) == expected

    on(steps)


def test_missing_model_is_the_default_of_the_endpoint() -> None:
    body = {name: value for name, value in BODIES["evolink", "create"].items() if name != "model"}
    note = "model is missing: it is documented as required, and its default qwen-image-edit is used"
    seen = trace()
    assert with_model(call("evolink"), body, seen) == body | {"model": "qwen-image-edit"}
    assert seen.advisories == [note]
    seen = trace()
    assert with_model(call("evolink"), body | {"model": "other"}, seen) == body | {"model": "other"}
    assert with_model(call("nebula"), body, seen) == body
    assert seen.advisories == []
    note_default(seen, "n", 1)
    assert seen.advisories == ["n is missing: it is documented as required, and its default 1 is used"]


FULL = {
    "model": "qwen-image-plus",
    "prompt": "a cat",
    "extra": {
        "input": {"messages": [{"role": "user", "content": [{"text": "a cat"}]}]},
        "parameters": {"size": "1328*1328"},
    },
    "parameters": {},
}
WITHOUT_MODEL = {"prompt": "a cat", "image_urls": ["https://images.example/a.png"]}
THINKING = {"model": "qwen-image-3.0-pro", "prompt": "a cat", "enable_thinking": True, "prompt_extend": False}


@pytest.mark.parametrize(
    ("slug", "variant", "body", "advisory"),
    [
        ("evolink", "edit", WITHOUT_MODEL, "model is missing: it "),
        ("nebula", "full", FULL, "parameters is not read in this format, but extra.parameters: "),
        ("dashscope", "compatible", THINKING, "enable_thinking has an effect "),
    ],
)
def test_members_that_change_nothing_are_noted(slug: str, variant: str, body: dict[str, Any], advisory: str) -> None:
    async def steps(double: Double) -> None:
        seen = trace()
        validate(double.handlers[slug, variant].validator, body, seen, is_strict=True)
        assert [text[: len(advisory)] for text in seen.advisories] == [advisory]

    on(steps)


@pytest.mark.parametrize("member", ["prompt", "negative_prompt"])
def test_text_is_not_as_large_as_an_image(member: str) -> None:
    check_texts(job(**{member: "a" * LARGEST_TEXT}))
    expected = ("invalid", f"a prompt must have at most {LARGEST_TEXT} characters", "")
    assert rejected(lambda: check_texts(job(**{member: "a" * (LARGEST_TEXT + 1)}))) == expected
    assert accepted(call(body=BODY | {"prompt": "a" * (LARGEST_TEXT + 1)}))[0] == expected


@pytest.mark.parametrize(
    ("images", "prompt", "count"), [(2, "a cat", 1), (1, "a cat", 0), (2, "the cat of image 1", 0)]
)
def test_unnamed_images_are_noted(images: int, prompt: str, count: int) -> None:
    seen = trace()
    note_unnamed_images(job(variant="contents", images=("u",) * images, prompt=prompt), seen)
    expected = 'the prompt names none of 2 input images, expected a name such as "image 1": '
    assert [text.startswith(expected) for text in seen.advisories] == [True] * count


# Who may send it.


def authorized(slug: str, endpoint: str, header: str | None, key: str = "sk-mock") -> object:
    async def steps(double: Double) -> None:
        headers = {} if header is None else {"x-dashscope-async": header}
        variant = CATALOG[slug].endpoints[endpoint].variants[0].name
        try:
            authorize(call(slug, endpoint, headers=headers), job(slug, variant), caller(double, slug, key))
        except ApiError as error:
            found.append(of(error))

    found: list[object] = []
    on(steps)
    return found[0] if found else None


ASYNC = "x-dashscope-async"
UNEXPECTED = f"unexpected header {ASYNC} for {DASHSCOPE.endpoints['create'].path}"


@pytest.mark.parametrize(
    ("slug", "endpoint", "header", "expected"),
    [
        ("dashscope", "synthesize", "enable", None),
        ("dashscope", "synthesize", "Enable", None),
        ("dashscope", "synthesize", "disable", ("not_synchronous", f"expected the header {ASYNC}: enable", "")),
        ("dashscope", "synthesize", None, ("not_synchronous", f"expected the header {ASYNC}: enable", "")),
        ("dashscope", "create", None, None),
        ("dashscope", "create", "disable", None),
        ("dashscope", "create", "ENABLE", ("not_asynchronous", UNEXPECTED, "")),
        ("nebula", "create", "enable", None),
        ("nebula", "create", None, None),
    ],
)
def test_endpoint_is_called_in_its_mode(slug: str, endpoint: str, header: str | None, expected: object) -> None:
    assert authorized(slug, endpoint, header) == expected


def test_key_without_permission_may_use_no_model() -> None:
    expected = ("forbidden", "this key may not use qwen-image-plus", "")
    assert authorized("nebula", "create", None, "sk-mock-forbidden") == expected
    assert authorized("nebula", "create", None, "sk-mock-broken") is None


# Whether it can be paid.


@pytest.mark.parametrize(
    ("balance", "cost", "detail"),
    [
        ("0.2", "0.2", None),
        ("0.199999999", "0.2", "the balance is 0.199999999 CNY, the images cost 0.2"),
        ("10.0", "20.0", "the balance is 10 CNY, the images cost 20.0"),
        ("0", "0", "the balance is 0 CNY, no price is known"),
        ("0", "0.2", "the balance is 0 CNY, the images cost 0.2"),
        ("0.000000001", "0", None),
        ("1", "0", None),
    ],
)
def test_balance_covers_the_cost(balance: str, cost: str, detail: str | None) -> None:
    def check() -> None:
        check_balance(Decimal(balance), Decimal(cost), NEBULA)

    if detail is None:
        check()
    else:
        assert rejected(check) == ("insufficient_balance", detail, "")


# What goes wrong with it.

WORKS, BROKEN = Profile(), Profile(always="internal")
INTERNAL = ("internal", "this key always fails with an internal error", "")
ALL_FAILED = ("internal", "all images failed, as requested by a directive or a fault", "")


@pytest.mark.parametrize(
    ("effects", "profile", "images", "expected"),
    [
        (NO_EFFECTS, WORKS, 1, None),
        (NO_EFFECTS, BROKEN, 1, INTERNAL),
        (NO_EFFECTS, Profile(always="forbidden"), 1, None),
        (NO_EFFECTS, BROKEN, None, INTERNAL),
        (Effects(error="refused"), WORKS, 1, ("refused", MESSAGE, "")),
        (Effects(error="refused"), WORKS, None, None),
        (Effects(error="rate_limited"), WORKS, None, ("rate_limited", MESSAGE, "")),
        (Effects(error="rate_limited"), BROKEN, 1, ("rate_limited", MESSAGE, "")),
        (Effects(fail_images=1), BROKEN, 1, INTERNAL),
        (Effects(fail_images=1), WORKS, 2, None),
        (Effects(fail_images=2), WORKS, 2, ALL_FAILED),
        (Effects(fail_images=3), WORKS, 2, ALL_FAILED),
        (Effects(fail_images=2), WORKS, None, None),
        (Effects(wait=1), WORKS, 1, None),
    ],
)
def test_failure_of_the_images(effects: Effects, profile: Profile, images: int | None, expected: object) -> None:
    found = _failure(effects, profile, images)
    assert (None if found is None else of(found)) == expected


@pytest.mark.parametrize(
    ("effects", "code"),
    [
        (NO_EFFECTS, None),
        (Effects(error="refused"), "content_policy_violation"),
        (Effects(error="refused", fail_images=1), "content_policy_violation"),
        (Effects(error="internal"), None),
        (Effects(fail_images=1), None),
        (Effects(fail_images=2), "generation_failed_no_content"),
        (Effects(fail_images=2, fail_task="x"), "x"),
        (Effects(fail_task="x"), "x"),
    ],
)
def test_failure_of_a_task(effects: Effects, code: str | None) -> None:
    assert _failure_code(effects, job("evolink", "edit", n=2)) == code


# All of it.


def accepted(
    sent: Call, *, key: str = "sk-mock", change: AccountChanges | None = None, **settings: Any
) -> tuple[Any, Trace]:
    """Return the accepted request, or why it was refused, and the trace."""
    found: list[Any] = []
    seen = trace()

    async def steps(double: Double) -> None:
        who = caller(double, sent.provider.slug, key)
        if change is not None:
            await double.store.change_account(who.defaults, change)
        body = orjson.loads(await sent.read())
        balance = (await double.store.account(who.defaults)).balance
        try:
            found.append(await accept(double, sent, acceptance.ReceivedRequest(who, balance, body), seen))
        except ApiError as error:
            found.append(of(error))

    on(steps, **settings)
    return found[0], seen


def test_accepted_request_has_its_price() -> None:
    price = NEBULA.price_of("qwen-image-plus").amount
    found, seen = accepted(call(body=of_n(1)))
    assert (found.price, found.cost, found.inputs) == (price, price, ())
    assert (found.effects, found.failure, found.failure_code) == (NO_EFFECTS, None, None)
    assert (found.job.model, found.job.prompt, found.job.variant.name) == ("qwen-image-plus", "a cat", "simplified")
    assert found.caller.key == "sk-mock"
    assert (seen.variant, seen.job) == ("simplified", found.job)
    stages = ["authenticate", "validate", "inspect", "permit", "reserve"]
    assert [stage for stage, _ in seen.marks] == stages
    found, _ = accepted(call("nebula", body=EDIT), prices={"nebula": Decimal("0.3")})
    assert (found.price, found.cost) == (Decimal("0.3"), Decimal("0.9"))


EDIT: dict[str, Any] = {
    "model": "qwen-image-edit-plus",
    "prompt": "a cat",
    "parameters": {"n": 3},
    "contents": [{"role": "user", "parts": [{"image": "https://images.example/a.png"}, {"text": "a cat"}]}],
}


@pytest.mark.parametrize(
    ("size", "price"), [("1000*2000", "0.25"), ("2000*1000", "0.25"), ("1400*2000", "0.50"), ("2000*1400", "0.50")]
)
def test_price_is_that_of_the_area(size: str, price: str) -> None:
    """A square of one side is on the other side of the limit."""
    body = BODIES["dashscope", "create"] | {"model": "qwen-image-3.0-pro", "parameters": {"size": size}}
    found, _ = accepted(call("dashscope", body=body))
    assert found.price == Decimal(price)


def test_balance_is_that_of_the_received_request() -> None:
    price = NEBULA.price_of("qwen-image-plus").amount
    assert accepted(call(), change={"balance": price})[0].cost == price
    found, seen = accepted(call(), change={"balance": price - Decimal("0.000000001")})
    assert found[0] == "insufficient_balance"
    assert seen.stage == "reserve"


def test_strict_server_refuses_undocumented_fields() -> None:
    body = BODY | {"flavour": 1}
    found, seen = accepted(call(body=body))
    assert found.cost > 0
    assert seen.advisories == ["flavour is not a documented field"]
    assert accepted(call(body=body), strict=True)[0] == ("invalid", "flavour is not a documented field", "")


def test_directive_decides_what_goes_wrong() -> None:
    found, _ = accepted(call(body=BODY | {"prompt": "a cat [[qwenmock:status=429]]"}))
    assert of(found.failure) == ("rate_limited", MESSAGE, "")
    found, _ = accepted(call(body=BODY | {"prompt": "a cat [[qwenmock:fail-images=1]]"}))
    assert of(found.failure) == ALL_FAILED
    assert found.failure_code is None
    body = BODIES["evolink", "create"] | {"prompt": "a cat [[qwenmock:fail-images=1]]"}
    found, _ = accepted(call("evolink", body=body))
    assert (found.failure, found.failure_code) == (None, "generation_failed_no_content")
    assert accepted(call(headers={}), key="sk-mock-forbidden")[0] == (
        "forbidden",
        "this key may not use qwen-image-plus",
        "",
    )


def test_directive_that_is_misspelt_is_noted() -> None:
    found, seen = accepted(call(body=of_n(1) | {"prompt": "a cat [[qwenmock: wait=soon]]"}))
    assert found.effects is NO_EFFECTS
    assert seen.advisories == ["requested effect: wait: expected seconds, as in 0.5, got 'soon'"]


def test_fault_that_matches_applies_to_the_request() -> None:
    async def steps(double: Double) -> None:
        await double.plan.set([Fault(key="sk-mock.b", status=500), Fault(delay_ms=500)])
        for key, error, wait in (("sk-mock", None, 0.5), ("sk-mock.b", "internal", 0)):
            who = caller(double, key=key)
            received = acceptance.ReceivedRequest(who, Decimal(9), BODY)
            found = await accept(double, call(), received, trace())
            assert (found.effects.error, found.effects.wait) == (error, wait)

    on(steps)


def test_tasks_that_have_ended_are_settled_before_another_is_created(monkeypatch: pytest.MonkeyPatch) -> None:
    settled: list[object] = []

    async def settle(double: Double) -> None:
        settled.append(double)

    monkeypatch.setattr(acceptance, "settle_finished", settle)
    accepted(call())
    assert settled == []
    accepted(call("evolink"))
    assert len(settled) == 1


def test_images_that_the_prompt_does_not_name_are_noted() -> None:
    image = {"image": "https://images.example/a.png"}
    for images, notes in (([image], 0), ([image, image], 1)):
        body = EDIT | {"contents": [{"role": "user", "parts": [*images, {"text": "a cat"}]}]}
        assert len(accepted(call(body=body))[1].advisories) == notes


def test_input_images_are_inspected() -> None:
    found, _ = accepted(call("evolink"))
    assert [each.url for each in found.inputs] == ["https://images.example/a.png"]
