"""Makes a provider's folder from an OpenAPI document: `made_from` reads it, `MadeProvider.write` writes the files."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from qwenmock.mockserver.dialects.by_schema import sample
from qwenmock.mockserver.provider_folders import refusals
from qwenmock.mockserver.provider_folders.document import Notes, OpenapiDocument, Operation
from qwenmock.mockserver.provider_folders.errors import OpenapiError
from qwenmock.mockserver.provider_folders.files import check_place, write_folder
from qwenmock.mockserver.provider_folders.operations import PARAMETER, Creation, Finder, Found
from qwenmock.mockserver.provider_folders.reading import is_table, printable, read_document, tables
from qwenmock.mockserver.provider_folders.states import TaskForms
from qwenmock.schemas.catalog import RESERVED
from qwenmock.schemas.models import STATES, State
from qwenmock.schemas.vocabulary import Path as Place
from qwenmock.schemas.vocabulary import Schema, roles, subschema

SLUG = re.compile(r"[a-z][a-z0-9_-]*")
BASE_URL = re.compile(r"https://[a-z0-9.-]+")
DRAFT = "https://json-schema.org/draft/2020-12/schema"
LONGEST_TITLE = 80
MAX_BODY_BYTES = 20 * 1024 * 1024
LINK_SECONDS = 86400
TASK_SECONDS = 10
SIDE = 1024


@dataclass
class MadeProvider:
    """A provider, as it can be written.

    Attributes:
        title: The document's.
        table: The content of provider.toml.
        schemas: The schema files by name.
        fixtures: Requests, with the answers that the document shows, by name.
        notes: What is to be told about it.

    """

    title: str
    table: Schema
    schemas: dict[str, Schema]
    fixtures: dict[str, Schema]
    notes: Notes = field(default_factory=Notes)

    def write(self, folder: Path) -> None:
        """Write the files.

        Raises:
            OpenapiError: The folder exists, or cannot be written.

        """
        check_place(folder)
        write_folder(folder, self.table, self.schemas, self.fixtures)


def check_slug(slug: str) -> None:
    """Check that a provider can have a name.

    Raises:
        OpenapiError: It cannot.

    """
    if SLUG.fullmatch(slug) is None:
        raise OpenapiError(f'expected a name of small letters, digits, - and _, such as acme, got "{printable(slug)}"')
    if slug in RESERVED:
        raise OpenapiError(f'the name "{slug}" is reserved for the control API; expected another')


def made_from(place: str) -> MadeProvider:
    """Return the provider that an OpenAPI document describes.

    Args:
        place: Path or URL of the document.

    Raises:
        OpenapiError: It cannot be read, or describes no call that makes images.

    """
    return _Maker(OpenapiDocument(read_document(place), printable(place))).provider()


class _Maker:
    """Makes one provider."""

    def __init__(self, document: OpenapiDocument) -> None:
        self._document = document
        self._notes = Notes()
        info = document.root.get("info")
        title = str(info.get("title") or "") if is_table(info) else ""
        self._title = printable(title).strip()[:LONGEST_TITLE] or "the gateway's OpenAPI document"
        self._finder = Finder(self._title, self._notes)
        self._schemas: dict[str, Schema] = {}
        self._fixtures: dict[str, Schema] = {}

    def provider(self) -> MadeProvider:
        found = self._found()
        base_url, prefix = self._server()
        variants, endpoints, models = self._creations(found, prefix)
        table: Schema = {
            "name": self._title,
            "base_url": base_url or "https://api.example.invalid",
            "base_url_source": self._finder.source(),
            "base_url_certainty": "published" if base_url else "assumed",
            "currency": "USD",
            "documents": [],
            "max_body_bytes": MAX_BODY_BYTES,
            "price": self._assumed("the price of an image: add amount, and correct the currency"),
            "links": {"lifetime_seconds": LINK_SECONDS, **self._assumed("how long links to images work")},
            "picture": {
                "area": SIDE * SIDE,
                "multiple": 16,
                "unseen_width": SIDE,
                "unseen_height": SIDE,
                "watermark": self._title,
                **self._assumed("the size of pictures where a request names none"),
            },
            "authentication": self._authentication(found),
            "models": {model: {} for model in models},
            "endpoints": endpoints | self._queries(found, prefix),
            "variants": variants,
        }
        table |= self._tasks(found)
        table |= self._errors(found)
        return MadeProvider(self._title, table, self._schemas, self._fixtures, self._notes)

    def _found(self) -> Found:
        operations: list[Operation] = []
        unreadable: list[OpenapiError] = []
        for each in self._document.operations():
            if isinstance(each, OpenapiError):
                unreadable.append(each)
            else:
                operations.append(each)
        found = self._finder.find(operations)
        if not found.creations and unreadable:
            raise unreadable[0]
        if not found.creations:
            reasons = [str(note) for note in self._notes.left_out if note.place.startswith("POST")]
            got = f"got none. {'; '.join(reasons[:3])}".rstrip(" .")
            raise OpenapiError(
                f"{self._document.name}: expected a POST with a JSON body that has a model and a prompt, and an answer "
                f"with a list of links to images, or a task that can be queried; {got}"
            )
        for error in unreadable:
            self._notes.leave_out("", str(error).removeprefix(f"{self._document.name}: "))
        return found

    def _server(self) -> tuple[str, str]:
        """Return the base URL, "" where the document has none that can be used, and the path behind it."""
        servers = tables(self._document.root.get("servers"))
        for server in servers:
            url = str(server.get("url", ""))
            variables = server.get("variables")
            for name, variable in variables.items() if is_table(variables) else ():
                url = url.replace(f"{{{name}}}", str(variable.get("default", "")) if is_table(variable) else "")
            parts = urlsplit(url)
            host = f"{parts.scheme}://{parts.netloc.lower()}"
            if BASE_URL.fullmatch(host):
                if len(servers) > 1:
                    self._notes.leave_out("servers", f"one of {len(servers)} is taken over: {host}")
                return host, parts.path.rstrip("/")
        self._notes.assume("servers", "the host: the document names none with https and without a port")
        return "", urlsplit(str(servers[0].get("url", ""))).path.rstrip("/") if servers else ""

    def _assumed(self, what: str) -> Schema:
        self._notes.assume("", what)
        return {"source": self._finder.source(), "certainty": "assumed"}

    def _authentication(self, found: Found) -> Schema:
        if not any(self._document.is_secured(each.operation) for each in found.creations):
            return self._assumed("that calls need a key: the document does not say so")
        for name, scheme in self._document.key_schemes():
            kind = str(scheme.get("type", ""))
            if (kind, str(scheme.get("scheme", "")).lower()) != ("http", "bearer"):
                sent = f"{scheme.get('in')} {scheme.get('name')}" if kind == "apiKey" else kind
                text = f"the key is sent otherwise ({sent}): the double expects Authorization: Bearer"
                self._notes.leave_out(f"security {name}", text)
        return {"source": self._finder.source(), "certainty": "published"}

    def _creations(self, found: Found, prefix: str) -> tuple[Schema, Schema, list[str]]:
        """Return the variants, the endpoints that take them, and the models."""
        variants: Schema = {}
        endpoints: Schema = {}
        models: list[str] = []
        for creation in found.creations:
            operation = creation.operation
            name = _unused(
                _slug(str(operation.table.get("operationId") or operation.path.rpartition("/")[2])), endpoints
            )
            answer = self._answer_file(creation, name)
            taken: list[str] = []
            for request, discriminator in self._told_apart(creation):
                variant = _unused(name, variants)
                file = self._file(variant, request)
                entry = {"title": f"{self._title}, {variant}", "discriminator": discriminator}
                variants[variant] = {**entry, "request": file, "answer": answer}
                taken.append(variant)
                models += request["properties"]["model"]["enum"]
                self._fixtures[variant] = self._fixture(creation, variant, request)
            endpoint: Schema = {"kind": "create", "method": "POST", "path": prefix + operation.path, "variants": taken}
            if creation.header is not None:
                endpoint["required_header"] = ": ".join(creation.header)
            if creation.created is not None:
                endpoint["created_response"] = self._file(f"{name}-created", creation.created)
            endpoints[name] = endpoint | self._stated(operation)
        return variants, endpoints, list(dict.fromkeys(models))

    def _answer_file(self, creation: Creation, name: str) -> str:
        return self._file("task-succeeded" if creation.created is not None else f"{name}-answer", creation.answer)

    def _told_apart(self, creation: Creation) -> Iterator[tuple[Schema, str | None]]:
        """Yield the forms of a request, each with the member that tells it from those with the same models."""
        requests = creation.requests
        for at, request in enumerate(requests):
            models = set(request["properties"]["model"]["enum"])
            rivals = [each for each in requests[at + 1 :] if models & set(each["properties"]["model"]["enum"])]
            others = [each for each in requests[:at] if models & set(each["properties"]["model"]["enum"])]
            own = [name for name in request["required"] if not any(_has(each, name) for each in rivals)]
            if rivals and not own:
                self._notes.leave_out(
                    creation.operation.name, f"form {at + 1} of its body: no member tells it from others"
                )
                continue
            if others and not rivals and any(not set(request["required"]) - {"model"} for _ in others):
                self._notes.leave_out(creation.operation.name, f"form {at + 1} of its body: it is like another")
                continue
            yield request, own[0] if rivals else None

    def _file(self, stem: str, schema: Schema) -> str:
        """Write a schema into a file of its own, and return the file's name."""
        file = f"{stem.replace('_', '-')}.schema.json"
        self._schemas[file] = {"$schema": DRAFT, "title": f"{self._title}, {stem}", **schema}
        return file

    def _stated(self, operation: Operation) -> Schema:
        return {"source": self._finder.source(operation), "certainty": "published"}

    def _fixture(self, creation: Creation, variant: str, request: Schema) -> Schema:
        """Return a request of a variant: one that the document shows, or else the smallest."""
        operation = creation.operation
        shown = [
            (name, each)
            for name, each in operation.body_examples.items()
            if is_table(each)
            and each.get("model") in request["properties"]["model"]["enum"]
            and all(_has(request, member) for member in each)
        ]
        fixture: Schema = {"variant": variant, "source": self._finder.source(operation)}
        fixture["request"] = shown[0][1] if shown else sample(request)
        answers = operation.success.examples if operation.success is not None else {}
        answer = answers.get(shown[0][0] if shown else variant, next(iter(answers.values()), None))
        return fixture | ({"answer": answer} if is_table(answer) else {})

    def _queries(self, found: Found, prefix: str) -> Schema:
        """Return the endpoints that make no images."""
        endpoints: Schema = {}
        if found.query is not None:
            operation = found.query[0]
            path = prefix + PARAMETER.sub("{task_id}", operation.path)
            endpoints["query-task"] = {"kind": "task", "method": "GET", "path": path, **self._stated(operation)}
        for kind, pair in (("cancel", found.cancel), ("credits", found.credits)):
            if pair is not None:
                operation, schema = pair
                path = prefix + PARAMETER.sub("{task_id}", operation.path)
                entry: Schema = {"kind": kind, "method": operation.method, "path": path}
                endpoints[f"{kind}-call"] = {
                    **entry,
                    "answer": self._file(f"{kind}-answer", schema),
                    **self._stated(operation),
                }
        return endpoints

    def _tasks(self, found: Found) -> Schema:
        """Return the tables of tasks and callbacks."""
        if found.query is None:
            return {}
        operation, forms = found.query
        files = self._state_files(forms)
        codes = _failure_codes(forms.schemas["failed"])
        tasks: Schema = {
            "prefix": self._prefix(found),
            "estimated_seconds": TASK_SECONDS,
            **{state: [forms.names[state], *_listed(files.get(state))] for state in STATES},
            **self._stated(operation),
            "failures": dict.fromkeys(codes, "The images could not be made."),
            "failure_codes": dict.fromkeys(("refused", "no_images", "internal"), codes[0]),
        }
        self._notes.assume("", "how long a task takes, and what its failures are called")
        takes_callbacks = any("callback_url" in roles(each) for made in found.creations for each in made.requests)
        if not takes_callbacks:
            return {"tasks": tasks}
        times = self._assumed("how long a callback waits for its answer, and when it is repeated")
        return {"tasks": tasks, "callbacks": {"timeout_seconds": 10, "retry_seconds": [1, 2, 4], **times}}

    def _state_files(self, forms: TaskForms) -> Mapping[State, str]:
        """Write what a query answers in each state, and return the files: that of a success is its variant's answer."""
        files: dict[State, str] = {}
        for state, schema in forms.schemas.items():
            same = [file for known, file in files.items() if forms.schemas[known] == schema]
            if state != "succeeded":
                files[state] = same[0] if same else self._file(f"task-{state}", schema)
        return files

    def _prefix(self, found: Found) -> str:
        """Return what every task's id begins with, by its pattern."""
        created = next(each.created for each in found.creations if each.created is not None)
        place = subschema(created, roles(created)["task_id"][0])
        match = re.match(r"\^([A-Za-z0-9_-]+)", str(place.get("pattern", "")))
        text = match[1] if match is not None else ""
        return text if text and re.search(place["pattern"], f"{text}0") else text[:0]

    def _errors(self, found: Found) -> Schema:
        translator = self._finder.translator(found.creations[0].operation)
        made = refusals.Refusals(translator, self._notes, self._finder.source())
        errors = made.table([each.operation for each in found.creations], refusals.KINDS)
        if found.query is not None:
            errors |= made.table([found.query[0]], refusals.OF_TASKS)
            if not self._prefix(found):
                errors["task_id_invalid"] = {**errors["task_not_found"], "certainty": "assumed"}
        if found.cancel is not None:
            errors |= made.table([found.cancel[0]], refusals.OF_CANCELLATION)
        if any(each.header is not None for each in found.creations):
            errors |= made.table([each.operation for each in found.creations], refusals.OF_HEADERS)
        for file, schema in made.schemas.items():
            self._file(file.removesuffix(".schema.json"), schema)
        return {"error": {"schema": next(iter(made.schemas))}, "errors": errors}


def _has(request: Schema, name: str) -> bool:
    member = request["properties"].get(name)
    return member is not None and "not" not in member


def _listed(file: str | None) -> list[str]:
    return [] if file is None else [file]


def _failure_codes(schema: Schema) -> Sequence[str]:
    """Return the codes that a task can fail with."""
    paths: tuple[Place, ...] = roles(schema).get("error_code", ())
    places: list[Mapping[str, list[str]]] = [subschema(schema, path) for path in paths]
    return next((each["enum"] for each in places if "enum" in each), ["failed"])


def _slug(text: str) -> str:
    """Return a name for tables and files: small letters, digits and `-`."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", text)
    found = re.sub(r"[^a-z0-9]+", "-", spaced.lower()).strip("-")[:40].rstrip("-")
    return found if SLUG.fullmatch(found) and found != "callback" else f"make-{found}".rstrip("-")


def _unused(name: str, taken: Mapping[str, object]) -> str:
    number, found = 1, name
    while found in taken:
        number += 1
        found = f"{name}-{number}"
    return found
