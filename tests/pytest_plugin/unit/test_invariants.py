"""Each invariant: kept by the double's answer, and broken by one change to it."""

import copy
import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from qwenmock.pytest_plugin.examiner.bodies import example, put
from qwenmock.pytest_plugin.examiner.checks.single_request import accept
from qwenmock.pytest_plugin.examiner.invariants import (
    Success,
    broken_invariants,
    broken_pictures,
    default_count,
    default_size,
    effective_text,
    image_counts,
    images_made,
    pixels_of,
    requested_count,
)
from qwenmock.pytest_plugin.examiner.results import UnreadableAnswer
from qwenmock.pytest_plugin.examiner.sample_images import picture, picture_url
from qwenmock.pytest_plugin.examiner.target import Reply
from qwenmock.pytest_plugin.examiner_factory import create_examiner
from qwenmock.pytest_plugin.options import Options
from qwenmock.schemas.catalog import load

CATALOG = load()


@functools.cache
def original(slug: str, name: str, n: int | None) -> tuple[Success, list[Reply]]:
    """Return a success of the double, and its pictures."""
    provider = CATALOG[slug]
    variant = provider.variants[name]
    examiner = create_examiner(provider, Options())
    try:
        body: Any = example(variant)
        if n is not None:
            body = put(variant.request.schema, body, ("parameters", "n"), n)
        success = accept(examiner, variant, body, max_pictures=0)
        return success, [examiner.target.send("GET", url, {}) for url in success.links()[0]]
    finally:
        examiner.close()


@functools.cache
def doubled() -> Success:
    """Return a success with two images, of a variant that states their number at four places."""
    success = original("nebula", "simplified", 1)[0]
    asked, body = copy.deepcopy((success.asked, success.body))
    second = copy.deepcopy((body["data"]["data"][0], contents(body)[0]))  # type: ignore[index, call-overload]
    second[0]["url"] = second[1]["image"] = second[0]["url"].replace("/0.png", "/1.png")
    body["data"]["data"].append(second[0])  # type: ignore[index, call-overload]
    contents(body).append(second[1])
    metadata(body)["usage"]["image_count"] = 2
    metadata(body)["output"]["task_metric"].update(SUCCEEDED=2, TOTAL=2)
    return replace(success, asked=put(success.variant.request.schema, asked, ("parameters", "n"), 2), body=body)


def unchanged(_body: object) -> None: ...


def changed(edit: Callable[[Any], object] = unchanged, success: Success | None = None, **changes: Any) -> Success:
    """Return a success whose answer is changed."""
    success = success or doubled()
    body = copy.deepcopy(success.body)
    edit(body)
    return replace(success, body=body, **changes)


def broken(success: Success) -> dict[str, str]:
    return dict(broken_invariants(success))


def metadata(body: Any) -> Any:
    return body["data"]["metadata"]


def contents(body: Any) -> Any:
    return metadata(body)["output"]["choices"][0]["message"]["content"]


@pytest.mark.parametrize(
    ("slug", "name", "n"),
    [
        ("nebula", "simplified", None),
        ("nebula", "simplified", 1),
        ("nebula", "contents", None),
        ("nebula", "contents", 3),
        ("dashscope", "edit", None),
        ("dashscope", "edit", 3),
    ],
)
def test_answer_of_the_double_breaks_none(slug: str, name: str, n: int | None) -> None:
    success, pictures = original(slug, name, n)
    assert broken(success) == {}
    assert list(broken_pictures(success, pictures)) == []
    assert images_made(success) == (n or 1)


