"""The walk over contract schemas, the limits that they state, and the sentences for what breaks the meta-schemas."""

import copy
import json
import tomllib
from collections.abc import Iterator
from datetime import date
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from qwenmock.schemas import metaschemas, shared_rules
from qwenmock.schemas.catalog import HERE
from qwenmock.schemas.errors import CatalogError
from qwenmock.schemas.metaschemas import _describe, _is_surely_valid, mistake, pointer, quoted
from qwenmock.schemas.shared_rules import SharedRules
from qwenmock.schemas.vocabulary import constraints, reader, roles, select, subschema, walk

ITEM: Any = {"properties": {"b": {"x-role": "r", "minimum": 1}}, "required": ["b"]}
SCHEMA: Any = {
    "type": "object",
    "required": ["a", "c"],
    "properties": {"a": {"maxItems": 2, "items": ITEM}, "c": {"x-role": "r"}, "d": {"x-role": "s", "not": {}}},
}


def test_walk_goes_from_the_outermost_inwards() -> None:
    assert [path for path, _ in walk(SCHEMA)] == [(), ("a",), ("a", "*"), ("a", "*", "b"), ("c",), ("d",)]
    assert dict(walk(SCHEMA))["a", "*"] is ITEM
    assert subschema(SCHEMA, ("a", "*", "b")) is ITEM["properties"]["b"]
    assert subschema(SCHEMA, ()) is SCHEMA
    with pytest.raises(KeyError):
        subschema(SCHEMA, ("x",))
    assert roles(SCHEMA) == {"r": (("a", "*", "b"), ("c",)), "s": (("d",),)}


def found(schema: Any) -> list[tuple[Any, str, Any]]:
    return [(each.path, each.keyword, each.value) for each in constraints(schema)]


def test_every_limit_is_one_constraint() -> None:
    assert found(SCHEMA) == [
        ((), "type", "object"),
        (("a",), "required", True),
        (("c",), "required", True),
        (("a",), "maxItems", 2),
        (("a", "*", "b"), "required", True),
        (("a", "*", "b"), "minimum", 1),
        (("d",), "not", {}),
    ]
    assert [each.owner for each in constraints(SCHEMA)][3] is SCHEMA["properties"]["a"]
    assert found({"title": "x", "default": 1, "x-role": "r"}) == []


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"x-image": {}}, []),
        ({"x-image": {"maxBytes": 5, "minWidth": 1}}, [("minWidth", 1), ("maxBytes", 5)]),
        ({"x-image": {"mediaTypes": ["a"]}}, [("mediaTypes", ["a"]), ("integrity", True)]),
        ({"x-image": {"schemes": ["https"]}}, [("schemes", ["https"])]),
        ({"x-image": {"schemes": ["data"]}}, [("schemes", ["data"]), ("encoding", True)]),
        (
            {"x-parts": {"text": {"minItems": 1, "position": "last"}, "image": {"maxItems": 3}}},
            [("text.minItems", 1), ("text.position", "last"), ("image.maxItems", 3)],
        ),
        ({"x-size": {"minSide": 1, "maxSide": 2}}, [("minSide", 1), ("maxSide", 2), ("syntax", "W*H")]),
        ({"x-callback": {"schemes": ["https"]}}, [("schemes", ["https"]), ("publicHost", True)]),
    ],
)
def test_keywords_with_several_limits(schema: Any, expected: list[tuple[str, Any]]) -> None:
    assert found(schema) == [((), keyword, value) for keyword, value in expected]


def test_dependencies_are_limits_of_the_member_that_depends() -> None:
    depends: Any = {"b/*": {"over": 1, "on": "c", "absent": True}, "c": {"on": "b/*", "is": 1}}
    owner: Any = {"x-depends": depends, "properties": {"b": {"items": {}}, "c": {}}}
    schema = {"properties": {"a": owner}}
    assert found(schema) == [(("a", "b", "*"), "depends", depends["b/*"]), (("a", "c"), "depends", depends["c"])]
    assert all(each.owner is owner for each in constraints(schema))


# What is read from documents.

DOCUMENT: Any = {"a": [{"b": 1}, {"x": 0}, {"b": 2}, 3], "c": 5, "d": None}


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ((), [DOCUMENT]),
        (("a", "*", "b"), [1, 2]),
        (("a", "*"), DOCUMENT["a"]),
        (("c",), [5]),
        (("d",), [None]),
        (("e",), []),
        (("c", "b"), []),
        (("c", "*"), []),
        (("a", "b"), []),
        (("*",), []),
    ],
)
def test_values_at_a_path(path: Any, values: list[Any]) -> None:
    assert select(DOCUMENT, path) == values


