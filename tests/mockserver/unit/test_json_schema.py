"""Plain JSON Schemas of the contract's schemas: what they say, and that the strict ones accept only valid values."""

from typing import Any

import jsonschema
import pytest

from qwenmock.mockserver.calls.json_schema import dependency_schema, last_item_rules, strict_subset, to_json_schema
from qwenmock.mockserver.calls.keywords import LONGEST_URL

WRITTEN: Any = {
    "type": "object",
    "x-source": "published: a",
    "required": ["n", "seed"],
    "properties": {
        "n": {"type": "integer", "maximum": 6, "x-role": "n"},
        "seed": {"type": "integer", "default": 7, "x-source": "published: b"},
        "list": {"type": "array", "x-single": True, "items": {"type": "string", "x-role": "image"}},
    },
}


def accepts(schema: Any, value: object) -> bool:
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema).is_valid(value)


def test_own_keywords_are_left_out_and_members_with_a_default_may_be_missing() -> None:
    assert to_json_schema(WRITTEN) == {
        "type": "object",
        "required": ["n"],
        "properties": {
            "n": {"type": "integer", "maximum": 6},
            "seed": {"type": "integer", "default": 7},
            "list": {"type": "array", "items": {"type": "string"}},
        },
    }


def test_strict_schema_takes_no_default_and_no_unknown_member() -> None:
    strict = strict_subset(WRITTEN)
    assert accepts(strict, {"n": 1, "seed": 2, "list": ["a"]})
    for value in ({"n": 1}, {"n": 1, "seed": 2, "more": 3}, {"n": 7, "seed": 2}, {"n": 1, "seed": 2, "list": [1]}):
        assert not accepts(strict, value)
    inner = strict_subset({"type": "array", "items": {"type": "object", "properties": {"a": {}}}})
    assert accepts(inner, [{"a": 1}])
    assert not accepts(inner, [{"b": 1}]), "an unknown member is noted"


# Lists of parts.

IMAGE, TEXT = {"image": "a"}, {"text": "b"}
PARTS: Any = {
    "type": "array",
    "x-parts": {"image": {"maxItems": 2}, "text": {"minItems": 1, "maxItems": 1, "position": "last"}},
    "items": {"type": "object", "properties": {"image": {}, "text": {}}},
}


@pytest.mark.parametrize(
    ("parts", "is_plain", "is_strict"),
    [
        ([TEXT], True, True),
        ([IMAGE, IMAGE, TEXT], True, True),
        ([IMAGE, TEXT, IMAGE], True, False),
        ([IMAGE], False, False),
        ([], False, False),
        ([IMAGE, IMAGE, IMAGE, TEXT], False, False),
        ([TEXT, TEXT], False, False),
    ],
)
def test_parts_are_counted_and_the_last_is_known(parts: list[Any], is_plain: bool, is_strict: bool) -> None:
    assert accepts(to_json_schema(PARTS), parts) is is_plain
    assert accepts(strict_subset(PARTS), parts) is is_strict


def test_parts_without_limits_are_counted_up_to_a_likely_number() -> None:
    free: Any = {"x-parts": {"image": {}, "text": {"position": "last"}}}
    plain = to_json_schema(free)
    assert plain["allOf"][0] == {"contains": {"required": ["image"]}, "minContains": 0}
    assert accepts(plain, [])
    [rule] = last_item_rules(free["x-parts"])
    lengths = [(each["minItems"], each["maxItems"], len(each["prefixItems"])) for each in rule["anyOf"]]
    assert lengths == [(n, n, n) for n in range(1, 21)]
    [rule] = last_item_rules(PARTS["x-parts"])
    assert [each["prefixItems"] for each in rule["anyOf"]] == [
        [*[True] * before, {"required": ["text"]}] for before in range(3)
    ]
    assert list(last_item_rules({"image": {}})) == []


# Images.


def image(*schemes: str, **more: str) -> Any:
    return strict_subset({"type": "string", "x-image": {"schemes": list(schemes), **more}})