@pytest.mark.parametrize(
    ("edit", "name", "text"),
    [
        (lambda b: b.update(code=201), "status", "[201] in the body of a 200"),
        (lambda b: metadata(b)["usage"].update(image_count=1), "counts", "[2, 2, 2, 1] images in different places"),
        (
            lambda b: metadata(b)["output"]["task_metric"].update(TOTAL=3),
            "counts",
            "3 in all, 2 succeeded and 0 failed",
        ),
        (
            lambda b: metadata(b)["output"]["task_metric"].update(FAILED=1),
            "counts",
            "2 in all, 2 succeeded and 1 failed",
        ),
        (lambda b: contents(b).reverse(), "same-links", "[2, 2] links that differ"),
        (lambda b: metadata(b)["usage"].update(width=1024), "requested-size", "expected 1328*1328, got 1024*1328"),
        (lambda b: metadata(b)["usage"].update(height=1024), "requested-size", "expected 1328*1328, got 1328*1024"),
    ],
)
def test_one_change_breaks_one_invariant(edit: Callable[[Any], object], name: str, text: str) -> None:
    assert broken(changed(edit)) == {name: text}


def test_image_that_is_missing_in_one_place() -> None:
    counts, links = "[2, 1, 2, 2] images in different places", "[2, 1] links that differ"
    assert broken(changed(lambda b: contents(b).pop())) == {"counts": counts, "same-links": links}


def test_a_failed_image_counts() -> None:
    metrics = {"FAILED": 1, "SUCCEEDED": 2, "TOTAL": 3}
    assert broken(changed(lambda b: metadata(b)["output"]["task_metric"].update(metrics))) == {}


def test_link_that_comes_twice() -> None:
    def twice(body: Any) -> None:
        body["data"]["data"][1] = body["data"]["data"][0]
        contents(body)[1] = contents(body)[0]

    assert broken(changed(twice)) == {"distinct-links": "1 links twice"}


def test_more_images_than_asked_for() -> None:
    success = doubled()
    asked: Any = copy.deepcopy(success.asked)
    asked["parameters"]["n"] = 1
    assert broken(replace(success, asked=asked)) == {"requested-count": "2 images where 1 were asked for"}
    del asked["parameters"]["n"]
    assert broken(replace(success, asked=asked)) == {"default-count": "2 images where no number was asked for"}
    variant = replace(
        success.variant,
        invariants={name: value for name, value in success.variant.invariants.items() if name != "default-count"},
    )
    assert "requested-count" in broken(replace(success, asked=asked, variant=variant))
    asked["parameters"]["n"] = 3
    assert broken(replace(success, asked=asked)) == {}
    asked["parameters"]["n"] = 1
    mixed = changed(lambda b: metadata(b)["usage"].update(image_count=1), asked=asked)
    assert broken(mixed)["requested-count"] == "2 images where 1 were asked for"


def test_number_that_was_asked_for() -> None:
    assert requested_count(doubled()) == 2
    assert requested_count(original("nebula", "simplified", None)[0]) == 1
    assert default_count(CATALOG["nebula"].variants["simplified"]) == 1
    assert default_count(CATALOG["evolink"].variants["edit"]) == 1


def test_default_number_is_that_of_the_schema() -> None:
    variant = CATALOG["nebula"].variants["simplified"]
    schema = copy.deepcopy(variant.request.schema)
    schema["properties"]["parameters"]["properties"]["n"]["default"] = 4
    assert default_count(replace(variant, request=replace(variant.request, schema=schema))) == 4


def test_image_counts_are_those_of_every_place() -> None:
    assert image_counts(doubled()) == [2, 2, 2, 2]
    with pytest.raises(UnreadableAnswer, match="no number of images"):
        images_made(replace(doubled(), body={}))


@pytest.mark.parametrize(("content_type", "is_right"), [("application/json", True), ("application/json; charset=utf-8", True), ("text/plain", False), ("", False)])  # fmt: skip # noqa: E501
def test_content_type(content_type: str, is_right: bool) -> None:
    reply = Reply(200, {"content-type": content_type} if content_type else {}, b"", 0.0)
    expected = {} if is_right else {"content-type": f"Content-Type: {content_type}"}
    assert broken(changed(reply=reply)) == expected


