"""The kinds of error of a provider: their statuses, bodies and texts, as far as the document has them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from qwenmock.mockserver.provider_folders.document import Notes, Operation, Response
from qwenmock.mockserver.provider_folders.reading import is_list, is_table
from qwenmock.mockserver.provider_folders.roles import OF_ERRORS, give_answer_roles
from qwenmock.mockserver.provider_folders.translation import Translator
from qwenmock.schemas.vocabulary import Schema, roles

ANY_STATUS = ("4XX", "4xx", "5XX", "5xx", "default")


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of error.

    Attributes:
        statuses: Where it is looked for, the likeliest first.
        is_told: Whether the status alone tells the kind.
        message: Used where the document has no text for it.

    """

    statuses: tuple[int, ...]
    is_told: bool = False
    message: str = "{detail}"


KINDS: Mapping[str, _Kind] = {
    "malformed": _Kind((400, 422)),
    "invalid": _Kind((422, 400), is_told=True),
    "unknown_model": _Kind((400, 422, 404)),
    "bad_image": _Kind((400, 422)),
    "refused": _Kind((400, 422, 403), message="The content was refused."),
    "unauthorized": _Kind((401, 403), is_told=True, message="The key is not valid."),
    "forbidden": _Kind((403, 401), is_told=True, message="The key may not use this."),
    "insufficient_balance": _Kind((402, 403, 429), is_told=True, message="The balance is too low."),
    "rate_limited": _Kind((429, 503), is_told=True, message="Too many requests."),
    "internal": _Kind((500, 502, 503), is_told=True, message="Internal error."),
}
OF_TASKS: Mapping[str, _Kind] = {
    "task_id_invalid": _Kind((400, 422, 404)),
    "task_not_found": _Kind((404, 400), is_told=True, message="The task was not found."),
    "task_forbidden": _Kind((403, 404), message="The task belongs to another key."),
}
OF_CANCELLATION: Mapping[str, _Kind] = {"task_not_cancellable": _Kind((409, 400))}
OF_HEADERS: Mapping[str, _Kind] = {"not_synchronous": _Kind((400, 403)), "not_asynchronous": _Kind((400, 403))}
DETAILED = frozenset({"malformed", "invalid", "unknown_model", "bad_image", "task_id_invalid"})
"""Kinds whose text says what was wrong with this request."""


class Refusals:
    """Makes the table of errors, and the schemas of their bodies.

    Args:
        translator: Writes the schemas.
        notes: Gets what is assumed.
        source: What kinds cite that no operation describes.

    Attributes:
        schemas: The schemas of bodies by the name of their file, the usual one first.

    """

    def __init__(self, translator: Translator, notes: Notes, source: str) -> None:
        self.schemas: dict[str, Schema] = {}
        self._translator = translator
        self._notes = notes
        self._source = source

    def table(self, operations: Sequence[Operation], kinds: Mapping[str, _Kind]) -> dict[str, Schema]:
        """Return the kinds of error as provider.toml has them."""
        responses = [
            (operation, each)
            for operation in operations
            for each in operation.responses.values()
            if each.status[:1] in {"4", "5", "d"}
        ]
        found = {name: self._kind(name, kind, responses) for name, kind in kinds.items()}
        if not self.schemas:
            self.schemas["error.schema.json"] = self._unknown_form()
            self._notes.assume("", "the form of errors: the document describes none")
        return found

    def _kind(self, name: str, kind: _Kind, responses: Sequence[tuple[Operation, Response]]) -> Schema:
        named = [(operation, each) for operation, each in responses if name in each.examples]
        by_status = [
            (operation, each) for status in kind.statuses for operation, each in responses if each.status == str(status)
        ]
        other = [(operation, each) for operation, each in responses if each.status in ANY_STATUS]
        operation, response = next(iter([*named, *by_status, *other]), (None, None))
        example = {} if response is None else _example(response, name)
        file = self._file(operation, response)
        if response is None or not response.status.isdecimal():
            status, is_known = kind.statuses[0], False
            self._notes.assume("", f"the status of the error {name}: {status}")
        else:
            status, is_known = int(response.status), bool(named) or kind.is_told
        entry: Schema = {
            "status": status,
            "message": self._message(name, kind, example, file),
            "fields": _fields(self.schemas[file], example) if file else {},
            "source": self._source if operation is None else f"{self._source}, {operation.name}",
            "certainty": "published" if is_known else "assumed",
        }
        if file not in {"", *list(self.schemas)[:1]}:
            entry["schema"] = file
        return entry

    def _file(self, operation: Operation | None, response: Response | None) -> str:
        """Return the file with the schema of a response's body; "" where there is none to be had."""
        if operation is None or response is None or response.schema is None:
            return next(iter(self.schemas), "")
        schema = self._translator.answer(response.schema, f"{operation.name}, {response.status}")
        if schema["type"] != "object" or "properties" not in schema:
            return next(iter(self.schemas), "")
        give_answer_roles(schema, OF_ERRORS)
        for file, known in self.schemas.items():
            if known == schema:
                return file
        file = "error.schema.json" if not self.schemas else f"error-{len(self.schemas) + 1}.schema.json"
        self.schemas[file] = schema
        return file

    def _message(self, name: str, kind: _Kind, example: Schema, file: str) -> str:
        if name in DETAILED or not file:
            return kind.message
        stated = [
            value for path in roles(self.schemas[file]).get("message", ()) for value in _values(example, path) if value
        ]
        return str(stated[0]) if stated else kind.message

    def _unknown_form(self) -> Schema:
        terms = {"x-source": self._source, "x-certainty": "assumed"}
        text = {"type": "string", "x-role": "message", **terms}
        code = {"type": "string", "x-role": "error_code", **terms}
        members = {"message": text, "code": code}
        error = {"type": "object", "required": [*members], "properties": members, **terms}
        return {"type": "object", "required": ["error"], "properties": {"error": error}, **terms}


def _example(response: Response, name: str) -> Schema:
    examples: list[Schema] = [response.examples[name]] if name in response.examples else [*response.examples.values()]
    tables = [each for each in examples if is_table(each)]
    return tables[0] if tables else {}


def _values(value: object, path: Iterable[str]) -> list[str]:
    for step in path:
        if not is_table(value) or step not in value:
            return []
        value = value[step]
    return [value] if isinstance(value, str) else []


def _fields(schema: Schema, example: object) -> Schema:
    """Return what an example has beside its message: texts and numbers, by the names of their members."""
    found: Schema = {}
    members: dict[str, Schema] = schema.get("properties", {})
    for name, member in members.items():
        value = example.get(name) if is_table(example) else None
        if member.get("x-role") in {None, "error_code"} and isinstance(value, str | int | float):
            found[name] = value
        elif is_table(value) and not is_list(value):
            found |= _fields(member, value)
    return found
