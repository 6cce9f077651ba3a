"""Expected costs, computed from the catalogue and not by the server's billing."""

from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import cast

from qwenmock.pytest_plugin.examiner.json_values import is_object
from qwenmock.schemas.catalog import Provider, Variant
from qwenmock.schemas.vocabulary import JSON, select


def worst_case(provider: Provider, variant: Variant | None, body: JSON) -> Decimal:
    """Return the most that a request may cost if the server accepts it, also wrongly."""
    prices = [price.amount or Decimal(0) for price in provider.models.values()]
    if not is_object(body):
        return Decimal(0)
    price = max(prices)
    model = body.get("model")
    if isinstance(model, str) and model in provider.models:
        price = provider.models[model].amount or Decimal(0)
    counts = [1.0]
    for path in variant.request.roles.get("n", ()) if variant else ():
        counts += [abs(float(value)) for value in select(body, path) if _is_count(value)]
    return price * Decimal(min(max(counts), 100.0))


def _is_count(value: JSON) -> bool:
    if isinstance(value, str):
        return value.isascii() and value.isdecimal()
    return isinstance(value, int | float)


def amount_of(value: JSON) -> Decimal:
    """Return an amount that a target states; NaN, which equals no expected amount, if it is not a number."""
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        amount = Decimal("NaN")
    return amount if amount.is_finite() else Decimal("NaN")


def charge_of(provider: Provider, model: str, images: int) -> Decimal:
    """Return the cost of some images."""
    return (provider.models[model].amount or Decimal(0)) * images


def log_mistakes(provider: Provider, model: str, images: int, log: JSON, *, with_dollars: bool) -> list[str]:
    """Return what is wrong with the billing record of a charge, in sentences; `quotaDollar` only if asked."""
    terms = provider.settings["billing_log"]
    price = provider.models[model].amount or Decimal(0)
    per_dollar = Decimal(terms["quota_per_usd"])
    quota = (price * per_dollar / Decimal(terms["cny_per_usd"])).to_integral_value(ROUND_HALF_UP)
    total = (price * images).quantize(Decimal("0.01"), ROUND_HALF_UP)
    sign = provider.settings.get("currency_sign", "")
    noun = "image" if images == 1 else "images"
    unit = max(price, price.quantize(Decimal("0.01")), key=lambda amount: -amount.as_tuple().exponent)  # type: ignore[operator]
    due = {
        "content": f"Image generation: {images} {noun} × {sign}{unit} = {sign}{total}",
        "modelName": model,
        "quota": int(quota),
        "quotaDollar": f"{quota * images / per_dollar:.6f}",
    }
    if not with_dollars:
        del due["quotaDollar"]
    stated: dict[str, JSON] = cast(dict[str, JSON], log) if isinstance(log, dict) else {}
    return [
        f"{name} is {stated.get(name)!r}, {value!r} is due" for name, value in due.items() if stated.get(name) != value
    ]
