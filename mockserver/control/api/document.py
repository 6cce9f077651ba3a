"""The control API as an OpenAPI 3.1 document."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from qwenmock.mockserver._version import __version__
from qwenmock.mockserver.control.api.call import JSON_TYPE, ControlCall
from qwenmock.mockserver.control.api.faults import PARTS
from qwenmock.mockserver.control.api.responses import Error
from qwenmock.mockserver.control.api.typed_schema import SchemaWriter
from qwenmock.mockserver.control.session import COOKIE
from qwenmock.mockserver.net.own_site import SAFE_METHODS
from qwenmock.schemas.catalog import Catalog
from qwenmock.schemas.vocabulary import JSON

SECURITY: list[JSON] = [{}, {"adminToken": []}, {"session": []}]
"""No token is needed on loopback."""
QUERY_PARAMETERS: Mapping[str, tuple[str, dict[str, JSON]]] = {
    "provider": ("Only of this provider.", {"type": "string"}),
    "key": ("Only of this API key.", {"type": "string"}),
    "status": (
        "Only with this HTTP status, as 404; the journal and its events also take a class, as 4xx.",
        {"type": "string", "pattern": "^([0-9]{1,9}|[1-5]xx)$"},
    ),
    "id": ("Only the request with this id, or the attempts of the callback with it.", {"type": "string"}),
    "variant": ("Only of this variant.", {"type": "string"}),
    "model": ("Only with this model.", {"type": "string"}),
    "task": ("Only what concerns the task with this id: its creation, queries, and callbacks.", {"type": "string"}),
    "rule": ("Only what broke this rule; the beginning of an id, up to a slash, names several.", {"type": "string"}),
    "text": ("Only with this text in a prompt, a body, a refusal or the path, in capitals or not.", {"type": "string"}),
    "since": ("Not before this time, in unix seconds of the double's clock.", {"type": "number"}),
    "until": ("Not after this time, in unix seconds of the double's clock.", {"type": "number"}),
    "cursor": (
        "Only entries that are older than this one: its `id`, a slash, and its `at`.",
        {"type": "string", "pattern": "/[0-9.]+$"},
    ),
    "request_id": ("Only of this request.", {"type": "string"}),
    "limit": ("How many at most.", {"type": "integer", "minimum": 0}),
    "suffix": ("What the URL ends in, instead of the suffix of the image's format.", {"type": "string"}),
}
HEADERS: Mapping[str, tuple[str, dict[str, JSON]]] = {
    "X-Total-Count": ("How many entries match in all.", {"type": "integer", "minimum": 0}),
    "Link": ('The next part, as `<PATH>; rel="next"`; not in the last part.', {"type": "string"}),
}
PATH_PARAMETERS: Mapping[str, str] = {
    "provider": "A provider's slug.",
    "key": "An API key.",
    "part": f"One of {', '.join(PARTS)}.",
    "task_id": "A task's id.",
    "id": "The id of a callback or of its task.",
}


@dataclass
class _Writer:
    catalog: Catalog
    schemas: SchemaWriter = field(default_factory=SchemaWriter)

    def operation(self, call: ControlCall) -> dict[str, JSON]:
        """Return an operation object."""
        written: dict[str, JSON] = {
            "operationId": call.name,
            "summary": call.summary,
            "responses": self._responses(call),
        }
        parameters = [*_path_parameters(call.path), *map(_query_parameter, call.query)]
        if parameters:
            written["parameters"] = parameters
        if call.method not in SAFE_METHODS:
            schema: Mapping[str, JSON] = {}
            if call.body is not None:
                schema = self.schemas.add(call.body(self.catalog))
            required = call.body is not None or call.body_type != JSON_TYPE
            written["requestBody"] = {"required": required, "content": {call.body_type: {"schema": schema}}}
        if call.is_open:
            written["security"] = []
        return written

    def _responses(self, call: ControlCall) -> dict[str, JSON]:
        schema = {"type": "string"} if call.response is None else self.schemas.of(call.response)
        success: dict[str, JSON] = {"description": "Success.", "content": {call.media_type: {"schema": schema}}}
        if call.headers:
            success["headers"] = {name: _header(name) for name in call.headers}
        statuses = {500, *call.errors}
        statuses |= set() if call.is_open else {401, 403}
        errors = {str(status): _error(status) for status in sorted(statuses)}
        return {"200": success, **errors}


def control_document(calls: Iterable[ControlCall], catalog: Catalog, server: str) -> dict[str, JSON]:
    """Return the document.

    Args:
        calls: All of them.
        catalog: The providers, whose slugs and statuses are in the schema of the fault plan.
        server: The URL that the paths are appended to.

    """
    writer = _Writer(catalog)
    paths: dict[str, dict[str, JSON]] = {}
    for call in calls:
        paths.setdefault(call.path, {})[call.method.lower()] = writer.operation(call)
    error = writer.schemas.of(Error)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "qwenmock control API",
            "version": __version__,
            "description": "Inspect and control the mock server. Calls that change something need the content type "
            "`application/json`, also without a body. Control calls are never journaled, delayed or charged.",
        },
        "servers": [{"url": server}],
        "security": SECURITY,
        "paths": paths,
        "components": {
            "schemas": writer.schemas.components,
            "securitySchemes": {
                "adminToken": {"type": "http", "scheme": "bearer", "description": "The value of --admin-token."},
                "session": {"type": "apiKey", "in": "cookie", "name": COOKIE, "description": "Set by POST /session."},
            },
            "responses": {
                "Error": {
                    "description": "The call failed; `error` says what would be accepted.",
                    "content": {JSON_TYPE: {"schema": error}},
                }
            },
        },
    }


def _error(status: int) -> dict[str, JSON]:
    return {"$ref": "#/components/responses/Error", "summary": HTTPStatus(status).phrase}


def _path_parameters(path: str) -> Iterable[dict[str, JSON]]:
    for name in re.findall(r"\{(\w+)\}", path):
        yield {
            "name": name,
            "in": "path",
            "required": True,
            "description": PATH_PARAMETERS[name],
            "schema": {"enum": list(PARTS)} if name == "part" else {"type": "string"},
        }


def _header(name: str) -> dict[str, JSON]:
    description, schema = HEADERS[name]
    return {"description": description, "schema": schema}


def _query_parameter(name: str) -> dict[str, JSON]:
    description, schema = QUERY_PARAMETERS[name]
    return {"name": name, "in": "query", "description": description, "schema": schema}
