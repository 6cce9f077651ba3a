"""Finds in a document the calls that the contract knows: those that make images, and those about tasks and credits."""

import copy
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from os.path import commonpath

from qwenmock.mockserver.provider_folders.document import Notes, Operation, Response
from qwenmock.mockserver.provider_folders.reading import is_table, tables
from qwenmock.mockserver.provider_folders.roles import (
    OF_CREDITS,
    OF_SUCCESSES,
    OF_TASKS,
    give_answer_roles,
    give_image_roles,
    give_request_roles,
    most_images,
    words_of,
)
from qwenmock.mockserver.provider_folders.states import TaskForms, require_images, task_forms
from qwenmock.mockserver.provider_folders.translation import Translator
from qwenmock.schemas.vocabulary import Schema, roles, select, walk

SHOWN = 20
"""Characters of an example that tell what it is: a URL or an image in Base64."""
PARAMETER = re.compile(r"\{[^/{}]*\}")
CANCEL = re.compile(r"(?i)/(cancel|abort|stop)$")
CREDITS = re.compile(r"(?i)credit|balance|quota|billing|account")
PATH = re.compile(r"/[^?#]*[^/?#]")
HEADER = re.compile(r"[A-Za-z-]+")
HEADER_VALUE = re.compile(r"[a-z]+")


@dataclass(frozen=True)
class Creation:
    """An operation that makes images, or a task that does.

    Attributes:
        requests: The schemas of its requests: one for each form that they may have.
        answer: What a success answers, or the task once it has succeeded.
        created: What the creation of a task answers; None if the answer has the images.
        header: Name and value of a header that it needs; None for none.

    """

    operation: Operation
    requests: Sequence[Schema]
    answer: Schema
    created: Schema | None
    header: tuple[str, str] | None


@dataclass
class Found:
    """What a document has.

    Attributes:
        query: The operation that returns a task, and what it answers; None without tasks.
        cancel: The operation that cancels one, and its answer.
        credits: The operation that tells the balance, and its answer.

    """

    creations: list[Creation] = field(default_factory=list[Creation])
    query: tuple[Operation, TaskForms] | None = None
    cancel: tuple[Operation, Schema] | None = None
    credits: tuple[Operation, Schema] | None = None


