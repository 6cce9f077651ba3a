"""The examiner's own reading of the schemas: each keyword on both sides of its limit."""

import base64
from typing import Any

import pytest

from qwenmock.pytest_plugin.examiner.sample_images import (
    data_url,
    hosted_url,
    picture,
    picture_of_length,
    picture_url,
)
from qwenmock.pytest_plugin.examiner.schema_judge import breaches, broken_rules
from qwenmock.schemas.catalog import load

IMAGE = {
    "schemes": ["data", "https"],
    "urlPattern": r"\.png$",
    "maxBytes": 1000,
    "mediaTypes": ["image/png", "image/gif"],
    "minWidth": 10,
    "maxWidth": 100,
    "minHeight": 20,
    "maxHeight": 200,
}
CALLBACK = {"schemes": ["https"], "publicHost": True}


def broken(schema: dict[str, Any], value: Any) -> set[str]:
    """Return the broken keywords, each with its place."""
    return {":".join((*path, keyword)) for path, keyword in breaches(schema, value, ())}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "right"),
    [
        ("null", [None]),
        ("boolean", [True, False]),
        ("integer", [1, 2.0]),
        ("number", [1, 2.0, 2.5]),
        ("string", ["text"]),
        ("array", [[]]),
        ("object", [{}]),
        (["integer", "null"], [None, 1, 2.0]),
    ],
)
def test_type(kind: Any, right: list[Any]) -> None:
    for value in (None, True, False, 1, 2.0, 2.5, "text", [], {}):
        is_right = any(value is each or (value == each and type(value) is type(each)) for each in right)
        assert broken({"type": kind}, value) == (set() if is_right else {"type"}), value


def test_wrong_type_breaks_nothing_else() -> None:
    assert broken({"type": "integer", "minimum": 1, "const": 3, "minLength": 9, "enum": [3]}, "x") == {"type"}
    assert broken({"not": {}, "type": "string"}, 1) == {"not"}


@pytest.mark.parametrize(
    ("schema", "right", "wrong"),
    [
        ({"const": 1}, [1, 1.0], [2, True, "1", None]),
        ({"const": True}, [True], [1, False]),
        ({"enum": ["a", 1]}, ["a", 1, 1.0], ["b", True, None]),
        ({"minimum": 2}, [2, 2.0, 3, "1", True], [1, 1.9]),
        ({"maximum": 2}, [2, 2.0, 1, "3", True], [3, 2.1]),
        ({"minLength": 2}, ["ab", "猫猫", 1], ["a", ""]),
        ({"maxLength": 2}, ["ab", "猫猫", 1, [1, 2, 3]], ["abc"]),
        ({"pattern": "^a+$"}, ["a", "aa", 1], ["b", "a\n", "ab", ""]),
        ({"pattern": "b"}, ["abc", "b"], ["ac"]),
        (
            {"format": "uri"},
            ["https://a.example/x", "ftp://a", f"https://a/{'x' * 65526}"],
            [f"https://a/{'x' * 65527}", "a", "https://", "//a", "https://a b", "http://[::1"],
        ),
        ({"minItems": 2}, [[1, 2], "x"], [[1], []]),
        ({"maxItems": 2}, [[1, 2], "xxx"], [[1, 2, 3]]),
        ({"oneOf": [{"required": ["a"]}, {"required": ["b"]}]}, [{"a": 1}, {"b": 1}], [{}, {"a": 1, "b": 1}]),
        ({"x-size": {"minSide": 10, "maxSide": 99}}, ["10*99", "99*10", 1], []),
        ({"x-image": IMAGE}, ["https://a.example/x.png", picture_url("image/png", 10, 20), 1], []),
        ({"x-callback": CALLBACK}, ["https://a.example/", "HTTPS://8.8.8.8/", 1], []),
    ],
)
def test_limits(schema: dict[str, Any], right: list[Any], wrong: list[Any]) -> None:
    [keyword] = schema
    for value in right:
        assert broken(schema, value) == set(), value
    for value in wrong:
        assert broken(schema, value) == {keyword}, value


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("10*10", set()),
        ("9*99", {"minSide"}),
        ("99*9", {"minSide"}),
        ("100*10", {"maxSide"}),
        ("10*100", {"maxSide"}),
        ("9*100", {"minSide", "maxSide"}),
        ("010*10", {"syntax"}),
        ("10x10", {"syntax"}),
        ("0*10", {"syntax"}),
        ("10*0", {"syntax"}),
        ("10*10\n", {"syntax"}),
        ("１0*10", {"syntax"}),
        ("999999*10", {"maxSide"}),
        ("1000000*10", {"syntax"}),
        ("", {"syntax"}),
    ],
)
def test_size(value: str, expected: set[str]) -> None:
    assert broken({"x-size": {"minSide": 10, "maxSide": 99}}, value) == expected


