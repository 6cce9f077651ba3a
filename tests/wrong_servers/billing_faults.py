"""Servers that bill a refusal without a record of it, one for each reason to refuse."""

import json
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
    return rule.keyword not in {"x-truncate", "x-single"} and rule.path != ("model",) and not is_advice


def faults(provider: Provider) -> Iterator[Fault]:
    """Yield the faults of each rule of a request, of each key, and of every other refusal."""
    where = ["balance"] if provider.endpoint_for("credits") is None else ["balance", "remaining_credits"]
    for member in where:
        for variant in provider.variants.values():
            for keyword in sorted({rule.keyword for rule in variant.request.rules if _is_refused(variant, rule)}):
                rules = {rule.id for rule in variant.request.rules if rule.keyword == keyword}
                yield Fault(
                    f"{variant.name}: bills refusals by {keyword}, seen in {member}",
                    provider.slug,
                    tamper=_billing(
                        lambda exchange, rules=rules: exchange.headers.get("x-qwenmock-rule") in rules, member
                    ),
                    check="test_no_refusal_is_billed",
                )
        for name, is_billed in _others(provider).items():
            yield Fault(
                f"bills {name}, seen in {member}",
                provider.slug,
                tamper=_billing(is_billed, member),
                check="test_no_other_refusal_is_billed",
            )
    empty = provider.errors["insufficient_balance"].status
    for status in sorted({403, 500, empty}):
        yield Fault(
            f"bills a key that gets a {status}",
            provider.slug,
            tamper=_billing(lambda exchange, status=status: exchange.status == status, "balance"),
            check="test_no_refused_key_is_billed",
        )


def _others(provider: Provider) -> dict[str, Callable[[Exchange], bool]]:
    """Return what else a request can be refused for."""
    models = provider.models
    found: dict[str, Callable[[Exchange], bool]] = {
        "unknown models": lambda e: isinstance(e.request, dict) and e.request.get("model", "qwen-image") not in models,
        "what is not JSON": lambda e: e.request is None and e.method == "POST",
        "what is no object": lambda e: isinstance(e.request, list),
        "unknown keys": lambda e: e.status == 401,
        "other methods": lambda e: e.status == 405,
    }
    for status in sorted(provider.statuses - {200, 401, 403}):
        found[f"a {status} that was asked for"] = lambda e, status=status: (
            e.status == status and "preference-applied" in e.headers
        )
    if provider.create_endpoint.created_response is None:
        found["content that is refused"] = lambda e: b"refuse]]" in json.dumps(e.request).encode()
    if provider.tasks is not None:
        found["queries of unknown tasks"] = lambda e: e.path.endswith("00000000") and "/tasks/" in e.path
    if provider.has_required_header:
        status = provider.errors["not_synchronous"].status
        found["a missing header"] = lambda e: (
            e.status == status and b"synchronous" in e.body and "preference-applied" not in e.headers
        )
    return found


def _billing(is_billed: Callable[[Exchange], bool], member: str) -> Callable[[Exchange, dict[str, Any]], None]:
    """Return what takes the price of an image from every balance for each refusal that is billed.

    Args:
        is_billed: Whether a refusal is billed.
        member: Of the statement of balances in which it is seen.

    """

    def tamper(exchange: Exchange, memory: dict[str, Any]) -> None:
        is_refused = exchange.status >= 400 or b"UNKNOWN" in exchange.body
        if is_refused and "/__" not in exchange.path and is_billed(exchange):
            memory["owed"] = memory.get("owed", Decimal(0)) + Decimal("0.1")
        is_statement = exchange.path.endswith(("/ledger", "/credits")) and exchange.status == 200
        if is_statement and "owed" in memory:
            content = exchange.json
            add_to(content, member, -memory["owed"])
            exchange.json = content

    return tamper


def add_to(value: Any, member: str, change: Decimal) -> None:
    """Add to every member of that name in a document."""
    for name, each in value.items() if isinstance(value, dict) else ():
        if name == member:
            value[name] = str(Decimal(each) + change) if isinstance(each, str) else float(Decimal(str(each)) + change)
        add_to(each, member, change)
    for each in value if isinstance(value, list) else ():
        add_to(each, member, change)
