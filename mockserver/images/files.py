"""The pictures that the double serves: those it made, under signed links that expire, and those uploaded to it."""

import asyncio
import hashlib
from functools import lru_cache
from urllib.parse import parse_qs, urlsplit

from qwenmock.mockserver.calls.double import Double
from qwenmock.mockserver.images.headers import Header, read_header
from qwenmock.mockserver.images.links import ACCESS_KEY_ID, PREFIX, Recipe
from qwenmock.mockserver.images.render import render

UPLOAD = "-"
"""What the token of an uploaded picture begins with; the digest follows."""
SUFFIXES = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/bmp": "bmp",
    "image/tiff": "tiff",
    "image/webp": "webp",
    "image/gif": "gif",
}


class BadLink(Exception):  # noqa: N818, a finding, no failure
    """A link is forged, has expired, or leads to nothing."""

    def __init__(self, reason: str, status: int = 403, *, is_expired: bool = False) -> None:
        super().__init__(reason)
        self.status = status
        self.is_expired = is_expired


async def serve_file(double: Double, path: str, query: str) -> tuple[bytes, str]:
    """Return bytes and media type of the file behind a link.

    Args:
        path: Percent-decoded, beginning with `/__files__/`.
        query: The query string as it came.

    Raises:
        BadLink: The link is not valid, or no longer.

    """
    token, slash, name = path.removeprefix(PREFIX).partition("/")
    stem, _, _ = name.partition(".")
    values = {key: found[0] for key, found in parse_qs(query).items()}
    expires = values.get("Expires", "")
    is_signed = double.links.is_signed(values.get("Signature", ""), token, name, expires)
    if not slash or "/" in name or values.get("OSSAccessKeyId") != ACCESS_KEY_ID or not is_signed:
        raise BadLink("The signature does not match")
    if double.clock.now() > int(expires):
        raise BadLink("Request has expired.", is_expired=True)
    if token.startswith(UPLOAD):
        data = await double.store.kept(token.removeprefix(UPLOAD))
        if data is None:
            raise BadLink("The picture is no longer kept here", 404)
        return data, read_header(data).media_type
    recipe = await double.links.recipe(token)
    if recipe is None:
        raise BadLink("The picture is no longer kept here", 404)
    inputs = tuple([await double.store.kept(digest) if digest else None for digest, *_ in recipe.inputs])
    if not inputs:
        return _rendered(recipe, int(stem), inputs), "image/png"
    return await asyncio.to_thread(_rendered, recipe, int(stem), inputs), "image/png"


@lru_cache(maxsize=64)
def _rendered(recipe: Recipe, index: int, inputs: tuple[bytes | None, ...]) -> bytes:
    return render(recipe, index, inputs)


async def own_file(double: Double, url: str, base_url: str) -> bytes | None:
    """Return the bytes behind a URL of the double's own; None for a URL that is somebody else's.

    Raises:
        BadLink: It is a link of the double's that is not valid.

    """
    if PREFIX not in url:
        return None
    parts = urlsplit(url)
    own = {urlsplit(base).netloc for base in (base_url, double.settings.public_url) if base}
    if parts.netloc not in own or not parts.path.startswith(PREFIX):
        return None
    data, _ = await serve_file(double, parts.path, parts.query)
    return data


async def upload(double: Double, data: bytes, base_url: str, suffix: str | None = None) -> tuple[str, Header]:
    """Keep a picture and return a link to it that works as an input image, and what it is.

    Args:
        suffix: What the link is to end in, instead of what fits the picture.

    Raises:
        NotAnImage: The bytes are no image.

    """
    header = read_header(data)
    digest = hashlib.sha256(data).hexdigest()
    await double.store.keep(digest, data)
    expires = str(int(double.clock.now()) + max(provider.link_lifetime for provider in double.catalog))
    base = double.settings.public_url or base_url
    return base + double.links.path(UPLOAD + digest, "0", suffix or SUFFIXES[header.media_type], expires), header
