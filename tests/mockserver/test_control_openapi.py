"""The control API's own OpenAPI document: complete, valid, and kept by the running server."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NotRequired, TypedDict

import httpx
import jsonschema
import pytest
from starlette.routing import Mount, Route

from qwenmock import fixtures
from qwenmock.mockserver.calls.double import create_double
from qwenmock.mockserver.calls.fault_schema import fault_schema
from qwenmock.mockserver.control.api.routes import CALLS
from qwenmock.mockserver.control.api.typed_schema import SchemaWriter
from qwenmock.mockserver.control.guard import OPEN
from qwenmock.mockserver.http.app import create_app
from qwenmock.mockserver.http.server import RunningServer, running
from qwenmock.mockserver.settings import Settings
from qwenmock.schemas.catalog import load

PAGES = {"/", "/docs", "/docs/{provider}", "/static/{name:path}"}
"""What a browser opens; all else is a control call."""
EDIT = {
    "model": "qwen-image-edit",
    "prompt": "a hat [[qwenmock: wait=60]]",
    "image_urls": ["https://example.com/a.png"],
}
BODY = {"model": "qwen-image-plus", "prompt": "a cat", "parameters": {"size": "1328*1328"}}


@pytest.fixture
def document(control: httpx.Client) -> dict[str, Any]:
    return control.get("/openapi/control.json").raise_for_status().json()


def operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def test_document_is_valid(document: dict[str, Any]) -> None:
    validator = pytest.importorskip("openapi_spec_validator", reason="openapi-spec-validator is not installed")
    validator.validate(document)


def test_every_route_is_in_the_document_and_the_other_way_round(document: dict[str, Any]) -> None:
    app = create_app(create_double(Settings()))
    [mount] = [route for route in app.routes if isinstance(route, Mount)]
    routes = [route for route in mount.routes if isinstance(route, Route) and route.path not in PAGES]
    assert len(routes) == len(mount.routes) - len(PAGES)
    served = {(method, route.path) for route in routes for method in (route.methods or set()) - {"HEAD"}}
    assert served == {(method, path) for method, path, _ in operations(document)}
    assert len(CALLS) == len(served)


def test_every_operation_has_a_name_and_a_summary(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(names) == len(set(names))
    assert all(operation["summary"] for _, _, operation in operations(document))


def test_calls_without_security_are_those_that_the_guard_lets_pass(document: dict[str, Any]) -> None:
    for _, path, operation in operations(document):
        is_open = OPEN.fullmatch(f"/__mock__{path}") is not None
        assert (operation.get("security") == []) == is_open, path


def test_document_publishes_the_schema_of_the_fault_plan(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert schemas["FaultPlan"]["items"] == {"$ref": "#/components/schemas/Fault"}
    expected = fault_schema(load().providers)
    assert schemas["Fault"] == {name: value for name, value in expected.items() if name != "title"}
    body = document["paths"]["/faults"]["put"]["requestBody"]["content"]["application/json"]["schema"]
    assert body == {"$ref": "#/components/schemas/FaultPlan"}


def test_document_does_not_hide_that_of_a_provider(control: httpx.Client) -> None:
    assert "control" not in load().providers
    assert control.get("/openapi/nebula.json").json()["info"]["title"] == "Nebula image API"
    assert control.get("/openapi/nobody.json").status_code == 404


def test_servers_url_leads_to_the_control_api(server: RunningServer, document: dict[str, Any]) -> None:
    [entry] = document["servers"]
    assert entry["url"] == f"{server.origin}/__mock__"
    assert httpx.get(f"{entry['url']}/health").status_code == 200


def closed(schema: Any) -> Any:
    """Return the schema with every object closed, so that a member that is not documented is an error."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: closed(value) for name, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        found["additionalProperties"] = False
    return found


class Caller:
    """Calls the control API, and checks each answer by the document."""

    def __init__(self, client: httpx.Client, document: dict[str, Any]) -> None:
        self.client = client
        self.document = document
        self.components = closed(document["components"])
        self.called: set[tuple[str, str]] = set()

    def call(self, method: str, path: str, template: str = "", status: int = 200, **options: Any) -> Any:
        template = template or path.partition("?")[0]
        operation = self.document["paths"][template][method.lower()]
        if method != "GET":
            options.setdefault("json", {})
        if "content" in options:
            del options["json"]
        answer = self.client.request(method, f"/__mock__{path}", **options)
        assert answer.status_code == status, answer.text
        response = operation["responses"][str(status)]
        if "$ref" in response:
            response = self.document["components"]["responses"]["Error"]
        [(media_type, content)] = response["content"].items()
        assert answer.headers["content-type"].partition(";")[0] == media_type
        value = answer.json() if media_type == "application/json" else answer.text
        schema = closed(content["schema"]) | {"components": self.components}
        jsonschema.Draft202012Validator(schema).validate(value)
        self.called.add((method, template))
        return value