class Finder:
    """Looks through the operations of a document.

    Args:
        title: The document's, which sources cite.
        notes: Gets what is not taken over.

    """

    def __init__(self, title: str, notes: Notes) -> None:
        self._title = title
        self._notes = notes

    def translator(self, operation: Operation) -> Translator:
        """Return what translates the schemas of an operation."""
        return Translator(self.source(operation), self._notes)

    def source(self, operation: Operation | None = None) -> str:
        """Return what is cited for an operation, or for the document."""
        return f"published: {self._title}" + (f", {operation.name}" if operation is not None else "")

    def find(self, operations: Sequence[Operation]) -> Found:
        """Return what the contract knows among some operations; the others are noted."""
        found = Found()
        usable = [each for each in operations if self._has_usable_path(each)]
        prompting = [each for each in usable if each.method == "POST" and self._takes_prompt(each)]
        queries = [(each, forms) for each in usable if (forms := self._task_query(each)) is not None]
        if queries:
            found.query = max(queries, key=lambda each: _nearness(each[0], prompting))
        for operation in prompting:
            creation = self._creation(operation, found.query)
            if creation is not None:
                found.creations.append(creation)
        if not any(each.created is not None for each in found.creations):
            found.query = None
        found.cancel = None if found.query is None else self._first(usable, self._cancellation)
        found.credits = self._first(usable, self._balance)
        self._note_others(operations, found)
        return found

    def _first(
        self, operations: Sequence[Operation], read: Callable[[Operation], Schema | None]
    ) -> tuple[Operation, Schema] | None:
        return next(((each, schema) for each in operations if (schema := read(each)) is not None), None)

    def _has_usable_path(self, operation: Operation) -> bool:
        return PATH.fullmatch(operation.path) is not None

    def _note_others(self, operations: Sequence[Operation], found: Found) -> None:
        taken = [each.operation.name for each in found.creations]
        taken += [pair[0].name for pair in (found.query, found.cancel, found.credits) if pair is not None]
        told = {note.place for note in self._notes.left_out}
        for operation in operations:
            if operation.name not in taken and operation.name not in told:
                self._notes.leave_out(operation.name, "not a call that makes images, or one about its tasks or credits")

    def _takes_prompt(self, operation: Operation) -> bool:
        if operation.body is None or PARAMETER.search(operation.path):
            return False
        quiet = Translator(self.source(operation), Notes())
        return any(
            "prompt" in roles(self._request(quiet, form, [], makes_tasks=False)) for form in _forms(operation.body)
        )

    def _request(self, translator: Translator, form: Schema, examples: list[Schema], *, makes_tasks: bool) -> Schema:
        place = translator.source.rpartition(", ")[2]
        schema = translator.request(form, place)
        texts = dict(words_of(form))
        for path, _ in walk(schema):
            shown = [value for example in examples for value in select(example, path) if isinstance(value, str)]
            texts[path] = " ".join([texts.get(path, ""), *(text[:SHOWN] for text in shown)])
        give_request_roles(schema, place, translator.notes, texts, makes_tasks=makes_tasks)
        return schema

    def _creation(self, operation: Operation, query: tuple[Operation, TaskForms] | None) -> Creation | None:
        """Return what an operation makes; None where it is not known, which is noted."""
        assert operation.body is not None, "it takes a prompt"
        answers = [self._answer(operation, form) for form in _answer_forms(operation.success)]
        created = None if query is None else _created(answers)
        if created is None:
            with_images = [each for each in answers if give_image_roles(each)]
            if not with_images:
                self._notes.leave_out(operation.name, "its success describes no list of links to images, and no task")
                return None
            answer = max(with_images, key=most_images)
            give_success_roles(answer)
            require_images(answer)
        else:
            assert query is not None, "a task needs its query"
            answer = query[1].schemas["succeeded"]
        if len(answers) > 1 and created is None:
            self._notes.leave_out(operation.name, f"one of {len(answers)} forms of its success is taken over")
        makes_tasks = created is not None
        translator = self.translator(operation)
        shown = [*operation.body_examples.values()]
        forms = [self._request(translator, form, shown, makes_tasks=makes_tasks) for form in _forms(operation.body)]
        requests = [each for each in forms if self._names_model(each, operation)]
        if not requests:
            return None
        self._note_success_status(operation)
        return Creation(operation, requests, answer, created, self._header(operation))

    def _answer(self, operation: Operation, form: Schema) -> Schema:
        """Return the schema of an answer; texts that must have a form get the examples that the document shows."""
        schema = self.translator(operation).answer(form, operation.name)
        bodies = operation.success.examples.values() if operation.success is not None else ()
        for path, owner in walk(schema):
            if "pattern" in owner and "examples" not in owner:
                texts = [text for body in bodies for text in select(body, path) if isinstance(text, str)]
                fitting = [text for text in texts if re.search(owner["pattern"], text)]
                owner.update({"examples": fitting[:1]} if fitting else {})
        return schema

    def _note_success_status(self, operation: Operation) -> None:
        success = operation.success
        if success is not None and success.status not in {"200", "2XX", "2xx"}:
            self._notes.leave_out(operation.name, f"status {success.status}: the double answers 200")

    def _names_model(self, schema: Schema, operation: Operation) -> bool:
        """Make the model a required member that lists its values; tell whether the document names any."""
        model: Schema | None = schema.get("properties", {}).get("model")
        if model is None or model.get("type") != "string" or "prompt" not in roles(schema):
            self._notes.leave_out(
                operation.name, 'its body has no text "model" beside the prompt: the contract needs it'
            )
            return False
        rules: dict[str, Schema] = model.setdefault("x-rules", {})
        rules.setdefault("enum", {})["error"] = "unknown_model"
        if "const" in model:
            model["enum"] = [model.pop("const")]
        if "enum" not in model:
            shown = [*([model["default"]] if "default" in model else []), *model.get("examples", ())]
            if not shown:
                self._notes.leave_out(
                    operation.name, "it names no model: write its models into the document as an enum"
                )
                return False
            model["enum"] = list(dict.fromkeys(shown))
            rules["enum"] |= {"certainty": "assumed"}
            self._notes.assume(
                operation.name, f"the models are those of its default and examples: {', '.join(model['enum'])}"
            )
        for keyword in ("examples", "default"):
            model.pop(keyword, None)
        if "model" not in schema.get("required", ()):
            schema["required"] = ["model", *schema.get("required", ())]
            schema.setdefault("x-rules", {})["required.model"] = {"certainty": "assumed"}
            self._notes.assume(operation.name, "a request names its model, which the document does not require")
        return True

    def _header(self, operation: Operation) -> tuple[str, str] | None:
        """Return the header that tells an operation from another, where it has one value only."""
        for parameter in operation.parameters:
            schema = parameter.get("schema")
            if parameter.get("in") != "header" or not parameter.get("required") or not is_table(schema):
                continue
            values = [schema["const"]] if "const" in schema else schema.get("enum", [])
            name = str(parameter.get("name"))
            if len(values) == 1 and HEADER_VALUE.fullmatch(str(values[0])) and HEADER.fullmatch(name):
                return name, str(values[0])
            self._notes.leave_out(operation.name, f"the header {name}")
        return None

    def _task_query(self, operation: Operation) -> TaskForms | None:
        if operation.method != "GET" or len(PARAMETER.findall(operation.path)) != 1:
            return None
        forms = [self._answer(operation, form) for form in _answer_forms(operation.success)]
        for form in forms:
            give_answer_roles(form, (*OF_TASKS, "message", "error_code", "width", "height"))
        forms = [form for form in forms if "task_status" in roles(form)]
        with_images = [form for form in forms if give_image_roles(form)]
        if not with_images:
            return None
        return task_forms(forms, operation.name, self._notes)

    def _cancellation(self, operation: Operation) -> Schema | None:
        if (
            operation.method != "POST"
            or len(PARAMETER.findall(operation.path)) != 1
            or not CANCEL.search(operation.path)
        ):
            return None
        forms = [self._answer(operation, form) for form in _answer_forms(operation.success)]
        for form in forms:
            give_answer_roles(form, ("request_id",))
        return forms[0] if forms else None

    def _balance(self, operation: Operation) -> Schema | None:
        if operation.method != "GET" or PARAMETER.search(operation.path) or not CREDITS.search(operation.path):
            return None
        for form in _answer_forms(operation.success):
            schema = self._answer(operation, form)
            give_answer_roles(schema, OF_CREDITS)
            if "remaining" in roles(schema):
                return schema
        return None


