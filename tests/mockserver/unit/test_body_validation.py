"""Every rule of every variant, on both sides of its limit: what the validator refuses, and what it says."""

import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from qwenmock.mockserver.calls import keywords
from qwenmock.mockserver.calls.explanation import compile_explainer
from qwenmock.mockserver.calls.keywords import format_value, is_local, is_uri, parse_size
from qwenmock.mockserver.calls.validation import BodyValidator, field_name
from qwenmock.pytest_plugin.examiner.bodies import example
from qwenmock.pytest_plugin.examiner.boundaries.rule_edits import edits_of
from qwenmock.pytest_plugin.examiner.schema_judge import broken_rules
from qwenmock.schemas.catalog import load
from qwenmock.schemas.models import Document, Rule, Unread, Variant

CATALOG = load()
VARIANTS = {f"{provider.slug}/{name}": (provider, variant) for provider in CATALOG for name, variant in provider.variants.items()}  # fmt: skip # noqa: E501
IN_THE_BYTES = {"mediaTypes", "minWidth", "maxWidth", "minHeight", "maxHeight", "maxBytes", "encoding", "integrity"}


@pytest.mark.parametrize("name", VARIANTS)
def test_each_rule_is_kept_and_broken(name: str) -> None:
    provider, variant = VARIANTS[name]
    validator = BodyValidator(variant.request)
    for rule in variant.request.rules:
        if rule.keyword in IN_THE_BYTES:
            continue
        kept = {"accept": 0, "reject": 0}
        edits = edits_of(provider, variant, rule)
        for edit in edits:
            body = variant.request.unwrapped(edit.change(example(variant, next(iter(variant.models)))))
            broken = {each for each in broken_rules(variant.request, body) if each.keyword not in IN_THE_BYTES}
            found = validator.violation(body)
            assert (found is None) == (not broken), (rule.id, edit.note)
            kept[edit.side] += (rule not in broken) == (edit.side == "accept")
            assert found is None or (found.rule in broken and found.detail), (rule.id, edit.note)
            assert validator.explain(body) == found
            if found is not None:
                assert not validator.is_definitely_valid(body)
        assert all(kept[side] for side in {edit.side for edit in edits}), rule.id


def nebula(edit: Any, name: str = "contents") -> tuple[Variant, Any]:
    variant = CATALOG["nebula"].variants[name]
    body: Any = example(variant)
    edit(body)
    return variant, body


@pytest.mark.parametrize(
    ("edit", "rule", "detail"),
    [
        (lambda b: b.pop("model"), "model/required", "model is required"),
        (lambda b: b["parameters"].update(n=7), "parameters/n/maximum", "parameters.n must be at most 6, got 7"),
        (lambda b: b["parameters"].update(n=0), "parameters/n/minimum", "parameters.n must be at least 1, got 0"),
        (
            lambda b: b["parameters"].update(n="2"),
            "parameters/n/type",
            'parameters.n must be an integer, got the string "2"',
        ),
        (lambda b: b["parameters"].update(n=True), "parameters/n/type", "parameters.n must be an integer, got true"),
        (
            lambda b: b["contents"][0]["parts"].insert(0, {"image": 5}),
            "contents/*/parts/*/image/type",
            "contents[0].parts[0].image must be a string, got 5",
        ),
        (lambda b: b.update(contents=[]), "contents/minItems", "contents must have at least 1 items, got 0"),
        (lambda b: b.update(contents={}), "contents/type", "contents must be an array, got an object"),
    ],
)
def test_message_names_the_field_and_what_it_accepts(edit: Any, rule: str, detail: str) -> None:
    variant, body = nebula(edit)
    found = BodyValidator(variant.request).violation(body)
    assert found is not None
    assert (found.rule.id, found.detail) == (f"nebula/contents/{rule}", detail)


