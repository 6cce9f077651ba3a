"""Parts of the import of OpenAPI documents: schemas, roles by name, states of tasks, written files."""

import re
import tomllib
from typing import Any

import pytest

from qwenmock.mockserver.provider_folders.document import Notes
from qwenmock.mockserver.provider_folders.files import toml_lines
from qwenmock.mockserver.provider_folders.roles import (
    OF_ERRORS,
    OF_SUCCESSES,
    OF_TASKS,
    give_answer_roles,
    give_image_roles,
    give_request_roles,
    words_of,
)
from qwenmock.mockserver.provider_folders.states import require_images, state_called, task_forms
from qwenmock.mockserver.provider_folders.translation import Translator
from qwenmock.schemas.metaschemas import mistake
from qwenmock.schemas.vocabulary import roles

SOURCE = "published: Tiny, POST /x"
TEXT = {"type": "string"}


def plain(value: Any) -> Any:
    """Return a schema without sources and certainties, which are everywhere."""
    if isinstance(value, list):
        return [plain(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {name: plain(each) for name, each in value.items() if name not in {"x-source", "x-certainty"}}


def request(schema: dict[str, Any]) -> tuple[Any, list[str]]:
    notes = Notes()
    found = Translator(SOURCE, notes).request(schema, "x")
    assert mistake(found, "vocabulary.schema.json") is None
    assert (found["x-source"], found["x-certainty"]) == (SOURCE, "published")
    return plain(found), [str(note) for note in notes.left_out]


def answer(schema: dict[str, Any]) -> Any:
    found = Translator(SOURCE, Notes()).answer(schema, "x")
    assert mistake(found, "vocabulary.schema.json") is None
    return found


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string", "minLength": 1.0, "maxLength": 5}, {"type": "string", "minLength": 1, "maxLength": 5}),
        ({"maxLength": 5}, {"type": "string", "maxLength": 5}),
        ({"const": "a"}, {"type": "string", "const": "a"}),
        ({"enum": ["a", "b", "a"]}, {"type": "string", "enum": ["a", "b"]}),
        ({"type": "boolean", "enum": [True]}, {"type": "boolean", "const": True}),
        ({"type": "integer", "enum": [3, 1, 2]}, {"type": "integer", "minimum": 1, "maximum": 3}),
        ({"type": "integer", "minimum": 0, "exclusiveMinimum": True}, {"type": "integer", "minimum": 1}),
        (
            {"type": "integer", "exclusiveMinimum": 0, "exclusiveMaximum": 4.5},
            {"type": "integer", "minimum": 1, "maximum": 4},
        ),
        ({"type": "integer", "exclusiveMaximum": 4}, {"type": "integer", "maximum": 3}),
        ({"type": "number", "minimum": 1.0, "maximum": 2.5}, {"type": "number", "minimum": 1, "maximum": 2.5}),
        ({"type": ["integer", "number"]}, {"type": "number"}),
        ({"type": "integer", "default": 2, "example": 3}, {"type": "integer", "default": 2, "examples": [3]}),
        ({"type": "integer", "default": "2", "examples": ["3"]}, {"type": "integer"}),
        ({"anyOf": [{"type": "string", "maxLength": 2}]}, {"type": "string", "maxLength": 2}),
        ({"oneOf": [{"const": "a"}, {"enum": ["b"]}]}, {"type": "string", "enum": ["a", "b"]}),
        (
            {"allOf": [{"properties": {"a": TEXT}, "required": ["a"]}, {"properties": {"b": TEXT}, "required": ["b"]}]},
            {"type": "object", "properties": {"a": TEXT, "b": TEXT}, "required": ["a", "b"]},
        ),
        (
            {"properties": {"a": TEXT, "b": TEXT}, "oneOf": [{"required": ["a"]}, {"required": ["b"]}]},
            {
                "type": "object",
                "properties": {"a": TEXT, "b": TEXT},
                "oneOf": [{"required": ["a"]}, {"required": ["b"]}],
            },
        ),
        (
            {
                "type": "array",
                "items": {"properties": {"a": TEXT}},
                "allOf": [{"contains": {"required": ["a"]}, "maxContains": 3}],
            },
            {
                "type": "array",
                "items": {"type": "object", "properties": {"a": TEXT}},
                "x-parts": {"a": {"minItems": 1, "maxItems": 3}},
            },
        ),
        (
            {"properties": {"a": {"not": {}}, "b": {**TEXT, "readOnly": True}}},
            {"type": "object", "properties": {"a": {"not": {}}}},
        ),
        (
            {"oneOf": [TEXT, {"type": "array", "items": TEXT}]},
            {"type": "array", "items": TEXT, "x-single": True},
        ),
        ({"type": ["string", "array"], "items": TEXT}, {"type": "array", "items": TEXT, "x-single": True}),
        ({"type": "string", "x-role": "prompt"}, {"type": "string", "x-role": "prompt"}),
    ],
)
def test_what_the_vocabulary_can_say(schema: dict[str, Any], expected: Any) -> None:
    assert request(schema) == (expected, [])


