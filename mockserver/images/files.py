"""The image files behind signed links: generated ones, drawn when they are fetched, and uploaded ones."""

import asyncio
import hashlib
from collections import OrderedDict
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from qwenmock.mockserver.clock import Clock
from qwenmock.mockserver.images.headers import Buffer, Header, read_header
from qwenmock.mockserver.images.links import ACCESS_KEY_ID, NEVER_VALID, PREFIX, Links, Recipe
from qwenmock.mockserver.images.render import render
from qwenmock.mockserver.store.protocols import Store

UPLOAD = "-"
"""First character of an uploaded image's token; the digest follows."""
MAX_RENDERED_BYTES = 32 * 2**20
SUFFIXES = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/bmp": "bmp",
    "image/tiff": "tiff",
    "image/webp": "webp",
    "image/gif": "gif",
}


class BadLink(Exception):  # noqa: N818, a finding, not a failure
    """A link is forged, has expired, or refers to a file that does not exist.

    Attributes:
        status: HTTP status of the answer.
        is_expired: Whether the link was valid before.

    """

    def __init__(self, reason: str, status: int = 403, *, is_expired: bool = False) -> None:
        super().__init__(reason)
        self.status = status
        self.is_expired = is_expired


def header_and_digest(data: Buffer, digest: str | None = None) -> tuple[Header, str]:
    """Return the header of an image file and what it is kept under.

    Args:
        data: The file.
        digest: What it is kept under, if that is known.

    Raises:
        NotAnImage: It has no readable header.

    """
    return read_header(data), digest or hashlib.sha256(data).hexdigest()


class RenderedImages:
    """The images that were drawn last, up to `MAX_RENDERED_BYTES`."""

    def __init__(self) -> None:
        self._images: OrderedDict[tuple[Recipe, int, tuple[bool, ...]], bytes] = OrderedDict()
        self._size = 0

    async def get(self, recipe: Recipe, index: int, inputs: tuple[bytes | None, ...]) -> bytes:
        """Return an image, drawn in another thread unless it is still known."""
        # The recipe has the digests of the inputs: their bytes must not stay in memory with the key.
        key = recipe, index, tuple(data is not None for data in inputs)
        found = self._images.get(key)
        if found is not None:
            self._images.move_to_end(key)
            return found
        drawn = await asyncio.to_thread(render, recipe, index, inputs)
        if key not in self._images:
            self._images[key] = drawn
            self._size += len(drawn)
            while self._size > MAX_RENDERED_BYTES:
                self._size -= len(self._images.popitem(last=False)[1])
        return drawn


@dataclass(frozen=True)
class Files:
    """Reads and keeps image files.

    Attributes:
        public_url: What links begin with; None for the address that the request came to.
        upload_seconds: How long links to uploaded images are valid.
        rendered: The images that were drawn last.

    """

    store: Store
    clock: Clock
    links: Links
    public_url: str | None
    upload_seconds: int
    rendered: RenderedImages = field(default_factory=RenderedImages)

    async def read(self, path: str, query: str) -> tuple[bytes, str]:
        """Return bytes and media type of the file behind a link.

        Args:
            path: Percent-decoded, beginning with `/__files__/`.
            query: The raw query string.

        Raises:
            BadLink: The link is not valid, or no longer.

        """
        token, stem = self._verified(path, query)
        if token.startswith(UPLOAD):
            data = await self.store.kept(token.removeprefix(UPLOAD))
            if data is None:
                raise BadLink("The picture is no longer kept here", 404)
            return data, read_header(data).media_type
        recipe = await self.links.recipe(token)
        if recipe is None:
            raise BadLink("The picture is no longer kept here", 404)
        inputs = tuple([await self.store.kept(digest) if digest else None for digest, *_ in recipe.inputs])
        return await self.rendered.get(recipe, int(stem), inputs), "image/png"

    def _verified(self, path: str, query: str) -> tuple[str, str]:
        """Return the token and the stem of the file name in a link whose signature and expiry are right."""
        token, slash, name = path.removeprefix(PREFIX).partition("/")
        stem, _, _ = name.partition(".")
        values = {key: found[0] for key, found in parse_qs(query).items()}
        expires = values.get("Expires", "")
        is_signed = self.links.is_signed(values.get("Signature", ""), token, name, expires)
        if not slash or "/" in name or values.get("OSSAccessKeyId") != ACCESS_KEY_ID or not is_signed:
            raise BadLink("The signature does not match")
        if self.clock.now() > int(expires):
            raise BadLink("Request has expired.", is_expired=int(expires) != NEVER_VALID)
        return token, stem

    async def read_url(self, url: str, base_url: str) -> bytes | None:
        """Return the bytes behind a URL of this server; None for any other URL.

        Args:
            url: Absolute.
            base_url: Scheme and host that the request came to.

        Raises:
            BadLink: It is a link of this server that is not valid.

        """
        if PREFIX not in url:
            return None
        parts = urlsplit(url)
        hosts = {urlsplit(base).netloc for base in (base_url, self.public_url) if base}
        if parts.netloc not in hosts or not parts.path.startswith(PREFIX):
            return None
        data, _ = await self.read(parts.path, parts.query)
        return data

    async def upload(self, data: bytes, base_url: str, suffix: str | None = None) -> tuple[str, Header]:
        """Keep an image; return a link to it that works as an input image, and its header.

        Args:
            data: The image file.
            base_url: Scheme and host that the request came to.
            suffix: Suffix of the file name in the link; None for the usual one of the media type.

        Raises:
            NotAnImage: The bytes are not an image.

        """
        # In a thread: 16 MB take 20 ms, and hashing lets other requests go on.
        header, digest = await asyncio.to_thread(header_and_digest, data)
        await self.store.keep(digest, data)
        expires = str(int(self.clock.now()) + self.upload_seconds)
        path = self.links.path(UPLOAD + digest, "0", suffix or SUFFIXES[header.media_type], expires)
        return (self.public_url or base_url) + path, header
