"""Servers that bill a refusal without a record of it, one for each rule and each key that is refused."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from wrong_servers.faults import Exchange, Fault

from qwenmock.schemas.models import Provider, Rule, Variant
from qwenmock.schemas.vocabulary import subschema

SIDES = frozenset({"minWidth", "maxWidth", "minHeight", "maxHeight"})


def _is_refused(variant: Variant, rule: Rule) -> bool:
    """Return whether a request can break a rule, and is refused for it."""
    place = subschema(variant.request.schema, rule.path[:-1] if rule.keyword in {"required"} else rule.path)
    image = place.get("x-image", {})
    if rule.keyword == "integrity":
        return "data" in image["schemes"]
    is_advice = rule.keyword in SIDES and rule.keyword in image.get("advisory", ())
    return rule.keyword != "x-truncate" and rule.path != ("model",) and not is_advice


def faults(provider: Provider) -> Iterator[Fault]:
    """Yield the faults of each rule of a request, and of each key."""
    for variant in provider.variants.values():
        for keyword in sorted({rule.keyword for rule in variant.request.rules if _is_refused(variant, rule)}):
            rules = {rule.id for rule in variant.request.rules if rule.keyword == keyword}
            yield Fault(
                f"{variant.name}: bills refusals by {keyword}",
                provider.slug,
                tamper=_billing(lambda exchange, rules=rules: exchange.headers.get("x-qwenmock-rule") in rules),
                check="test_no_refusal_is_billed",
            )
    for status in (403, 500):
        yield Fault(
            f"bills a key that gets a {status}",
            provider.slug,
            tamper=_billing(lambda exchange, status=status: exchange.status == status),
            check="test_no_refused_key_is_billed",
        )


def _billing(is_billed: Callable[[Exchange], bool]) -> Callable[[Exchange, dict[str, Any]], None]:
    """Return what takes the price of an image from every balance for each refusal that is billed."""

    def tamper(exchange: Exchange, memory: dict[str, Any]) -> None:
        if exchange.is_refusal and is_billed(exchange):
            memory["owed"] = memory.get("owed", Decimal(0)) + Decimal("0.1")
        if exchange.path.endswith("/ledger") and "owed" in memory:
            content = exchange.json
            for account in content["accounts"]:
                account["balance"] = str(Decimal(account["balance"]) - memory["owed"])
            exchange.json = content

    return tamper
