"""The input images of a request: read if they are on this server, and checked against their limits.

A URL that leads elsewhere is fetched only with `--fetch-images`. A URL of this server, for an image that it made or
that was uploaded to it, is resolved and checked like a data URL.
"""

from collections.abc import Mapping

from qwenmock.mockserver.api_error import ApiError
from qwenmock.mockserver.calls.call import Call, Trace
from qwenmock.mockserver.calls.double import Double
from qwenmock.mockserver.calls.large_bodies import LARGE, in_turn
from qwenmock.mockserver.images import uploads
from qwenmock.mockserver.images.files import BadLink, header_and_digest
from qwenmock.mockserver.images.headers import Buffer, Header, NotAnImage, decode_data_url
from qwenmock.mockserver.images.links import PREFIX
from qwenmock.mockserver.models import Input, Job
from qwenmock.mockserver.net.guarded_client import Outbound, OutboundError
from qwenmock.schemas.models import Provider, Rule
from qwenmock.schemas.vocabulary import Schema

FETCH_SECONDS = 10.0


async def inspect(double: Double, call: Call, job: Job, trace: Trace) -> tuple[Input, ...]:
    """Return the input images of a job.

    Raises:
        ApiError: One is not an image, or breaks a limit.

    """
    if not job.images:
        return ()
    spec, rules = job.variant.request.image_terms
    return tuple(
        [
            await _inspected(double, call, url, spec, rules, trace)
            if double.settings.fetch_images or may_be_local(url)
            else unread(job.provider, url)
            for url in job.images
        ]
    )


def may_be_local(url: str) -> bool:
    """Return whether an image may be on this server, or is in the URL itself."""
    return url[:5].lower() == "data:" or PREFIX in url or url.startswith(uploads.SCHEME)


def unread(provider: Provider, url: str) -> Input:
    """Return an input of which only the URL is known."""
    picture = provider.picture
    return Input("", url, "", picture.unseen_width, picture.unseen_height)


async def _inspected(
    double: Double, call: Call, url: str, spec: Schema, rules: Mapping[str, Rule], trace: Trace
) -> Input:
    try:
        data = await _bytes_of(double, call, url, spec, rules)
        if data is None:
            return unread(call.provider, url)
        read, known = header_and_digest, trace.known_digest(url)
        header, digest = read(data, known) if len(data) <= LARGE else await in_turn(read, data, known)
    except NotAnImage as error:
        raise _bad(rules[error.keyword], f"image: {error.reason}") from error
    _check(header, spec, rules, trace)
    await double.store.keep(digest, data)
    is_data = url[:5].lower() == "data:"
    if is_data and not url[5:100].lower().startswith(header.media_type):
        trace.advisories.append(f"image is labelled {url[5:40].partition(';')[0]} and is {header.media_type}")
    return Input(
        digest=digest,
        url="" if is_data else url,
        media_type=header.media_type,
        width=header.width,
        height=header.height,
    )


async def _bytes_of(double: Double, call: Call, url: str, spec: Schema, rules: Mapping[str, Rule]) -> Buffer | None:
    """Return the bytes of an image; None for a URL that leads elsewhere and is not fetched."""
    max_bytes: int = spec["maxBytes"]
    if url[:5].lower() == "data:":
        decode = decode_data_url
        data = decode(url, max_bytes) if len(url) <= LARGE else await in_turn(decode, url, max_bytes)
        if data is None or len(data) > max_bytes:
            raise _too_large(rules)
        return data
    if url.startswith(uploads.SCHEME):
        return await _uploaded(double, call, url, max_bytes, rules)
    try:
        found = await double.files.read_url(url, call.base_url)
    except BadLink as error:
        raise _bad(rules["schemes"], f"image cannot be downloaded: {error}") from error
    if found is not None:
        if len(found) > max_bytes:
            raise _too_large(rules)
        return found
    return await _fetched(url, max_bytes, rules) if double.settings.fetch_images else None


async def _uploaded(double: Double, call: Call, url: str, max_bytes: int, rules: Mapping[str, Rule]) -> bytes:
    data = await double.store.kept(url)
    header = double.dialects[call.provider.slug].resolve_header
    if data is None or (header is not None and call.header(header).lower() != "enable"):
        reason = "nothing was uploaded there" if data is None else f"expected the header {header}: enable"
        raise _bad(rules["schemes"], f"image cannot be downloaded: {reason}")
    if len(data) > max_bytes:
        raise _too_large(rules)
    return data


async def _fetched(url: str, max_bytes: int, rules: Mapping[str, Rule]) -> bytes:
    try:
        data = await Outbound(allow_loopback=False).get(url, max_bytes, FETCH_SECONDS)
    except OutboundError as error:
        raise _bad(rules["schemes"], f"image cannot be downloaded: {error}") from error
    if data is None:
        raise _too_large(rules)
    return data


def _too_large(rules: Mapping[str, Rule]) -> ApiError:
    return _bad(rules["maxBytes"], f"image must have at most {rules['maxBytes'].value} bytes")


def _check(header: Header, spec: Schema, rules: Mapping[str, Rule], trace: Trace) -> None:
    if header.media_type not in spec["mediaTypes"]:
        expected = ", ".join(spec["mediaTypes"])
        raise _bad(rules["mediaTypes"], f"image must be one of {expected}, got {header.media_type}")
    for side, size in (("Width", header.width), ("Height", header.height)):
        for keyword, word, broken in (
            (f"min{side}", "at least", size < spec[f"min{side}"]),
            (f"max{side}", "at most", size > spec[f"max{side}"]),
        ):
            if not broken:
                continue
            detail = f"image {side.lower()} must be {word} {spec[keyword]} pixels, got {size}"
            if keyword not in spec.get("advisory", ()):
                raise _bad(rules[keyword], detail)
            trace.advisories.append(detail)


def _bad(rule: Rule, detail: str) -> ApiError:
    return ApiError(rule.error, detail, rule)
