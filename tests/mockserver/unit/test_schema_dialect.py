"""Answers that are made from schemas alone: which values they hold, and that every request has a valid sample."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from call_values import CATALOG, job
from store_values import task

from qwenmock.mockserver.dialects.by_schema import BySchemaDialect, sample, write
from qwenmock.mockserver.models import Account, Refused, Result, TaskStatus
from qwenmock.mockserver.store.protocols import AccountDefaults
from qwenmock.pytest_plugin.examiner.schema_judge import broken_rules
from qwenmock.schemas.models import Document, Endpoint, Provider

IMAGES = ("https://mock.example/a.png", "https://mock.example/b.png")


def document(properties: Any, *required: str) -> Document:
    return Document("made", {"type": "object", "required": required, "properties": properties}, (), "made.schema.json")


def has(role: str, kind: str = "string") -> dict[str, str]:
    return {"type": kind, "x-role": role}


def items(of: Any, **more: Any) -> dict[str, Any]:
    return {"type": "array", "items": of, **more}


def members(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


# Values.


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"const": 5, "default": 6}, 5),
        ({"default": 6, "enum": [7]}, 6),
        ({"default": None}, None),
        ({"enum": [7, 8], "examples": [9]}, 7),
        ({"type": "integer", "examples": [9, 10]}, 9),
        ({"type": "integer", "examples": []}, 0),
        ({"type": "integer", "minimum": 3}, 3),
        ({"type": "integer"}, 0),
        ({"type": "number", "minimum": 0.5}, 0.5),
        ({"type": "number"}, 0),
        ({"type": "boolean"}, False),
        ({"type": "null"}, None),
        ({}, None),
        ({"type": ["string", "null"]}, "text"),
        ({"type": ["null", "string"]}, None),
        ({"type": "string"}, "text"),
        ({"type": "string", "maxLength": 3}, "tex"),
        ({"type": "string", "maxLength": 0}, ""),
        ({"type": "string", "minLength": 6}, "text--"),
        ({"type": "string", "x-size": {"maxSide": 2048}}, "2048*2048"),
        ({"type": "string", "x-image": {}}, "https://example.com/image.png"),
        ({"type": "string", "x-callback": {}}, "https://example.com/image.png"),
        ({"type": "string", "format": "uri"}, "https://example.com/image.png"),
        ({"type": "string", "format": "date"}, "text"),
        ({"type": "string", "pattern": "^[0-9]+x[0-9]+$"}, "1024x1024"),
        ({"type": "string", "pattern": "^2026-01-01 "}, "2026-01-01 00:00:00"),
        ({"type": "string", "pattern": "^t"}, "text"),
        ({"type": "string", "pattern": "^never$"}, "text"),
        (items({"type": "string"}), []),
        (items({"type": "string"}, minItems=2), ["text", "text"]),
        ({"type": "array"}, []),
        ({"type": "object"}, {}),
        (items(members(url=has("image_url"))), [{"url": "https://example.com/image.png"}]),
    ],
)
def test_smallest_value_that_a_schema_accepts(schema: Any, value: object) -> None:
    found = sample(schema)
    assert (found, type(found)) == (value, type(value))


def test_object_has_what_is_required_or_has_a_value() -> None:
    made = document(
        {
            "wanted": {"type": "string"},
            "unwanted": {"type": "string"},
            "model": has("model"),
            "deep": members(list=items(members(id=has("request_id")))),
            "other": members(list=items(members(id=has("prompt")))),
            "gone": {**has("model"), "not": {}},
        },
        "wanted",
    )
    written = write(made, {"model": "m", "request_id": "r"})
    assert written == {"wanted": "text", "model": "m", "deep": {"list": [{"id": "r"}]}}
    assert write(made, {}) == {"wanted": "text"}
    assert write(document({"a": {"type": "string", "not": {}}}, "a"), {}) == {"a": "text"}


def test_first_of_several_alternatives_is_taken() -> None:
    alternatives: Any = {"oneOf": [{"required": ["b"]}, {"required": ["a"]}], "properties": {"a": {}, "b": {}}}
    assert sample({"type": "object", **alternatives}) == {"b": None}


def test_schema_that_is_no_object_gives_an_empty_one() -> None:
    assert write(replace(document({}), schema={"type": "array"}), {}) == {}


def test_named_values_stand_where_nothing_else_has_a_role() -> None:
    made = document({"code": has("error_code"), "type": {"type": "string"}, "text": has("message"), "n": {}})
    written = write(made, {"message": "m", "error_code": "e"}, named={"code": "c", "type": "t", "text": "x"})
    assert written == {"code": "c", "type": "t", "text": "m"}


def test_each_image_is_an_item() -> None:
    by_role = items(members(url=has("image_url")), **{"x-role": "images"})
    plain, deep = items(has("image_url")), items(members(image=members(url=has("image_url"))))
    made = document({"by_role": by_role, "plain": plain, "deep": deep, "first": has("image_url")})
    assert write(made, {}, IMAGES) == {
        "by_role": [{"url": url} for url in IMAGES],
        "plain": list(IMAGES),
        "deep": [{"image": {"url": url}} for url in IMAGES],
        "first": IMAGES[0],
    }
    assert write(made, {}) == {}
    assert write(document({"by_role": by_role, "first": has("image_url")}, "by_role", "first"), {}) == {
        "by_role": [],
        "first": "text",
    }


def test_arrays_around_images_have_one_item() -> None:
    made = document({"choices": items(members(content=items(members(image=has("image_url")))))})
    assert write(made, {}, IMAGES) == {"choices": [{"content": [{"image": url} for url in IMAGES]}]}


def test_parts_are_as_few_as_are_accepted_and_in_their_order() -> None:
    parts: Any = items(
        members(text={"type": "string"}, image={"x-image": {}, "type": "string"}),
        **{"x-parts": {"text": {"minItems": 1, "position": "last"}, "image": {"minItems": 2}, "mask": {}}},
    )
    image = {"image": "https://example.com/image.png"}
    assert sample(parts) == [image, image, {"text": "text"}]


@pytest.mark.parametrize("slug", CATALOG.providers)
def test_every_request_has_a_valid_sample(slug: str) -> None:
    for variant in CATALOG[slug].variants.values():
        assert not broken_rules(variant.request, sample(variant.request.schema)), variant.name


# Answers.

EVERY_ROLE = (
    "http_status", "model", "prompt", "created", "request_id", "width", "height", "image_count", "failed_count",
    "total_count", "task_id", "task_status", "progress", "reserved", "remaining", "used", "message", "error_code",
)  # fmt: skip
ANSWER = document({role: has(role) for role in EVERY_ROLE} | {"images": items(has("image_url"))})
SHORT = document({"request_id": has("request_id"), "remaining": has("remaining"), "used": has("used")})
EVOLINK = CATALOG["evolink"]


def evolink(**states: Document) -> Provider:
    """Return a provider whose answers have every value there is."""
    assert EVOLINK.tasks is not None
    create = replace(EVOLINK.endpoints["create"], created_response=ANSWER)
    more: dict[str, Endpoint] = {
        kind: replace(EVOLINK.endpoints["credits"], name=kind, kind=kind, answer=SHORT)  # type: ignore[arg-type]
        for kind in ("credits", "cancel")
    }
    variants = {name: replace(variant, answer=ANSWER) for name, variant in EVOLINK.variants.items()}
    described = {
        name: replace(state, document=states.get(name, ANSWER)) for name, state in EVOLINK.tasks.states.items()
    }
    described["succeeded"] = replace(described["succeeded"], document=None)
    tasks = replace(EVOLINK.tasks, states=described)
    return replace(EVOLINK, endpoints={"create": create, **more}, variants=variants, tasks=tasks)


PROVIDER = evolink()
DIALECT = BySchemaDialect.for_provider(PROVIDER)
OWNER = AccountDefaults("evolink", "sk-mock", "credits", Decimal(10), None)
TASK: Any = task("t", 10.0, OWNER, variant="edit", urls=IMAGES, failed=1, created=12.9, reserved=Decimal("2.3"))


def test_success() -> None:
    made = job("nebula", "simplified")
    result = Result(made._replace(variant=PROVIDER.variants["edit"]), "r-1", 1234, IMAGES, 640, 480, 1)
    assert DIALECT.success(result) == {
        "http_status": 200,
        "model": made.model,
        "prompt": "a cat",
        "created": 1234,
        "request_id": "r-1",
        "width": 640,
        "height": 480,
        "image_count": 2,
        "failed_count": 1,
        "total_count": 3,
        "images": list(IMAGES),
    }


OF_TASK = {
    "http_status": 200,
    "model": "m",
    "prompt": "p",
    "created": 12,
    "task_id": "t",
    "width": 640,
    "height": 480,
    "failed_count": 1,
    "total_count": 3,
    "reserved": 2.3,
}


def test_new_task() -> None:
    more = {"request_id": "r-t", "task_status": "pending", "progress": 0, "image_count": 0}
    assert DIALECT.created(PROVIDER, TASK) == OF_TASK | more


@pytest.mark.parametrize(
    ("state", "name", "failure", "more"),
    [
        ("pending", "pending", None, {"image_count": 0}),
        ("running", "processing", None, {"image_count": 0}),
        ("succeeded", "completed", None, {"image_count": 2, "images": list(IMAGES)}),
        (
            "failed",
            "failed",
            "resource_not_found",
            {"image_count": 0, "error_code": "resource_not_found", "message": "Resource not found."},
        ),
        ("failed", "failed", "x", {"image_count": 0, "error_code": "x", "message": "x"}),
        ("failed", "failed", None, {"image_count": 0, "error_code": "", "message": ""}),
        ("cancelled", "cancelled", None, {"image_count": 0}),
    ],
)
def test_task(state: str, name: str, failure: str | None, more: dict[str, Any]) -> None:
    found = DIALECT.task(PROVIDER, replace(TASK, failure=failure), TaskStatus(state, 42), "r-2")
    assert found == OF_TASK | {"request_id": "r-2", "task_status": name, "progress": 42} | more


def test_document_of_a_state_comes_before_that_of_the_variant() -> None:
    special = evolink(running=SHORT)
    found = BySchemaDialect(special).task(special, TASK, TaskStatus("running", 1), "r-2")
    assert found == {"request_id": "r-2"}
    assert set(BySchemaDialect(special).task(special, TASK, TaskStatus("succeeded", 1), "r-2")) > {"images"}


@pytest.mark.parametrize(
    ("kind", "code"), [("string", "invalid"), ("integer", 400), ("number", 400), (["integer", "null"], 400)]
)
def test_refusal(kind: Any, code: object) -> None:
    properties = {role: has(role) for role in ("http_status", "message", "request_id")}
    fields = {"type": {"type": "string"}, "other": {"type": "string"}}
    made = document({**properties, **fields, "code": has("error_code", kind)})
    error = replace(EVOLINK.errors["invalid"], document=made, fields={"type": "invalid_request_error"})
    assert DIALECT.refusal(Refused(error, "it was wrong", "r-1", "n")) == {
        "http_status": 400,
        "message": "it was wrong",
        "request_id": "r-1",
        "type": "invalid_request_error",
        "code": code,
    }


def test_balance_and_cancellation() -> None:
    account = Account("evolink", "sk-mock", "credits", Decimal("7.5"), Decimal(1), Decimal("1.5"), None)
    assert DIALECT.remaining(account, 1.5) == {"remaining": 7.5, "used": 1.5}
    assert DIALECT.cancelled("r-2") == {"request_id": "r-2"}
    without = BySchemaDialect(replace(PROVIDER, endpoints={"create": PROVIDER.endpoints["create"]}))
    assert without.remaining(account, 1.5) == without.cancelled("r-2") == {}
    nothing = {name: replace(each, answer=None) for name, each in PROVIDER.endpoints.items()}
    without = BySchemaDialect(replace(PROVIDER, endpoints=nothing))
    assert without.remaining(account, 1.5) == without.cancelled("r-2") == {}
