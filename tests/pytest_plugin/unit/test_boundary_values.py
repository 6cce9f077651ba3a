"""The values that are tried on both sides of each limit: exactly at it, and exactly beyond it."""

import base64
from dataclasses import replace
from typing import Any

import pytest

from qwenmock.pytest_plugin.examiner import sample_images
from qwenmock.pytest_plugin.examiner.bodies import example
from qwenmock.pytest_plugin.examiner.boundaries import arrays, images, json_types, numbers, strings
from qwenmock.pytest_plugin.examiner.boundaries.edit import describe
from qwenmock.pytest_plugin.examiner.boundaries.near_misses import near_misses
from qwenmock.pytest_plugin.examiner.boundaries.rule_edits import VALUES, _forbidden, edits_of
from qwenmock.pytest_plugin.examiner.boundaries.values import LINES, LONG, WIDE
from qwenmock.pytest_plugin.examiner.sample_images import data_url, hosted_url, picture, picture_url, size_of
from qwenmock.schemas.catalog import load
from qwenmock.schemas.models import Rule
from qwenmock.schemas.vocabulary import select

CATALOG = load()
NEBULA, EVOLINK, DASHSCOPE = CATALOG["nebula"], CATALOG["evolink"], CATALOG["dashscope"]


def rule(keyword: str, value: Any = 0) -> Rule:
    return Rule("x", "x", "x", (), keyword, value, "x", "documented", "documented", "invalid")


# Numbers.


def test_numbers_at_their_limits() -> None:
    assert numbers.minimum({"minimum": 3}, rule("minimum")) == ([3], [2, -(2**31), -(2**63)])
    assert numbers.maximum({"maximum": 6}, rule("maximum")) == ([6], [7, 8, 1_000_006, 2**53])


# Arrays.

ITEMS: Any = {"type": "array", "items": {"type": "integer", "minimum": 5}, "minItems": 2, "maxItems": 3}
PARTS: Any = {
    "type": "array",
    "items": {"properties": {"image": {"const": "i"}, "text": {"const": "t"}}},
    "x-parts": {"image": {"minItems": 2, "maxItems": 3}, "text": {"minItems": 1, "maxItems": 1, "position": "last"}},
}
IMAGE, TEXT = {"image": "i"}, {"text": "t"}


def test_arrays_at_their_limits() -> None:
    assert arrays.min_items(ITEMS, rule("minItems")) == ([[5, 5]], [[], [5]])
    assert arrays.max_items(ITEMS, rule("maxItems")) == ([[5] * 3], [[5] * 4, [5] * 5])


def test_parts_at_their_limits() -> None:
    assert arrays.min_parts(PARTS, rule("image.minItems")) == ([[IMAGE, IMAGE, TEXT]], [[TEXT], [IMAGE, TEXT]])
    assert arrays.min_parts(PARTS, rule("text.minItems")) == ([[IMAGE, IMAGE, TEXT]], [[IMAGE, IMAGE]])
    assert arrays.max_parts(PARTS, rule("image.maxItems")) == (
        [[IMAGE, TEXT], [IMAGE, IMAGE, TEXT], [IMAGE, IMAGE, IMAGE, TEXT]],
        [[IMAGE] * 4 + [TEXT], [IMAGE] * 5 + [TEXT]],
    )
    assert arrays.max_parts(PARTS, rule("text.maxItems")) == (
        [[IMAGE, IMAGE, TEXT]],
        [[IMAGE, IMAGE, TEXT, TEXT], [IMAGE, IMAGE, TEXT, TEXT, TEXT]],
    )
    free: Any = PARTS | {"x-parts": {"image": {}, "text": {"maxItems": 1}}}
    assert arrays.max_parts(free, rule("text.maxItems"))[0] == [[TEXT]]


def test_parts_in_and_out_of_their_place() -> None:
    right, longer = [IMAGE, IMAGE, TEXT], [IMAGE, IMAGE, IMAGE, TEXT]
    assert arrays.position(PARTS, rule("text.position")) == (
        [right, longer],
        [[TEXT, IMAGE, IMAGE], [TEXT, IMAGE, IMAGE, IMAGE], [IMAGE, TEXT, IMAGE, IMAGE]],
    )
    free: Any = PARTS | {"x-parts": {"image": {"minItems": 1}, "text": PARTS["x-parts"]["text"]}}
    assert arrays.position(free, rule("text.position"))[0] == [[IMAGE, TEXT], [IMAGE, IMAGE, TEXT]]