@pytest.mark.parametrize(
    ("schema", "expected", "note"),
    [
        ({"type": ["string", "null"]}, TEXT, "x: null is accepted too"),
        ({"type": "string", "nullable": True}, TEXT, "x: null is accepted too"),
        ({"anyOf": [TEXT, {"type": "null"}]}, TEXT, "x: null is accepted too"),
        ({"type": ["string", "integer"]}, TEXT, "x: one of 2 types is taken over: string"),
        (
            {"oneOf": [{"type": "integer"}, {"type": "array", "items": TEXT}]},
            {"type": "array", "items": TEXT},
            "x: one of 2 forms is taken over: array",
        ),
        (
            {"type": "number", "exclusiveMinimum": 0},
            {"type": "number", "minimum": 0},
            "x: exclusiveMinimum: 0 itself is refused",
        ),
        (
            {"type": "integer", "enum": [1, 4]},
            {"type": "integer", "minimum": 1, "maximum": 4},
            "x: only these are accepted: [1, 4]",
        ),
        (
            {"type": "string", "allOf": [{"maxLength": 2}, {"maxLength": 3}]},
            {**TEXT, "maxLength": 2},
            "x: maxLength: it is stated twice",
        ),
        (
            {"type": "object", "allOf": [{"if": {}, "then": {}}, {"if": {}, "else": {}}]},
            {"type": "object"},
            "x: a condition between members (if)",
        ),
        (
            {"type": "array", "items": TEXT, "anyOf": [{"maxItems": 1}, {"minItems": 3}]},
            {"type": "array", "items": TEXT},
            "x: one of 2 conditions",
        ),
        ({"type": "integer", "multipleOf": 8}, {"type": "integer"}, "x: multipleOf 8"),
        ({"properties": {"a": {}}}, {"type": "object"}, "x.a: its type, or that of its items, is not described"),
        (
            {"properties": {"a": {"type": "array"}}},
            {"type": "object"},
            "x.a: its type, or that of its items, is not described",
        ),
        ({"type": "object", "required": ["a"]}, {"type": "object"}, "x.a: it is required, and not described"),
        ({"properties": {"a/b": TEXT}}, {"type": "object"}, "x.a/b: no member can have this name here"),
        ({"type": "object", "additionalProperties": False}, {"type": "object"}, "x: other members are refused"),
        (
            {"properties": {"a": TEXT}, "if": {"required": ["a"]}},
            {"type": "object", "properties": {"a": TEXT}},
            "x: a condition between members (if)",
        ),
        (
            {"properties": {"a": TEXT, "b": TEXT}, "anyOf": [{"required": ["a"]}, {"required": ["b"]}]},
            {"type": "object", "properties": {"a": TEXT, "b": TEXT}},
            "x: anyOf: which of the members are needed",
        ),
    ],
)
def test_what_is_left_out_is_told(schema: dict[str, Any], expected: Any, note: str) -> None:
    found, notes = request(schema)
    assert found == expected
    assert len(notes) == 1
    assert notes[0].startswith(note)