@pytest.mark.parametrize(
    ("schema", "right", "wrong", "message"),
    [
        ({"type": ["string", "null"]}, ["a", None], [1], "must be a string or null, got 1"),
        ({"pattern": "^a+$"}, ["aa", 1], ["b", "a\n"], "must match ^a+$, got the string "),
        ({"format": "uri"}, ["https://a.example", 1], ["a", "https://"], "must be a uri, got the string "),
        (
            {"oneOf": [{"required": [name]} for name in "abc"]},
            [{"a": 1}, {"b": 1}, 1],
            [{}, {"a": 1, "b": 1}, {"a": 1, "b": 1, "c": 1}],
            "must hold exactly one of a, b, c",
        ),
    ],
)
def test_keywords_that_few_requests_have(schema: Any, right: list[Any], wrong: list[Any], message: str) -> None:
    explain = compile_explainer(schema)
    assert not [broken for value in right for broken in explain(value)]
    for value in wrong:
        [broken] = explain(value)
        assert broken.message.startswith(message)
        assert broken.keyword == next(iter(schema))


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {}},
        {"items": {}},
        {"items": {"title": "anything"}},
        {"required": ["a"], "properties": {"a": {"default": 1}}},
        {"required": []},
    ],
)
def test_schema_without_a_limit_refuses_nothing(schema: Any) -> None:
    explain = compile_explainer(schema)
    assert [explain(value) for value in ({}, {"b": 1}, [], [1], "a", None)] == [[]] * 6


def test_body_that_is_no_object() -> None:
    variant, _ = nebula(lambda _body: None)
    found = BodyValidator(variant.request).violation([1])
    assert found is not None
    assert found.detail == "the body must be an object, got an array of 1"


def validator_of(edit: Any) -> BodyValidator:
    """Return the validator of a document whose schema is changed."""
    document = CATALOG["nebula"].variants["contents"].request
    schema = copy.deepcopy(document.schema)
    edit(schema)
    return BodyValidator(replace(document, schema=schema))


def test_long_detail_is_cut() -> None:
    names = [f"model-{index}" for index in range(200)]
    validator = validator_of(lambda schema: schema["properties"]["model"].update(enum=names))
    found = validator.violation(example(CATALOG["nebula"].variants["contents"]))
    assert found is not None
    assert found.detail == f"model must be one of {', '.join(names)}"[:1000]


def test_format_is_checked() -> None:
    validator = validator_of(lambda schema: schema["properties"]["prompt"].update(format="uri"))
    body = example(CATALOG["nebula"].variants["contents"])
    assert not validator.accepts({**body, "prompt": "a cat"})
    assert not validator.is_definitely_valid({**body, "prompt": "a cat"})
    assert validator.accepts({**body, "prompt": "https://a.example"})


def small(**item: Any) -> BodyValidator:
    """Return the validator of a document whose bodies have a list; keywords of its items are given."""
    items = {"type": "object", "properties": {}, **item}
    schema = {"type": "object", "properties": {"list": {"type": "array", "items": items}, "name": {"type": "string"}}}
    places: list[tuple[Any, str]] = [(("list",), "type"), (("name",), "type"), (("list", "*"), "type")]
    places += [(("list", "*"), keyword) for keyword in item]
    places += [(("list", "*", name), "type") for name in item.get("properties", {})]
    rules = (Rule(f"{place}", "small", "body", *place, 1, "", "published", "published", "") for place in places)
    return BodyValidator(Document("body", schema, tuple(rules), "body.schema.json"))


def test_outermost_of_several_broken_rules_is_told_and_of_those_the_last() -> None:
    validator = small(properties={"size": {"type": "integer"}})
    for body, detail in (
        ({"list": [{"size": "a"}], "name": 5}, "name must be a string, got 5"),
        ({"name": 5, "list": [{"size": "a"}]}, "name must be a string, got 5"),
        ({"list": 5, "name": 5}, "name must be a string, got 5"),
        ({"list": [{"size": "a"}, {"size": "b"}]}, 'list[1].size must be an integer, got the string "b"'),
    ):
        found = validator.violation(body)
        assert found is not None
        assert found.detail == detail