@pytest.mark.parametrize(("offset", "is_right"), [(-301, False), (-300, True), (0, True), (300, True), (301, False)])
def test_created_a_moment_ago(offset: int, is_right: bool) -> None:
    success = changed(lambda b: b["data"].update(created=1_000_000 + offset), now=1_000_000.0)
    found = broken(success)
    found.pop("link-lifetime")
    expected = {} if is_right else {"created": f"{1_000_000 + offset}, {offset:+d} seconds from now"}
    assert found == expected


def with_expiry(text: str) -> Success:
    def edit(body: Any) -> None:
        links = [f"http://a.example/{index}.png?{text}" for index in range(2)]
        for index, link in enumerate(links):
            body["data"]["data"][index]["url"] = contents(body)[index]["image"] = link
        body["data"]["created"] = 1_000_000

    return changed(edit, now=1_000_000.0)


@pytest.mark.parametrize(
    ("offset", "is_right"), [(-3601, False), (-3600, True), (0, True), (3600, True), (3601, False)]
)
def test_link_lifetime(offset: int, is_right: bool) -> None:
    found = broken(with_expiry(f"Expires={1_000_000 + 86400 + offset}"))
    text = f"a link that expires in {86400 + offset} s, not 86400 s"
    assert found == ({} if is_right else {"link-lifetime": text})


def test_expiry_that_is_not_stated_or_of_any_length() -> None:
    for text in ("", "Expires=", "Expires=soon", "Expires=-1"):
        assert broken(with_expiry(text)) == {}
    found = broken(with_expiry("Expires=" + "9" * 5000))
    assert len(found["link-lifetime"]) < 100
    assert broken(with_expiry(f"Expires={1_086_400:020d}")) == {}
    assert "link-lifetime" in broken(with_expiry(f"Expires={1_086_400:021d}"))


def test_default_size_is_that_of_the_last_input() -> None:
    success = original("nebula", "contents", None)[0]
    assert default_size(success) == (1248, 832)
    wrong = changed(lambda b: metadata(b)["usage"].update(width=832), original("nebula", "contents", None)[0])
    assert broken(wrong) == {"default-size": "expected 1248*832, got 832*832"}
    wrong = changed(lambda b: metadata(b)["usage"].update(height=1248), original("nebula", "contents", None)[0])
    assert broken(wrong) == {"default-size": "expected 1248*832, got 1248*1248"}
    asked: Any = copy.deepcopy(success.asked)
    parts = asked["contents"][0]["parts"]
    parts.insert(1, {"image": picture_url("image/png", 512, 768)})
    assert default_size(replace(success, asked=asked)) == (832, 1248)
    parts[1] = {"image": picture_url("image/png", 30_000, 1)}
    width, height = default_size(replace(success, asked=asked)) or (0, 0)
    assert height == success.provider.picture.multiple
    assert width > height
    parts[1] = {"image": "https://a.example/x.png"}
    assert default_size(replace(success, asked=asked)) is None
    assert default_size(original("nebula", "simplified", None)[0]) is None


@pytest.mark.parametrize(("area", "side"), [(2048 * 2048, 2048), (1024 * 1024, 1024), (24 * 24, 32), (1, 16)])
def test_default_size_without_an_input_is_the_documented_area(area: int, side: int) -> None:
    success = original("nebula", "simplified", None)[0]
    variant = success.variant
    variant = replace(variant, picture=replace(variant.picture, text_area=area, multiple=16))
    assert default_size(replace(success, variant=variant)) == (side, side)
    with_input = original("nebula", "contents", None)[0]
    variant = replace(with_input.variant, picture=replace(with_input.variant.picture, text_area=area))
    assert default_size(replace(with_input, variant=variant)) == (1248, 832)


def test_pixels_are_those_requested_or_else_stated_or_else_documented() -> None:
    success = changed(lambda b: metadata(b)["usage"].update(width=300, height=200))
    asked: Any = copy.deepcopy(success.asked)
    asked["parameters"]["size"] = "1024*768"
    assert pixels_of(replace(success, asked=asked)) == 1024 * 768
    for size in ("large", None):
        asked["parameters"]["size"] = size
        assert pixels_of(replace(success, asked=asked)) == 300 * 200
    without = changed(lambda b: metadata(b)["usage"].pop("height"))
    assert pixels_of(replace(without, asked=asked)) == success.variant.picture.area


