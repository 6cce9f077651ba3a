"""The contract of a provider as the pages show it: variants, rules with their sources, errors, prices, examples."""

from qwenmock.fixtures import exchanges
from qwenmock.mockserver.calls.validation import standard
from qwenmock.schemas.models import Provider, Rule, Variant
from qwenmock.schemas.vocabulary import JSON


def contract(provider: Provider) -> JSON:
    """Return the contract, with a valid request for each variant."""
    return {
        "slug": provider.slug,
        "name": provider.name,
        "base_url": provider.base_url,
        "currency": provider.currency,
        "models": [
            {
                "name": name,
                "price": None if (price := provider.price_of(name)).amount is None else f"{price.amount:f}",
                "source": price.source,
            }
            for name in provider.models
        ],
        "endpoints": [
            {"name": e.name, "method": e.method, "path": e.path, "switch": e.required_header}
            for e in provider.endpoints.values()
        ],
        "variants": [_variant(provider, variant) for variant in provider.variants.values()],
        "errors": [
            {
                "name": kind.name.replace("_", " "),
                "status": kind.status,
                "message": kind.message,
                "source": kind.source,
                "certainty": kind.certainty,
            }
            for kind in sorted(provider.errors.values(), key=lambda kind: kind.status)
        ],
        "http": [_rule(rule) for rule in provider.rules if rule.variant == "http"],
        "link_lifetime": provider.link_lifetime,
    }


def _variant(provider: Provider, variant: Variant) -> JSON:
    endpoint = provider.endpoint_of(variant)
    examples = [{"source": e.source, "request": e.request} for e in exchanges(provider.slug, variant.name)]
    return {
        "name": variant.name,
        "title": variant.title,
        "endpoint": endpoint.name,
        "method": endpoint.method,
        "path": endpoint.path,
        "switch": endpoint.required_header,
        "is_task": endpoint.created_response is not None,
        "models": list(variant.models),
        "schema": standard(variant.request.schema),
        "roles": {role: [list(path) for path in paths] for role, paths in variant.request.roles.items()},
        "images": variant.request.image_terms[0] if "image" in variant.request.roles else None,
        "rules": [_rule(rule) for rule in variant.request.rules],
        "answers": [_rule(rule) for rule in variant.answer.rules],
        "examples": examples,
    }


def _rule(rule: Rule) -> JSON:
    return {
        "id": rule.id,
        "place": ".".join(rule.path).replace(".*", "[]"),
        "keyword": rule.keyword,
        "value": rule.value,
        "source": rule.source,
        "certainty": rule.reject_certainty,
        "error": rule.error.replace("_", " "),
    }
