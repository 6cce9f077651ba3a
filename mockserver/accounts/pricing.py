"""What images cost, and the provider's own record of it."""

from decimal import ROUND_HALF_UP, Decimal

from qwenmock.mockserver.models import Charge
from qwenmock.mockserver.money import plain
from qwenmock.schemas.models import Provider
from qwenmock.schemas.vocabulary import JSON
from qwenmock.schemas.wording import counted

CENT = Decimal("0.01")
QUOTA_DOLLAR = Decimal("0.000001")


def unit_price(provider: Provider, model: str, own: dict[str, Decimal], pixels: int) -> Decimal | None:
    """Return the price of one image of so many pixels; None where neither a document nor `--price` names one."""
    price = provider.price_of(model)
    documented = next((amount for largest, amount in price.steps if pixels <= largest), price.amount)
    return own.get(provider.slug, documented)


def equal_pixels(provider: Provider, model: str, size: tuple[int, int]) -> int:
    """Return a number of pixels that costs as much as a size, and is the same for all sizes of that price."""
    steps = provider.price_of(model).steps
    pixels = size[0] * size[1]
    return next((largest for largest, _ in steps if pixels <= largest), steps[-1][0] + 1) if steps else 0


def input_cost(provider: Provider, model: str, own: dict[str, Decimal], images: int) -> Decimal:
    """Return what the input images of a request cost; 0 where `--price` sets the price of what is made."""
    return Decimal(0) if provider.slug in own else provider.price_of(model).input_image * images


def cost(price: Decimal | None, images: int, inputs: Decimal = Decimal(0)) -> Decimal:
    """Return what images cost, with that of the input images; 0 where there are none, or the price is not known."""
    return Decimal(0) if price is None or images == 0 else plain(price * images + inputs)


def usd_equivalent(provider: Provider, charge: Charge) -> Decimal | None:
    """Return a charge in US dollars; None where its price is not the document's, or that has no equivalent."""
    price = provider.models.get(charge.model)
    if price is None or price.usd is None or charge.unit_price != price.amount:
        return None
    return plain(price.usd * charge.images)


def billing_log(provider: Provider, model: str, images: int, price: Decimal | None) -> JSON:
    """Return the record that the provider would show for the charge; None where its documents show none.

    The quota is that of one image, rounded; the dollars are the quota of all of them (seed 000, 7.3 Billing Log
    Format, prints 12329 beside the dollars of two images).
    """
    if price is None:
        return {"note": f"the price is unknown: no document names one; --price {provider.slug}=AMOUNT sets one"}
    terms = provider.billing_log
    if terms is None:
        return None
    per_dollar = Decimal(terms.quota_per_usd)
    quota = (price / terms.cny_per_usd * per_dollar).quantize(Decimal(1), ROUND_HALF_UP)
    text = terms.template.format(
        images=counted(images, "image"),
        sign=provider.currency_sign,
        unit_price=_at_least_cents(price),
        total=(price * images).quantize(CENT, ROUND_HALF_UP),
    )
    values: dict[str, JSON] = {
        "billing_text": text,
        "model": model,
        "quota": int(quota),
        "quota_dollar": str((quota * images / per_dollar).quantize(QUOTA_DOLLAR)),
    }
    # In the order of the provider's schema.
    return {path[-1]: values[role] for role, [path] in terms.document.roles.items() if role in values}


def _at_least_cents(price: Decimal) -> str:
    """Write a price with two places, or with as many as it needs."""
    return f"{price.quantize(CENT) if price == price.quantize(CENT) else plain(price):f}"
