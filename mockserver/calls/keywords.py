"""The custom schema keywords as functions: image lists, sizes, image URLs and callback URLs.

Each takes the keyword's value in the schema and a value of the body, and yields the rules that the value breaks. Both
engines in `validation` use them.
"""

import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from qwenmock.mockserver.net.public_addresses import is_loopback_host, is_public_host
from qwenmock.schemas.vocabulary import JSON, Schema, select

SIZES = {
    separator: re.compile(rf"([1-9][0-9]{{0,5}}){re.escape(separator)}([1-9][0-9]{{0,5}})", re.ASCII)
    for separator in "*x"
}
"""Sizes by what stands between width and height."""

LONGEST_URL = 2**16
"""`urlsplit` remembers what it has split."""
Breach = tuple[str, str]
"""The name of the broken rule, and what it demands."""


def format_value(value: JSON) -> str:
    """Return a short description of a value for a message."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return f'the string "{value[:40]}{"…" if len(value) > 40 else ""}"'
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return f"an array of {len(value)}"
    return str(value)[:40]


def parse_size(text: str, separator: str = "*") -> tuple[int, int] | None:
    """Return width and height of a size such as `1024*1024`; None if it has another form."""
    match = SIZES[separator].fullmatch(text)
    return (int(match[1]), int(match[2])) if match else None


@cache
def regex(pattern: str) -> re.Pattern[str]:
    """Compile a schema's pattern. In Python `$` also matches before a last newline; in JSON Schema not."""
    return re.compile(re.sub(r"(?<!\\)\$", r"\\Z", pattern))


def is_uri(text: str) -> bool:
    """Return whether a text is an absolute URI with a scheme and a host, and not longer than any server takes."""
    if len(text) > LONGEST_URL:
        return False
    try:
        parts = urlsplit(text)
        return bool(parts.scheme and parts.hostname) and text.isprintable() and " " not in text
    except ValueError:
        return False


def parts(spec: dict[str, Schema], value: JSON) -> Iterator[Breach]:
    """Check how many items of a list have a member, and where they stand."""
    if not isinstance(value, list):
        return
    items = [item if isinstance(item, dict) else {} for item in value]
    for member, limits in spec.items():
        count = sum(member in item for item in items)
        if count < limits.get("minItems", 0):
            yield f"{member}.minItems", f"must hold at least {limits['minItems']} {member}, got {count}"
        if count > limits.get("maxItems", count):
            yield f"{member}.maxItems", f"must hold at most {limits['maxItems']} {member}, got {count}"
        if limits.get("position") == "last" and count and member not in items[-1]:
            yield f"{member}.position", f"must end with its {member}"


def size(spec: Schema, value: JSON) -> Iterator[Breach]:
    """Check the form, the sides, the area and the ratio of a size."""
    if not isinstance(value, str):
        return
    separator: str = spec.get("separator", "*")
    sides = parse_size(value, separator)
    if sides is None:
        form = f"width{separator}height in pixels, as in 1024{separator}1024"
        yield "syntax", f"must be {form}, got {format_value(value)}"
        return
    short, long = min(sides), max(sides)
    area = short * long
    if short < spec.get("minSide", 0):
        yield "minSide", f"must have sides of at least {spec['minSide']} pixels, got {value}"
    if long > spec.get("maxSide", long):
        yield "maxSide", f"must have sides of at most {spec['maxSide']} pixels, got {value}"
    if area < spec.get("minArea", 0):
        yield "minArea", f"must have at least {spec['minArea']} pixels, got {value}, which are {area}"
    if area > spec.get("maxArea", area):
        yield "maxArea", f"must have at most {spec['maxArea']} pixels, got {value}, which are {area}"
    if "maxRatio" in spec and long > spec["maxRatio"] * short:
        yield "maxRatio", f"must have a ratio from 1:{spec['maxRatio']} to {spec['maxRatio']}:1, got {value}"


def depends(spec: dict[str, Schema], value: JSON) -> Iterator[Breach]:
    """Check what must not stand elsewhere when a member is given; the name of a breach is the member's path."""
    for member, shown, condition in _dependent(spec, value, is_advisory=False):
        yield member, f"{shown}is accepted only where {condition}"


def without_effect(spec: dict[str, Schema], value: JSON) -> Iterator[Breach]:
    """Yield the members that are accepted and have no effect, and why."""
    for member, shown, condition in _dependent(spec, value, is_advisory=True):
        yield member, f"{shown}has an effect only where {condition}"


def _dependent(spec: dict[str, Schema], value: JSON, *, is_advisory: bool) -> Iterator[tuple[str, str, str]]:
    """Yield each member whose dependency is not kept, with its value in words, and with what is expected."""
    for member, dependency in spec.items():
        given = select(value, tuple(member.split("/")))
        if len(given) <= dependency.get("over", 0) or given[0] not in dependency.get("values", given):
            continue
        if ("advisory" in dependency) != is_advisory:
            continue
        place = dependency["on"].replace("/*", "[]").replace("/", ".")
        found = select(value, tuple(dependency["on"].split("/")))
        if "is" not in dependency:
            expected = "is not there"
        else:
            expected = f"is {format_value(dependency['is'])}"
            found = [other for other in found if other != dependency["is"]]
        if found:
            shown = f"of {format_value(given[0])} " if "values" in dependency else ""
            shown = f"in a number of more than {dependency['over']} " if "over" in dependency else shown
            yield member, shown, f"{place} {expected}"


def image(spec: Schema, value: JSON) -> Iterator[Breach]:
    """Check the URL of an image. Its bytes are read later, when the rest of the body is right."""
    if not isinstance(value, str):
        return
    scheme = value[:8].partition(":")[0].lower()
    if scheme not in spec["schemes"] or (scheme != "data" and not is_uri(value)):
        expected = " or ".join(f"{scheme}:" for scheme in spec["schemes"])
        yield "schemes", f"must be a URL with {expected}, got {format_value(value)}"
    elif scheme in {"http", "https"} and "urlPattern" in spec and not regex(spec["urlPattern"]).search(value):
        yield "urlPattern", f"must match {spec['urlPattern']}, got {format_value(value)}"


def callback(spec: Schema, value: JSON) -> Iterator[Breach]:
    """Check the URL of a callback: its scheme, and that its host is public."""
    if not isinstance(value, str):
        return
    if value.partition(":")[0].lower() not in spec["schemes"] or not is_uri(value):
        yield "schemes", f"must be a URL with {' or '.join(spec['schemes'])}, got {format_value(value)}"
    elif spec["publicHost"] and not is_public_host(urlsplit(value).hostname or ""):
        yield "publicHost", f"must not lead to an internal address, got {format_value(value)}"


def is_local(value: JSON) -> bool:
    """Return whether a value is an http URL of this machine."""
    return (
        isinstance(value, str)
        and is_uri(value)
        and value[:4] == "http"
        and is_loopback_host(urlsplit(value).hostname or "")
    )


CUSTOM_KEYWORDS: dict[str, Callable[[Any, JSON], Iterator[Breach]]] = {
    "x-parts": parts,
    "x-size": size,
    "x-image": image,
    "x-callback": callback,
    "x-depends": depends,
}
