"""An OpenAPI document: its operations, with every reference replaced by what it points to."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote

from qwenmock.mockserver.provider_folders.errors import OpenapiError
from qwenmock.mockserver.provider_folders.reading import is_list, is_table, printable
from qwenmock.schemas.vocabulary import Schema

METHODS = ("get", "post", "put", "patch", "delete")
DEEPEST = 48
"""Schemas inside each other."""
MOST_SCHEMAS = 50_000
"""Schemas that one document is expanded to: references can stand for any number of them."""
JSON_TYPE = "application/json"


@dataclass(frozen=True, slots=True)
class Note:
    """What could not be taken over, or had to be assumed, and where."""

    place: str
    text: str

    def __str__(self) -> str:
        return printable(f"{self.place}: {self.text}" if self.place else self.text)


@dataclass(slots=True)
class Notes:
    """What to tell about a document that was taken over.

    Attributes:
        left_out: What could not be taken over.
        assumed: What the document does not say, and what is used instead.

    """

    left_out: list[Note] = field(default_factory=list[Note])
    assumed: list[Note] = field(default_factory=list[Note])

    def leave_out(self, place: str, text: str) -> None:
        """Note that something could not be taken over."""
        note = Note(place, text)
        if note not in self.left_out:
            self.left_out.append(note)

    def assume(self, place: str, text: str) -> None:
        """Note what is used where the document says nothing."""
        note = Note(place, text)
        if note not in self.assumed:
            self.assumed.append(note)


@dataclass(frozen=True, slots=True)
class Operation:
    """A method of a path.

    Attributes:
        table: The operation as the document has it.
        parameters: Those of the path and of the operation, resolved.
        body: The schema of its JSON body, expanded; None if it takes none.
        body_examples: Bodies that the document shows, by name.
        responses: By status, as the document writes it.

    """

    method: str
    path: str
    table: Schema
    parameters: Sequence[Schema]
    body: Schema | None
    body_examples: Schema
    responses: "dict[str, Response]"

    @property
    def name(self) -> str:
        """The operation in messages."""
        return f"{self.method} {self.path}"

    @property
    def success(self) -> "Response | None":
        """The answer to a request that succeeds."""
        statuses = [status for status in self.responses if status[:1] == "2"]
        return self.responses[min(statuses)] if statuses else None


@dataclass(frozen=True, slots=True)
class Response:
    """What an operation answers with one status.

    Attributes:
        schema: Of its JSON body, expanded; None if the document describes none.
        examples: By name.

    """

    status: str
    schema: Schema | None
    examples: Schema


class OpenapiDocument:
    """A document, and how to follow its references.

    Args:
        root: The document.
        name: What messages call it.

    """

    def __init__(self, root: Schema, name: str) -> None:
        self.root = root
        self.name = name
        self._schemas = 0

    def operations(self) -> Iterator["Operation | OpenapiError"]:
        """Yield the operations, in the document's order, or why one cannot be read: the others may be enough."""
        for path, item in self.root["paths"].items():
            try:
                table = self.resolve(item, path)
            except OpenapiError as error:
                yield error
                continue
            for method in METHODS:
                if is_table(table.get(method)):
                    yield self._operation_or_error(method.upper(), path, table[method], table)

    def _operation_or_error(self, method: str, path: str, table: Schema, item: Schema) -> "Operation | OpenapiError":
        try:
            return self._operation(method, path, table, item)
        except OpenapiError as error:
            return error

    def is_secured(self, operation: Operation) -> bool:
        """Tell whether the document says that an operation needs a key."""
        return bool(operation.table.get("security", self.root.get("security")))

    def key_schemes(self) -> Iterator[tuple[str, Schema]]:
        """Yield the ways to send a key, by their names in the document."""
        schemes = self.resolve(self.root.get("components"), "components").get("securitySchemes")
        for name, scheme in schemes.items() if is_table(schemes) else ():
            yield name, self.resolve(scheme, name)

    def resolve(self, node: object, place: str) -> Schema:
        """Return an object, or what it refers to; {} for what is no object.

        Raises:
            OpenapiError: The reference is broken, leads to another document, or to itself.

        """
        seen: set[str] = set()
        while is_table(node) and "$ref" in node:
            reference = str(node["$ref"])
            if reference in seen:
                raise OpenapiError(f"{self.name}: {printable(place)}: {printable(reference)} refers to itself")
            seen.add(reference)
            beside = {name: value for name, value in node.items() if name != "$ref"}
            target = self._target(reference, place)
            node = {**target, **beside} if is_table(target) else target
        return node if is_table(node) else {}

    def expanded(self, schema: object, place: str, trail: tuple[str, ...] = ()) -> Schema:
        """Return a schema with every reference in it replaced.

        Raises:
            OpenapiError: As `resolve`; or the schemas contain themselves, or are too many.

        """
        self._schemas += 1
        if len(trail) > DEEPEST or self._schemas > MOST_SCHEMAS:
            limit = f"{DEEPEST} schemas inside each other" if len(trail) > DEEPEST else f"{MOST_SCHEMAS} schemas"
            raise OpenapiError(f"{self.name}: {printable(place)}: expected at most {limit}, with references replaced")
        if is_table(schema) and "$ref" in schema:
            reference = str(schema["$ref"])
            if reference in trail:
                where = f"{self.name}: {printable(place)}"
                raise OpenapiError(f"{where}: {printable(reference)} contains itself; expected references that end")
            trail = (*trail, reference)
            return self._expanded_members(self.resolve_once(schema, place), place, trail)
        return self._expanded_members(schema, place, (*trail, "")) if is_table(schema) else {}

    def resolve_once(self, schema: Schema, place: str) -> Schema:
        """Return what a reference points to, which may be a reference again, with what stands beside it."""
        target = self._target(str(schema["$ref"]), place)
        beside = {name: value for name, value in schema.items() if name != "$ref"}
        return {**target, **beside} if is_table(target) else beside

    def _expanded_members(self, schema: Schema, place: str, trail: tuple[str, ...]) -> Schema:
        if "$ref" in schema:
            return self.expanded(schema, place, trail)
        found = dict(schema)
        properties = schema.get("properties")
        if is_table(properties):
            found["properties"] = {
                name: self.expanded(member, f"{place}, {name}", trail) for name, member in properties.items()
            }
        if "items" in schema:
            found["items"] = self.expanded(schema["items"], f"{place}, items", trail)
        for keyword in ("allOf", "anyOf", "oneOf"):
            if is_list(schema.get(keyword)):
                found[keyword] = [self.expanded(each, place, trail) for each in schema[keyword]]
        return found

    def _target(self, reference: str, place: str) -> object:
        where = f"{self.name}: {printable(place)}"
        if not reference.startswith("#"):
            shown = printable(reference)[:200]
            raise OpenapiError(f"{where}: {shown} leads to another document, which is not fetched; put both into one")
        node: object = self.root
        for step in filter(None, reference.removeprefix("#").split("/")):
            key = unquote(step).replace("~1", "/").replace("~0", "~")
            if is_table(node) and key in node:
                node = node[key]
            elif is_list(node) and key.isascii() and key.isdecimal() and int(key) < len(node):
                node = node[int(key)]
            else:
                raise OpenapiError(f"{where}: {printable(reference):.200} points to nothing")
        return node

    def _operation(self, method: str, path: str, table: Schema, item: Schema) -> Operation:
        name = f"{method} {path}"
        listed = [*_list(item.get("parameters")), *_list(table.get("parameters"))]
        content = self._json(self.resolve(table.get("requestBody"), f"{name}, body"))
        responses = table.get("responses")
        return Operation(
            method=method,
            path=path,
            table=table,
            parameters=[self.resolve(each, f"{name}, parameters") for each in listed],
            body=None if content is None else self.expanded(content.get("schema"), f"{name}, body"),
            body_examples={} if content is None else self._examples(content, name),
            responses={
                str(status): self._response(str(status), entry, f"{name}, {status}")
                for status, entry in (responses.items() if is_table(responses) else ())
            },
        )

    def _response(self, status: str, entry: object, place: str) -> Response:
        content = self._json(self.resolve(entry, place))
        if content is None:
            return Response(status, None, {})
        return Response(status, self.expanded(content.get("schema"), place), self._examples(content, place))

    def _json(self, table: Schema) -> Schema | None:
        """Return what a body is in JSON; None if it is described in no or another form."""
        content = table.get("content")
        for media_type, entry in content.items() if is_table(content) else ():
            if media_type.partition(";")[0].strip().lower() in {JSON_TYPE, "*/*"} and is_table(entry):
                return entry
        return None

    def _examples(self, content: Schema, place: str) -> Schema:
        """Return the examples of a body by name."""
        found: Schema = {"example": content["example"]} if "example" in content else {}
        entries = content.get("examples")
        for name, entry in entries.items() if is_table(entries) else ():
            example = self.resolve(entry, place)
            if "value" in example:
                found[name] = example["value"]
        return found


def _list(value: object) -> list[Schema]:
    return value if is_list(value) else []
