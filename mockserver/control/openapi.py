"""The contract of a provider as an OpenAPI 3.1 document."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import takewhile
from types import MappingProxyType

from qwenmock.fixtures import exchanges
from qwenmock.mockserver._version import __version__
from qwenmock.mockserver.calls.json_schema import dependency_schema, last_item_rules, to_json_schema
from qwenmock.mockserver.control.patterns import callback_pattern, image_patterns, size_pattern, task_id_pattern
from qwenmock.mockserver.control.samples import answer, ended_task, refusal
from qwenmock.schemas.models import Document, Endpoint, ErrorKind, Provider, Variant
from qwenmock.schemas.sources import cited
from qwenmock.schemas.vocabulary import JSON, Schema, separator_of

BEARER = "bearer"
JSON_TYPE = "application/json"
WRONG_ADDRESSES = {404: ("unknown_path", "Not Found"), 405: ("wrong_method", "Method Not Allowed")}
REQUEST_ID: Mapping[str, JSON] = {
    "X-Request-Id": {"description": "The id of the request.", "schema": {"type": "string", "minLength": 1}}
}
HEADERS: Mapping[int, Mapping[str, JSON]] = {
    405: {"Allow": {"description": "The methods that the path has.", "schema": {"type": "string"}}},
    429: {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 0}}},
}
"""Headers of a refusal by its status."""


def openapi(provider: Provider, server: str | None = None) -> dict[str, JSON]:
    """Return the document.

    Args:
        provider: The provider.
        server: The URL that paths are appended to; by default the provider's base URL.

    """
    paths: dict[str, dict[str, JSON]] = {}
    for endpoint in provider.endpoints.values():
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(provider, endpoint)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"{provider.name} image API",
            "version": __version__,
            "description": "Generated from the contract catalogue of qwenmock; x-source and x-certainty say where each "
            "limit was read, and how certain it is.",
        },
        "servers": [{"url": server or provider.base_url}],
        "security": [{BEARER: []}],
        "paths": paths,
        "components": {"securitySchemes": {BEARER: {"type": "http", "scheme": "bearer"}}},
    }


def _operation(provider: Provider, endpoint: Endpoint) -> dict[str, JSON]:
    operation: dict[str, JSON] = {"operationId": endpoint.name, "responses": _responses(provider, endpoint)}
    parameters: list[JSON] = []
    if "{task_id}" in endpoint.path:
        prefix = "" if provider.tasks is None else provider.tasks.prefix
        schema = {"type": "string", "pattern": task_id_pattern(prefix)}
        parameters.append({"name": "task_id", "in": "path", "required": True, "schema": schema})
    parameters += _headers(provider, endpoint)
    if parameters:
        operation["parameters"] = parameters
    if endpoint.variants:
        operation["requestBody"] = {"required": True, "content": {JSON_TYPE: _bodies(provider, endpoint)}}
    if endpoint.created_response is not None and provider.callbacks is not None:
        operation["callbacks"] = {"ended": {"{$request.body#/callback_url}": {"post": _callback(provider)}}}
    return operation


def _headers(provider: Provider, endpoint: Endpoint) -> Iterator[JSON]:
    """Yield the header that an endpoint needs, and those that it must be called without."""
    others = {each.required_header for each in provider.endpoints.values() if each.required_header is not None}
    for name, value in sorted(others):
        if endpoint.required_header == (name, value):
            yield {"name": name, "in": "header", "required": True, "schema": {"const": value}}
        elif endpoint.variants:
            yield {"name": name, "in": "header", "required": False, "schema": {"not": {"const": value}}}


def _bodies(provider: Provider, endpoint: Endpoint) -> dict[str, JSON]:
    examples = {
        f"{variant.name}-{number}": {"summary": cited(exchange.source), "value": exchange.request}
        for variant in endpoint.variants
        for number, exchange in enumerate(exchanges(provider.slug, variant.name), start=1)
    }
    content: dict[str, JSON] = {"schema": _alternatives(_request(endpoint, variant) for variant in endpoint.variants)}
    return {**content, "examples": examples} if examples else content


def _request(endpoint: Endpoint, variant: Variant) -> Schema:
    """Return what the body of one variant must be: it has its models, and no member that makes it another variant."""
    schema = _published(variant.request.schema)
    rivals = {each.name: each for model in variant.models for each in endpoint.by_model[model]}
    before = takewhile(lambda name: name != variant.name, rivals)
    foreign: list[JSON] = [{"not": {"required": [rivals[name].discriminator]}} for name in before]
    if variant.discriminator is not None:
        schema["required"] = [*dict.fromkeys((*schema.get("required", ()), variant.discriminator))]
    return {**schema, "allOf": [*schema.get("allOf", ()), *foreign]} if foreign else schema


def _responses(provider: Provider, endpoint: Endpoint) -> dict[str, JSON]:
    samples = {v.name: sample for v in endpoint.variants if (sample := answer(provider, v)) is not None}
    if endpoint.kind == "task":
        samples = _ended(provider)
    found: dict[str, JSON] = {"200": _response("success", _any_of(provider.answers_of(endpoint)), samples)}
    by_status: dict[int, list[ErrorKind]] = {}
    errors = provider.errors if endpoint.protocol is None else endpoint.protocol.errors
    for kind in (*errors.values(), *_wrong_addresses(errors)):
        by_status.setdefault(kind.status, []).append(kind)
    for status, kinds in sorted(by_status.items()):
        documents = {kind.document.name: kind.document for kind in kinds}
        names = ", ".join(sorted(kind.name.replace("_", " ") for kind in kinds))
        refusals = {kind.name: refusal(provider, kind, endpoint.protocol) for kind in kinds}
        found[str(status)] = _response(names, _any_of(documents.values()), refusals, HEADERS.get(status, {}))
    return found


def _wrong_addresses(errors: Mapping[str, ErrorKind]) -> Iterator[ErrorKind]:
    """Yield how a path, or a method, is refused that the provider does not have; no document says it."""
    for status, (name, message) in WRONG_ADDRESSES.items():
        yield replace(errors["malformed"], name=name, status=status, message=message, certainty="assumed")


def _callback(provider: Provider) -> dict[str, JSON]:
    content = _content(_any_of(provider.task_documents), _ended(provider))
    return {
        "requestBody": {"required": True, "content": content},
        "responses": {"200": {"description": "Accepted; after any status but 2xx the callback is made again."}},
    }


def _ended(provider: Provider) -> dict[str, Mapping[str, JSON]]:
    samples = {variant.name: ended_task(provider, variant) for variant in provider.variants.values()}
    return {name: sample for name, sample in samples.items() if sample is not None}


def _response(
    description: str,
    schema: JSON,
    samples: Mapping[str, Mapping[str, JSON]],
    headers: Mapping[str, JSON] = MappingProxyType({}),
) -> dict[str, JSON]:
    content = _content(schema, samples)
    return {"description": description, "headers": {**REQUEST_ID, **headers}, "content": content}


def _content(schema: JSON, samples: Mapping[str, Mapping[str, JSON]]) -> dict[str, JSON]:
    examples = {name: {"value": sample} for name, sample in samples.items()}
    return {JSON_TYPE: {"schema": schema, **({"examples": examples} if examples else {})}}


def _any_of(documents: Iterable[Document]) -> JSON:
    """Return one schema that accepts what any of the documents accepts, with their sources."""
    return _alternatives(_published(document.schema) for document in documents)


def _alternatives(found: Iterable[Schema]) -> JSON:
    schemas: list[JSON] = []
    for schema in found:
        if schema not in schemas:
            schemas.append(schema)
    return (schemas[0] if len(schemas) == 1 else {"anyOf": schemas}) if schemas else True


def _published(schema: Schema) -> Schema:
    """Return the schema as plain JSON Schema, with the project's own keywords as extensions."""
    plain = to_json_schema(schema)
    plain |= {key: value for key, value in schema.items() if key.startswith("x-") and key != "x-rules"}
    members: dict[str, Schema] = schema.get("properties", {})
    for name, member in members.items():
        plain["properties"][name] = _published(member)
    if "items" in schema:
        plain["items"] = _published(schema["items"])
    if "x-size" in schema:
        plain["pattern"] = size_pattern(schema["x-size"], separator_of(schema))
    if "x-callback" in schema:
        plain["pattern"] = callback_pattern(schema["x-callback"]["schemes"])
    more = [*image_patterns(schema["x-image"])] if "x-image" in schema else last_item_rules(schema.get("x-parts", {}))
    for each in more:
        plain = {**plain, **each} if not each.keys() & plain.keys() else _both(plain, each)
    for member, terms in schema.get("x-depends", {}).items():
        if "advisory" not in terms:
            plain = _both(plain, dependency_schema(member, terms))
    if "x-single" in schema:
        plain = {"anyOf": [plain, plain["items"]]}
    return plain


def _both(schema: Schema, more: Schema) -> Schema:
    return {**schema, "allOf": [*schema.get("allOf", ()), more]}