@pytest.mark.parametrize(
    ("url", "is_web", "is_data"),
    [
        ("https://images.example/a.png?x=1#y", True, False),
        ("http://images.example:8080", True, False),
        ("HTTPS://images.example/", False, False),
        ("https://user@images.example/", False, False),
        ("https://images.example/ä", False, False),
        ("ftp://images.example/", False, False),
        ("https://images.example/" + "a" * (LONGEST_URL - 23), True, False),
        ("https://images.example/" + "a" * (LONGEST_URL - 22), False, False),
        ("data:image/png;base64,AAAA", False, True),
        ("data:" + "A" * LONGEST_URL, False, True),
    ],
)
def test_usual_addresses_of_images_are_surely_valid(url: str, is_web: bool, is_data: bool) -> None:
    assert accepts(image("https", "http"), url) is is_web
    assert accepts(image("data"), url) is is_data
    assert accepts(image("http", "https", "data"), url) is (is_web or is_data)


def test_scheme_and_name_that_are_not_taken_are_not_surely_valid() -> None:
    assert not accepts(image("https"), "http://images.example/a.png")
    png = image("https", "data", urlPattern=r"\.png$")
    assert accepts(png, "https://images.example/a.png")
    assert not accepts(png, "https://images.example/a.gif")
    assert accepts(png, "data:image/gif;base64,AAAA")


# Members that depend on each other.

DEPENDENT: dict[str, tuple[str, Any, list[Any], list[Any]]] = {
    "a member and a value": (
        "size",
        {"on": "n", "is": 1},
        [{"size": 5, "n": 1}, {"n": 2}, {"size": 5}, {}],
        [{"size": 5, "n": 2}],
    ),
    "some values of a member, and none of another": (
        "mode",
        {"values": ["agent"], "on": "image", "absent": True},
        [{"mode": "fast", "image": 1}, {"mode": "agent"}, {"image": 1}, {}],
        [{"mode": "agent", "image": 1}],
    ),
    "a member inside": (
        "in/size",
        {"on": "in/n", "is": 1},
        [{"in": {"size": 5, "n": 1}}, {"in": {"n": 2}}, {"in": {"size": 5}}, {}],
        [{"in": {"size": 5, "n": 2}}],
    ),
    "more than some items": (
        "image/*",
        {"over": 2, "on": "model", "is": "b"},
        [
            {"image": [], "model": "a"},
            {"image": [1, 2], "model": "a"},
            {"image": [1, 2, 3], "model": "b"},
            {"image": [1, 2, 3]},
            {"model": "a"},
        ],
        [{"image": [1, 2, 3], "model": "a"}],
    ),
    "any members of items": (
        "image/*/url",
        {"on": "model", "is": "b"},
        [{"image": [{"text": 1}], "model": "a"}, {"image": [{"url": 1}], "model": "b"}],
        [{"image": [{"text": 1}, {"url": 1}], "model": "a"}],
    ),
    "more than some members of items": (
        "list/*/in/*/image",
        {"over": 1, "on": "model", "is": "b"},
        [
            {"list": [{"in": [{"image": 1}, {"text": 1}, {"text": 2}]}], "model": "a"},
            {"list": [{"in": [{"image": 1}]}, {"in": [{"image": 2}]}], "model": "a"},
            {"list": [{"in": [{"image": 1}, {"image": 2}]}], "model": "b"},
            {"list": [], "model": "a"},
        ],
        [{"list": [{"in": [{"image": 1}, {"image": 2}]}], "model": "a"}],
    ),
    "more than some members inside items": (
        "list/*/a/b",
        {"over": 1, "on": "model", "is": "b"},
        [{"list": [{"a": {"b": 1}}, {"a": {}}, {"b": 1}, {"a": 1}], "model": "a"}],
        [{"list": [{"a": {"b": 1}}, {"a": {"b": 2}}], "model": "a"}],
    ),
    "members of items": (
        "mode",
        {"on": "list/*/image", "absent": True},
        [{"mode": 1, "list": [{"text": 1}]}, {"mode": 1, "list": []}, {"list": [{"image": 1}]}],
        [{"mode": 1, "list": [{"text": 1}, {"image": 1}]}],
    ),
}


@pytest.mark.parametrize("name", DEPENDENT)
def test_schema_of_members_that_depend_on_each_other(name: str) -> None:
    member, terms, kept, broken = DEPENDENT[name]
    schema = dependency_schema(member, terms)
    for value in kept:
        assert accepts(schema, value), value
    for value in broken:
        assert not accepts(schema, value), value
