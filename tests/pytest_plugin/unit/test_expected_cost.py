"""What a request may cost, what it must have cost, and the billing record of it."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from qwenmock.pytest_plugin.examiner.expected_cost import (
    amount_of,
    bill_of,
    charge_of,
    log_mistakes,
    worst_case,
    worst_case_of_any,
)
from qwenmock.pytest_plugin.examiner.invariants import Success
from qwenmock.pytest_plugin.examiner.target import Reply
from qwenmock.schemas.catalog import load

CATALOG = load()
NEBULA, DASHSCOPE, AIGC, AI302 = (CATALOG[slug] for slug in ("nebula", "dashscope", "aigc", "ai302"))
MODEL = "qwen-image-plus"
SIMPLIFIED = NEBULA.variants["simplified"]
PRICE = Decimal("0.18")


def count(n: Any) -> Decimal:
    """Return for how many images the worst case is, of a request with this number."""
    return worst_case(NEBULA, SIMPLIFIED, {"model": MODEL, "parameters": {"n": n}}) / PRICE


@pytest.mark.parametrize(
    ("n", "images"),
    [(2, 2), (6, 6), (100, 100), (101, 100), (10**30, 100), (0, 1), (-4, 4), (2.5, 2.5), ("3", 3), ("x", 1), ("-3", 3),
     ("３", 3), (" 6", 6), ("6.0", 6), ([6], 6), ([6, 2], 6), ("inf", 100), ("", 1), (None, 1), ([], 1), ({}, 1),
     (True, 1), ("9" * 400, 100)],
)  # fmt: skip
def test_worst_case_counts_whatever_a_provider_may_read_as_a_number(n: Any, images: float) -> None:
    assert count(n) == Decimal(images)


def test_worst_case_without_a_variant_or_a_model() -> None:
    body = {"model": MODEL, "parameters": {"n": 3}}
    assert worst_case(NEBULA, None, body) == 3 * PRICE
    assert worst_case(DASHSCOPE, None, {"model": "qwen-image-edit-max", "parameters": {"n": 2}}) == 1
    assert worst_case(DASHSCOPE, None, {"model": "unknown"}) == Decimal("0.50")
    assert worst_case(DASHSCOPE, None, {"model": ["qwen-image"]}) == Decimal("0.50")
    assert worst_case(DASHSCOPE, None, {}) == Decimal("0.50")
    assert worst_case(AIGC, None, {}) == 0
    assert worst_case(AIGC, None, {"model": next(iter(AIGC.models)), "n": 4}) == 0
    assert [worst_case(NEBULA, None, body) for body in (None, [], "x", 1)] == [0, 0, 0, 0]


def test_worst_case_of_input_images_without_a_variant_or_a_model() -> None:
    body = {"image": ["a", "b"]}
    assert worst_case(DASHSCOPE, None, {**body, "model": "qwen-image-3.0-pro"}) == Decimal("0.54")
    assert worst_case(DASHSCOPE, None, body) == Decimal("0.54")


def test_worst_case_of_a_model_without_a_price_is_that_of_the_dearest() -> None:
    evolink = CATALOG["evolink"]
    assert evolink.models["qwen-image-edit-plus"].amount is None
    assert worst_case(evolink, None, {"model": "qwen-image-edit-plus"}) == Decimal("2.3")


def test_worst_case_of_a_price_by_resolution_is_the_highest() -> None:
    variant = DASHSCOPE.variants["compatible"]
    body = {"model": "qwen-image-3.0-pro", "prompt": "x", "n": 2, "size": "512x512"}
    assert worst_case(DASHSCOPE, variant, body) == 1
    assert worst_case(DASHSCOPE, variant, {**body, "image": ["a", "b"]}) == Decimal("1.04")
    assert worst_case(DASHSCOPE, variant, {**body, "image": "a"}) == Decimal("1.02")


@pytest.mark.parametrize(
    ("pixels", "inputs", "amount"),
    [(2_250_000, 0, "0.50"), (2_250_001, 0, "1"), (1, 3, "0.56"), (4_194_304, 1, "1.02")],
)
def test_charge_by_resolution_and_input_images(pixels: int, inputs: int, amount: str) -> None:
    assert charge_of(DASHSCOPE, "qwen-image-3.0-pro", 2, pixels, inputs) == Decimal(amount)
    assert charge_of(DASHSCOPE, "qwen-image-3.0-pro", 0, pixels, inputs) == 0


def test_worst_case_of_any_request() -> None:
    assert worst_case_of_any(NEBULA) == 6 * PRICE
    assert worst_case_of_any(DASHSCOPE) == 6 * Decimal("0.50") + 10 * Decimal("0.02")
    assert worst_case_of_any(CATALOG["evolink"]) == 6 * Decimal("2.3")
    assert worst_case_of_any(AIGC) == 0
    assert worst_case_of_any(replace(NEBULA, variants={})) == PRICE


@pytest.mark.parametrize(("value", "amount"), [("0.18", "0.18"), (0.18, "0.18"), (2, "2"), ("1E-7", "0.0000001")])
def test_amount(value: object, amount: str) -> None:
    assert amount_of(value) == Decimal(amount)


@pytest.mark.parametrize("value", ["", "x", None, [], {}, "NaN", "Infinity", "-Infinity", float("inf"), True])
def test_what_is_no_amount_equals_nothing(value: object) -> None:
    amount = amount_of(value)
    assert amount != amount_of(value)
    assert amount.is_nan()


def test_charge() -> None:
    assert charge_of(NEBULA, MODEL, 3) == Decimal("0.54")
    assert charge_of(AIGC, next(iter(AIGC.models)), 3) == 0
    assert charge_of(DASHSCOPE, "qwen-image-3.0-pro", 2) == Decimal("0.50")


def test_bill_of_an_answer() -> None:
    asked = {"model": "qwen-image-3.0-pro", "prompt": "x", "image": ["a", "b"], "size": "2048x2048"}
    reply = Reply(200, {}, b"{}", 0.0)
    variant = DASHSCOPE.variants["compatible"]
    success = Success(DASHSCOPE, variant, asked, reply, body={}, now=0.0, request_id=None)
    assert bill_of(DASHSCOPE, success, 3) == Decimal("1.54")
    assert bill_of(DASHSCOPE, replace(success, asked={**asked, "size": "512x512"}), 3) == Decimal("0.79")
    assert bill_of(DASHSCOPE, success, 0) == 0


LOG = {
    "content": "Image generation: 2 images × ¥0.18 = ¥0.36",
    "modelName": MODEL,
    "quota": 12329,
    "quotaDollar": "0.049316",
}


def log_of(images: int, **changes: Any) -> list[str]:
    assert NEBULA.billing_log is not None
    roles = NEBULA.billing_log.document.roles
    names = {role: roles[role][0][-1] for role in ("billing_text", "model", "quota", "quota_dollar")}
    values = {"billing_text": LOG["content"], "model": MODEL, "quota": 12329, "quota_dollar": "0.049316"} | changes
    return log_mistakes(
        NEBULA, MODEL, images, {names[role]: value for role, value in values.items()}, with_dollars=True
    )


def test_billing_record_of_the_documents_is_right() -> None:
    assert log_of(2) == []
    one = "Image generation: 1 image × ¥0.18 = ¥0.18"
    assert log_of(1, billing_text=one, quota_dollar="0.024658") == []


@pytest.mark.parametrize(
    "changes",
    [
        {"billing_text": "Image generation: 2 image × ¥0.18 = ¥0.36"},
        {"billing_text": "Image generation: 2 images × ¥0.18 = ¥0.37"},
        {"billing_text": "Image generation: 2 images × 0.18 = 0.36"},
        {"model": "qwen-image"},
        {"quota": 12328},
        {"quota": "12329"},
        {"quota_dollar": "0.04932"},
        {"quota_dollar": "0.049315"},
        {"quota_dollar": None},
    ],
)
def test_each_mistake_in_a_billing_record_is_named(changes: dict[str, Any]) -> None:
    [mistake] = log_of(2, **changes)
    [value] = changes.values()
    assert f" is {value!r}, expected " in mistake


@pytest.mark.parametrize(
    ("price", "shown", "total"),
    [("0.2", "0.20", "0.40"), ("0.185", "0.185", "0.37"), ("0.0000001", "0.0000001", "0.00")],
)
def test_price_is_expected_in_full(price: str, shown: str, total: str) -> None:
    provider = replace(NEBULA, models={MODEL: replace(NEBULA.models[MODEL], amount=Decimal(price))})
    text = f"Image generation: 2 images × ¥{shown} = ¥{total}"
    assert provider.billing_log is not None
    name = provider.billing_log.document.roles["billing_text"][0][-1]
    assert not any(name in mistake for mistake in log_mistakes(provider, MODEL, 2, {name: text}, with_dollars=True))


def test_price_that_is_unknown_is_expected_as_0() -> None:
    provider = replace(NEBULA, models={MODEL: replace(NEBULA.models[MODEL], amount=None)})
    assert "quota is None, expected 0" in log_mistakes(provider, MODEL, 1, {}, with_dollars=True)


def test_dollars_are_left_out_where_the_documents_do_not_show_them() -> None:
    log = {**LOG, "quotaDollar": "0.1"}
    assert NEBULA.billing_log is not None
    name = NEBULA.billing_log.document.roles["model"][0][-1]
    log[name] = log.pop("modelName")
    assert log_mistakes(NEBULA, MODEL, 2, log, with_dollars=False) == []
    assert len(log_mistakes(NEBULA, MODEL, 2, log, with_dollars=True)) == 1
    assert len(log_mistakes(NEBULA, MODEL, 2, {}, with_dollars=False)) == 3
    assert len(log_mistakes(NEBULA, MODEL, 2, None, with_dollars=True)) == 4