def test_extension_of_another_vocabulary_is_ignored() -> None:
    schema = {"type": "string", "x-image": "photo.png", "x-role": "admin", "x-size": {"w": 1}, "x-vendor": 1}
    assert request(schema) == (TEXT, [])


def test_answers_keep_what_requests_cannot() -> None:
    found = answer({"type": ["string", "null"], "pattern": "^a", "format": "uri"})
    assert plain(found) == {"type": ["string", "null"], "pattern": "^a", "format": "uri"}
    assert "pattern" not in answer({"type": "string", "pattern": "("})
    either = answer({"type": "string", "anyOf": [{"pattern": "^a"}, {"pattern": "^b"}]})["pattern"]
    assert [bool(re.search(either, text)) for text in ("a", "b", "ca")] == [True, True, False]
    both = answer({"type": "string", "allOf": [{"pattern": "^a"}, {"pattern": "b"}]})["pattern"]
    assert [bool(re.search(both, text)) for text in ("acb", "b", "a", "cab")] == [True, False, False, False]
    assert len(answer({})["type"]) == 7
    assert "items" not in answer({"type": "array"})


def test_roles_of_a_request_by_name() -> None:
    members = {
        "model": {**TEXT, "enum": ["a"]},
        "promptText": TEXT,
        "negative_prompt": TEXT,
        "numImages": {"type": "integer"},
        "seed": {"type": "integer"},
        "size": {**TEXT, "enum": ["512*512"]},
        "imageUrls": {"type": "array", "items": {**TEXT, "description": "as Base64"}},
        "mask_image": TEXT,
        "webhook_url": TEXT,
        "n": TEXT,
    }
    schema = {"type": "object", "properties": members}
    found = Translator(SOURCE, Notes()).request(schema, "x")
    give_request_roles(found, "x", Notes(), dict(words_of(schema)), makes_tasks=True)
    assert mistake(found, "vocabulary.schema.json") is None
    assert dict(roles(found).items()) == {
        "model": (("model",),),
        "prompt": (("promptText",),),
        "negative_prompt": (("negative_prompt",),),
        "n": (("numImages",),),
        "seed": (("seed",),),
        "size": (("size",),),
        "image": (("imageUrls", "*"),),
        "callback_url": (("webhook_url",),),
    }
    image = found["properties"]["imageUrls"]["items"]
    assert image["x-image"]["schemes"] == ["http", "https", "data"]
    assert image["x-rules"]["maxBytes"] == {"certainty": "assumed", "error": "bad_image"}
    found = Translator(SOURCE, Notes()).request(schema, "x")
    give_request_roles(found, "x", Notes(), {}, makes_tasks=False)
    assert "callback_url" not in roles(found)
    assert found["properties"]["imageUrls"]["items"]["x-image"]["schemes"] == ["http", "https"]


def test_patterns_tell_sizes_and_schemes() -> None:
    side = "([5-9][1-9][2-9])"
    members = {
        "prompt": TEXT,
        "size": {**TEXT, "pattern": r"^[1-9][0-9]{2,3}\*[1-9][0-9]{2,3}$"},
        "image": {**TEXT, "pattern": "^(https://|data:)"},
        "style": {**TEXT, "pattern": side},
    }
    notes = Notes()
    found = Translator(SOURCE, notes).request({"properties": members}, "x")
    give_request_roles(found, "x", notes, {}, makes_tasks=False)
    assert found["properties"]["size"]["x-size"] == {"minSide": 100, "maxSide": 9999}
    assert found["properties"]["image"]["x-image"]["schemes"] == ["https", "data"]
    other = Translator(SOURCE, Notes()).request(
        {"properties": {**members, "size": {**TEXT, "pattern": "^[0-9]+x[0-9]+$"}}}, "x"
    )
    give_request_roles(other, "x", Notes(), {}, makes_tasks=False)
    assert other["properties"]["size"]["x-size"] == {"minSide": 64, "maxSide": 4096, "separator": "x"}
    assert other["properties"]["size"]["x-rules"]["minSide"] == {"certainty": "assumed"}
    assert [str(note) for note in notes.left_out] == [f"x.style: pattern {side}"]
    assert not any("pattern" in member for member in found["properties"].values())


