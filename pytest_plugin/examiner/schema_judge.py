"""Which rules a document breaks: the examiner's own reading of the schemas.

The server's validation is not used, or a mistake in it would pass for agreement. Rules of a value of the wrong type
are ignored: a string for an integer breaks `type`, and nothing else.
"""

import base64
import io
import ipaddress
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TypeAlias
from urllib.parse import urlsplit

from PIL import Image

from qwenmock.pytest_plugin.examiner import sizes
from qwenmock.pytest_plugin.examiner.json_values import is_array, is_object
from qwenmock.pytest_plugin.examiner.sample_images import FORMATS, HOSTED
from qwenmock.schemas.models import Document, Rule
from qwenmock.schemas.vocabulary import JSON, Path, Schema, dependencies, select

LONGEST_URL = 2**16
"""Characters."""
Breach: TypeAlias = tuple[Path, str]
"""A place and a keyword."""


def broken_rules(document: Document, value: JSON) -> set[Rule]:
    """Return the document's rules that a value breaks."""
    return {document.rule_at[breach] for breach in breaches(document.schema, value, ())}


def breaches(schema: Schema, value: JSON, path: Path) -> Iterator[Breach]:
    """Yield what a value breaks, in no particular order."""
    if "not" in schema:
        yield path, "not"
        return
    if "x-single" in schema and isinstance(value, str):
        value = [value]
    if "type" in schema and _kinds(value).isdisjoint(_types(schema["type"])):
        yield path, "type"
        return
    if "const" in schema and not _same(value, schema["const"]):
        yield path, "const"
    if "enum" in schema and not any(_same(value, item) for item in schema["enum"]):
        yield path, "enum"
    if isinstance(value, str):
        yield from ((path, keyword) for keyword in _text(schema, value))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield from ((path, keyword) for keyword in _number(schema, value))
    elif is_array(value):
        yield from _array(schema, value, path)
    elif is_object(value):
        yield from _object(schema, value, path)


def _types(named: str | list[str]) -> tuple[str] | list[str]:
    return (named,) if isinstance(named, str) else named


_WHOLE = frozenset({"integer", "number"})
_FRACTION = frozenset({"number"})
_OBJECT = frozenset({"object"})
_KINDS: Mapping[type, frozenset[str]] = {
    type(None): frozenset({"null"}),
    bool: frozenset({"boolean"}),
    int: _WHOLE,
    str: frozenset({"string"}),
    list: frozenset({"array"}),
    dict: _OBJECT,
}


def _kinds(value: JSON) -> frozenset[str]:
    """Return the types of a value; 2.0 is an integer, true is not."""
    if isinstance(value, float):
        return _WHOLE if value.is_integer() else _FRACTION
    return _KINDS.get(type(value), _OBJECT)


def _same(value: JSON, other: JSON) -> bool:
    return value == other and not _kinds(value).isdisjoint(_kinds(other))


def _number(schema: Schema, value: float) -> Iterator[str]:
    if "minimum" in schema and value < schema["minimum"]:
        yield "minimum"
    if "maximum" in schema and value > schema["maximum"]:
        yield "maximum"


def _text(schema: Schema, value: str) -> Iterator[str]:
    if len(value) < schema.get("minLength", 0):
        yield "minLength"
    if len(value) > schema.get("maxLength", len(value)):
        yield "maxLength"
    if "pattern" in schema and not _search(schema["pattern"], value):
        yield "pattern"
    if "format" in schema and not _is_url(value):
        yield "format"
    if "x-size" in schema:
        yield from sizes.broken(schema["x-size"], value)
    if "x-image" in schema:
        yield from _image(schema["x-image"], value)
    if "x-callback" in schema:
        yield from _callback(schema["x-callback"], value)


def _search(pattern: str, value: str) -> bool:
    # `$` ends a JSON Schema pattern; Python's also matches before a closing line break.
    found = re.search(pattern, value)
    return found is not None and not (pattern.endswith("$") and found.end() != len(value))


def _is_url(value: str) -> bool:
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    # Invisible characters, such as a byte order mark in the host, belong in no URL, and no server takes one so long.
    is_written = len(value) <= LONGEST_URL and value.isprintable() and " " not in value
    return is_written and bool(parts.scheme and parts.hostname)


def _image(spec: Schema, value: str) -> Iterator[str]:
    scheme = value[:20].partition(":")[0].lower()
    if scheme not in spec["schemes"] or (scheme != "data" and not _is_url(value)):
        yield "schemes"
    elif scheme == "data":
        yield from _bytes(_Frozen(spec), value)
    elif value in HOSTED:
        yield from _bytes(_Frozen(spec), HOSTED[value])
    elif scheme in {"http", "https"} and "urlPattern" in spec and not _search(spec["urlPattern"], value):
        yield "urlPattern"


