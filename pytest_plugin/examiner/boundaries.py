"""Both sides of every rule: changes to a valid body after which one rule is just kept, or just broken.

An `Edit` is a change, not a body, so that it can be made to the smallest valid body and to a random one alike. What
it does to the other rules is not promised here: the judge looks at the finished body, and drops it where more breaks
than was meant.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import TypeAlias, cast

from qwenmock.pytest_plugin.examiner import sample_images
from qwenmock.pytest_plugin.examiner.bodies import at, parts, put, smallest, take
from qwenmock.pytest_plugin.examiner.results import Side
from qwenmock.schemas.catalog import load
from qwenmock.schemas.models import Provider, Rule, Variant
from qwenmock.schemas.vocabulary import JSON, Path, Schema, subschema

FULL_WIDTH = str.maketrans("0123456789*x", "０１２３４５６７８９＊ｘ")
ARABIC_INDIC = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")
WIDE = "\N{GRINNING FACE}"
"""One code point, two UTF-16 units, four bytes: whoever counts the wrong thing miscounts it."""
LINES = 'A cat,\n\tand "a dog" \\ <b>both</b> at 100 %'
LONG = "A very long story of a cat. " * 120
"""Longer than any limit on a text that a document names; where none is named, there is none."""


@dataclass(frozen=True, slots=True)
class Edit:
    """A change that keeps or breaks one rule.

    Attributes:
        note: What is put there, in a few words.
        change: From a valid body to the body to send.
        assumed: Whether nobody says what happens with this very value, however sure the rule is.
        may_break_others: Whether rules of the same error break with it, because it cannot be had otherwise.
        possibly_billable: Whether a real server may well take it, and bill it: such is not tried on a live target.

    """

    rule: Rule
    side: Side
    note: str
    change: Callable[[JSON], JSON]
    assumed: bool = False
    may_break_others: bool = False
    possibly_billable: bool = False


def edits_of(provider: Provider, variant: Variant, rule: Rule) -> list[Edit]:
    """Return the edits for one rule, in the order in which a small profile tries them."""
    schema = variant.request.schema
    if rule.keyword == "required":
        return [
            Edit(rule, "accept", "there", lambda body: put(schema, body, rule.path, at(schema, body, rule.path))),
            Edit(rule, "reject", "missing", lambda body: take(schema, body, rule.path)),
        ]
    if rule.keyword == "not":
        values: list[JSON] = [{}, _forbidden(variant, rule), [], "x", 1, True]
        accepted = Edit(rule, "accept", "absent", lambda body: body)
        edits = [accepted, *(_put(schema, rule, "reject", value) for value in values)]
        if rule.path[-2:-1] == ("*",):
            # An item of its own is how a client would send it.
            item = {rule.path[-1]: values[1]}
            edits.append(_among(schema, rule, rule.path[:-2], item, slice(0), slice(None), may_break_others=True))
        return edits
    owner = subschema(schema, rule.path)
    keyword = rule.keyword if "." not in rule.keyword else "parts." + rule.keyword.partition(".")[2]
    if "x-callback" in owner and keyword == "schemes":
        keyword = "callback.schemes"
    accepted, refused = _VALUES[keyword](owner, rule)
    if rule.path[-1:] == ("*",) and "x-parts" in subschema(schema, rule.path[:-1]):
        return _part_edits(schema, rule, accepted, refused)
    edits = [_put(schema, rule, "reject", value) for value in refused]
    if rule.keyword == "enum":
        edits[1:1] = _of_others(provider, schema, rule)
    return [*(_put(schema, rule, "accept", value) for value in accepted), *edits]


def _put(schema: Schema, rule: Rule, side: Side, value: JSON) -> Edit:
    of_picture = rule.keyword in {"mediaTypes", "maxBytes"}
    assumed = value == LONG or (of_picture and _is_assumed(subschema(schema, rule.path), side, value))
    return Edit(rule, side, describe(value), lambda body: put(schema, body, rule.path, value), assumed)


def _of_others(provider: Provider, schema: Schema, rule: Rule) -> list[Edit]:
    """Put what other documents list in this place. Another's model may be sold here too, whatever the list says."""
    owner = subschema(schema, rule.path)
    is_model = owner.get("x-role") == "model"
    own = {*owner["enum"], *(provider.models if is_model else ())}
    others = [value for value in _listed(owner.get("x-role", "")) if value not in own]
    return [replace(_put(schema, rule, "reject", value), possibly_billable=is_model) for value in others]