def test_running_server_keeps_the_document() -> None:
    with (
        running(Settings(port=0, admin_token="a-token")) as server,
        httpx.Client(base_url=server.origin, headers={"Authorization": "Bearer a-token"}) as client,
    ):
        caller = Caller(client, client.get("/__mock__/openapi/control.json").json())
        work(client)
        read_everything(caller)
        [task, *_] = caller.call("GET", "/tasks")
        change_everything(caller, task["id"])
        fail(caller)
        every = {(method, path) for method, path, _ in operations(caller.document)}
        assert every - caller.called == {("GET", "/events")}  # it has no end


def work(client: httpx.Client) -> None:
    key = {"Authorization": "Bearer sk-mock"}
    assert client.post("/nebula/v1/images/generations", json=BODY, headers=key).status_code == 200
    assert client.post("/nebula/v1/images/generations", json={}, headers=key).status_code == 400
    callback = {**EDIT, "callback_url": "https://callbacks.invalid/"}
    for body in (EDIT, callback):
        assert client.post("/evolink/v1/images/generations", json=body, headers=key).status_code == 200


def read_everything(caller: Caller) -> None:
    for path in (
        "/health",
        "/providers",
        "/examples",
        "/sources",
        "/pictures",
        "/metrics",
        "/verdict",
        "/ledger",
        "/ledger.csv",
        "/faults",
        "/journal.har",
        "/journal.sh",
        "/journal.py",
    ):
        caller.call("GET", path)
    assert len(caller.call("GET", "/journal?limit=10")) == 4
    caller.call("GET", "/openapi/control.json")
    for slug in load().providers:
        caller.call("GET", f"/contract/{slug}", "/contract/{provider}")
        caller.call("GET", f"/openapi/{slug}.json", "/openapi/{provider}.json")
    assert len(caller.call("GET", "/tasks")) == 2


def change_everything(caller: Caller, task: str) -> None:
    caller.call("POST", "/session", json={"token": "a-token"})
    caller.call("PUT", "/faults", json=[{"status": 429, "times": 2}])
    assert caller.call("GET", "/faults")[0]["times"] == 2
    caller.call("DELETE", "/faults")
    scenarios = caller.call("GET", "/scenarios")
    assert caller.call("PUT", "/scenario", json={"name": "outage"}) in scenarios
    change = {"provider": "nebula", "balance": "3", "requests_per_minute": None}
    caller.call("PATCH", "/accounts/sk-mock", "/accounts/{key}", json=change)
    image = fixtures.image("landscape.png")
    caller.call("POST", "/images", content=image, headers={"Content-Type": "image/png"})
    caller.call("GET", f"/tasks/{task}", "/tasks/{task_id}")
    caller.call("POST", f"/tasks/{task}/cancel", "/tasks/{task_id}/cancel")
    caller.call("POST", "/clock", json={"advance_seconds": 100})
    caller.call("POST", f"/callbacks/{task}/resend", "/callbacks/{id}/resend")
    assert caller.call("GET", f"/tasks/{task}", "/tasks/{task_id}")["state"] == "cancelled"
    caller.call("POST", "/reset/limits", "/reset/{part}")
    caller.call("POST", "/reset")


def fail(caller: Caller) -> None:
    caller.client.cookies.clear()  # the session's: a wrong token would not matter
    caller.call("GET", "/journal?limit=x", status=400)
    caller.call("GET", "/ledger?provider=acme", status=404)
    caller.call("PUT", "/faults", json={}, status=400)
    caller.call("PATCH", "/accounts/sk-mock", "/accounts/{key}", json={}, status=400)
    caller.call("POST", "/reset/x", "/reset/{part}", status=404)
    caller.call("POST", "/session", json={"token": 1}, status=403)
    caller.call("POST", "/reset", status=403, headers={"Origin": "https://evil.example"})
    caller.call("GET", "/faults", status=401, headers={"Authorization": "Bearer wrong"})
    caller.call("GET", "/contract/acme", "/contract/{provider}", status=404)
    caller.call("GET", "/ca.pem", status=404)
    caller.call("PUT", "/scenario", status=400, json={"name": "x"})
    caller.call("GET", "/tasks/x", "/tasks/{task_id}", status=404)
    caller.call("POST", "/images", status=400, content=b"x", headers={"Content-Type": "image/png"})


class Part(TypedDict):
    """A part."""

    of: "Part | None"
    more: NotRequired[list[int]]


def test_schemas_are_written_from_types() -> None:
    writer = SchemaWriter()
    reference = {"$ref": "#/components/schemas/Part"}
    assert writer.of(Part) == reference
    assert writer.components["Part"] == {
        "description": "A part.",
        "type": "object",
        "required": ["of"],
        "properties": {
            "of": {"anyOf": [reference, {"type": "null"}]},
            "more": {"type": "array", "items": {"type": "integer"}},
        },
    }
    assert writer.of(Literal["a", "b"]) == {"enum": ["a", "b"]}
    assert writer.of(Mapping[str, float]) == {"type": "object", "additionalProperties": {"type": "number"}}
    assert writer.of(object) == {}
    assert writer.of("Part") == reference
    with pytest.raises(TypeError, match="no schema for"):
        writer.of(complex)
