"""Strings: listed values, lengths, sizes, image URLs, callback URLs."""

import math

from qwenmock.pytest_plugin.examiner import sizes
from qwenmock.pytest_plugin.examiner.bodies import smallest
from qwenmock.pytest_plugin.examiner.boundaries.near_misses import near_misses
from qwenmock.pytest_plugin.examiner.boundaries.values import WIDE, Values
from qwenmock.pytest_plugin.examiner.json_values import as_text
from qwenmock.schemas.models import Rule
from qwenmock.schemas.vocabulary import Schema


def enum(subschema: Schema, _rule: Rule) -> Values:
    """Return the listed values, and near misses of each."""
    accepted: list[str] = list(subschema["enum"])
    refused: list[str] = []
    for value in accepted:
        refused += near_misses(value)
    return list(accepted), [value for value in dict.fromkeys(refused) if value not in accepted]


def const(subschema: Schema, _rule: Rule) -> Values:
    """Return the one value, and near misses."""
    value = subschema["const"]
    others = (
        [*near_misses(value), *({"user": ["assistant", "system"]}.get(value, ()))] if isinstance(value, str) else []
    )
    return [value], list(others)


def min_length(subschema: Schema, _rule: Rule) -> Values:
    """Return texts of the shortest length, and one that is shorter."""
    shortest = subschema["minLength"]
    return ["a" * shortest, "猫" * shortest, WIDE * shortest], ["a" * (shortest - 1)]


def max_length(subschema: Schema, _rule: Rule) -> Values:
    """Return texts of the longest length, and longer ones."""
    longest = subschema["maxLength"]
    if "x-callback" in subschema:
        start = "https://example.com/"
        return [start.ljust(longest, "a")], [start.ljust(longest + 1, "a"), start.ljust(longest * 2, "a")]
    return (
        ["a" * longest, "猫" * longest, WIDE * longest, "e\N{COMBINING ACUTE ACCENT}" * (longest // 2)],
        ["a" * (longest + 1), "猫" * (longest + 1), WIDE * (longest + 1), "a" * (longest * 2)],
    )


def truncate(subschema: Schema, _rule: Rule) -> Values:
    """Return texts around the length at which they are cut; all are accepted."""
    longest = subschema["x-truncate"]
    return ["a" * longest, "a" * (longest + 1), "猫" * (longest + 1), WIDE * (longest + 1), "a" * (longest * 3)], []


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


def url_pattern(_subschema: Schema, _rule: Rule) -> Values:
    """Return image URLs; the judge says which of them match."""
    return list(URLS), list(URLS)


def size_syntax(subschema: Schema, _rule: Rule) -> Values:
    """Return sizes that are well formed, and nearly so.

    No size has a leading zero or a plus sign: no document forbids them, and what reads integers often accepts them.
    """
    spec, good = subschema["x-size"], as_text(smallest(subschema))
    starred = good.replace(spec.get("separator", "*"), "*")
    misses = [miss for miss in near_misses(starred) if miss.count("*") != 1 or not miss.replace("*", "").isascii()]
    misses += [f"{starred} ", f" {starred}", f"{starred}\n", starred.replace("*", " * "), "auto"]
    refused = [miss.replace("*", spec.get("separator", "*")) for miss in misses]
    refused += [sizes.write({"separator": other}, *pair) for other in "*x" if (pair := sizes.read(good)) is not None]
    largest = [sizes.write(spec, *pair) for pair in sizes.extremes(spec)[-1:]]
    return [good, *largest], [miss for miss in dict.fromkeys(refused) if sizes.broken(spec, miss) == ["syntax"]]


def size_side(subschema: Schema, rule: Rule) -> Values:
    """Return sizes with a side at and beyond its limit."""
    limit = rule.number
    beyond = limit - 1 if rule.keyword == "minSide" else limit + 1
    spec = subschema["x-size"]
    other = spec["minSide"] + 512
    kept, broken = [(limit, other), (other, limit)], [(beyond, other), (other, beyond), (beyond, beyond)]
    return [sizes.write(spec, *pair) for pair in kept], [sizes.write(spec, *pair) for pair in broken]


def size_area(subschema: Schema, rule: Rule) -> Values:
    """Return sizes whose area is at, and just beyond, its limit; the sides differ little."""
    spec, limit = subschema["x-size"], rule.number
    is_least = rule.keyword == "minArea"
    side = math.isqrt(limit)
    kept = [sizes.at_area(limit - 1, below=False) if is_least else sizes.at_area(limit, below=True)]
    kept += [(side, side)] if side * side == limit else []
    width, height = sizes.at_area(limit - 1, below=True) if is_least else sizes.at_area(limit, below=False)
    far = (side // 2, side // 2) if is_least else (side * 2, side * 2)
    broken = [(width, height), (height, width), far]
    return [sizes.write(spec, *pair) for pair in kept], [sizes.write(spec, *pair) for pair in broken]


def size_ratio(subschema: Schema, rule: Rule) -> Values:
    """Return sizes with the largest ratio of their sides, and with a larger one."""
    spec, ratio = subschema["x-size"], rule.number
    short = math.isqrt(spec["minArea"] // ratio) + 16
    kept, broken = (
        [(short * ratio, short), (short, short * ratio)],
        [(short * ratio + 1, short), (short, short * ratio + 1)],
    )
    return [sizes.write(spec, *pair) for pair in kept], [sizes.write(spec, *pair) for pair in broken]


def callback_schemes(_subschema: Schema, _rule: Rule) -> Values:
    """Return callback URLs with and without HTTPS."""
    refused = [
        "http://example.com/hook",
        "ftp://example.com/hook",
        "example.com/hook",
        "",
        "javascript:alert(1)",
        "https:///hook",
    ]
    return ["https://example.com/hook", "https://example.com:8443/hook?x=1"], list(refused)


INTERNAL = (
    "127.0.0.1", "localhost", "LOCALHOST", "[::1]", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
    "169.254.169.254", "0.0.0.0", "2130706433", "0177.0.0.1", "0x7f.0.0.1", "127.1", "[::ffff:127.0.0.1]",
    "[fd00::1]", "[fe80::1]", "localhost.", "example.com@127.0.0.1", "example.com:443@10.0.0.1",
)  # fmt: skip


def public_host(_subschema: Schema, _rule: Rule) -> Values:
    """Return callback URLs with public and with internal hosts."""
    accepted = ["https://example.com/hook", "https://172.32.0.1/hook", "https://8.8.8.8/hook"]
    return list(accepted), [f"https://{host}/hook" for host in INTERNAL]
