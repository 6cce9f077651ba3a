"""Images at the limits of format, size and length, and addresses of images."""

from qwenmock.pytest_plugin.examiner import sample_images
from qwenmock.pytest_plugin.examiner.boundaries.values import Values
from qwenmock.pytest_plugin.examiner.results import Side
from qwenmock.schemas.models import Rule
from qwenmock.schemas.vocabulary import JSON, Schema

ADDRESSES = (
    "https://example.com/image1.png?Expires=1&Signature=a%2Fb%3D",
    "https://example.com:8443/a/b/IMAGE.PNG",
    "https://example.com/download",
)
"""URLs that are valid, although they do not look like that of an image."""


def schemes(subschema: Schema, _rule: Rule) -> Values:
    """Return image URLs of every scheme."""
    known = subschema["x-image"]["schemes"]
    data = sample_images.picture_url()
    urls = {
        "http": sample_images.SAMPLES[1],
        "https": sample_images.SAMPLES[0],
        "data": data,
        "oss": "oss://example/image1.png",
    }
    refused = ["ftp://example.com/image1.png", "file:///etc/passwd", "image1.png", "//example.com/image1.png", ""]
    refused += [data.partition(",")[2], "https//example.com/image1.png", "https://", "javascript:alert(1)"]
    accepted = [urls[scheme] for scheme in known if scheme != "oss"]  # oss needs an upload first
    return [*accepted, *ADDRESSES], [*refused, *(url for scheme, url in urls.items() if scheme not in known)]


def _sent(subschema: Schema, *urls: str) -> list[JSON]:
    """Return images in the form that the place accepts: as data URLs, or as URLs that are hosted later."""
    return [url if "data" in subschema["x-image"]["schemes"] else sample_images.hosted_url(url) for url in urls]


def media_types(subschema: Schema, _rule: Rule) -> Values:
    """Return images of every format, also under wrong labels."""
    known = subschema["x-image"]["mediaTypes"]
    accepted = [sample_images.picture_url(media_type) for media_type in known]
    # The bytes decide, not the label.
    accepted.append(sample_images.data_url(sample_images.picture("image/jpeg"), "image/png"))
    refused = [sample_images.picture_url(other) for other in sample_images.FORMATS if other not in known]
    if "data" not in subschema["x-image"]["schemes"]:
        return _sent(subschema, *accepted), _sent(subschema, *refused)
    refused += [
        sample_images.data_url(sample_images.picture(other)) for other in sample_images.FORMATS if other not in known
    ]
    svg = b'<svg xmlns="http://www.w3.org/2000/svg" width="512" height="512"/>'
    refused += [
        sample_images.data_url(b"this is a text file, whatever its name says\n" * 20),
        sample_images.data_url(svg, "image/svg+xml"),
    ]
    refused += [sample_images.data_url(b"%PDF-1.7\n" + bytes(400), "image/png"), sample_images.data_url(bytes(400))]
    return list(accepted), list(refused)


def side(subschema: Schema, rule: Rule) -> Values:
    """Return images with a side at and beyond its limit."""
    limit = rule.number
    beyond = limit - 1 if rule.keyword.startswith("min") else limit + 1
    spec = subschema["x-image"]
    other = spec["minWidth"] + 128

    wide = rule.keyword.endswith("Width")

    def sized(side: int, beside: int = other) -> tuple[int, int]:
        return (side, beside) if wide else (beside, side)

    def pictures(side: int) -> list[JSON]:
        kinds = [kind for kind in spec["mediaTypes"] if side < 2048 or kind in {"image/png", "image/jpeg"}]
        return _sent(subschema, *(sample_images.picture_url(kind, *sized(side)) for kind in kinds))

    far = 1 if rule.keyword.startswith("min") else 4 * limit
    refused = [*pictures(beyond), *_sent(subschema, sample_images.picture_url("image/png", *sized(far)))]
    if rule.keyword in subschema["x-image"].get("advisory", ()):
        return [*pictures(limit), *refused], []
    accepted = pictures(limit)
    if rule.keyword.startswith("min"):
        # No document limits the ratio: the smallest side beside the largest is valid.
        longest = spec["maxHeight" if wide else "maxWidth"]
        accepted += _sent(subschema, sample_images.picture_url("image/png", *sized(limit, longest)))
    return accepted, refused


def max_bytes(subschema: Schema, rule: Rule) -> Values:
    """Return images of the longest length, and one byte longer."""
    longest = rule.number
    accepted = sorted({subschema["x-image"].get("surelyAcceptedBytes", longest), longest})
    return (
        _sent(subschema, *map(sample_images.url_of_length, accepted)),
        _sent(subschema, sample_images.url_of_length(longest + 1)),
    )


def encoding(_subschema: Schema, _rule: Rule) -> Values:
    """Return data URLs that are well encoded, and some that are not."""
    good = sample_images.picture_url()
    head, _, text = good.partition(",")
    middle = len(text) // 2
    refused = [
        f"{head},{text[:middle]}!{text[middle + 1 :]}",
        f"{head},{text[:-1]}",
        f"{head},%%%%",
        f"{head.removesuffix(';base64')},{text}",
        head,
        f"{head},{text[:middle]} {text[middle:]}",
    ]
    return [good], list(refused)


def integrity(subschema: Schema, _rule: Rule) -> Values:
    """Return images that are whole, and cut off."""
    kinds = [
        kind
        for kind in subschema["x-image"]["mediaTypes"]
        if kind in {"image/png", "image/jpeg", "image/webp", "image/bmp"}
    ]
    whole = {kind: sample_images.picture(kind) for kind in kinds}
    if "data" not in subschema["x-image"]["schemes"]:
        return _sent(subschema, sample_images.picture_url()), []  # a target does not host a damaged image
    return (
        [sample_images.data_url(data, kind) for kind, data in whole.items()],
        [sample_images.data_url(data[: len(data) * 2 // 3], kind) for kind, data in whole.items()],
    )


PLAIN_URLS = frozenset(sample_images.picture_url(kind) for kind in sample_images.FORMATS)
"""Images with the right media type."""


def is_assumed(subschema: Schema, tried: Side, value: JSON) -> bool:
    """Return whether no document says how this image is answered.

    That the bytes decide and not the label, and the value of "10 MB" between its two readings, are assumptions.
    """
    if not isinstance(value, str):
        return False
    data = sample_images.HOSTED.get(value, value)
    label = data[5:100].partition(";")[0]
    if tried == "accept":
        longest = subschema["x-image"].get("surelyAcceptedBytes", subschema["x-image"]["maxBytes"])
        small = len(data) < 10**6
        return data not in PLAIN_URLS if small else len(data) * 3 // 4 > longest + 100
    return len(data) < 10**6 and not (data in PLAIN_URLS and label in sample_images.FORMATS)
