"""Input images: where each is looked for, each limit with its boundary, and what is noted of it."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest
from call_values import BASE, CATALOG, call, data_url, job, trace

from qwenmock.mockserver.api_error import ApiError
from qwenmock.mockserver.calls import input_images
from qwenmock.mockserver.calls.call import Call
from qwenmock.mockserver.calls.double import Double, create_double
from qwenmock.mockserver.calls.input_images import inspect, may_be_local, unread
from qwenmock.mockserver.models import Input
from qwenmock.mockserver.net.guarded_client import OutboundError
from qwenmock.mockserver.settings import Settings
from qwenmock.pytest_plugin.examiner.sample_images import picture, picture_of_length

CONTENTS = CATALOG["nebula"].variants["contents"].request
LIMITS, RULES = CONTENTS.image_terms
ELSEWHERE = "https://images.example/a.png"
PNG = picture()


def inspected(
    *urls: str, sent: Call | None = None, before: Callable[[Double], Awaitable[None]] | None = None, **settings: Any
) -> tuple[Any, list[str]]:
    """Return the inputs, or kind, detail and keyword of the refusal; and what was noted."""
    seen = trace()

    async def run() -> object:
        double = create_double(Settings(seed=1, **settings), CATALOG)
        try:
            if before is not None:
                await before(double)
            call_ = sent or call()
            slug = call_.provider.slug
            variant = "contents" if slug == "nebula" else "edit"
            found = await inspect(double, call_, job(slug, variant, images=urls), seen)
            kept = [await double.store.kept(each.digest) for each in found if each.digest]
            assert all(data is not None for data in kept)
            assert [hashlib.sha256(data or b"").hexdigest() for data in kept] == [e.digest for e in found if e.digest]
        except ApiError as error:
            return error.kind, error.detail, error.rule.keyword if error.rule else None
        finally:
            await double.store.close()
        return found

    return asyncio.run(run()), seen.advisories


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


# Where an image is.


@pytest.mark.parametrize(
    ("url", "is_local"),
    [
        ("data:image/png;base64,AA", True),
        ("DATA:image/png;base64,AA", True),
        ("dat:image/png;base64,AA", False),
        (f"{BASE}/__files__/a/0.png", True),
        ("oss://folder/a.png", True),
        ("https://oss://folder/a.png", False),
        (ELSEWHERE, False),
        ("", False),
    ],
)
def test_image_that_may_be_here(url: str, is_local: bool) -> None:
    assert may_be_local(url) is is_local


def test_image_elsewhere_has_the_size_of_the_contract() -> None:
    picture_ = CATALOG["nebula"].picture
    expected = Input("", ELSEWHERE, "", picture_.unseen_width, picture_.unseen_height)
    assert unread(CATALOG["nebula"], ELSEWHERE) == expected
    assert inspected(ELSEWHERE) == ((expected,), [])
    assert inspected() == ((), [])
    # Such an address is not of this server, although it looks like one.
    away = f"https://images.example/?{BASE}/__files__/a/0.png"
    assert inspected(away) == ((expected._replace(url=away),), [])


def test_images_come_in_their_order() -> None:
    data = data_url(PNG)
    found, noted = inspected(ELSEWHERE, data, ELSEWHERE)
    assert [each.url for each in found] == [ELSEWHERE, "", ELSEWHERE]
    assert found[1] == Input(digest(PNG), "", "image/png", 768, 512)
    assert noted == []


def test_image_of_this_server_is_read() -> None:
    links: list[str] = []

    async def run() -> list[Any]:
        double = create_double(Settings(seed=1), CATALOG)
        url, _ = await double.files.upload(PNG, BASE)
        exact, _ = await double.files.upload(picture_of_length(LIMITS["maxBytes"]), BASE)
        large, _ = await double.files.upload(picture_of_length(LIMITS["maxBytes"] + 1), BASE)
        links.extend([url, exact])
        results: list[Any] = []
        for each in (url, exact, url.replace("Signature=", "Signature=x"), large):
            try:
                results.append(await inspect(double, call(), job(variant="contents", images=(each,)), trace()))
            except ApiError as error:
                results.append((error.kind, error.detail, error.rule and error.rule.keyword))
        await double.store.close()
        return results

    found, exact, forged, large = asyncio.run(run())
    assert found == (Input(digest(PNG), links[0], "image/png", 768, 512),)
    assert exact[0].url == links[1]
    assert forged == ("bad_image", "image cannot be downloaded: The signature does not match", "schemes")
    assert large == TOO_LARGE


TOO_LARGE = (
    RULES["maxBytes"].error,
    f"image must have at most {LIMITS['maxBytes']} bytes",
    "maxBytes",
)
KEY = "oss://folder/a.png"


def keeping(data: bytes) -> Callable[[Double], Awaitable[None]]:
    return lambda double: double.store.keep(KEY, data)


HEADER = "x-dashscope-ossresourceresolve"


@pytest.mark.parametrize("value", ["enable", "Enable"])
def test_uploaded_image_is_read_with_its_header(value: str) -> None:
    sent = call("dashscope", "create", headers={HEADER: value})
    found, noted = inspected(KEY, sent=sent, before=keeping(PNG))
    assert (found, noted) == ((Input(digest(PNG), KEY, "image/png", 768, 512),), [])


@pytest.mark.parametrize(
    ("slug", "headers", "is_kept", "reason"),
    [
        ("dashscope", {}, True, "expected the header X-DashScope-OssResourceResolve: enable"),
        ("dashscope", {HEADER: "disable"}, True, "expected the header X-DashScope-OssResourceResolve: enable"),
        ("dashscope", {HEADER: "enable"}, False, "nothing was uploaded there"),
        ("nebula", {}, False, "nothing was uploaded there"),
        ("nebula", {}, True, None),
    ],
)
def test_uploaded_image_needs_its_header(
    slug: str, headers: Mapping[str, str], is_kept: bool, reason: str | None
) -> None:
    found, _ = inspected(
        KEY, sent=call(slug, "create", headers=headers), before=keeping(PNG) if is_kept else keeping_nothing
    )
    if reason is None:
        assert found[0].url == KEY
    else:
        assert found[1].lower() == f"image cannot be downloaded: {reason}".lower()
        assert found[2] == "schemes"


async def keeping_nothing(_double: Double) -> None:
    return


def test_uploaded_image_has_a_limit() -> None:
    limit: int = LIMITS["maxBytes"]
    found, _ = inspected(KEY, before=keeping(picture_of_length(limit)))
    assert found[0].digest == digest(picture_of_length(limit))
    assert inspected(KEY, before=keeping(picture_of_length(limit + 1))) == (TOO_LARGE, [])


# What is fetched.


class Web:
    """Stands in for the client: the only address that answers is the image's."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, answer: bytes | OutboundError | None) -> None:
        self.asked: list[tuple[object, ...]] = []
        self._answer = answer
        monkeypatch.setattr(input_images, "Outbound", self._client)

    def _client(self, *, allow_loopback: bool) -> "Web":
        self.asked.append((allow_loopback,))
        return self

    async def get(self, url: str, limit: int, seconds: float) -> bytes | None:
        self.asked.append((url, limit, seconds))
        if isinstance(self._answer, OutboundError):
            raise self._answer
        return self._answer