def test_values_of_several_groups_are_read_at_once() -> None:
    read = reader([[("a", "*", "b"), ("c",)], [("d",)], [("e",)], [("a",)]], {1: "one", 2: "two"})
    assert read(DOCUMENT) == [[5, 1, 2], None, "two", [DOCUMENT["a"]]]
    assert read({}) == [[], "one", "two", []]
    assert read(DOCUMENT) == [[5, 1, 2], None, "two", [DOCUMENT["a"]]], "nothing is kept of the one before"
    assert read([DOCUMENT]) == [[], "one", "two", []]
    assert reader([[("a",)], [("a", "b")]], {0: None, 1: 7})({"a": {"b": 1}}) == [{"b": 1}, 1]
    assert reader([[("a", "*")]], {})({"a": "text"}) == [[]]
    assert reader([[("*", "*")]])([[1], 2, [3]]) == [[1, 3]]
    assert reader([[("*",)]], {0: "none"})([1, 2]) == [2]
    assert reader([[("a", "b"), ("a", "c")]])({"a": {"b": 1, "c": 2}}) == [[1, 2]]


# Sentences.


def test_pointer_and_names() -> None:
    assert pointer(("a/b", 0, "~c")) == "/a~1b/0/~0c"
    assert pointer(()) == ""
    assert quoted({"b", "a"}) == '"a", "b"'


def of_provider(**changes: Any) -> Any:
    return tomllib.loads((HERE / "nebula/provider.toml").read_text("utf-8")) | changes


@pytest.mark.parametrize(
    ("change", "where", "sentence"),
    [
        ({}, None, None),
        ({"name": 7}, "/name", "expected a value of type string, got 7"),
        ({"name": ["x" * 300]}, "/name", 'expected a value of type string, got ["' + "x" * 198 + "…"),
        ({"name": {"猫": 1}}, "/name", 'expected a value of type string, got {"猫": 1}'),
        ({"base_url_certainty": "sure"}, "/base_url_certainty", 'expected one of "documented", "published", '),
        ({"max_body_bytes": 0}, "/max_body_bytes", "expected at least 1, got 0"),
        ({"variants": {}}, "/variants", "expected at least 1 members, got {}"),
        ({"more": 1, "colour": 2}, "", 'unknown "colour", "more"; expected '),
        ({"currency": ""}, "/currency", "expected a"),
    ],
)
def test_mistake_is_told_in_a_sentence(change: dict[str, Any], where: str | None, sentence: str | None) -> None:
    told = mistake(of_provider(**change), "provider.schema.json")
    if where is None or sentence is None:
        assert told is None
    else:
        assert told is not None
        assert told[0] == where
        assert told[1].startswith(sentence)


FILES = [
    (json.loads(file.read_text("utf-8")), "vocabulary.schema.json") for file in sorted(HERE.glob("*/*.schema.json"))
] + [(tomllib.loads(file.read_text("utf-8")), "provider.schema.json") for file in sorted(HERE.glob("*/provider.toml"))]