def give_success_roles(schema: Schema) -> None:
    """Write into the answer that has the images what its other values are; an id alone is that of the request."""
    if roles(schema).keys() - {"images", "image_url"}:
        return
    bare = copy.deepcopy(schema)
    for path, role in [(path, role) for role, paths in roles(schema).items() for path in paths]:
        _at(bare, path).pop("x-role")
        assert role in {"images", "image_url"}, "only these have been given"
    give_answer_roles(bare, OF_SUCCESSES)
    for role, paths in roles(bare).items():
        for path in paths:
            _at(schema, path).setdefault("x-role", role)


def _at(schema: Schema, path: Sequence[str]) -> Schema:
    for step in path:
        schema = schema["items"] if step == "*" else schema["properties"][step]
    return schema


def _created(answers: Sequence[Schema]) -> Schema | None:
    """Return the answer that names a task, if one does and has no images yet."""
    for answer in answers:
        made = copy.deepcopy(answer)
        give_answer_roles(made, OF_TASKS)
        has_images = give_image_roles(copy.deepcopy(answer))
        if "task_id" in roles(made) and ("task_status" in roles(made) or not has_images):
            return made
    return None


def _forms(body: Schema) -> list[Schema]:
    """Return the forms that a body may have: the alternatives of which each names its model."""
    for keyword in ("oneOf", "anyOf"):
        branches = tables(body.get(keyword))
        if branches and all(is_table(each.get("properties")) and "model" in each["properties"] for each in branches):
            return branches
    return [body]


def _answer_forms(response: Response | None) -> list[Schema]:
    if response is None or response.schema is None:
        return []
    for keyword in ("oneOf", "anyOf"):
        branches = tables(response.schema.get(keyword))
        if branches and "properties" not in response.schema:
            return [branch for branch in branches if branch.get("type") != "null"]
    return [response.schema]


def _nearness(query: Operation, creations: Sequence[Operation]) -> int:
    """Return how long the path is that a query has in common with what creates tasks."""
    return max((len(commonpath([query.path, each.path])) for each in creations), default=0)
