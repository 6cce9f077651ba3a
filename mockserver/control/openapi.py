"""The contract of a provider as an OpenAPI 3.1 document."""

from collections.abc import Iterable, Mapping

from qwenmock.fixtures import exchanges
from qwenmock.mockserver._version import __version__
from qwenmock.mockserver.calls.json_schema import to_json_schema
from qwenmock.mockserver.control.samples import answer, ended_task, refusal
from qwenmock.schemas.models import Document, Endpoint, ErrorKind, Provider
from qwenmock.schemas.sources import cited
from qwenmock.schemas.vocabulary import JSON, Schema, separator_of

BEARER = "bearer"
JSON_TYPE = "application/json"


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
        parameters.append({"name": "task_id", "in": "path", "required": True, "schema": {"type": "string"}})
    if endpoint.required_header is not None:
        name, value = endpoint.required_header
        parameters.append({"name": name, "in": "header", "required": True, "schema": {"const": value}})
    if parameters:
        operation["parameters"] = parameters
    if endpoint.variants:
        operation["requestBody"] = {"required": True, "content": {JSON_TYPE: _bodies(provider, endpoint)}}
    if endpoint.created_response is not None and provider.callbacks is not None:
        operation["callbacks"] = {"ended": {"{$request.body#/callback_url}": {"post": _callback(provider)}}}
    return operation


def _bodies(provider: Provider, endpoint: Endpoint) -> dict[str, JSON]:
    examples = {
        f"{variant.name}-{number}": {"summary": cited(exchange.source), "value": exchange.request}
        for variant in endpoint.variants
        for number, exchange in enumerate(exchanges(provider.slug, variant.name), start=1)
    }
    content: dict[str, JSON] = {"schema": _any_of(variant.request for variant in endpoint.variants)}
    return {**content, "examples": examples} if examples else content


def _responses(provider: Provider, endpoint: Endpoint) -> dict[str, JSON]:
    samples = {v.name: sample for v in endpoint.variants if (sample := answer(provider, v)) is not None}
    if endpoint.kind == "task":
        samples = _ended(provider)
    found: dict[str, JSON] = {"200": _response("success", _any_of(provider.answers_of(endpoint)), samples)}
    by_status: dict[int, list[ErrorKind]] = {}
    errors = provider.errors if endpoint.protocol is None else endpoint.protocol.errors
    for kind in errors.values():
        by_status.setdefault(kind.status, []).append(kind)
    for status, kinds in sorted(by_status.items()):
        documents = {kind.document.name: kind.document for kind in kinds}
        names = ", ".join(sorted(kind.name.replace("_", " ") for kind in kinds))
        refusals = {kind.name: refusal(provider, kind, endpoint.protocol) for kind in kinds}
        found[str(status)] = _response(names, _any_of(documents.values()), refusals)
    return found


def _callback(provider: Provider) -> dict[str, JSON]:
    content = _content(_any_of(provider.task_documents), _ended(provider))
    return {
        "requestBody": {"required": True, "content": content},
        "responses": {"200": {"description": "Accepted; after any status but 2xx the callback is made again."}},
    }


def _ended(provider: Provider) -> dict[str, Mapping[str, JSON]]:
    samples = {variant.name: ended_task(provider, variant) for variant in provider.variants.values()}
    return {name: sample for name, sample in samples.items() if sample is not None}


def _response(description: str, schema: JSON, samples: Mapping[str, Mapping[str, JSON]]) -> dict[str, JSON]:
    return {"description": description, "content": _content(schema, samples)}


def _content(schema: JSON, samples: Mapping[str, Mapping[str, JSON]]) -> dict[str, JSON]:
    examples = {name: {"value": sample} for name, sample in samples.items()}
    return {JSON_TYPE: {"schema": schema, **({"examples": examples} if examples else {})}}


def _any_of(documents: Iterable[Document]) -> JSON:
    """Return one schema that accepts what any of the documents accepts, with their sources."""
    schemas: list[JSON] = []
    for document in documents:
        schema = _published(document.schema)
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
        separator = separator_of(schema).replace("*", r"\*")
        plain["pattern"] = f"^[1-9][0-9]{{0,5}}{separator}[1-9][0-9]{{0,5}}$"
    if "x-single" in schema:
        plain["type"] = ["array", "string"]
    return plain