@cache
def _listed(role: str) -> tuple[JSON, ...]:
    """Return what any provider of the built-in catalogue lists for a role."""
    schemas = [variant.request for provider in load() for variant in provider.variants.values()]
    owners = [subschema(document.schema, path) for document in schemas for path in document.roles.get(role, ())]
    return tuple(dict.fromkeys(value for owner in owners for value in owner.get("enum", ())))


def _is_assumed(owner: Schema, side: Side, value: str) -> bool:
    """Tell whether a picture is one on which the documents are silent.

    That the bytes decide and not the label, and what "10 MB" means between its two readings, was decided here.
    """
    data: str = sample_images.HOSTED.get(value, value)
    label = data[5:].partition(";")[0]
    if side == "accept":
        longest = owner["x-image"].get("surelyAcceptedBytes", owner["x-image"]["maxBytes"])
        small = len(data) < 10**6
        return data not in PLAIN_URLS if small else len(data) * 3 // 4 > longest + 100
    return len(data) < 10**6 and not (data in PLAIN_URLS and label in sample_images.FORMATS)


def _part_edits(schema: Schema, rule: Rule, accepted: list[JSON], refused: list[JSON]) -> list[Edit]:
    """Put parts where they leave the counts and the order alone: before the others, or instead of some of them."""
    array = rule.path[:-1]
    members = subschema(schema, array)["x-parts"]
    edits = [_put(schema, rule, "accept", value) for value in accepted]
    nothing, everything = slice(0), slice(None)
    for value in refused:
        if isinstance(value, dict) and members.keys() <= cast(dict[str, JSON], value).keys():
            edits += [
                _among(schema, rule, array, value, nothing, nothing),
                _among(schema, rule, array, value, slice(-1), nothing),
                _among(schema, rule, array, value, nothing, slice(1, None), may_break_others=True),
            ]
        else:
            edits.append(_among(schema, rule, array, value, nothing, everything))
    return edits


def _among(
    schema: Schema, rule: Rule, array: Path, value: JSON, before: slice, after: slice, *, may_break_others: bool = False
) -> Edit:
    """Put an item between some of those that are there."""

    def change(body: JSON) -> JSON:
        present = at(schema, body, array)
        return put(schema, body, array, [*present[before], value, *present[after]])

    return Edit(rule, "reject", describe(value), change, may_break_others=may_break_others)


def describe(value: JSON) -> str:
    """Return a value in a few words."""
    text = ascii(value)
    return text if len(text) <= 70 else f"{text[:60]}… ({len(text)} characters)"


def _forbidden(variant: Variant, rule: Rule) -> JSON:
    """Return what a client would put into the member that must not be there."""
    name = rule.path[-1]
    likely: dict[str, JSON] = {
        "image": sample_images.picture_url(),
        "contents": [{"role": "user", "parts": [{"image": sample_images.picture_url()}, {"text": "a cat"}]}],
        "parameters": {"size": "1328*1328"},
        "size": "1024*1024",
        "n": 1,
        "prompt_extend": True,
    }
    return likely.get(name, variant.name)


Values: TypeAlias = tuple[list[JSON], list[JSON]]
"""What is accepted and what is refused, in one place of a body."""


OF_A_KIND = frozenset({"enum", "const", "pattern", "format", "x-image", "x-size", "x-callback"})
"""Keywords of texts that are not for people."""


def _type(owner: Schema, _rule: Rule) -> Values:
    kind = owner["type"]
    good = smallest(owner)
    if kind == "integer":
        whole = float(owner.get("minimum", good))
        return [good, whole], [str(good), whole + 0.5, True, None, [good], ""]
    if kind == "string":
        # A text that is nothing but one: any characters, and no length but what is said.
        more = [] if OF_A_KIND & owner.keys() else [LINES, LONG]
        return [good, *more], [1, None, True, [good], {}, {"url": good}]
    if kind == "boolean":
        return [True, False], ["true", "false", 1, 0, None, ""]
    if kind == "object":
        return [good], [[], [good], "x", None, 1, json.dumps(good)]
    if kind == "array":
        return [good], [{}, "x", None, {"0": good}, *good[:1], json.dumps(good)]
    return [good], ["x"]