def test_sizes_that_are_not_stated() -> None:
    for member in ("width", "height"):
        assert broken(changed(lambda b, m=member: metadata(b)["usage"].pop(m))) == {}  # type: ignore[misc]


def pictures_of(body: bytes, status: int = 200, content_type: str = "image/png") -> dict[str, str]:
    success = original("nebula", "simplified", 1)[0]
    return dict(broken_pictures(success, [Reply(status, {"content-type": content_type}, body, 0.0)]))


def test_each_mistake_of_a_picture() -> None:
    right = original("nebula", "simplified", 1)[1][0].body
    assert pictures_of(right, content_type="image/png; x=y") == {}
    assert pictures_of(right, 404) == {"picture-format": "status 404"}
    assert pictures_of(right, 201) == {"picture-format": "status 201"}
    assert pictures_of(right, content_type="image/jpeg") == {"picture-type": "Content-Type: image/jpeg"}
    assert pictures_of(right, content_type="") == {"picture-type": "Content-Type: "}
    assert pictures_of(right[:100]) == {"picture-format": "the image ends before its last chunk"}
    assert pictures_of(b"GIF89a")["picture-format"].startswith("the image does not begin like a PNG")
    text = "a picture of {} under a statement of 1328x1328"
    for width, height in ((1328, 100), (100, 1328)):
        size = text.format(f"{width}x{height}")
        assert pictures_of(picture("image/png", width, height)) == {"picture-size": size}
    success = changed(lambda b: metadata(b)["usage"].pop("width"))
    assert list(broken_pictures(success, [Reply(200, {"content-type": "image/png"}, picture(), 0.0)])) == []


def test_every_picture_is_looked_at() -> None:
    success = original("nebula", "simplified", 1)[0]
    replies = [Reply(404, {}, b"", 0.0), Reply(200, {"content-type": "image/png"}, b"", 0.0), Reply(500, {}, b"", 0.0)]
    assert [name for name, _ in broken_pictures(success, replies)] == ["picture-format"] * 3


def test_prompt_of_the_picture() -> None:
    success, [reply] = original("nebula", "simplified", 1)
    asked: Any = copy.deepcopy(success.asked)
    asked["prompt"] = "another"
    [(name, text)] = broken_pictures(replace(success, asked=asked), [reply])
    assert name == "effective-prompt"
    assert text == "a picture made from the prompt 'A cat playing in the grass', of 26 characters"
    asked["prompt"] = success.asked["prompt"]  # type: ignore[index, call-overload]
    asked["parameters"]["negative_prompt"] = "dogs"
    assert effective_text(replace(success, asked=asked), "negative_prompt") == "dogs"
    assert effective_text(success, "negative_prompt") == ""


def test_prompt_counts_up_to_its_documented_length() -> None:
    success = original("dashscope", "edit", None)[0]
    asked: Any = copy.deepcopy(success.asked)
    [part] = [part for part in asked["input"]["messages"][0]["content"] if "text" in part]
    part["text"] = "c" * 2000
    assert effective_text(replace(success, asked=asked), "prompt") == "c" * 800


def test_values_of_an_answer_are_read_strictly() -> None:
    with pytest.raises(UnreadableAnswer, match="image_url: expected a string, got 1"):
        broken(changed(lambda b: b["data"]["data"][0].update(url=1)))
    with pytest.raises(UnreadableAnswer, match="created: expected a number"):
        broken(changed(lambda b: b["data"].update(created="now")))
    with pytest.raises(UnreadableAnswer, match="images: expected an array"):
        broken(changed(lambda b: b["data"].update(data={})))
    success = doubled()
    assert success.model == "qwen-image-plus"
    assert success.strings("request_id") == [success.request_id]
    assert success.groups("width") == [[1328]]
    assert success.groups("nothing") == []