class _Frozen(Schema):
    """A specification that can be the key of a cache."""

    def __hash__(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        return hash(repr(self))


@lru_cache(maxsize=512)
def _bytes(spec: _Frozen, value: str) -> tuple[str, ...]:
    """Return what a data URL breaks; cached, because decoding is slow and the same few images are sent many times."""
    head, comma, text = value.partition(",")
    if not comma or not head.endswith(";base64"):
        return ("encoding",)
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:  # binascii.Error is one; characters outside ASCII raise another
        return ("encoding",)
    if len(data) > spec["maxBytes"]:
        return ("maxBytes",)
    try:
        with Image.open(io.BytesIO(data), formats=list(FORMATS.values())) as image:
            name, (width, height) = image.format, image.size
            image.load()
    except Image.UnidentifiedImageError:
        # A GIF that is cut off within its header is unidentified too, but the examiner sends none.
        return ("mediaTypes",)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return ("integrity",)
    if next(kind for kind, known in FORMATS.items() if known == name) not in spec["mediaTypes"]:
        return ("mediaTypes",)
    limits = {
        "minWidth": width < spec["minWidth"],
        "maxWidth": width > spec["maxWidth"],
        "minHeight": height < spec["minHeight"],
        "maxHeight": height > spec["maxHeight"],
    }
    return tuple(name for name, beyond in limits.items() if beyond and name not in spec.get("advisory", ()))


def _callback(spec: Schema, value: str) -> Iterator[str]:
    if not _is_url(value) or urlsplit(value).scheme.lower() not in spec["schemes"]:
        yield "schemes"
    elif spec["publicHost"] and not _leads_out(urlsplit(value).hostname or ""):
        yield "publicHost"


def _leads_out(host: str) -> bool:
    host = host.rstrip(".").lower()
    if host == "localhost" or host.endswith((".localhost", ".local", ".internal")):
        return False
    numbers = host.split(".")
    try:
        if all(re.fullmatch(r"0x[0-9a-f]+|[0-9]+", number) for number in numbers) and len(numbers) <= 4:
            return ipaddress.ip_address(_as_ipv4(numbers)).is_global
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return True


def _as_ipv4(numbers: list[str]) -> int:
    """Read an address as resolvers do: hexadecimal and octal parts, the last one filling what is left."""
    values = [
        int(n, 16) if n.startswith("0x") else int(n, 8) if n.startswith("0") and n != "0" else int(n) for n in numbers
    ]
    address = values[-1]
    for position, value in enumerate(values[:-1]):
        address += value << 8 * (3 - position)
    return address


def _array(schema: Schema, value: list[JSON], path: Path) -> Iterator[Breach]:
    if len(value) < schema.get("minItems", 0):
        yield path, "minItems"
    if len(value) > schema.get("maxItems", len(value)):
        yield path, "maxItems"
    specs: dict[str, Schema] = schema.get("x-parts", {})
    for member, spec in specs.items():
        held = [isinstance(item, dict) and member in item for item in value]
        if sum(held) < spec.get("minItems", 0):
            yield path, f"{member}.minItems"
        if sum(held) > spec.get("maxItems", len(held)):
            yield path, f"{member}.maxItems"
        if "position" in spec and any(held) and not held[-1]:
            yield path, f"{member}.position"
    for item in value if "items" in schema else ():
        yield from breaches(schema["items"], item, (*path, "*"))


def _object(schema: Schema, value: dict[str, JSON], path: Path) -> Iterator[Breach]:
    for name in schema.get("required", ()):
        if name not in value:
            yield (*path, name), "required"
    branches: list[dict[str, list[str]]] = schema.get("oneOf", [])
    if branches and sum(branch["required"][0] in value for branch in branches) != 1:
        yield path, "oneOf"
    members: dict[str, Schema] = schema.get("properties", {})
    for name, member in members.items():
        if name in value:
            yield from breaches(member, value[name], (*path, name))
    for place, dependency in dependencies(schema).items() if "x-depends" in schema else ():
        if "advisory" not in dependency and not is_kept(dependency, place, value):
            yield (*path, *place), "depends"


def is_kept(dependency: Schema, member: Path, value: JSON) -> bool:
    """Return whether a member is left out, has a value of no matter, or stands beside what it depends on."""
    given = select(value, member)
    if len(given) <= dependency.get("over", 0) or given[0] not in dependency.get("values", given):
        return True
    beside = select(value, tuple(dependency["on"].split("/")))
    return not beside if "absent" in dependency else all(_same(each, dependency["is"]) for each in beside)