def _enum(owner: Schema, _rule: Rule) -> Values:
    accepted: list[JSON] = list(owner["enum"])
    refused: list[JSON] = []
    for value in cast(list[str], accepted):
        refused += near_misses(value)
    return accepted, [value for value in dict.fromkeys(refused) if value not in accepted]


def _const(owner: Schema, _rule: Rule) -> Values:
    value = owner["const"]
    others = (
        [*near_misses(value), *({"user": ["assistant", "system"]}.get(value, ()))] if isinstance(value, str) else []
    )
    return [value], others


def near_misses(value: str) -> list[str]:
    """Return strings that are nearly the one: another separator, digits of another script, blanks, letter case."""
    candidates = [
        value.replace("*", "x"),
        value.replace("*", "×"),
        value.replace("*", "X"),
        value.replace("*", "-"),
        value + " ",
        " " + value,
        value + "\n",
        value.replace("*", " * "),
        value + "0",
        value + "*1",
        "x" + value,
        value[:-1],
        value.upper(),
        value.capitalize(),
        value.translate(FULL_WIDTH),
        value.translate(ARABIC_INDIC),
        value + "\N{ZERO WIDTH SPACE}",
        value.replace("-", "_"),
        "",
    ]
    if "*" in value:
        width, _, height = value.partition("*")
        candidates += [
            f"{height}*{width}",
            f"0{value}",
            f"+{value}",
            f"{int(width) + 1}*{height}",
            f"{width}*{int(height) - 1}",
        ]
        candidates += [
            f"{width}.0*{height}",
            f"{width}*{height}px",
            f"{width}*",
            f"*{height}",
            width,
            f"{width}**{height}",
        ]
    return [candidate for candidate in dict.fromkeys(candidates) if candidate != value]


def _minimum(owner: Schema, _rule: Rule) -> Values:
    least = owner["minimum"]
    return [least], [least - 1, -(2**31), -(2**63)]


def _maximum(owner: Schema, _rule: Rule) -> Values:
    most = owner["maximum"]
    return [most], [most + 1, most + 2, most + 10**6, 2**53]


def _min_length(owner: Schema, _rule: Rule) -> Values:
    least = owner["minLength"]
    return ["a" * least, "猫" * least, WIDE * least], ["a" * (least - 1)]