def test_image_is_fetched_from_public_addresses_if_the_settings_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    web = Web(monkeypatch, PNG)
    assert inspected(ELSEWHERE)[0][0].digest == ""
    assert web.asked == []
    found, _ = inspected(ELSEWHERE, fetch_images=True)
    assert found == (Input(digest(PNG), ELSEWHERE, "image/png", 768, 512),)
    assert web.asked == [(False,), (ELSEWHERE, LIMITS["maxBytes"], 10.0)]


def test_image_that_cannot_be_fetched_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    Web(monkeypatch, OutboundError("timed out"))
    expected = ("bad_image", "image cannot be downloaded: timed out", "schemes")
    assert inspected(ELSEWHERE, fetch_images=True)[0] == expected
    Web(monkeypatch, None)
    assert inspected(ELSEWHERE, fetch_images=True)[0] == TOO_LARGE


# Each limit.


@pytest.mark.parametrize("length", [LIMITS["maxBytes"], LIMITS["maxBytes"] + 1])
def test_size_in_bytes(length: int) -> None:
    found, _ = inspected(data_url(picture_of_length(length)))
    if length == LIMITS["maxBytes"]:
        assert found[0].digest == digest(picture_of_length(length))
    else:
        assert found == TOO_LARGE


def test_bytes_that_are_no_image_are_refused() -> None:
    found, _ = inspected(data_url(b"no image"))
    assert found[0] == RULES["mediaTypes"].error
    assert found[1].startswith("image: ")
    assert found[2] == "mediaTypes"
    assert inspected("data:image/png;base64,AA A!")[0][2] == "encoding"
    assert inspected(data_url(PNG[:-8]))[0][2] == "integrity"