SMALL = picture("image/png", 50, 50)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", "schemes"),
        ("http://a.example/x.png", "schemes"),
        ("ftp://a.example/x.png", "schemes"),
        ("https:///x.png", "schemes"),
        ("https://a.example/x.jpg", "urlPattern"),
        ("https://a.example/x.png\n", "schemes"),
        ("https://a\ufeff.example/x.png", "schemes"),
        ("data:image/png;base64", "encoding"),
        ("data:image/png,AAAA", "encoding"),
        ("data:image/png;base64,!", "encoding"),
        (data_url(b"nonsense"), "mediaTypes"),
        (data_url(SMALL[:50]), "integrity"),
        (picture_url("image/jpeg", 50, 50), "mediaTypes"),
        (picture_url("image/gif", 50, 50), None),
        (picture_url("image/png", 9, 50), "minWidth"),
        (picture_url("image/png", 101, 50), "maxWidth"),
        (picture_url("image/png", 100, 200), None),
        (picture_url("image/png", 50, 19), "minHeight"),
        (picture_url("image/png", 50, 201), "maxHeight"),
        (data_url(picture_of_length(1000, 50, 50)), None),
        (data_url(picture_of_length(1001, 50, 50)), "maxBytes"),
        ("DATA:image/png;base64," + base64.b64encode(SMALL).decode(), None),
        (hosted_url(picture_url("image/png", 9, 50)), "minWidth"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_image(value: str, expected: str | None) -> None:
    assert broken({"x-image": IMAGE}, value) == (set() if expected is None else {expected})


def test_advice_on_an_image_is_no_rule() -> None:
    spec = IMAGE | {"advisory": ["minWidth"]}
    assert broken({"x-image": spec}, picture_url("image/png", 9, 19)) == {"minHeight"}
    assert broken({"x-image": {"schemes": ["https"]}}, "https://a.example/x.jpg") == set()
    assert broken({"x-image": {"schemes": ["oss"], "urlPattern": "x"}}, "oss://bucket/y") == set()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("http://a.example/", "schemes"),
        ("https:///x", "schemes"),
        ("x", "schemes"),
        *[
            (f"https://{host}/", "publicHost")
            for host in (
                "localhost", "LOCALHOST.", "a.localhost", "a.local", "a.internal", "127.0.0.1", "10.0.0.1", "[::1]",
                "0x7f.1", "2130706433", "0177.0.0.1", "10.1", "127.1", "192.168.257", "0", "0x0a.0.0.1", "10.0.1",
                "192.11010305",
            )
        ],
        *[
            (f"https://{host}/", None)
            for host in ("a.example", "8.8.8.8", "134744072", "0x8.010.8.8", "8.8.2056", "1.2.3.4.5", "127.0.0.1.5",
                         "[2606:4700::1]",
                         "08.1.x", "local.example", "0xzz")
        ],
    ],
)  # fmt: skip
def test_callback(value: str, expected: str | None) -> None:
    assert broken({"x-callback": CALLBACK}, value) == (set() if expected is None else {expected})


def test_callback_that_may_lead_inside() -> None:
    assert broken({"x-callback": CALLBACK | {"publicHost": False}}, "https://127.0.0.1/") == set()


PARTS = {"image": {"minItems": 1, "maxItems": 2}, "text": {"maxItems": 1, "position": "last"}}


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        (["image", "text"], set()),
        (["image", "image", "text"], set()),
        (["image"], set()),
        ([], {"image.minItems"}),
        (["text"], {"image.minItems"}),
        (["image", "image", "image"], {"image.maxItems"}),
        (["image", "text", "text"], {"text.maxItems"}),
        (["text", "image"], {"text.position"}),
        (["image", "other", "text"], set()),
    ],
)
def test_parts(members: list[str], expected: set[str]) -> None:
    assert broken({"x-parts": PARTS}, [{name: 1} for name in members]) == expected
    assert broken({"x-parts": {"image": {}}}, [{"image": 1}, "no object"]) == set()