# Types.


@pytest.mark.parametrize(
    ("schema", "accepted", "refused"),
    [
        ({"type": "integer", "minimum": 2}, [2, 2.0], ["2", 2.5, True, None, [2], ""]),
        ({"type": "integer", "default": 3}, [3, 3.0], ["3", 3.5, True, None, [3], ""]),
        ({"type": "integer", "default": 3, "minimum": 1}, [3, 1.0], ["3", 1.5, True, None, [3], ""]),
        ({"type": "boolean"}, [True, False], ["true", "false", 1, 0, None, ""]),
        ({"type": "null"}, [None], ["x"]),
        ({"type": "array", "items": {"type": "null"}}, [[]], [{}, "x", None, {"0": []}, "[]"]),
        (
            {"type": "array", "items": {"const": 1}, "minItems": 2},
            [[1, 1]],
            [{}, "x", None, {"0": [1, 1]}, 1, "[1, 1]"],
        ),
        ({"type": "object", "properties": {}}, [{}], [[], [{}], "x", None, 1, "{}"]),
        ({"type": "string", "maxLength": 1}, ["A", LINES, LONG], [1, None, True, ["A"], {}, {"url": "A"}]),
        ({"type": "string", "enum": ["a"]}, ["a"], [1, None, True, ["a"], {}, {"url": "a"}]),
    ],
)
def test_values_of_the_type_and_of_others(schema: Any, accepted: list[Any], refused: list[Any]) -> None:
    found = json_types.type_(schema, rule("type"))
    assert found == (accepted, refused)
    assert [type(value) for value in found[0]] == [type(value) for value in accepted]


def test_alternatives() -> None:
    schema: Any = {
        "oneOf": [{"required": ["a"]}, {"required": ["b"]}],
        "properties": {"a": {"const": 1}, "b": {"const": 2}},
    }
    assert json_types.one_of(schema, rule("oneOf")) == ([{"a": 1}], [{"a": 1, "b": 2}, {}])


# Texts.


def test_listed_values_and_near_misses() -> None:
    accepted, refused = strings.enum({"enum": ["a-b", "A-b"]}, rule("enum"))
    assert accepted == ["a-b", "A-b"]
    assert {"a_b", "A-B", "a-b ", " a-b", "a-", ""} <= set(refused)
    assert not {"a-b", "A-b"} & set(refused)
    assert len(refused) == len(set(refused))
    assert strings.const({"const": 7}, rule("const")) == ([7], [])
    accepted, refused = strings.const({"const": "user"}, rule("const"))
    assert accepted == ["user"]
    assert refused[-2:] == ["assistant", "system"]
    assert "USER" in refused
    assert strings.const({"const": "other"}, rule("const"))[1][-1] == ""


def test_near_misses_of_a_size() -> None:
    found = near_misses("640*480")
    assert {
        "640x480", "640X480", "640×480", "640-480", "640 * 480", "640*4800", "640*480*1", "480*640", "0640*480",
        "+640*480", "641*480", "640*479", "640.0*480", "640*480px", "640*", "*480", "640", "640**480", "640*48",
        "x640*480", "６４０＊４８０", "٦٤٠*٤٨٠", "640*480 ", " 640*480", "640*480\n", "",
        "640*480\N{ZERO WIDTH SPACE}",
    } == set(found)  # fmt: skip
    assert len(found) == len(set(found))
    assert "640*480" not in found
    assert not any("*" in miss for miss in near_misses("ab") if miss != "ab*1")


