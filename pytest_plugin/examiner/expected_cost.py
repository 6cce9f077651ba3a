"""Expected costs, computed from the catalogue and not by the server's billing."""

import math
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

from qwenmock.pytest_plugin.examiner.invariants import Success, pixels_of
from qwenmock.pytest_plugin.examiner.json_values import is_object
from qwenmock.schemas.models import Price, Provider, Variant
from qwenmock.schemas.vocabulary import JSON, select
from qwenmock.schemas.wording import counted

MOST_IMAGES = 100.0
"""Of one request, whatever number it gives: no document allows more than 6."""
MOST_INPUTS = 10
"""Input images of one request, at most: no document allows more."""


def worst_case(provider: Provider, variant: Variant | None, body: JSON) -> Decimal:
    """Return the most that a request may cost if the server accepts it, also wrongly."""
    if not is_object(body):
        return Decimal(0)
    model = body.get("model")
    known = isinstance(model, str) and model in provider.models
    prices = [provider.models[str(model)]] if known else [*provider.models.values()]
    price = max(_highest(provider, each) for each in prices)
    # Without a variant it is not known where the provider reads the number of images.
    variants = provider.variants.values() if variant is None else (variant,)
    counts = [1.0]
    for path in {path for each in variants for path in each.request.roles.get("n", ())}:
        counts += [count for value in select(body, path) if (count := _count(value)) is not None]
    inputs = max(len(each.request.values("image", body)) for each in variants)
    return price * Decimal(min(max(counts), MOST_IMAGES)) + max(each.input_image for each in prices) * inputs


def _highest(provider: Provider, price: Price) -> Decimal:
    """Return the most that an image may cost; where no document names a price, as much as the dearest of the others."""
    named = [price] if price.amount is not None else [*provider.models.values()]
    return max(max([each.amount or Decimal(0), *(amount for _, amount in each.steps)]) for each in named)


def worst_case_of_any(provider: Provider) -> Decimal:
    """Return the most that any request that the documents allow may cost: most images, highest price."""
    limits = [
        variant.request.rule_at[path, "maximum"].number
        for variant in provider.variants.values()
        for path in variant.request.roles.get("n", ())
        if (path, "maximum") in variant.request.rule_at
    ]
    prices = [*provider.models.values()]
    inputs = max(price.input_image for price in prices) * MOST_INPUTS
    return max(_highest(provider, each) for each in prices) * Decimal(max([1, *limits])) + inputs


def _count(value: JSON) -> float | None:
    """Return how many images a server may read in a value, also one that no document allows; None for no number."""
    if isinstance(value, list):
        return max((count for each in value if (count := _count(each)) is not None), default=None)
    if not isinstance(value, int | float | str):
        return None
    try:
        number = abs(float(value))
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else MOST_IMAGES


def amount_of(value: object) -> Decimal:
    """Return an amount that a target states; NaN, which equals no expected amount, if it is not a number."""
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        amount = Decimal("NaN")
    return amount if amount.is_finite() else Decimal("NaN")


def unit_price(provider: Provider, model: str, pixels: int) -> Decimal | None:
    """Return the price of one image of so many pixels; None where no document names one."""
    price = provider.models[model]
    fitting = [amount for largest, amount in price.steps if largest >= pixels]
    return fitting[0] if fitting else price.amount


def charge_of(provider: Provider, model: str, images: int, pixels: int = 0, inputs: int = 0) -> Decimal:
    """Return the cost of some images of so many pixels, made from so many others."""
    price = unit_price(provider, model, pixels)
    if price is None or images == 0:
        return Decimal(0)
    return price * images + provider.models[model].input_image * inputs


def bill_of(provider: Provider, success: Success, images: int) -> Decimal:
    """Return what some images of an answer cost, with the input images of its request."""
    inputs = len(success.request_values("image"))
    return charge_of(provider, success.model, images, pixels_of(success), inputs)


def log_mistakes(provider: Provider, model: str, images: int, log: JSON, *, with_dollars: bool) -> list[str]:
    """Return what is wrong with the billing record of a charge, in sentences; the dollars only if asked."""
    terms = provider.billing_log
    assert terms is not None, "only called for providers with a billing log"
    price = provider.models[model].amount or Decimal(0)
    per_dollar = Decimal(terms.quota_per_usd)
    quota = (price * per_dollar / terms.cny_per_usd).to_integral_value(ROUND_HALF_UP)
    total = (price * images).quantize(Decimal("0.01"), ROUND_HALF_UP)
    unit = max(price, price.quantize(Decimal("0.01")), key=lambda amount: -amount.as_tuple().exponent)  # type: ignore[operator]
    noun = counted(images, "image")
    expected = {
        "billing_text": terms.template.format(
            images=noun, sign=provider.currency_sign, unit_price=f"{unit:f}", total=total
        ),
        "model": model,
        "quota": int(quota),
        "quota_dollar": f"{quota * images / per_dollar:.6f}",
    }
    if not with_dollars:
        del expected["quota_dollar"]
    stated = {role: next(iter(terms.document.values(role, log)), None) for role in expected}
    return [
        f"{terms.document.roles[role][0][-1]} is {stated[role]!r}, expected {value!r}"
        for role, value in expected.items()
        if stated[role] != value
    ]