@pytest.mark.parametrize("is_first", [True, False])
def test_another_rule_of_the_same_place_is_told_before_one_of(is_first: bool) -> None:
    one_of: Any = {"oneOf": [{"required": ["a"]}, {"required": ["b"]}]}
    const: Any = {"const": {"a": 1}}
    found = small(**(one_of | const if is_first else const | one_of)).violation({"list": [{}]})
    assert found is not None
    assert found.rule.keyword == "const"


def test_body_that_an_engine_cannot_read_is_left_to_the_other() -> None:
    """As older versions do with what is nested deeply; newer ones read all that is JSON."""
    body: Any = {"list": {5}}
    validator = small()
    assert not validator.accepts(body)
    assert not validator.is_definitely_valid(body)
    found = validator.violation(body)
    assert found is not None
    assert found.detail.startswith("list must be an array")


def test_required_members_that_are_left_to_their_defaults() -> None:
    kind: Any = {"required": ["kind"], "properties": {"kind": {"type": "string", "default": "a"}}}
    validator = small(**kind)
    assert list(validator.defaulted({"list": [{}, {"kind": "b"}, {}]})) == [("list[].kind", "a")] * 2
    assert list(validator.defaulted({"list": [{"kind": "b"}, "no object"]})) == []
    assert list(validator.defaulted({"list": {}})) == list(validator.defaulted({})) == []


def test_members_that_are_accepted_and_not_read() -> None:
    terms = {"instead": "new", "source": "a document"}
    validator = small(**{"x-unread": {"old": terms}})
    expected = Unread(("list", "*", "old"), **terms)
    assert list(validator.unread({"list": [{}, {"old": 1}, {"old": 2}]})) == [expected]
    assert list(validator.unread({"list": [{"new": 1}, "old"], "old": 1})) == list(validator.unread({})) == []


def test_long_name_of_an_unknown_member_is_cut() -> None:
    unknown = small().unknown_fields({"list": [{"x" * 200: 1}], "y" * 200: 1, "ab": 1})
    assert unknown == ["list[0]." + "x" * 92, "y" * 100, "ab"]


def test_unknown_fields() -> None:
    def edit(body: Any) -> None:
        body["colour"] = 1
        body["parameters"]["foo"] = 1
        body["contents"][0]["parts"][0]["x" * 200] = 1

    variant, body = nebula(edit)
    validator = BodyValidator(variant.request)
    assert sorted(validator.unknown_fields(body)) == [
        "colour",
        ("contents[0].parts[0]." + "x" * 200)[:100],
        "parameters.foo",
    ]
    assert not validator.is_definitely_valid(body)
    assert validator.accepts(body)
    assert validator.unknown_fields(example(variant)) == []
    assert [validator.unknown_fields(other) for other in ([], 5, {"contents": 5}, {"parameters": []})] == [[]] * 4
    assert validator.is_definitely_valid(example(variant))


def test_local_callbacks() -> None:
    variant = CATALOG["evolink"].variants["edit"]
    strict, lax = BodyValidator(variant.request), BodyValidator(variant.request, allow_local_callbacks=True)
    for url, is_allowed in (
        ("http://127.0.0.1:9/x", True),
        ("http://localhost/x", True),
        ("https://localhost/x", True),
        ("http://10.0.0.1/x", False),
        ("ftp://127.0.0.1/x", False),
        ("127.0.0.1", False),
    ):
        body = {**example(variant), "callback_url": url}
        assert not strict.accepts(body)
        assert strict.explain(body) is not None
        assert lax.accepts(body) == is_allowed, url
        assert lax.is_definitely_valid(body) == is_allowed, url
        assert (lax.explain(body) is None) == is_allowed, url
    wrong = {**example(variant), "callback_url": "http://127.0.0.1/", "model": 1}
    assert not lax.accepts(wrong)
    assert lax.explain(wrong) is not None