def test_media_type_is_one_of_the_documented_ones() -> None:
    refused = [each for each in ("image/gif", "image/webp", "image/bmp") if each not in LIMITS["mediaTypes"]]
    for media_type in refused:
        found, _ = inspected(data_url(picture(media_type), media_type))
        expected = f"image must be one of {', '.join(LIMITS['mediaTypes'])}, got {media_type}"
        assert found == (RULES["mediaTypes"].error, expected, "mediaTypes")
    for media_type in LIMITS["mediaTypes"]:
        found, noted = inspected(data_url(picture(media_type), media_type))
        assert (found[0].media_type, noted) == (media_type, [])


def test_label_that_is_wrong_is_noted() -> None:
    for label, noted in (
        ("image/jpeg", ["image is labelled image/jpeg and is image/png"]),
        ("IMAGE/PNG", []),
        ("image/" + "x" * 40, [f"image is labelled image/{'x' * 29} and is image/png"]),
    ):
        assert inspected(data_url(PNG, label))[1] == noted
    assert inspected(data_url(PNG).replace("data:", "DATA:"))[1] == []
    # The name of a file is no label.
    assert inspected("oss://folder/a.jpg", before=lambda double: double.store.keep("oss://folder/a.jpg", PNG))[1] == []


SIDES = [
    (side, bound, LIMITS[f"{bound}{side}"] + step)
    for side in ("Width", "Height")
    for bound, away in (("min", -1), ("max", 1))
    for step in (0, away)
]


@pytest.mark.parametrize(("side", "bound", "pixels"), SIDES)
def test_size_in_pixels(side: str, bound: str, pixels: int) -> None:
    keyword = f"{bound}{side}"
    size = (pixels, 600) if side == "Width" else (600, pixels)
    found, noted = inspected(data_url(picture("image/png", *size)))
    if pixels == LIMITS[keyword]:
        assert ((found[0].width, found[0].height), noted) == (size, [])
        return
    word = "at least" if bound == "min" else "at most"
    detail = f"image {side.lower()} must be {word} {LIMITS[keyword]} pixels, got {pixels}"
    if keyword in LIMITS.get("advisory", ()):
        assert ((found[0].width, found[0].height), noted) == (size, [detail])
    else:
        assert found == (RULES[keyword].error, detail, keyword)


def test_limit_that_is_only_advised_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    keyword = "minWidth"
    small = data_url(picture("image/png", LIMITS[keyword] - 1, 600))
    detail = f"image width must be at least {LIMITS[keyword]} pixels, got {LIMITS[keyword] - 1}"
    monkeypatch.setitem(LIMITS, "advisory", [keyword])
    found, noted = inspected(small)
    assert (found[0].width, noted) == (LIMITS[keyword] - 1, [detail])
    monkeypatch.setitem(LIMITS, "advisory", ["maxWidth"])
    assert inspected(small) == ((RULES[keyword].error, detail, keyword), [])


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the functions that run in a thread."""
    found: list[str] = []

    async def in_turn(function: Any, *values: object) -> object:
        found.append(function.__name__)
        return function(*values)

    monkeypatch.setattr(input_images, "in_turn", in_turn)
    return found


def test_image_that_was_hashed_for_the_journal_is_not_hashed_again() -> None:
    async def run() -> list[Any]:
        double, seen, url = create_double(Settings(seed=1), CATALOG), trace(), data_url(PNG)
        seen.digests.append((url, "known"))
        found = await inspect(double, call(), job("nebula", "contents", images=(url, data_url(PNG))), seen)
        await double.store.close()
        return [each.digest for each in found]

    assert asyncio.run(run()) == ["known", hashlib.sha256(PNG).hexdigest()]


@pytest.mark.parametrize(("length", "in_thread"), [(2**18, 0), (2**18 + 1, 1)])
def test_long_data_url_is_decoded_in_a_thread(threads: list[str], length: int, in_thread: int) -> None:
    url = data_url(picture_of_length(180_000), "image/png;")
    url = url.replace(";;", f";{'x' * (length - len(url))};")
    assert len(url) == length
    inspected(url)
    assert threads.count("decode_data_url") == in_thread


@pytest.mark.parametrize(("length", "in_thread"), [(2**18, []), (2**18 + 1, ["header_and_digest"])])
def test_large_image_is_hashed_in_a_thread(threads: list[str], length: int, in_thread: list[str]) -> None:
    inspected(KEY, before=keeping(picture_of_length(length)))
    assert threads == in_thread