def test_texts_at_their_lengths() -> None:
    assert strings.min_length({"minLength": 2}, rule("minLength")) == (["aa", "猫猫", WIDE * 2], ["a"])
    accepted, refused = strings.max_length({"maxLength": 4}, rule("maxLength"))
    assert accepted == ["aaaa", "猫猫猫猫", WIDE * 4, "e\u0301e\u0301"]
    assert refused == ["a" * 5, "猫" * 5, WIDE * 5, "a" * 8]
    accepted, refused = strings.max_length({"maxLength": 30, "x-callback": {}}, rule("maxLength"))
    assert [len(url) for url in (*accepted, *refused)] == [30, 31, 60]
    assert all(url.startswith("https://example.com/a") for url in (*accepted, *refused))
    assert strings.truncate({"x-truncate": 3}, rule("x-truncate")) == (
        ["aaa", "aaaa", "猫猫猫猫", WIDE * 4, "a" * 9],
        [],
    )


SIZE: Any = {"type": "string", "x-size": {"minSide": 512, "maxSide": 2048}}


def test_sizes_at_their_limits() -> None:
    accepted, refused = strings.size_syntax(SIZE, rule("syntax"))
    assert accepted == ["1024*1024", "2048*2048"]
    assert {"1024x1024", "1024*1024*1", "1024**1024", "1024", "auto", "1024*1024 ", "1024 * 1024"} <= set(refused)
    # What is no other form, but another size, must not be refused.
    assert not {"01024*1024", "+1024*1024", "1025*1024", "1024*1023", "1024*10240", "1024*102"} & set(refused)
    assert {"１０２４＊１０２４", "1024*1024\n"} <= set(refused)
    assert len(refused) == len(set(refused))
    assert strings.size_side(SIZE, rule("minSide", 512)) == (
        ["512*1024", "1024*512"],
        ["511*1024", "1024*511", "511*511"],
    )
    assert strings.size_side(SIZE, rule("maxSide", 2048)) == (
        ["2048*1024", "1024*2048"],
        ["2049*1024", "1024*2049", "2049*2049"],
    )


def test_size_in_the_spelling_of_another_place_is_refused() -> None:
    accepted, refused = strings.size_syntax(
        {"type": "string", "x-size": {**SIZE["x-size"], "separator": "x"}}, rule("syntax")
    )
    assert accepted == ["1024x1024", "2048x2048"]
    assert {"1024*1024", "1024xx1024", "1024x1024x1", "auto"} <= set(refused)
    assert "1024x1024" not in refused


@pytest.mark.parametrize(
    ("keyword", "limit", "accepted", "refused"),
    [
        ("minArea", 101 * 101, ["101*101", "101*101"], ["100*102", "102*100", "50*50"]),
        ("minArea", 100 * 100, ["100*100", "100*100"], ["99*101", "101*99", "50*50"]),
        ("minArea", 100 * 100 + 1, ["82*122"], ["100*100", "100*100", "50*50"]),
        ("maxArea", 32 * 32 - 1, ["31*33"], ["32*32", "32*32", "62*62"]),
        ("maxArea", 32 * 32, ["32*32", "32*32"], ["25*41", "41*25", "64*64"]),
    ],
)
def test_sizes_at_an_area(keyword: str, limit: int, accepted: list[str], refused: list[str]) -> None:
    assert strings.size_area(SIZE, rule(keyword, limit)) == (accepted, refused)


def test_sizes_at_a_ratio() -> None:
    assert strings.size_ratio({"x-size": {"minArea": 80_000}}, rule("maxRatio", 8)) == (
        ["928*116", "116*928"],
        ["929*116", "116*929"],
    )


def test_addresses() -> None:
    assert strings.url_pattern({}, rule("urlPattern")) == (list(strings.URLS), list(strings.URLS))
    accepted, refused = strings.callback_schemes({}, rule("schemes"))
    assert all(url.startswith("https://example.com") for url in accepted)
    assert not any(url.startswith("https://e") for url in refused)
    accepted, refused = strings.public_host({}, rule("publicHost"))
    assert "https://172.32.0.1/hook" in accepted
    assert refused == [f"https://{host}/hook" for host in strings.INTERNAL]


# Images.

