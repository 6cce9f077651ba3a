"""The contract of a provider as the pages show it: variants, rules with their sources, errors, prices, examples.

The pages know no provider. What they need of a variant (where its prompt and its images stand, how many images it
takes, where its answer has a task's id) is read from the catalogue here.
"""

from collections.abc import Mapping, Sequence
from typing import TypedDict

from qwenmock.fixtures import exchanges
from qwenmock.mockserver.calls.effects import kind_for
from qwenmock.mockserver.calls.json_schema import to_json_schema
from qwenmock.schemas.models import Document, Endpoint, ErrorKind, Price, Provider, Rule, Variant
from qwenmock.schemas.sources import cited
from qwenmock.schemas.vocabulary import Path
from qwenmock.schemas.wording import condition

EMPTY_ACCOUNT = "sk-mock-empty"


class PriceStep(TypedDict):
    """What an image of up to so many pixels costs."""

    pixels: int
    price: str


class ContractModel(TypedDict):
    """A model, and what one image costs as a decimal, in US dollars too; null where no document says so.

    `steps` are lower prices of smaller images; `input_image` is what each input image costs besides.
    """

    name: str
    price: str | None
    usd: str | None
    steps: Sequence[PriceStep]
    input_image: str | None
    source: str


class ContractEndpoint(TypedDict):
    """An endpoint, the name and value of the header that it needs, and the client library that speaks it."""

    name: str
    kind: str
    method: str
    path: str
    required_header: Sequence[str] | None
    sdk: str | None


class ContractRule(TypedDict):
    """A rule, where it was read, how certain it is, and the kind of error of a request that breaks it."""

    id: str
    place: str
    keyword: str
    value: object
    source: str
    certainty: str
    error: str


class ContractError(TypedDict):
    """A kind of error, and what gets it from a valid request: a directive in the prompt, or a key; null for neither."""

    name: str
    status: int
    message: str
    source: str
    certainty: str
    directive: str | None
    key: str | None


class Example(TypedDict):
    """A request that a document prints."""

    source: str
    request: object


class InputImages(TypedDict):
    """How many input images a variant takes, null for no maximum, and the limits on each."""

    min: int
    max: int | None
    terms: Mapping[str, object]


class ContractVariant(TypedDict):
    """A form of a request. `roles` are paths by role; `task_id` is where the answer has a task's id, null for none."""

    name: str
    title: str
    endpoint: str
    method: str
    path: str
    required_header: Sequence[str] | None
    task_id: Sequence[str] | None
    models: Sequence[str]
    schema: Mapping[str, object]
    roles: Mapping[str, Sequence[Sequence[str]]]
    images: InputImages | None
    rules: Sequence[ContractRule]
    answers: Sequence[ContractRule]
    examples: Sequence[Example]


class Contract(TypedDict):
    """Everything that a provider promises."""

    slug: str
    name: str
    base_url: str
    currency: str
    models: Sequence[ContractModel]
    endpoints: Sequence[ContractEndpoint]
    variants: Sequence[ContractVariant]
    errors: Sequence[ContractError]
    http: Sequence[ContractRule]
    link_lifetime: int


def contract(provider: Provider) -> Contract:
    """Return the contract, with a valid request for each variant."""
    return {
        "slug": provider.slug,
        "name": provider.name,
        "base_url": provider.base_url,
        "currency": provider.currency,
        "models": [_model(name, provider.price_of(name)) for name in provider.models],
        "endpoints": [_endpoint(endpoint) for endpoint in provider.endpoints.values()],
        "variants": [_variant(provider, variant) for variant in provider.variants.values()],
        "errors": [
            *(_error(provider, kind) for kind in sorted(provider.errors.values(), key=lambda kind: kind.status)),
            *(
                _error(provider, kind, f" ({endpoint.protocol.name})")
                for endpoint in provider.endpoints.values()
                if endpoint.protocol is not None
                for kind in sorted(endpoint.protocol.errors.values(), key=lambda kind: kind.status)
            ),
        ],
        "http": [_rule(rule) for rule in provider.rules if rule.variant in {"http", "callback"}],
        "link_lifetime": provider.link_lifetime,
    }


