"""Signed links: what is in them, and that none can be forged."""

import asyncio
import base64
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest
from call_values import job

from qwenmock.mockserver.images.links import LONGEST_TOKEN, Links, Recipe, access_denied, recipe_of, unread_recipe
from qwenmock.mockserver.models import Input, Job
from qwenmock.schemas.catalog import load

SECRET = b"a secret of 32 bytes, for tests."
BASE = "http://mock.example"
RECIPE = Recipe("qwen-image-plus", "a cat", "", 7, 640, 480, 2, "mark", "id", (("d", "http://a.example", 1, 2),))


class Blobs:
    """The part of the store that links use."""

    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}

    async def keep(self, digest: str, data: bytes) -> None:
        self.content[digest] = data

    async def kept(self, digest: str) -> bytes | None:
        return self.content.get(digest)


@pytest.fixture
def blobs() -> Blobs:
    return Blobs()


@pytest.fixture
def links(blobs: Blobs) -> Links:
    return Links(SECRET, blobs)  # type: ignore[arg-type]


def made(links: Links, recipe: Recipe = RECIPE) -> list[str]:
    return asyncio.run(links.make(recipe, BASE, 1000))


def parts_of(url: str) -> tuple[str, str, str, str]:
    """Return token, name, expiry and signature."""
    split = urlsplit(url)
    _, folder, token, name = split.path.split("/")
    assert folder == "__files__"
    query = {name: values[0] for name, values in parse_qs(split.query, strict_parsing=True).items()}
    assert query.keys() == {"Expires", "OSSAccessKeyId", "Signature"}
    assert query["OSSAccessKeyId"] == "qwenmock"
    return token, name, query["Expires"], query["Signature"]


def test_one_link_for_each_image(links: Links) -> None:
    urls = made(links)
    assert all(url.startswith(f"{BASE}/__files__/") for url in urls)
    assert [parts_of(url)[1:3] for url in urls] == [("0.png", "1000"), ("1.png", "1000")]
    for url in urls:
        token, name, expires, signature = parts_of(url)
        assert links.is_signed(signature, token, name, expires)
        assert asyncio.run(links.recipe(token)) == RECIPE


@pytest.mark.parametrize("length", range(6))
def test_recipe_of_any_length_is_read_again(links: Links, length: int) -> None:
    recipe = RECIPE._replace(prompt="c" * length)
    assert asyncio.run(links.recipe(parts_of(made(links, recipe)[0])[0])) == recipe


def test_signature_is_encoded_for_a_query(links: Links) -> None:
    signatures = [parts_of(made(links, RECIPE._replace(seed=seed))[0])[3] for seed in range(60)]
    assert {character for text in signatures for character in text if not character.isalnum()} == {"+", "/", "="}
    assert {len(base64.b64decode(text)) for text in signatures} == {20}


def test_every_changed_character_is_noticed(links: Links) -> None:
    token, name, expires, signature = parts_of(made(links)[0])
    for place in range(4):
        good = [token, name, expires, signature]
        for index in range(len(good[place])):
            bad = list(good)
            text = bad[place]
            bad[place] = text[:index] + ("A" if text[index] != "A" else "B") + text[index + 1 :]
            assert not links.is_signed(bad[3], *bad[:3]), (place, index)
    assert not links.is_signed("", token, name, expires)
    assert not links.is_signed("é" + signature, token, name, expires)
    assert not links.is_signed(signature, token + name, expires)
    assert not Links(b"another secret", Blobs()).is_signed(signature, token, name, expires)  # type: ignore[arg-type]


def test_long_recipe_is_kept_in_the_store(links: Links, blobs: Blobs) -> None:
    base = RECIPE._replace(prompt="")
    room = LONGEST_TOKEN * 3 // 4 - len(base.dump())
    [short, long] = [made(links, base._replace(prompt="c" * length))[0] for length in (room, room + 1)]
    assert len(parts_of(short)[0]) == LONGEST_TOKEN == 1500
    token = parts_of(long)[0]
    assert token.startswith("~")
    assert list(blobs.content) == [token[1:]]
    assert asyncio.run(links.recipe(token)) == base._replace(prompt="c" * (room + 1))
    blobs.content.clear()
    assert asyncio.run(links.recipe(token)) is None


def test_recipe_of_a_job() -> None:
    provider = load()["nebula"]
    variant = provider.variants["contents"]
    job = Job(provider, variant, "m", "p", "np", 2, None, None, True, True, (), None)
    image = Input("digest", "https://a.example/" + "x" * 300, "image/png", 5, 6)
    recipe = recipe_of(job, [image], 9, (640, 480), "id")
    assert recipe == Recipe(
        "m", "p", "np", 9, 640, 480, 2, provider.picture.watermark, "id", (("digest", image.url[:200], 5, 6),)
    )
    assert provider.picture.watermark
    assert recipe_of(job._replace(watermark=False), [], 9, (640, 480), "id").watermark == ""


def test_refusal_is_xml_without_markup_of_the_client() -> None:
    xml = access_denied("Request has expired.", "id", "/__files__/<script>&").decode()
    assert "<Message>Request has expired.</Message>" in xml
    assert "<Resource>/__files__/&lt;script&gt;&amp;</Resource>" in xml


@pytest.mark.parametrize(("watermark", "text"), [(True, "Qwen-Image"), (False, "")])
def test_recipe_of_inputs_that_were_not_read(watermark: bool, text: str) -> None:
    found = unread_recipe(job(watermark=watermark, images=("https://a.example/x",)), 7, (640, 480), "id")
    model, *values = orjson.loads(found)
    assert model == job().model
    assert values == ["a cat", "", 7, 640, 480, 1, text, "id", [["", "https://a.example/x", 1024, 1024]]]