LIMITS: Any = {
    "schemes": ["http", "https", "data"], "mediaTypes": ["image/png", "image/jpeg", "image/webp", "image/tiff"],
    "minWidth": 384, "maxWidth": 3072, "minHeight": 384, "maxHeight": 3000, "maxBytes": 10**6 + 1000,
    "surelyAcceptedBytes": 10**6 - 24,
}  # fmt: skip
DATA: Any = {"x-image": LIMITS}
HOSTED: Any = {"x-image": LIMITS | {"schemes": ["http", "https"]}}


def kind_of(url: Any) -> str:
    return url[5:].partition(";")[0]


def test_schemes_of_images() -> None:
    accepted, refused = images.schemes(DATA, rule("schemes"))
    assert accepted == [sample_images.SAMPLES[1], sample_images.SAMPLES[0], picture_url(), *images.ADDRESSES]
    assert {"oss://example/image1.png", "ftp://example.com/image1.png", picture_url().partition(",")[2]} <= set(refused)
    assert picture_url() not in refused
    accepted, refused = images.schemes({"x-image": {"schemes": ["https", "oss"]}}, rule("schemes"))
    assert accepted == [sample_images.SAMPLES[0], *images.ADDRESSES]
    assert {sample_images.SAMPLES[1], picture_url()} <= set(refused)
    assert "oss://example/image1.png" not in (*accepted, *refused)


def test_formats_of_images() -> None:
    accepted, refused = images.media_types(DATA, rule("mediaTypes"))
    assert [kind_of(url) for url in accepted] == [*LIMITS["mediaTypes"], "image/png"]
    assert accepted[-1] == data_url(picture("image/jpeg"), "image/png")
    assert [kind_of(url) for url in refused] == [
        "image/bmp", "image/gif", "image/png", "image/png", "image/png", "image/svg+xml", "image/png", "image/png",
    ]  # fmt: skip
    assert refused[2:4] == [data_url(picture("image/bmp")), data_url(picture("image/gif"))]
    assert len({len(str(url)) for url in refused[-4:]}) == 4
    assert refused[-1] == data_url(bytes(400))
    accepted, refused = images.media_types(HOSTED, rule("mediaTypes"))
    assert [kind_of(sample_images.HOSTED[str(url)]) for url in accepted] == [*LIMITS["mediaTypes"], "image/png"]
    assert refused == [hosted_url(picture_url("image/bmp")), hosted_url(picture_url("image/gif"))]


@pytest.mark.parametrize(
    ("keyword", "limit", "accepted", "refused"),
    [
        ("minWidth", 384, [(384, 512)] * 4 + [(384, 3000)], [(383, 512)] * 4 + [(1, 512)]),
        ("minHeight", 384, [(512, 384)] * 4 + [(3072, 384)], [(512, 383)] * 4 + [(512, 1)]),
        ("maxWidth", 3072, [(3072, 512)] * 2, [(3073, 512)] * 2 + [(12288, 512)]),
        ("maxHeight", 3000, [(512, 3000)] * 2, [(512, 3001)] * 2 + [(512, 12000)]),
        ("maxWidth", 2047, [(2047, 512)] * 4, [(2048, 512)] * 2 + [(8188, 512)]),
    ],
)
def test_sides_of_images(keyword: str, limit: int, accepted: list[Any], refused: list[Any]) -> None:
    found = images.side(DATA, rule(keyword, limit))
    assert [size_of(str(url)) for url in found[0]] == accepted
    assert [size_of(str(url)) for url in found[1]] == refused
    kinds = [kind_of(url) for url in found[0]]
    assert kinds[: len(set(kinds))] == LIMITS["mediaTypes"][: len(set(kinds))]
    advised: Any = {"x-image": LIMITS | {"advisory": [keyword]}}
    all_accepted, none = images.side(advised, rule(keyword, limit))
    assert none == []
    expected = accepted[:4] if keyword.startswith("min") else accepted
    assert [size_of(str(url)) for url in all_accepted] == [*expected, *refused]