@pytest.mark.parametrize(
    ("steps", "name"),
    [
        ((), "the body"),
        (("a",), "a"),
        (("a", 0, "b", 12, "c"), "a[0].b[12].c"),
        ((3,), "[3]"),
    ],
)
def test_field_name(steps: tuple[str | int, ...], name: str) -> None:
    assert field_name(steps) == name


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (False, "false"),
        (1, "1"),
        (0.5, "0.5"),
        ("a", 'the string "a"'),
        ("a" * 40, f'the string "{"a" * 40}"'),
        ("a" * 41, f'the string "{"a" * 40}…"'),
        ({}, "an object"),
        ([1, 2], "an array of 2"),
        (int("9" * 50), "9" * 40),
    ],
)
def test_format_value(value: Any, text: str) -> None:
    assert format_value(value) == text


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1024*768", (1024, 768)),
        ("1*999999", (1, 999999)),
        ("0*1", None),
        ("1*0", None),
        ("1000000*1", None),
        ("1*1\n", None),
        ("１*1", None),
        ("1x1", None),
    ],
)
def test_parse_size(text: str, size: tuple[int, int] | None) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "is_right"),
    [
        ("https://a.example/x?y", True),
        ("https://a", True),
        ("https://", False),
        ("//a", False),
        ("a", False),
        ("https://a b", False),
        ("https://a/\n", False),
        ("http://[::1", False),
    ],
)
def test_is_uri(text: str, is_right: bool) -> None:
    assert is_uri(text) is is_right


@pytest.mark.parametrize(
    ("value", "is_right"),
    [
        ("http://127.0.0.1/", True),
        ("https://[::1]:9/", True),
        ("http://localhost", True),
        ("http://a.example/", False),
        ("ftp://127.0.0.1/", False),
        ("http:///", False),
        (1, False),
        (None, False),
    ],
)
def test_is_local(value: Any, is_right: bool) -> None:
    assert is_local(value) is is_right


def names(found: Iterator[tuple[str, str]]) -> dict[str, str]:
    return dict(found)


def test_sizes() -> None:
    spec = {"minSide": 512, "maxSide": 2048}
    assert names(keywords.size(spec, "512*2048")) == names(keywords.size(spec, 5)) == {}
    assert names(keywords.size(spec, "511*600")) == {"minSide": "must have sides of at least 512 pixels, got 511*600"}
    assert names(keywords.size(spec, "600*2049")) == {"maxSide": "must have sides of at most 2048 pixels, got 600*2049"}
    assert names(keywords.size(spec, "big")) == {
        "syntax": 'must be width*height in pixels, as in 1024*1024, got the string "big"'
    }


def test_parts() -> None:
    spec = {"image": {"minItems": 1, "maxItems": 2}, "text": {"position": "last"}}
    image, text = {"image": 1}, {"text": 1}
    assert names(keywords.parts(spec, [image, image, text])) == names(keywords.parts(spec, "x")) == {}
    assert names(keywords.parts(spec, ["x", image])) == {}
    assert names(keywords.parts(spec, [])) == {"image.minItems": "must hold at least 1 image, got 0"}
    assert names(keywords.parts(spec, [image] * 3)) == {"image.maxItems": "must hold at most 2 image, got 3"}
    assert names(keywords.parts(spec, [text, image])) == {"text.position": "must end with its text"}


def test_images() -> None:
    spec = {"schemes": ["data", "https"], "urlPattern": r"\.png$"}
    for right in ("data:x", "DATA:x", "https://a.example/x.png", 5):
        assert names(keywords.image(spec, right)) == {}
    for wrong in ("http://a.example/x.png", "https://", "x"):
        assert list(names(keywords.image(spec, wrong))) == ["schemes"]
    assert "data: or https:" in names(keywords.image(spec, "x"))["schemes"]
    assert list(names(keywords.image(spec, "https://a.example/x.jpg"))) == ["urlPattern"]
    assert names(keywords.image({"schemes": ["https"]}, "https://a.example/x.jpg")) == {}


