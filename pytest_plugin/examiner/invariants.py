"""Checks of the invariants in `schemas/rules.toml`: how an answer's values agree with each other and with the request.

The values are found by the roles that the schemas give them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import parse_qs

from qwenmock.pytest_plugin.examiner import sample_images, sizes
from qwenmock.pytest_plugin.examiner.json_values import (
    as_object,
    as_text,
    integers,
    read_array,
    read_first,
    read_integer,
    read_number,
    read_string,
    read_url,
    texts,
)
from qwenmock.pytest_plugin.examiner.target import Reply
from qwenmock.schemas.models import Document, Provider, Variant
from qwenmock.schemas.vocabulary import JSON, select, subschema

SECONDS_DIGITS = 20
"""Digits of an expiry that are read: Python does not read numbers of any length."""


@dataclass(frozen=True, slots=True)
class Success:
    """A 200 and what it answers.

    Attributes:
        asked: The body that was sent.
        body: The answer.
        now: Unix seconds when it came.
        request_id: What the request is called in the ledger; None where nothing tells.

    """

    provider: Provider
    variant: Variant
    asked: JSON
    reply: Reply
    body: JSON
    now: float
    request_id: str | None

    @property
    def model(self) -> str:
        """The model that the request names, or the default one."""
        named = as_object(self.asked).get("model")
        path = self.variant.request.roles["model"][0]
        return as_text(subschema(self.variant.request.schema, path)["default"] if named is None else named)

    def values(self, role: str) -> list[JSON]:
        """Return the answer's values of a role, in order."""
        return role_values(self.variant.answer, role, self.body)

    def groups(self, role: str) -> list[list[JSON]]:
        """Return the answer's values of a role, those of each place by themselves."""
        return [select(self.body, path) for path in self.variant.answer.roles.get(role, ())]

    def strings(self, role: str) -> list[str]:
        """Return the answer's values of a role, which must be strings, or raise UnreadableAnswer."""
        return [read_string(value, role) for value in self.values(role)]

    def integers(self, role: str) -> list[int]:
        """Return the answer's values of a role, which must be integers, or raise UnreadableAnswer."""
        return [read_integer(value, role) for value in self.values(role)]

    def links(self) -> list[list[str]]:
        """Return the links to the images, those of each place by themselves, or raise UnreadableAnswer."""
        return [[read_string(value, "image_url") for value in group] for group in self.groups("image_url")]

    def request_values(self, role: str) -> list[JSON]:
        """Return the request's values of a role."""
        return role_values(self.variant.request, role, self.asked)


def role_values(document: Document, role: str, body: JSON) -> list[JSON]:
    """Return a document's values of a role, in order."""
    return document.values(role, body)


def broken_invariants(success: Success) -> Iterator[tuple[str, str]]:
    """Yield the name of each invariant that an answer breaks, and what it has instead; pictures are another matter."""
    content_type = success.reply.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/json":
        yield "content-type", f"Content-Type: {content_type}"
    statuses = success.values("http_status")
    if any(status != success.reply.status for status in statuses):
        yield "status", f"{statuses} in the body of a {success.reply.status}"
    yield from _counts(success)
    yield from _links(success)
    now = success.now
    for stated in success.values("created"):
        created = read_number(stated, "created")
        if abs(created - now) > success.variant.invariants["created"].tolerance:
            yield "created", f"{created}, {created - now:+.0f} seconds from now"
    yield from _sizes(success)


def image_counts(success: Success) -> list[int]:
    """Return the number of images from every place of the answer that states one."""
    lengths = [len(read_array(items, "images")) for items in success.values("images")]
    return [*lengths, *success.integers("image_count")]


def images_made(success: Success) -> int:
    """Return the number of images that an answer states, or raise UnreadableAnswer if it states none."""
    return read_integer(read_first([*image_counts(success)], "number of images"), "number of images")


def _counts(success: Success) -> Iterator[tuple[str, str]]:
    counts = image_counts(success)
    if len(set(counts)) > 1:
        yield "counts", f"{counts} images in different places"
    totals, failed = success.integers("total_count"), sum(success.integers("failed_count"))
    if totals and counts and totals[0] != counts[0] + failed:
        yield "counts", f"{totals[0]} in all, {counts[0]} succeeded and {failed} failed"
    asked = requested_count(success)
    if counts and max(counts) > asked:
        if success.request_values("n") or "default-count" not in success.variant.invariants:
            yield "requested-count", f"{max(counts)} images where {asked} were asked for"
        else:
            yield "default-count", f"{max(counts)} images where no number was asked for"