def _model(name: str, price: Price) -> ContractModel:
    return {
        "name": name,
        "price": None if price.amount is None else f"{price.amount:f}",
        "usd": None if price.usd is None else f"{price.usd:f}",
        "steps": [{"pixels": pixels, "price": f"{amount:f}"} for pixels, amount in price.steps],
        "input_image": f"{price.input_image:f}" if price.input_image else None,
        "source": cited(price.source),
    }


def _endpoint(endpoint: Endpoint) -> ContractEndpoint:
    return {
        "name": endpoint.name,
        "kind": endpoint.kind,
        "method": endpoint.method,
        "path": endpoint.path,
        "required_header": endpoint.required_header,
        "sdk": endpoint.sdk,
    }


def _variant(provider: Provider, variant: Variant) -> ContractVariant:
    endpoint = provider.endpoint_of(variant)
    created = endpoint.created_response
    return {
        "name": variant.name,
        "title": variant.title,
        "endpoint": endpoint.name,
        "method": endpoint.method,
        "path": endpoint.path,
        "required_header": endpoint.required_header,
        "task_id": None if created is None else created.roles["task_id"][0],
        "models": variant.models,
        "schema": to_json_schema(variant.request.schema),
        "roles": variant.request.roles,
        "images": _input_images(variant.request) if "image" in variant.request.roles else None,
        "rules": [_rule(rule) for rule in variant.request.rules],
        "answers": [_rule(rule) for rule in variant.answer.rules],
        "examples": [{"source": cited(e.source), "request": e.request} for e in exchanges(provider.slug, variant.name)],
    }


def _input_images(request: Document) -> InputImages:
    """Return how many input images a request takes: by its rules, or one if the image is not an item of a list."""
    path = request.roles["image"][0]
    # The limits stand at the list of images, or, where images are members of parts, at the list of parts.
    if path[-1] == "*":
        owner, keyword = path[:-1], "{}Items"
    elif "*" in path:
        owner, keyword = path[: len(path) - 1 - path[::-1].index("*")], path[-1] + ".{}Items"
    else:
        return {"min": 0, "max": 1, "terms": request.image_terms[0]}
    least = _limit(request, owner, keyword.format("min"))
    is_optional = path[-1] == "*" and (owner, "required") not in request.rule_at
    return {
        "min": 0 if least is None or is_optional else least,
        "max": _limit(request, owner, keyword.format("max")),
        "terms": request.image_terms[0],
    }


def _limit(request: Document, path: Path, keyword: str) -> int | None:
    rule = request.rule_at.get((path, keyword))
    return None if rule is None else rule.number


def _error(provider: Provider, kind: ErrorKind, protocol: str = "") -> ContractError:
    return {
        "name": kind.name.replace("_", " ") + protocol,
        "status": kind.status,
        "message": kind.message,
        "source": cited(kind.source),
        "certainty": kind.certainty,
        # A protocol only words the same errors otherwise.
        "directive": None if protocol else _directive(provider, kind),
        "key": EMPTY_ACCOUNT if kind.name == "insufficient_balance" and not protocol else None,
    }


def _directive(provider: Provider, kind: ErrorKind) -> str | None:
    if kind.name == "refused":
        return "refuse"
    return f"status={kind.status}" if kind_for(provider, kind.status) == kind.name else None


def _rule(rule: Rule) -> ContractRule:
    return {
        "id": rule.id,
        "place": ".".join(rule.path).replace(".*", "[]"),
        "keyword": rule.keyword,
        "value": condition(rule.value) if rule.keyword == "depends" and isinstance(rule.value, dict) else rule.value,
        "source": cited(rule.source),
        "certainty": rule.reject_certainty,
        "error": rule.error.replace("_", " "),
    }