def test_callbacks() -> None:
    spec = {"schemes": ["https"], "publicHost": True}
    for right in ("https://a.example/", "HTTPS://a.example/", 5):
        assert names(keywords.callback(spec, right)) == {}
    for wrong in ("http://a.example/", "https:///", "x"):
        assert list(names(keywords.callback(spec, wrong))) == ["schemes"]
    assert list(names(keywords.callback(spec, "https://10.0.0.1/"))) == ["publicHost"]
    assert names(keywords.callback(spec | {"publicHost": False}, "https://10.0.0.1/")) == {}


AREA = {"minArea": 262144, "maxArea": 4194304, "maxRatio": 8}


@pytest.mark.parametrize(
    ("value", "name", "message"),
    [
        ("512*512", None, ""),
        ("2048*256", None, ""),
        ("511*513", "minArea", "must have at least 262144 pixels, got 511*513, which are 262143"),
        ("1985*2113", "maxArea", "must have at most 4194304 pixels, got 1985*2113, which are 4194305"),
        ("256*2049", "maxRatio", "must have a ratio from 1:8 to 8:1, got 256*2049"),
        ("1024x1024", "syntax", 'must be width*height in pixels, as in 1024*1024, got the string "1024x1024"'),
    ],
)
def test_size_by_area_and_ratio(value: str, name: str | None, message: str) -> None:
    assert list(keywords.size(AREA, value)) == ([(name, message)] if name else [])


def test_size_with_another_separator() -> None:
    crossed = {**AREA, "separator": "x"}
    assert not list(keywords.size(crossed, "512x512"))
    assert [name for name, _ in keywords.size(crossed, "512*512")] == ["syntax"]
    assert parse_size("512x768", "x") == (512, 768)
    assert parse_size("512x768") is None


def dashscope(**parameters: Any) -> dict[str, Any]:
    """Return a request of a model of 2026."""
    content: list[Any] = [{"text": "A cat"}]
    body = {"model": "qwen-image-3.0", "input": {"messages": [{"role": "user", "content": content}]}}
    return {**body, "parameters": parameters}


def test_value_that_is_only_for_text_to_image() -> None:
    validator = BodyValidator(CATALOG["dashscope"].variants["image"].request)
    body = dashscope(prompt_extend_mode="agent")
    assert validator.violation(body) is None
    body["input"]["messages"][0]["content"].insert(0, {"image": "https://example.com/1.png"})
    found = validator.violation(body)
    assert found is not None
    assert found.rule.id == "dashscope/image/parameters/prompt_extend_mode/depends"
    assert found.detail == (
        'parameters.prompt_extend_mode of the string "agent" is accepted only where '
        "input.messages[].content[].image is not there"
    )


def test_number_of_images_depends_on_the_model() -> None:
    validator = BodyValidator(CATALOG["dashscope"].variants["image"].request)
    body = dashscope()
    body["input"]["messages"][0]["content"] += [{"image": "https://example.com/1.png"}] * 4
    found = validator.violation(body)
    assert found is not None
    assert found.rule.id == "dashscope/image/input/messages/*/content/*/image/depends"
    assert "in a number of more than 3 is accepted only where model is the string" in found.detail
    assert validator.violation({**body, "model": "qwen-image-2.1-pro"}) is None


def test_member_without_effect_is_noted() -> None:
    validator = BodyValidator(CATALOG["dashscope"].variants["image"].request)
    body = dashscope(enable_thinking=True, prompt_extend=False)
    assert validator.violation(body) is None
    assert not validator.is_definitely_valid(body)
    expected = "parameters.enable_thinking has an effect only where parameters.prompt_extend is true"
    assert validator.members_without_effect(body) == [expected]
    assert not validator.members_without_effect(dashscope(enable_thinking=True, prompt_extend=True))
    assert not validator.members_without_effect(dashscope(prompt_extend=False))


def test_uri_has_a_length_that_servers_take() -> None:
    start = "https://a.example/"
    assert is_uri(start + "a" * (2**16 - len(start)))
    assert not is_uri(start + "a" * (2**16 - len(start) + 1))
