"""What images cost, and the providers' own billing record, whose printed example stands in their documents."""

from dataclasses import replace
from decimal import Decimal

import pytest

from qwenmock.mockserver.accounts.pricing import billing_log, cost, equal_pixels, input_cost, unit_price, usd_equivalent
from qwenmock.mockserver.models import Charge
from qwenmock.schemas.catalog import load

CATALOG = load()
NEBULA, DASHSCOPE, EVOLINK = CATALOG["nebula"], CATALOG["dashscope"], CATALOG["evolink"]
MODEL = "qwen-image-plus"


@pytest.mark.parametrize(
    ("slug", "model", "price"),
    [
        ("nebula", "qwen-image-plus", "0.18"),
        ("ai302", "qwen-image-edit", "0.05"),
        ("evolink", "qwen-image-edit", "2.3"),
        ("dashscope", "qwen-image-edit-max", "0.50"),
    ],
)
def test_price_of_the_documents(slug: str, model: str, price: str) -> None:
    assert unit_price(CATALOG[slug], model, {}, 0) == Decimal(price)


def test_own_price_replaces_that_of_the_documents_for_one_provider() -> None:
    own = {"nebula": Decimal("0.5")}
    assert unit_price(NEBULA, MODEL, own, 0) == Decimal("0.5")
    assert unit_price(CATALOG["ai302"], "qwen-image-edit", own, 0) == Decimal("0.05")
    assert unit_price(CATALOG["aigc"], next(iter(CATALOG["aigc"].models)), own, 0) is None


@pytest.mark.parametrize(
    ("width", "height", "price"),
    [(1024, 1024, "0.25"), (1500, 1500, "0.25"), (1500, 1501, "0.50"), (2048, 2048, "0.50")],
)
def test_price_of_a_resolution(width: int, height: int, price: str) -> None:
    assert unit_price(DASHSCOPE, "qwen-image-3.0-pro", {}, width * height) == Decimal(price)
    same = equal_pixels(DASHSCOPE, "qwen-image-3.0-pro", (width, height))
    assert unit_price(DASHSCOPE, "qwen-image-3.0-pro", {}, same) == Decimal(price)
    assert unit_price(DASHSCOPE, "qwen-image-3.0", {}, width * height) == Decimal("0.18")


def test_sizes_of_one_price_have_equal_pixels() -> None:
    small = {equal_pixels(DASHSCOPE, "qwen-image-3.0-pro", size) for size in ((512, 512), (1500, 1500), (500, 3000))}
    large = {equal_pixels(DASHSCOPE, "qwen-image-3.0-pro", size) for size in ((1500, 1501), (2048, 2048))}
    assert (small, large) == ({2_250_000}, {2_250_001})
    assert equal_pixels(DASHSCOPE, "qwen-image-3.0", (2048, 2048)) == 0


def test_sizes_behind_the_last_step_have_equal_pixels() -> None:
    steps = ((100, Decimal(1)), (400, Decimal(2)))
    provider = replace(NEBULA, models={MODEL: replace(NEBULA.models[MODEL], steps=steps)})
    found = [equal_pixels(provider, MODEL, size) for size in ((10, 10), (101, 1), (20, 20), (401, 1), (1024, 1024))]
    assert found == [100, 400, 400, 401, 401]


def charged(model: str, price: str | None, images: int) -> Charge:
    amount = None if price is None else Decimal(price)
    return Charge("2", "evolink", model, "sk-mock", images, amount, "credits", Decimal(0), 0.0)


@pytest.mark.parametrize(
    ("model", "price", "images", "dollars"),
    [
        ("qwen-image-edit", "2.3", 3, "0.0957"),
        ("qwen-image-edit", "2.3", 1, "0.0319"),
        ("qwen-image-edit", "2.4", 3, None),
        ("qwen-image-edit", None, 3, None),
        ("qwen-image-edit-plus", None, 3, None),
        ("unknown", "2.3", 3, None),
    ],
)
def test_equivalent_in_dollars(model: str, price: str | None, images: int, dollars: str | None) -> None:
    found = usd_equivalent(EVOLINK, charged(model, price, images))
    assert (None if found is None else f"{found:f}") == dollars


def test_input_images_are_paid_once_and_only_for_what_is_made() -> None:
    inputs = input_cost(DASHSCOPE, "qwen-image-3.0", {}, 3)
    assert inputs == Decimal("0.06")
    assert cost(Decimal("0.18"), 2, inputs) == Decimal("0.42")
    assert cost(Decimal("0.18"), 0, inputs) == 0
    assert cost(None, 2, inputs) == 0
    assert input_cost(DASHSCOPE, "qwen-image-edit", {}, 3) == 0
    assert input_cost(DASHSCOPE, "qwen-image-3.0", {"dashscope": Decimal(1)}, 3) == 0


@pytest.mark.parametrize(
    ("price", "images", "total"),
    [("0.18", 1, "0.18"), ("0.18", 6, "1.08"), ("0.5", 2, "1"), ("0.000000001", 3, "0.000000003"), ("0.18", 0, "0")],
)
def test_cost(price: str, images: int, total: str) -> None:
    assert f"{cost(Decimal(price), images):f}" == total


def test_cost_of_an_unknown_price_is_0() -> None:
    assert cost(None, 5) == 0


def test_record_is_the_one_in_the_documents() -> None:
    record = billing_log(NEBULA, MODEL, 2, Decimal("0.18"))
    assert record["quota"] == 12329
    assert record["content"] == "Image generation: 2 images × ¥0.18 = ¥0.36"
    assert record["quotaDollar"] == "0.049316"
    one = billing_log(NEBULA, MODEL, 1, Decimal("0.18"))
    assert one["content"] == "Image generation: 1 image × ¥0.18 = ¥0.18"
    assert one["quotaDollar"] == "0.024658"


@pytest.mark.parametrize(
    ("price", "shown", "total"),
    [
        ("0.2", "0.20", "0.20"),
        ("0.185", "0.185", "0.19"),
        ("0.184", "0.184", "0.18"),
        ("1", "1.00", "1.00"),
        ("0.0000001", "0.0000001", "0.00"),
    ],
)
def test_record_shows_a_price_in_full_and_a_sum_in_cents(price: str, shown: str, total: str) -> None:
    assert (
        billing_log(NEBULA, MODEL, 1, Decimal(price))["content"] == f"Image generation: 1 image × ¥{shown} = ¥{total}"
    )


def test_half_a_quota_is_rounded_up() -> None:
    """A quota of 0.5 is that of 0.0000073 CNY, 7.3 of them a dollar of 500,000."""
    assert billing_log(NEBULA, MODEL, 1, Decimal("0.0000073"))["quota"] == 1
    assert billing_log(NEBULA, MODEL, 1, Decimal("0.0000072"))["quota"] == 0


def test_record_where_there_is_none() -> None:
    assert billing_log(CATALOG["ai302"], "qwen-image-edit", 1, Decimal(1)) is None
    note = billing_log(CATALOG["aigc"], "any", 1, None)["note"]
    assert "--price aigc=AMOUNT" in note