def test_lengths_of_images() -> None:
    def lengths(urls: list[Any]) -> list[int]:
        return [len(base64.b64decode(url.partition(",")[2])) for url in urls]

    longest = LIMITS["maxBytes"]
    accepted, refused = images.max_bytes(DATA, rule("maxBytes", longest))
    assert (lengths(accepted), lengths(refused)) == ([10**6 - 24, longest], [longest + 1])
    plain: Any = {"x-image": {"schemes": ["data"]}}
    assert lengths(images.max_bytes(plain, rule("maxBytes", longest))[0]) == [longest]
    accepted, refused = images.max_bytes(HOSTED, rule("maxBytes", longest))
    assert lengths([sample_images.HOSTED[str(url)] for url in (*accepted, *refused)]) == [
        10**6 - 24,
        longest,
        longest + 1,
    ]


def test_encoding_of_images() -> None:
    [good], refused = images.encoding(DATA, rule("encoding"))
    assert good == picture_url()
    head, _, text = picture_url().partition(",")
    assert len(refused) == 6
    changed, short, percent, plain, nothing, blank = (str(url) for url in refused)
    middle = len(text) // 2
    assert changed == f"{head},{text[:middle]}!{text[middle + 1 :]}"
    assert len(changed) == len(picture_url())
    assert short == picture_url()[:-1]
    assert (percent, plain, nothing) == (f"{head},%%%%", f"data:image/png,{text}", head)
    assert blank == f"{head},{text[:middle]} {text[middle:]}"