def test_size_in_another_form_is_a_text() -> None:
    notes = Notes()
    members = {"prompt": TEXT, "size": {**TEXT, "enum": ["1024x1024"]}}
    found = Translator(SOURCE, notes).request({"properties": members}, "x")
    give_request_roles(found, "x", notes, {}, makes_tasks=False)
    assert "size" not in roles(found)
    assert next(str(note) for note in notes.left_out).startswith(
        "x.size: sizes that are listed in another form than 1024*1024"
    )


def test_links_to_images_are_found() -> None:
    link = {**TEXT, "format": "uri"}
    for schema, path in (
        ({"data": {"type": "array", "items": {"properties": {"b64_json": TEXT, "url": TEXT}}}}, ("data", "*", "url")),
        ({"images": {"type": "array", "items": TEXT}}, ("images", "*")),
        (
            {
                "urls": {"type": "array", "items": TEXT},
                "result": {"properties": {"images": {"type": "array", "items": {"properties": {"url": link}}}}},
            },
            ("result", "images", "*", "url"),
        ),
    ):
        found = answer({"properties": schema})
        assert give_image_roles(found)
        assert roles(found)["image_url"] == (path,)
        assert roles(found)["images"] == ((path[:-1] if path[-1] == "*" else path[:-2]),)
    for schema in ({"url": TEXT}, {"data": {"type": "array", "items": {"properties": {"b64_json": TEXT}}}}):
        assert not give_image_roles(answer({"properties": schema}))


def test_roles_of_answers_by_name_and_type() -> None:
    number = {"type": "integer"}
    found = answer({"properties": {"created_at": TEXT, "created": number, "requestId": TEXT, "width": number}})
    give_answer_roles(found, OF_SUCCESSES)
    assert roles(found) == {"created": (("created",),), "request_id": (("requestId",),)}
    found = answer({"properties": {"error": {"properties": {"message": TEXT, "code": number}}, "status": number}})
    give_answer_roles(found, OF_ERRORS)
    assert roles(found) == {
        "message": (("error", "message"),),
        "error_code": (("error", "code"),),
        "http_status": (("status",),),
    }
    found = answer({"properties": {"a": {"type": "string", "x-role": "message"}, "code": TEXT}})
    give_answer_roles(found, OF_ERRORS)
    assert roles(found) == {"message": (("a",),)}, "a document that says itself what values are is not guessed at"


TASK = {
    "required": ["id", "status", "result", "progress"],
    "properties": {
        "id": TEXT,
        "status": {"enum": ["IN_QUEUE", "IN_PROGRESS", "COMPLETED", "ERROR"]},
        "progress": {"type": "integer"},
        "result": {
            "type": "object",
            "nullable": True,
            "properties": {"images": {"type": ["array", "null"], "items": {"properties": {"url": TEXT}}}},
        },
        "error": {"properties": {"code": TEXT, "message": TEXT}},
    },
}


def states(*schemas: dict[str, Any]) -> tuple[Any, list[str]]:
    notes = Notes()
    forms = [Translator(SOURCE, notes).answer(schema, "x") for schema in schemas]
    for form in forms:
        give_answer_roles(form, (*OF_TASKS, "message", "error_code"))
        give_image_roles(form)
    return task_forms(forms, "x", notes), [str(note) for note in (*notes.left_out, *notes.assumed)]


