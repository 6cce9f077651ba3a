"""Answers that are made from the provider's own schemas: for a provider whose answers no module of this package writes.

A value with a role is that of the request, the result or the task. Members without a role are written where the schema
requires them, each with the first value that the schema accepts.
"""

import re
from collections.abc import Callable, Mapping
from typing import Self

from qwenmock.mockserver.dialects.base import Dialect
from qwenmock.mockserver.models import Account, Refused, Result, Task, TaskStatus
from qwenmock.schemas.models import Document, Endpoint, Provider, Tasks, TaskState
from qwenmock.schemas.vocabulary import JSON, Path, Schema, subschema

SAMPLE_IMAGE = "https://example.com/image.png"
SAMPLE_TEXT = "text"
IN_A_FORM = (
    "2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000Z", "2026-01-01 00:00:00", "2026-01-01 00:00:00.000", "2026-01-01",
    "3f0c8a52-7d1e-4b9a-9c64-0a5d2e7b1f38", "3f0c8a527d1e4b9a9c640a5d2e7b1f38", "1024*1024", "1024x1024", "1:1", "0",
    "#000000", SAMPLE_IMAGE,
)  # fmt: skip
"""Texts in the forms that patterns usually ask for."""


class BySchemaDialect(Dialect):
    """Answers made from the schemas of one provider.

    Attributes:
        provider: Its contract.

    """

    def __init__(self, provider: Provider) -> None:
        """Make the dialect of a provider."""
        self.provider = provider

    @classmethod
    def for_provider(cls, provider: Provider) -> Self:
        """Return the dialect of a provider."""
        return cls(provider)

    def success(self, result: Result) -> dict[str, JSON]:
        """Return the answer of the request's variant."""
        values: dict[str, JSON] = {
            "http_status": 200,
            "model": result.job.model,
            "prompt": result.job.prompt,
            "created": result.created,
            "request_id": result.request_id,
            "width": result.width,
            "height": result.height,
            "image_count": len(result.urls),
            "failed_count": result.failed,
            "total_count": len(result.urls) + result.failed,
        }
        return write(result.job.variant.answer, values, result.urls)

    def refusal(self, refused: Refused) -> dict[str, JSON]:
        """Return the error; its kind's fields are put where the schema has members of their names."""
        kind = refused.kind
        values: dict[str, JSON] = {
            "http_status": kind.status,
            "message": refused.message,
            "request_id": refused.request_id,
            "error_code": kind.status if _is_number(kind.document, "error_code") else kind.name,
        }
        return write(kind.document, values, named=kind.fields)

    def created(self, provider: Provider, task: Task) -> dict[str, JSON]:
        """Return the answer to the creation of a task."""
        document = provider.endpoints[task.endpoint].created_response
        assert document is not None, "only called for endpoints that create tasks"
        return write(document, _task_values(provider, task, TaskStatus("pending", 0), task.request_id))

    def task(self, provider: Provider, task: Task, seen: TaskStatus, request_id: str) -> dict[str, JSON]:
        """Return the answer for the task's state."""
        assert provider.tasks is not None, "only called for providers with tasks"
        described = _state(provider.tasks, seen)
        document = described.document or provider.variants[task.variant].answer
        values = _task_values(provider, task, seen, request_id)
        if seen.state == "failed":
            code = task.failure or ""
            values |= {"error_code": code, "message": provider.tasks.failures.get(code, code)}
        return write(document, values, task.urls if seen.state == "succeeded" else ())

    def cancelled(self, request_id: str) -> dict[str, JSON]:
        """Return the answer to a cancellation."""
        document = _answer(self.provider.endpoint_for("cancel"))
        return {} if document is None else write(document, {"request_id": request_id})

    def remaining(self, account: Account, used: float) -> dict[str, JSON]:
        """Return the answer to a query of the balance."""
        document = _answer(self.provider.endpoint_for("credits"))
        values: dict[str, JSON] = {"remaining": float(account.balance), "used": used}
        return {} if document is None else write(document, values)


def write(
    document: Document, values: Mapping[str, JSON], urls: tuple[str, ...] = (), named: Mapping[str, JSON] | None = None
) -> dict[str, JSON]:
    """Return a body that a schema accepts.

    Args:
        document: The schema.
        values: What has a role, by the role.
        urls: The images.
        named: Values for members by name, wherever they stand.

    """
    written = _Writer(values, named or {}).value(document.schema, urls)
    return written if isinstance(written, dict) else {}


def sample(schema: Schema) -> JSON:
    """Return a small value that a schema accepts, such as the body of a request."""
    return _Writer({}, {}).value(schema, (SAMPLE_IMAGE,))


def _answer(endpoint: Endpoint | None) -> Document | None:
    return None if endpoint is None else endpoint.answer


def _is_number(document: Document, role: str) -> bool:
    paths: tuple[Path, ...] = document.roles.get(role, ())
    return any(_type_of(subschema(document.schema, path)) in {"integer", "number"} for path in paths)


def _state(tasks: Tasks, seen: TaskStatus) -> TaskState:
    return next(described for state, described in tasks.states.items() if state == seen.state)