@pytest.mark.parametrize("seed", range(len(FILES)))
def test_quick_validator_accepts_no_mistake(seed: int) -> None:
    """What it does not accept is looked at again: it may be too strict, but then every start takes longer."""
    content, metaschema = FILES[seed]
    assert metaschemas.mistakes(content, metaschema) == []
    assert _is_surely_valid(content, metaschema)
    rng = Random(seed)
    changed = copy.deepcopy(content)
    everywhere = list(places(changed))
    for _ in range(40):
        holder, at = rng.choice(everywhere)
        right = holder[at]
        holder[at] = rng.choice(
            [None, 1.5, 2, "", "(", "https://[", [], {}, {"type": "text"}, {"x": 1}, date(2026, 1, 1)]
        )
        if _is_surely_valid(changed, metaschema):
            assert metaschemas.mistakes(changed, metaschema) == []
        holder[at] = right


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each place in a document: the object or array that holds it, and its name or number."""
    for at in list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, at
        yield from places(value[at])


def test_value_is_shown_whole_if_it_is_short() -> None:
    told = mistake(of_provider(name=["x" * 196]), "provider.schema.json")
    assert told == ("/name", f'expected a value of type string, got ["{"x" * 196}"]')


def test_keyword_without_a_sentence_has_the_message_of_the_validator() -> None:
    assert _describe("odd", 1, 2, SimpleNamespace(message="y" * 1001)) == "y" * 1000


def test_members_that_are_missing_are_named() -> None:
    table = of_provider()
    del table["name"], table["price"]
    told = mistake(table, "provider.schema.json")
    assert told is not None
    assert told[0] == ""
    assert told[1].startswith('missing "name", "price"; expected "authentication", ')


# The rules that all providers share.


class Told:
    source, certainty = "published: x", "published"


class Documented:
    source, certainty = "003_64a870f5d0232faf.txt#x", "documented"


class Document:
    name = "edit.200"

    def __init__(self) -> None:
        self.roles = {"image_url": ()}
        self.schema = {"x-rules": {"invariants.link-lifetime": {"certainty": "observed", "$comment": "seen"}}}


def test_shared_rules_have_the_terms_of_what_they_belong_to() -> None:
    table: Any = {
        "max_body_bytes": 77,
        "rules": {
            "http/body/syntax": {"reject_certainty": "observed", "value": 5, "comment": "own", "source": "observed: y"},
            "invariants/link-lifetime": {"tolerance": 9},
        },
    }
    rules = SharedRules("a", table)
    assert rules.unknown_override() is None
    errors: Any = {entry["error"]: Told for entry in shared_rules._shared()["http"].values() if "error" in entry}
    http = {rule.id: rule for rule in rules.http(errors, Documented)}  # type: ignore[arg-type]
    assert {rule.variant for rule in http.values()} == {"http"}
    assert (http["a/http/body/maxBytes"].value, http["a/http/body/maxBytes"].path) == (77, ("body",))
    assert http["a/http/authorization/known"].value is True
    assert http["a/http/content-type/const"].value == "application/json"
    assert http["a/http/content-type/const"].certainty == "assumed"
    syntax = http["a/http/body/syntax"]
    assert (syntax.value, syntax.comment, syntax.source, syntax.error) == (5, "own", "observed: y", "malformed")
    assert (syntax.certainty, syntax.reject_certainty) == ("published", "observed")
    known = http["a/http/authorization/known"]
    assert (known.certainty, known.reject_certainty, known.source) == ("documented", "documented", Documented.source)
    terms: Any = {"answer": Told, "links": Told}
    found_ = rules.invariants(Document(), terms)  # type: ignore[arg-type]
    assert "link-lifetime" in found_
    lifetime = found_["link-lifetime"]
    assert (lifetime.tolerance, lifetime.rule.certainty, lifetime.rule.comment) == (9, "observed", "seen")
    assert lifetime.rule.id == "a/edit.200/link-lifetime"
    shared: Any = shared_rules._shared()["invariants"]
    for name, entry in shared.items():
        is_there = entry["terms"] in terms and set(entry.get("roles", ())) <= {"image_url"}
        assert (name in found_) is is_there
        if is_there and name != "link-lifetime":
            assert found_[name].tolerance == entry.get("tolerance", 0)
        if is_there:
            assert found_[name].needs_images is entry.get("needs_images", False)
    callbacks = rules.callbacks({"callbacks": Told, "pauses": Told})  # type: ignore[dict-item]
    assert [rule.id for rule in callbacks] == [f"a/callback/{name}" for name in shared_rules._shared()["callbacks"]]
    assert callbacks[0].value == next(iter(shared_rules._shared()["callbacks"].values()))["statement"]


def test_override_of_no_rule_is_named() -> None:
    told = SharedRules("a", {"rules": {"http/body/syntax": {}, "http/a~b": {}}}).unknown_override()
    assert told is not None
    assert told[0] == "/rules/http~1a~0b"
    assert told[1].startswith('unknown rule "http/a~b"; expected "callbacks/')


def test_shared_rules_that_are_not_valid_are_refused(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "rules.toml"
    file.write_text("[http]\n[invariants]\n[callbacks]\n[more]\n")
    monkeypatch.setattr(shared_rules, "FILE", file)
    shared_rules._shared.cache_clear()
    try:
        with pytest.raises(CatalogError, match=r"rules\.toml: "):
            shared_rules.invariant_names()
    finally:
        monkeypatch.undo()
        shared_rules._shared.cache_clear()
    assert "link-lifetime" in shared_rules.invariant_names()