def _max_length(owner: Schema, _rule: Rule) -> Values:
    most = owner["maxLength"]
    if "x-callback" in owner:
        start = "https://example.com/"
        return [start.ljust(most, "a")], [start.ljust(most + 1, "a"), start.ljust(most * 2, "a")]
    return (
        ["a" * most, "猫" * most, WIDE * most, "e\N{COMBINING ACUTE ACCENT}" * (most // 2)],
        ["a" * (most + 1), "猫" * (most + 1), WIDE * (most + 1), "a" * (most * 2)],
    )


def _truncate(owner: Schema, _rule: Rule) -> Values:
    longest = owner["x-truncate"]
    return ["a" * longest, "a" * (longest + 1), "猫" * (longest + 1), WIDE * (longest + 1), "a" * (longest * 3)], []


def _min_items(owner: Schema, _rule: Rule) -> Values:
    item, least = smallest(owner["items"]), owner["minItems"]
    return [[item] * least], [[item] * count for count in range(least)]


def _max_items(owner: Schema, _rule: Rule) -> Values:
    item, most = smallest(owner["items"]), owner["maxItems"]
    return [[item] * most], [[item] * (most + 1), [item] * (most + 2)]


def _counts(owner: Schema) -> dict[str, int]:
    return {member: spec.get("minItems", 0) for member, spec in owner["x-parts"].items()}


def _min_parts(owner: Schema, rule: Rule) -> Values:
    member = rule.keyword.partition(".")[0]
    least: int = owner["x-parts"][member]["minItems"]
    with_fewer = [parts(owner, {**_counts(owner), member: count}) for count in range(least)]
    return [parts(owner, {**_counts(owner), member: least})], list(with_fewer)


def _max_parts(owner: Schema, rule: Rule) -> Values:
    member = rule.keyword.partition(".")[0]
    most: int = owner["x-parts"][member]["maxItems"]
    accepted = [parts(owner, {**_counts(owner), member: count}) for count in range(1, most + 1)]
    return list(accepted), [parts(owner, {**_counts(owner), member: most + more}) for more in (1, 2)]


def _position(owner: Schema, _rule: Rule) -> Values:
    right = parts(owner, _counts(owner))
    longer = parts(owner, {m: s.get("maxItems", 2) if "position" not in s else 1 for m, s in owner["x-parts"].items()})
    return [right, longer], [right[::-1], longer[::-1], [*longer[:1], longer[-1], *longer[1:-1]]]


def _one_of(owner: Schema, _rule: Rule) -> Values:
    names = [branch["required"][0] for branch in owner["oneOf"]]
    alone = [{name: smallest(owner["properties"][name])} for name in names]
    both: dict[str, JSON] = {}
    for one in alone:
        both |= one
    return [alone[0]], [both, {}]


def _schemes(owner: Schema, _rule: Rule) -> Values:
    known = owner["x-image"]["schemes"]
    data = sample_images.picture_url()
    urls = {
        "http": sample_images.SAMPLES[1],
        "https": sample_images.SAMPLES[0],
        "data": data,
        "oss": "oss://example/image1.png",
    }
    refused = ["ftp://example.com/image1.png", "file:///etc/passwd", "image1.png", "//example.com/image1.png", ""]
    refused += [data.partition(",")[2], "https//example.com/image1.png", "https://", "javascript:alert(1)"]
    accepted = [urls[scheme] for scheme in known if scheme != "oss"]  # needs an upload before it
    return [*accepted, *ADDRESSES], [*refused, *(url for scheme, url in urls.items() if scheme not in known)]


ADDRESSES = (
    "https://example.com/image1.png?Expires=1&Signature=a%2Fb%3D",
    "https://example.com:8443/a/b/IMAGE.PNG",
    "https://example.com/download",
)
"""Pictures are where they are: an address says nothing of what is there."""


def _sent(owner: Schema, *urls: str) -> list[JSON]:
    """Return pictures as the place takes them: as data URLs, or as addresses."""
    return [url if "data" in owner["x-image"]["schemes"] else sample_images.hosted_url(url) for url in urls]


def _media_types(owner: Schema, _rule: Rule) -> Values:
    known = owner["x-image"]["mediaTypes"]
    accepted = [sample_images.picture_url(media_type) for media_type in known]
    # The bytes decide, not the label.
    accepted.append(sample_images.data_url(sample_images.picture("image/jpeg"), "image/png"))
    refused = [sample_images.picture_url(other) for other in sample_images.FORMATS if other not in known]
    if "data" not in owner["x-image"]["schemes"]:
        return _sent(owner, *accepted), _sent(owner, *refused)
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


def _side(owner: Schema, rule: Rule) -> Values:
    limit: int = rule.value
    beyond = limit - 1 if rule.keyword.startswith("min") else limit + 1
    spec = owner["x-image"]
    other = spec["minWidth"] + 128

    wide = rule.keyword.endswith("Width")

    def sized(side: int, beside: int = other) -> tuple[int, int]:
        return (side, beside) if wide else (beside, side)

    def pictures(side: int) -> list[JSON]:
        kinds = [kind for kind in spec["mediaTypes"] if side < 2048 or kind in {"image/png", "image/jpeg"}]
        return _sent(owner, *(sample_images.picture_url(kind, *sized(side)) for kind in kinds))

    far = 1 if rule.keyword.startswith("min") else 4 * limit
    refused = [*pictures(beyond), *_sent(owner, sample_images.picture_url("image/png", *sized(far)))]
    if rule.keyword in owner["x-image"].get("advisory", ()):
        return [*pictures(limit), *refused], []
    accepted = pictures(limit)
    if rule.keyword.startswith("min"):
        # No ratio of the sides is too much: the smallest by the largest is in order.
        longest = spec["maxHeight" if wide else "maxWidth"]
        accepted += _sent(owner, sample_images.picture_url("image/png", *sized(limit, longest)))
    return accepted, refused


def _max_bytes(owner: Schema, rule: Rule) -> Values:
    most: int = rule.value
    accepted = {owner["x-image"].get("surelyAcceptedBytes", most), most}
    return (
        _sent(owner, *(sample_images.data_url(sample_images.picture_of_length(length)) for length in sorted(accepted))),
        _sent(owner, sample_images.data_url(sample_images.picture_of_length(most + 1))),
    )


def _encoding(_owner: Schema, _rule: Rule) -> Values:
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


def _integrity(owner: Schema, _rule: Rule) -> Values:
    kinds = [
        kind
        for kind in owner["x-image"]["mediaTypes"]
        if kind in {"image/png", "image/jpeg", "image/webp", "image/bmp"}
    ]
    whole = {kind: sample_images.picture(kind) for kind in kinds}
    if "data" not in owner["x-image"]["schemes"]:
        return _sent(owner, sample_images.picture_url()), []  # nobody hosts half a picture for us
    return (
        [sample_images.data_url(data, kind) for kind, data in whole.items()],
        [sample_images.data_url(data[: len(data) * 2 // 3], kind) for kind, data in whole.items()],
    )


URLS = (
    "https://example.com/image1.png",
    "https://example.com/a/b.jpeg?x=1",
    "https://example.com/download",
    "https://example.com/photo.JPG",
    "https://example.com/图片.png",
    "https://example.com/cat.png?name=猫",
    "https://example.com/image.gif",
    "https://example.com/image.svg",
    "https://example.com/report.pdf",
    "https://example.com/image.png.exe",
)


def _url_pattern(_owner: Schema, _rule: Rule) -> Values:
    # Which of them fit, the judge says.
    return list(URLS), list(URLS)


def _size_syntax(owner: Schema, _rule: Rule) -> Values:
    good = cast(str, smallest(owner))
    most = owner["x-size"]["maxSide"]
    refused = [miss for miss in near_misses(good) if miss.count("*") != 1 or not miss.replace("*", "").isascii()]
    refused += [f"{good} ", f" {good}", f"{good}\n", good.replace("*", " * "), f"0{good}", f"+{good}", "auto"]
    return [good, f"{most}*{most}"], list(dict.fromkeys(refused))


def _size_side(owner: Schema, rule: Rule) -> Values:
    limit: int = rule.value
    beyond = limit - 1 if rule.keyword == "minSide" else limit + 1
    other = owner["x-size"]["minSide"] + 512
    return [f"{limit}*{other}", f"{other}*{limit}"], [f"{beyond}*{other}", f"{other}*{beyond}", f"{beyond}*{beyond}"]


def _callback_schemes(_owner: Schema, _rule: Rule) -> Values:
    refused = [
        "http://example.com/hook",
        "ftp://example.com/hook",
        "example.com/hook",
        "",
        "javascript:alert(1)",
        "https:///hook",
    ]
    return ["https://example.com/hook", "https://example.com:8443/hook?x=1"], list(refused)


PLAIN_URLS = frozenset(sample_images.picture_url(kind) for kind in sample_images.FORMATS)
"""Pictures under their right names."""

INTERNAL = (
    "127.0.0.1", "localhost", "LOCALHOST", "[::1]", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
    "169.254.169.254", "0.0.0.0", "2130706433", "0177.0.0.1", "0x7f.0.0.1", "127.1", "[::ffff:127.0.0.1]",
    "[fd00::1]", "[fe80::1]", "localhost.", "example.com@127.0.0.1", "example.com:443@10.0.0.1",
)  # fmt: skip


def _public_host(_owner: Schema, _rule: Rule) -> Values:
    accepted = ["https://example.com/hook", "https://172.32.0.1/hook", "https://8.8.8.8/hook"]
    return list(accepted), [f"https://{host}/hook" for host in INTERNAL]


_VALUES: dict[str, Callable[[Schema, Rule], Values]] = {
    "type": _type,
    "enum": _enum,
    "const": _const,
    "minimum": _minimum,
    "maximum": _maximum,
    "minLength": _min_length,
    "maxLength": _max_length,
    "x-truncate": _truncate,
    "minItems": _min_items,
    "maxItems": _max_items,
    "parts.minItems": _min_parts,
    "parts.maxItems": _max_parts,
    "parts.position": _position,
    "oneOf": _one_of,
    "schemes": _schemes,
    "callback.schemes": _callback_schemes,
    "publicHost": _public_host,
    "mediaTypes": _media_types,
    "minWidth": _side,
    "maxWidth": _side,
    "minHeight": _side,
    "maxHeight": _side,
    "maxBytes": _max_bytes,
    "encoding": _encoding,
    "integrity": _integrity,
    "urlPattern": _url_pattern,
    "syntax": _size_syntax,
    "minSide": _size_side,
    "maxSide": _size_side,
}
"""For each keyword of a request: what is just accepted, and what is just refused."""