def test_one_form_for_all_states_is_told_apart() -> None:
    found, notes = states(TASK)
    assert found.names == {
        "pending": "IN_QUEUE",
        "running": "IN_PROGRESS",
        "succeeded": "COMPLETED",
        "failed": "ERROR",
        "cancelled": "ERROR",
    }
    assert notes == ["x: the document names no state for a task that is cancelled: ERROR is used"]
    for schema in found.schemas.values():
        assert mistake(schema, "vocabulary.schema.json") is None
    waiting, ended, failed = (found.schemas[state] for state in ("pending", "succeeded", "failed"))
    assert waiting == found.schemas["running"]
    assert waiting["properties"]["status"]["enum"] == ["IN_QUEUE", "IN_PROGRESS"]
    assert waiting["properties"]["result"]["type"] == "null"
    assert "error" not in waiting["properties"]
    assert ended["properties"]["result"]["type"] == "object"
    assert ended["properties"]["result"]["required"] == ["images"]
    assert ended["properties"]["result"]["properties"]["images"]["minItems"] == 1
    assert "error" not in ended["properties"]
    assert failed["properties"]["status"]["enum"] == ["ERROR"]
    assert "error" in failed["properties"]


def test_a_form_of_its_own_is_kept_as_it_is() -> None:
    done = {"properties": {"status": {"const": "done"}, "images": {"type": "array", "items": TEXT}}}
    rest = {"properties": {"status": {"enum": ["queued", "working", "failed", "canceled", "paused"]}}}
    found, notes = states(done, rest)
    assert notes == ["x: unknown state of a task: paused"]
    assert found.schemas["succeeded"]["required"] == ["images"]
    assert found.schemas["cancelled"]["properties"]["status"]["enum"] == ["failed", "canceled"]


def test_states_that_are_not_listed_are_none() -> None:
    assert states({"properties": {"status": TEXT, "images": {"type": "array", "items": TEXT}}})[0] is None
    assert [state_called(name) for name in ("TASK_STATUS.SUCCESS", "In Progress", "weird")] == [
        "succeeded",
        "running",
        None,
    ]


def test_images_are_required_in_a_success() -> None:
    found = answer({"properties": {"data": {"type": "array", "minItems": 2, "items": {"properties": {"url": TEXT}}}}})
    give_image_roles(found)
    require_images(found)
    assert found["required"] == ["data"]
    assert found["properties"]["data"]["minItems"] == 2
    assert found["properties"]["data"]["items"]["required"] == ["url"]


@pytest.mark.parametrize(
    "table",
    [
        {"a": 1, "b": {"c": "x", "fields": {"d e": True, 'f"': 2.5}}, "g": ["h", "i"]},
        {"text": 'quo"te \\ \n \x07 \x7f 猫 \U0001f408', "odd key.": {"x": {}}},
        {"models": {"a.b": {}, "c": {"price": {"amount": "1"}}}},
    ],
)
def test_written_toml_is_read_again(table: Any) -> None:
    assert tomllib.loads("\n".join(toml_lines(table))) == table


def test_toml_has_no_null() -> None:
    assert tomllib.loads("\n".join(toml_lines({"a": None, "fields": {"b": None, "c": 1}}))) == {"fields": {"c": 1}}


@pytest.mark.parametrize(
    ("schema", "expected", "note"),
    [
        ({"type": "integer", "minimum": 5, "maximum": 4}, {"type": "integer"}, "minimum 5 is more than maximum 4"),
        ({"type": "integer", "default": 9, "maximum": 4}, {"type": "integer", "maximum": 4}, "the default 9"),
    ],
)
def test_limits_that_no_value_keeps_are_left_out(schema: dict[str, Any], expected: Any, note: str) -> None:
    found, notes = request(schema)
    assert found == expected
    assert note in notes[0]


@pytest.mark.parametrize("properties", [[1, 2], "x", {"a": 1}])
def test_words_of_what_is_no_schema(properties: object) -> None:
    assert [path for path, _ in words_of({"properties": properties})] == [()]


def test_format_that_is_no_text_says_nothing() -> None:
    assert "format" not in answer({"type": "string", "format": {}})