def test_images_that_are_cut_off() -> None:
    accepted, refused = images.integrity(DATA, rule("integrity"))
    files = {kind: picture(kind) for kind in ("image/png", "image/jpeg", "image/webp")}
    assert accepted == [data_url(data, kind) for kind, data in files.items()]
    assert refused == [data_url(data[: len(data) * 2 // 3], kind) for kind, data in files.items()]
    assert images.integrity(HOSTED, rule("integrity")) == ([hosted_url(picture_url())], [])


def of_bytes(length: int) -> str:
    return data_url(sample_images.picture_of_length(length))


@pytest.mark.parametrize(
    ("side", "value", "is_assumed"),
    [
        ("accept", picture_url("image/jpeg"), False),
        ("accept", hosted_url(picture_url()), False),
        ("accept", data_url(picture("image/jpeg"), "image/png"), True),
        ("accept", of_bytes(10**6 - 24), False),
        ("accept", of_bytes(10**6 + 59), False),
        ("accept", of_bytes(10**6 + 60), True),
        ("accept", "x" * 999_999, True),
        ("accept", "x" * 10**6, False),
        ("accept", 7, False),
        ("reject", picture_url("image/gif"), False),
        ("reject", data_url(picture("image/gif")), True),
        ("reject", data_url(b"text"), True),
        ("reject", of_bytes(10**6 + 1001), False),
        ("reject", "x" * 999_999, True),
        ("reject", "x" * 10**6, False),
    ],
)
def test_what_no_document_says_is_assumed(side: Any, value: Any, is_assumed: bool) -> None:
    assert images.is_assumed(DATA, side, value) is is_assumed


def test_length_without_two_readings_is_certain() -> None:
    for longest, is_assumed in ((999_977, True), (999_978, False)):
        only: Any = {"x-image": {"maxBytes": longest}}
        assert images.is_assumed(only, "accept", of_bytes(1_000_060)) is is_assumed


# Edits of bodies.


def edits(provider: Any, variant: str, rule_id: str) -> list[tuple[str, str, bool, bool, bool]]:
    found = provider.variants[variant]
    rule_ = provider.rule(f"{provider.slug}/{variant}/{rule_id}")
    return [
        (each.side, each.note, each.assumed, each.may_break_others, each.possibly_billable)
        for each in edits_of(provider, found, rule_)
    ]


def changed(provider: Any, variant: str, rule_id: str) -> list[Any]:
    found = provider.variants[variant]
    rule_ = provider.rule(f"{provider.slug}/{variant}/{rule_id}")
    return [each.change(example(found)) for each in edits_of(provider, found, rule_)]


def test_every_keyword_has_its_values() -> None:
    used = {
        rule_.keyword
        for provider in CATALOG
        for variant in provider.variants.values()
        for rule_ in variant.request.rules
        if "." not in rule_.keyword
    }
    assert used - {"required", "not", "depends"} <= VALUES.keys()


def test_every_rule_has_edits() -> None:
    for provider in CATALOG:
        for variant in provider.variants.values():
            for rule_ in variant.request.rules:
                if rule_.keyword in {"maxBytes", "minWidth", "maxWidth", "minHeight", "maxHeight"}:
                    continue  # large pictures; they are tested above
                assert "accept" in {each.side for each in edits_of(provider, variant, rule_)}, rule_.id


def test_schemes_of_callbacks_and_of_images_differ() -> None:
    callback = [note for _, note, *_ in edits(EVOLINK, "edit", "callback_url/schemes")]
    assert callback[0] == describe("https://example.com/hook")
    image = [note for _, note, *_ in edits(EVOLINK, "edit", "image_urls/*/schemes")]
    assert image[0] == describe(sample_images.SAMPLES[1])


@pytest.mark.parametrize(
    ("name", "value"),
    [("n", 1), ("prompt_extend", True), ("size", "1024*1024"), ("image", picture_url()), ("other", "simplified")],
)
def test_member_that_must_not_be_there_gets_a_likely_value(name: str, value: Any) -> None:
    found = _forbidden(NEBULA.variants["simplified"], replace(rule("not"), path=("parameters", name)))
    assert (type(found), found) == (type(value), value)


def test_member_is_there_or_missing() -> None:
    assert edits(NEBULA, "simplified", "prompt/required") == [
        ("accept", "there", False, False, False),
        ("reject", "missing", False, False, False),
    ]
    there, missing = changed(NEBULA, "simplified", "prompt/required")
    assert there == example(NEBULA.variants["simplified"])
    assert there.keys() - missing.keys() == {"prompt"}


def test_omission_of_a_member_with_a_default_is_no_mistake() -> None:
    there, missing = ("accept", "there", False, False, False), ("reject", "missing", False, False, False)
    assert edits(NEBULA, "simplified", "model/required") == [there, missing]
    assert EVOLINK.variants["edit"].request.defaulted == (("model",),)
    assert edits(EVOLINK, "edit", "model/required") == [there]
    assert edits(EVOLINK, "edit-plus", "model/required") == [there], "the other variant's model is the default"
    assert edits(EVOLINK, "edit", "prompt/required") == [there, missing]


def test_value_is_put_where_the_rule_is() -> None:
    accepted, *refused = changed(NEBULA, "simplified", "parameters/n/maximum")
    assert [body["parameters"]["n"] for body in (accepted, *refused)] == [1, 2, 3, 1_000_001, 2**53]
    assert [side for side, *_ in edits(NEBULA, "simplified", "parameters/n/maximum")] == ["accept"] + ["reject"] * 4


def test_models_of_other_providers_may_be_sold_too() -> None:
    found = edits(NEBULA, "simplified", "model/enum")
    assert found[0] == ("accept", "'qwen-image-plus'", False, False, False)
    billable = [note for _, note, _, _, is_billable in found if is_billable]
    assert billable
    assert {side for side, *_, is_billable in found if is_billable} == {"reject"}
    assert not {f"'{model}'" for model in NEBULA.models} & set(billable)
    # One near miss comes first, then these: a small profile tries the first ones.
    assert [each[-1] for each in found[1 : 2 + len(billable)]] == [False] + [True] * len(billable)
    _, misses = strings.enum({"enum": ["qwen-image-plus"]}, rule("enum"))
    assert [note for side, note, *_ in found if side == "reject" and note not in billable] == [
        describe(m) for m in misses
    ]
    sizes = edits(NEBULA, "simplified", "parameters/size/enum")
    assert not any(each[-1] for each in sizes)


def test_image_of_another_label_is_assumed() -> None:
    found = edits(NEBULA, "contents", "contents/*/parts/*/image/mediaTypes")
    assert True in {assumed for side, _, assumed, *_ in found if side == "accept"}
    assert False in {assumed for side, _, assumed, *_ in found if side == "accept"}
    assert not any(assumed for _, _, assumed, *_ in edits(NEBULA, "contents", "contents/*/parts/*/image/encoding"))
    long = edits(NEBULA, "simplified", "prompt/type")
    assert [note for _, note, assumed, *_ in long if assumed] == [describe(LONG)]


def test_part_is_put_where_it_keeps_counts_and_order() -> None:
    for provider, variant in ((NEBULA, "contents"), (DASHSCOPE, "edit")):
        for rule_ in provider.variants[variant].request.rules:
            if rule_.path[-1:] == ("*",) and rule_.keyword == "type":
                found = edits_of(provider, provider.variants[variant], rule_)
                sides = [each.side for each in found]
                assert "accept" in sides
                if rule_.path[-2] in {"parts", "content"}:
                    lengths = [
                        len(select(each.change(example(provider.variants[variant])), rule_.path)) for each in found
                    ]
                    assert sides[:2] == ["accept", "accept"]
                    assert lengths[1] == lengths[0] + 1, "in the place of a part, and before the others"
                body = example(provider.variants[variant])
                before = str(body)
                for each in found:
                    each.change(body)
                assert str(body) == before, "an edit must not change the body that it is made to"


def test_kinds_of_both_parts_in_one_are_put_in_three_places() -> None:
    [rule_] = [each for each in NEBULA.variants["contents"].request.rules if each.keyword == "oneOf"]
    found = edits_of(NEBULA, NEBULA.variants["contents"], rule_)
    body: Any = example(NEBULA.variants["contents"])
    images_ = [{"image": f"https://images.example/{number}.png"} for number in range(2)]
    body["contents"][0]["parts"] = [*images_, {"text": "a cat"}]
    parts = [each.change(body)["contents"][0]["parts"] for each in found]  # type: ignore[call-overload,index]
    usual = body["contents"][0]["parts"]
    both, nothing = {**usual[0], **usual[-1]}, {}
    assert [(each.side, each.may_break_others) for each in found[-4:]] == [
        ("reject", False),
        ("reject", False),
        ("reject", True),
        ("reject", False),
    ]
    assert {tuple(sorted(part)) for part in parts[-4]} == {tuple(sorted(both))}
    assert len(parts[-4]) == 1
    assert parts[-3] == [*usual[:-1], parts[-4][0]]
    assert parts[-2] == [parts[-4][0], *usual[1:]]
    assert parts[-1] == [nothing, *usual]


def test_member_that_must_not_be_there() -> None:
    absent = [
        (provider, variant, rule_)
        for provider in CATALOG
        for variant in provider.variants.values()
        for rule_ in variant.request.rules
        if rule_.keyword == "not"
    ]
    assert absent
    for provider, variant, rule_ in absent:
        found = edits_of(provider, variant, rule_)
        base = example(variant)
        assert found[0].change(base) == base
        assert (found[0].side, found[0].note) == ("accept", "absent")
        in_items = rule_.path[-2:-1] == ("*",)
        assert [each.side for each in found[1:]] == ["reject"] * (7 if in_items else 6)
        assert [each.may_break_others for each in found] == [False] * 7 + [True] * in_items
        assert [each.note for each in found[1:2]] == ["{}"]
        assert [each.note for each in found[3:7]] == ["[]", "'x'", "1", "True"]
        if in_items:
            last = found[-1].change(base)
            [items] = select(base, rule_.path[:-2])
            [changed_] = select(last, rule_.path[:-2])
            assert isinstance(items, list)
            item = {rule_.path[-1]: _forbidden(variant, rule_)}
            assert changed_ == [item, *items]
            assert found[-1].note == describe(item)
        name = rule_.path[-1]
        likely = {"n": "1", "prompt_extend": "True", "size": "'1024*1024'", "parameters": "{'size': '1328*1328'}"}
        assert name not in likely or found[2].note == likely[name]


@pytest.mark.parametrize(("length", "is_cut"), [(68, False), (69, True), (10_001, True)])
def test_description_of_a_value(length: int, is_cut: bool) -> None:
    text = "x" * length
    assert describe(text) == (f"'{'x' * 59}… ({length + 2} characters)" if is_cut else f"'{text}'")
    assert describe("猫") == "'\\u732b'"


def test_long_text_is_not_written_to_its_end() -> None:
    assert describe("猫" * 10_000).endswith("… (60002 characters)")
    assert describe("猫" * 10_001) == "'" + ("\\u732b" * 10)[:59] + "… (10003 characters)"