def _task_values(provider: Provider, task: Task, seen: TaskStatus, request_id: str) -> dict[str, JSON]:
    assert provider.tasks is not None, "only called for providers with tasks"
    made = len(task.urls) if seen.state == "succeeded" else 0
    return {
        "http_status": 200,
        "model": task.model,
        "prompt": task.prompt,
        "created": int(task.created),
        "request_id": request_id,
        "task_id": task.id,
        "task_status": _state(provider.tasks, seen).name,
        "progress": seen.progress,
        "width": task.width,
        "height": task.height,
        "image_count": made,
        "failed_count": task.failed,
        "total_count": len(task.urls) + task.failed,
        "reserved": float(task.reserved),
    }


class _Writer:
    """Writes the values of one body."""

    def __init__(self, values: Mapping[str, JSON], named: Mapping[str, JSON]) -> None:
        self._values = values
        self._named = named

    def value(self, schema: Schema, urls: tuple[str, ...]) -> JSON:
        """Return a value: that of its role if there is one."""
        role = schema.get("x-role", "")
        if role == "image_url" and urls:
            return urls[0]
        if role in self._values:
            return self._values[role]
        for keyword in ("const", "default"):
            if keyword in schema:
                return schema[keyword]
        for keyword in ("enum", "examples"):
            if schema.get(keyword):
                return schema[keyword][0]
        return _BY_TYPE[_type_of(schema)](self, schema, urls)

    def object(self, schema: Schema, urls: tuple[str, ...]) -> JSON:
        """Return an object with the members that are required, and those that have a value."""
        members: dict[str, Schema] = schema.get("properties", {})
        required = {*schema.get("required", ()), *(branch["required"][0] for branch in schema.get("oneOf", ())[:1])}
        written: dict[str, JSON] = {}
        for name, member in members.items():
            if name in self._named and member.get("x-role", "error_code") == "error_code":
                written[name] = self._named[name]
            elif name in required or ("not" not in member and self._has_value(member, urls)):
                written[name] = self.value(member, urls)
        return written

    def array(self, schema: Schema, urls: tuple[str, ...]) -> JSON:
        """Return an array with an item for each image, or else with as few as are accepted."""
        if "x-parts" in schema:
            members: dict[str, Schema] = schema["items"]["properties"]
            counts: dict[str, Schema] = schema["x-parts"]
            ordered = sorted(counts, key=lambda name: "position" in counts[name])
            least = [name for name in ordered for _ in range(counts[name].get("minItems", 0))]
            return [{name: self.value(members[name], urls)} for name in least]
        items: Schema = schema.get("items", {})
        if _holds_images(schema):
            return [self.value(items, (url,)) for url in urls]
        fewest = max(schema.get("minItems", 0), int(self._has_value(items, urls)))
        return [self.value(items, urls) for _ in range(fewest)]

    def text(self, schema: Schema, _urls: tuple[str, ...]) -> JSON:
        """Return a string."""
        if "x-size" in schema:
            return "{0}*{0}".format(schema["x-size"]["maxSide"])
        if "x-image" in schema or "x-callback" in schema or schema.get("format") == "uri":
            return SAMPLE_IMAGE
        if "pattern" in schema:
            fitting = [text for text in (*IN_A_FORM, SAMPLE_TEXT) if re.search(schema["pattern"], text)]
            return fitting[0] if fitting else SAMPLE_TEXT
        return SAMPLE_TEXT[: schema.get("maxLength")].ljust(schema.get("minLength", 0), "-")

    def _has_value(self, schema: Schema, urls: tuple[str, ...]) -> bool:
        """Tell whether there is a value for a role at or below a place."""
        role = schema.get("x-role")
        if role in self._values or (role == "image_url" and bool(urls)):
            return True
        members: dict[str, Schema] = schema.get("properties", {})
        below = [*members.values(), *([schema["items"]] if "items" in schema else [])]
        return any(self._has_value(each, urls) for each in below)


def _holds_images(schema: Schema) -> bool:
    """Tell whether an array has an item for each image: it has the images, and no array within has them."""
    if schema.get("x-role") == "images":
        return True
    return "items" in schema and _is_image(schema["items"])


def _is_image(schema: Schema) -> bool:
    members: dict[str, Schema] = schema.get("properties", {})
    return schema.get("x-role") == "image_url" or any(_is_image(each) for each in members.values())


def _type_of(schema: Schema) -> str:
    kind = schema.get("type", "null")
    return kind if isinstance(kind, str) else kind[0]


_BY_TYPE: dict[str, Callable[[_Writer, Schema, tuple[str, ...]], JSON]] = {
    "object": _Writer.object,
    "array": _Writer.array,
    "string": _Writer.text,
    "integer": lambda _writer, schema, _urls: schema.get("minimum", 0),
    "number": lambda _writer, schema, _urls: schema.get("minimum", 0),
    "boolean": lambda _writer, _schema, _urls: False,
    "null": lambda _writer, _schema, _urls: None,
}