def test_places() -> None:
    schema = {
        "required": ["a", "b"],
        "properties": {
            "a": {"type": "integer"},
            "c": {"items": {"minimum": 1}},
            "d": {"properties": {"e": {"type": "null"}}},
        },
    }
    assert broken(schema, {"a": "x", "c": [0, 1, 0], "d": {"e": 1}}) == {
        "a:type",
        "b:required",
        "c:*:minimum",
        "d:e:type",
    }
    assert broken(schema, {"a": 1, "b": None}) == set()
    assert broken({"items": {"type": "null"}}, {}) == set()


def test_exactly_one_of_three() -> None:
    schema = {"oneOf": [{"required": [name]} for name in "abc"]}
    assert broken(schema, {"a": 1}) == set()
    assert broken(schema, {"a": 1, "b": 1}) == broken(schema, {"a": 1, "b": 1, "c": 1}) == {"oneOf"}


def test_rules_of_a_document() -> None:
    request = load()["nebula"].variants["simplified"].request
    found = {rule.id for rule in broken_rules(request, {"model": "x", "prompt": "p", "parameters": {"n": 99}})}
    assert "nebula/simplified/parameters/n/maximum" in found
    assert "nebula/simplified/model/enum" in found


AREA = {"minArea": 262144, "maxArea": 4194304, "maxRatio": 8}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("512*512", set()),
        ("511*513", {"minArea"}),
        ("2048*2048", set()),
        ("1985*2113", {"maxArea"}),
        ("2048*256", set()),
        ("2049*256", {"maxRatio"}),
        ("256*2049", {"maxRatio"}),
        ("8*8", {"minArea"}),
        ("1024x1024", {"syntax"}),
        ("1024*1024 ", {"syntax"}),
    ],
)
def test_size_by_area_and_ratio(value: str, expected: set[str]) -> None:
    assert broken({"type": "string", "x-size": AREA}, value) == expected
    crossed = value.translate(str.maketrans("*x", "x*"))
    assert broken({"type": "string", "x-size": {**AREA, "separator": "x"}}, crossed) == expected


DEPENDENT = {
    "type": "object",
    "properties": {
        "mode": {"type": "string"},
        "thinking": {"type": "boolean"},
        "on": {"type": "boolean"},
        "parts": {"type": "array", "items": {"type": "object", "properties": {"image": {"type": "string"}}}},
        "model": {"type": "string"},
    },
    "x-depends": {
        "mode": {"values": ["agent"], "on": "parts/*/image", "absent": True},
        "thinking": {"on": "on", "is": True},
        "parts/*/image": {"over": 2, "on": "model", "is": "large"},
    },
}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, set()),
        ({"mode": "agent", "parts": [{}]}, set()),
        ({"mode": "direct", "parts": [{"image": "x"}]}, set()),
        ({"mode": "agent", "parts": [{}, {"image": "x"}]}, {"mode:depends"}),
        ({"thinking": False}, set()),
        ({"thinking": False, "on": True}, set()),
        ({"thinking": True, "on": False}, {"thinking:depends"}),
        ({"model": "small", "parts": [{"image": "x"}] * 2}, set()),
        ({"model": "small", "parts": [{"image": "x"}] * 3}, {"parts:*:image:depends"}),
        ({"model": "large", "parts": [{"image": "x"}] * 3}, set()),
        ({"parts": [{"image": "x"}] * 3}, set()),
    ],
)
def test_members_that_depend_on_others(body: Any, expected: set[str]) -> None:
    assert broken(DEPENDENT, body) == expected
    advised = {name: {**each, "advisory": True} for name, each in DEPENDENT["x-depends"].items()}
    assert broken({**DEPENDENT, "x-depends": advised}, body) == set()


def test_one_item_may_stand_without_its_list() -> None:
    schema = {"type": "array", "maxItems": 1, "x-single": True, "items": {"type": "string", "minLength": 2}}
    assert broken(schema, "xy") == set()
    assert broken(schema, "x") == {"*:minLength"}
    assert broken(schema, 1) == {"type"}
    assert broken({**schema, "maxItems": 0}, "xy") == {"maxItems"}
    del schema["x-single"]
    assert broken(schema, "xy") == {"type"}