def pixels_of(success: Success) -> int:
    """Return how many pixels an image has: as requested, or else as stated, or else as no document contradicts."""
    asked = [size for text in texts(success.request_values("size")) if (size := sizes.read(text)) is not None]
    stated = list(zip(integers(success.values("width")), integers(success.values("height")), strict=False))
    width, height = next(iter([*asked, *stated]), (success.variant.picture.area, 1))
    return width * height


def requested_count(success: Success) -> int:
    """Return how many images the request asks for."""
    return next(iter(integers(success.request_values("n"))), default_count(success.variant))


def default_count(variant: Variant) -> int:
    """Return how many images a request is for that does not say so."""
    schemas = [subschema(variant.request.schema, path) for path in variant.request.roles.get("n", ())]
    return next((schema["default"] for schema in schemas if "default" in schema), 1)


def _links(success: Success) -> Iterator[tuple[str, str]]:
    groups = success.links()
    if any(group != groups[0] for group in groups):
        yield "same-links", f"{[len(group) for group in groups]} links that differ"
    for group in groups[:1]:
        if len(set(group)) != len(group):
            yield "distinct-links", f"{len(group) - len(set(group))} links twice"
    for url in success.strings("image_url"):
        expires = parse_qs(read_url(url, "image_url").query).get("Expires", [""])[0][:SECONDS_DIGITS]
        lifetime = success.provider.link_lifetime
        if (
            expires.isdecimal()
            and abs(int(expires) - success.now - lifetime) > success.variant.invariants["link-lifetime"].tolerance
        ):
            yield "link-lifetime", f"a link that expires in {int(expires) - success.now:.0f} s, not {lifetime} s"
            return


def _sizes(success: Success) -> Iterator[tuple[str, str]]:
    widths, heights = success.values("width"), success.values("height")
    if not widths or not heights:
        return
    stated = f"{widths[0]}*{heights[0]}"
    asked = success.request_values("size")
    if asked:
        if sizes.read(as_text(asked[0])) != (widths[0], heights[0]):
            yield "requested-size", f"expected {asked[0]}, got {stated}"
        return
    expected = default_size(success)
    if expected is not None and (widths[0], heights[0]) != expected:
        yield "default-size", f"expected {expected[0]}*{expected[1]}, got {stated}"


def default_size(success: Success) -> tuple[int, int] | None:
    """Return the expected size of a request without one; None if no document says, or the last input is elsewhere."""
    inputs = texts(success.request_values("image"))
    picture = success.variant.picture
    if not inputs and picture.text_area is not None:
        side = max(1, round(picture.text_area**0.5 / picture.multiple)) * picture.multiple
        return side, side
    if not inputs or not inputs[-1].startswith("data:"):
        return None
    size = sample_images.size_of(inputs[-1])
    scale = (picture.area / (size[0] * size[1])) ** 0.5
    width, height = (max(1, round(side * scale / picture.multiple)) * picture.multiple for side in size)
    return width, height


def effective_text(success: Success, role: str) -> str:
    """Return the prompt, or the negative one, that a request's pictures are made from."""
    document = success.variant.request
    for path in document.roles.get(role, ()):
        for prompt in texts(select(success.asked, path)):
            return prompt[: subschema(document.schema, path).get("x-truncate")]
    return ""


def broken_pictures(success: Success, pictures: list[Reply]) -> Iterator[tuple[str, str]]:
    """Yield what the pictures behind an answer's links break."""
    widths, heights = success.values("width"), success.values("height")
    for reply in pictures:
        if reply.status != 200:
            yield "picture-format", f"status {reply.status}"
            continue
        content_type = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
        if content_type != "image/png":
            yield "picture-type", f"Content-Type: {content_type}"
        try:
            size = sample_images.read_png(reply.body)
        except ValueError as error:
            yield "picture-format", str(error)
            continue
        texts = sample_images.png_text(reply.body)
        for role in ("prompt", "negative_prompt"):
            drawn = texts.get(role)
            if drawn is not None and drawn != effective_text(success, role):
                yield "effective-prompt", f"a picture made from the {role} {drawn[:80]!r}, of {len(drawn)} characters"
        if widths and heights and size != (widths[0], heights[0]):
            yield "picture-size", f"a picture of {size[0]}x{size[1]} under a statement of {widths[0]}x{heights[0]}"
