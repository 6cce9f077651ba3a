"""Whether a body keeps its variant's schema, and if not, which rule it breaks and how to say so.

Two engines read the same schema: `jsonschema-rs` accepts (microseconds), `jsonschema` explains a refusal. The
project's own keywords are functions here that both use; a property test holds the two engines to each other.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, cast
from urllib.parse import urlsplit

import jsonschema
import jsonschema_rs
from jsonschema import validators as engines
from jsonschema.exceptions import (
    ValidationError,
    best_match,  # pyright: ignore[reportUnknownVariableType]
)

from qwenmock.mockserver.net.public_addresses import is_loopback_host, is_public_host
from qwenmock.schemas.models import Document, Rule
from qwenmock.schemas.vocabulary import JSON, Path, Schema, reader, walk

LONGEST_DETAIL = 1000
LIKELY_ITEMS = 10
"""Of a member whose number no document limits."""
SIZE = re.compile(r"([1-9][0-9]{0,5})\*([1-9][0-9]{0,5})", re.ASCII)
NAMES = {
    "string": "a string",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "object": "an object",
    "array": "an array",
    "null": "null",
}


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that a body breaks, and a sentence that names the field and what it accepts."""

    rule: Rule
    detail: str


def format_value(value: JSON) -> str:
    """Return what a value is in a few words, never all of a long one."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return f'the string "{value[:40]}{"…" if len(value) > 40 else ""}"'
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return f"an array of {len(cast(list[JSON], value))}"
    return str(value)[:40]


def parse_size(text: str) -> tuple[int, int] | None:
    """Return width and height of `W*H`; None where it is not written so."""
    match = SIZE.fullmatch(text)
    return (int(match[1]), int(match[2])) if match else None


@cache
def regex(pattern: str) -> re.Pattern[str]:
    """Compile a schema's pattern; `$` is the end there, and not also before a last line break as in Python."""
    return re.compile(re.sub(r"(?<!\\)\$", r"\\Z", pattern))


def is_uri(text: str) -> bool:
    """Tell whether the text is an absolute URI with a scheme and a host."""
    try:
        parts = urlsplit(text)
        return bool(parts.scheme and parts.hostname) and text.isprintable() and " " not in text
    except ValueError:
        return False


Finding = tuple[str, str]
"""The keyword that is broken, and what is due instead."""


def _parts(spec: dict[str, dict[str, JSON]], value: JSON) -> Iterator[Finding]:
    if not isinstance(value, list):
        return
    items = [cast(dict[str, JSON], item) if isinstance(item, dict) else {} for item in cast(list[JSON], value)]
    for member, limits in spec.items():
        count = sum(member in item for item in items)
        if count < limits.get("minItems", 0):
            yield f"{member}.minItems", f"must hold at least {limits['minItems']} {member}, got {count}"
        if count > limits.get("maxItems", count):
            yield f"{member}.maxItems", f"must hold at most {limits['maxItems']} {member}, got {count}"
        if limits.get("position") == "last" and count and member not in items[-1]:
            yield f"{member}.position", f"must end with its {member}"


def _size(spec: dict[str, int], value: JSON) -> Iterator[Finding]:
    if not isinstance(value, str):
        return
    size = parse_size(value)
    if size is None:
        yield "syntax", f"must be width*height in pixels, as in 1024*1024, got {format_value(value)}"
        return
    if min(size) < spec["minSide"]:
        yield "minSide", f"must have sides of at least {spec['minSide']} pixels, got {size[0]}*{size[1]}"
    if max(size) > spec["maxSide"]:
        yield "maxSide", f"must have sides of at most {spec['maxSide']} pixels, got {size[0]}*{size[1]}"


def _image(spec: dict[str, JSON], value: JSON) -> Iterator[Finding]:
    """Check an image's address; its bytes are looked at later, when all the rest is right."""
    if not isinstance(value, str):
        return
    scheme = value[:8].partition(":")[0].lower()
    if scheme not in spec["schemes"] or (scheme != "data" and not is_uri(value)):
        due = " or ".join(f"{scheme}:" for scheme in spec["schemes"])
        yield "schemes", f"must be a URL with {due}, got {format_value(value)}"
    elif scheme in {"http", "https"} and "urlPattern" in spec and not regex(spec["urlPattern"]).search(value):
        yield "urlPattern", f"must match {spec['urlPattern']}, got {format_value(value)}"


def _callback(spec: dict[str, JSON], value: JSON) -> Iterator[Finding]:
    if not isinstance(value, str):
        return
    if value.partition(":")[0].lower() not in spec["schemes"] or not is_uri(value):
        yield "schemes", f"must be a URL with {' or '.join(spec['schemes'])}, got {format_value(value)}"
    elif spec["publicHost"] and not is_public_host(urlsplit(value).hostname or ""):
        yield "publicHost", f"must not lead to an internal address, got {format_value(value)}"


def _is_local(value: JSON) -> bool:
    return (
        isinstance(value, str)
        and is_uri(value)
        and value[:4] == "http"
        and is_loopback_host(urlsplit(value).hostname or "")
    )


OWN: dict[str, Callable[[Any, JSON], Iterator[Finding]]] = {
    "x-parts": _parts,
    "x-size": _size,
    "x-image": _image,
    "x-callback": _callback,
}


def _keyword(check: Callable[[Any, JSON], Iterator[Finding]]) -> Any:
    """Make a keyword of `jsonschema` from a function that yields findings."""

    def keyword(_engine: Any, spec: Any, instance: JSON, _schema: Schema) -> Iterator[ValidationError]:
        for name, message in check(spec, instance):
            yield ValidationError(message, validator=name)

    return keyword


def _simple(name: str, broken: Callable[[Any, JSON], str | None]) -> Any:
    """Make a keyword that one sentence explains."""

    def check(spec: Any, instance: JSON) -> Iterator[Finding]:
        message = broken(spec, instance)
        if message is not None:
            yield name, message

    return _keyword(check)


def _type(engine: Any, spec: Any, instance: JSON, _schema: Schema) -> Iterator[ValidationError]:
    types = [spec] if isinstance(spec, str) else cast(list[str], spec)
    if not any(engine.is_type(instance, kind) for kind in types):
        due = " or ".join(NAMES[kind] for kind in types)
        yield ValidationError(f"must be {due}, got {format_value(instance)}", validator="type")


def _required(_engine: Any, spec: list[str], instance: JSON, _schema: Schema) -> Iterator[ValidationError]:
    if isinstance(instance, dict):
        for member in spec:
            if member not in instance:
                # The path is the missing member's, as in the rule.
                yield ValidationError("is required", validator="required", path=[member])


def _one_of(spec: list[dict[str, list[str]]], instance: JSON) -> str | None:
    names = [branch["required"][0] for branch in spec]
    if isinstance(instance, dict) and sum(name in instance for name in names) != 1:
        return f"must hold exactly one of {', '.join(names)}"
    return None


def _number(value: JSON) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_EXPLAINER: Any = cast(Any, engines.extend)(
    jsonschema.Draft202012Validator,
    {
        "type": _type,
        "required": _required,
        "enum": _simple(
            "enum",
            lambda spec, value: (
                None
                if any(value == item and type(value) is type(item) for item in spec)
                else f"must be one of {', '.join(map(str, spec))}, got {format_value(value)}"
            ),
        ),
        "const": _simple(
            "const",
            lambda spec, value: (
                None
                if value == spec and isinstance(value, bool) == isinstance(spec, bool)
                else f"must be {format_value(spec)}, got {format_value(value)}"
            ),
        ),
        "not": _simple("not", lambda _spec, _value: "is not accepted here"),
        "oneOf": _simple("oneOf", _one_of),
        "minimum": _simple(
            "minimum", lambda s, v: f"must be at least {s}, got {format_value(v)}" if _number(v) and v < s else None
        ),
        "maximum": _simple(
            "maximum", lambda s, v: f"must be at most {s}, got {format_value(v)}" if _number(v) and v > s else None
        ),
        "minLength": _simple(
            "minLength",
            lambda s, v: f"must have at least {s} characters" if isinstance(v, str) and len(v) < s else None,
        ),
        "maxLength": _simple(
            "maxLength",
            lambda s, v: (
                f"must have at most {s} characters, got {len(v)}" if isinstance(v, str) and len(v) > s else None
            ),
        ),
        "minItems": _simple(
            "minItems",
            lambda s, v: (
                f"must have at least {s} items, got {len(cast(list[JSON], v))}"
                if isinstance(v, list) and len(cast(list[JSON], v)) < s
                else None
            ),
        ),
        "maxItems": _simple(
            "maxItems",
            lambda s, v: (
                f"must have at most {s} items, got {len(cast(list[JSON], v))}"
                if isinstance(v, list) and len(cast(list[JSON], v)) > s
                else None
            ),
        ),
        "pattern": _simple(
            "pattern",
            lambda s, v: (
                f"must match {s}, got {format_value(v)}" if isinstance(v, str) and not regex(s).search(v) else None
            ),
        ),
        "format": _simple(
            "format",
            lambda s, v: f"must be a {s}, got {format_value(v)}" if isinstance(v, str) and not is_uri(v) else None,
        ),
        **{keyword: _keyword(check) for keyword, check in OWN.items()},
    },
)


def standard(schema: Schema) -> Schema:
    """Return the schema in plain JSON Schema, as far as that can say it."""
    plain = {key: value for key, value in schema.items() if not key.startswith("x-")}
    if "properties" in plain:
        plain["properties"] = {name: standard(member) for name, member in plain["properties"].items()}
    if "items" in plain:
        plain["items"] = standard(plain["items"])
    if "x-parts" in schema:
        plain["allOf"] = [
            {
                "contains": {"required": [member]},
                "minContains": limits.get("minItems", 0),
                **({"maxContains": limits["maxItems"]} if "maxItems" in limits else {}),
            }
            for member, limits in schema["x-parts"].items()
        ]
    return plain


def certain(schema: Schema) -> Schema:
    """Return a plain schema that only right values keep, with no member beside those that the schema names.

    It can be asked without a line of Python. What it refuses may be right all the same.
    """
    strict = standard(schema)
    if "properties" in schema:
        members = {name: certain(member) for name, member in schema["properties"].items()}
        strict |= {"properties": members, "additionalProperties": False}
    if "items" in schema:
        strict["items"] = certain(schema["items"])
    more = [*_certain_image(schema.get("x-image")), *_certain_parts(schema.get("x-parts", {}))]
    if more:
        strict["allOf"] = [*strict.get("allOf", ()), *more]
    return strict


def _certain_image(spec: dict[str, JSON] | None) -> Iterator[Schema]:
    """Give patterns for the common addresses: a plain host, printable ASCII behind it."""
    if spec is None:
        return
    web = "|".join(scheme for scheme in spec["schemes"] if scheme in {"http", "https"})
    kinds = [rf"(?:{web})://[A-Za-z0-9.-]+(?::[0-9]+)?(?:[/?#][!-~]*)?$"]
    if "data" in spec["schemes"]:
        kinds.append("data:")
    yield {"pattern": f"^(?:{'|'.join(kinds)})"}
    if "urlPattern" in spec:
        yield {"anyOf": [{"pattern": "^data:"}, {"pattern": spec["urlPattern"]}]}


def _certain_parts(spec: dict[str, dict[str, JSON]]) -> Iterator[Schema]:
    """Say of lists of each length that their last item has the member that must stand there."""
    longest = sum(limits.get("maxItems", LIKELY_ITEMS) for limits in spec.values())
    for member, limits in spec.items():
        if limits.get("position") == "last":
            yield {
                "anyOf": [
                    {"minItems": n, "maxItems": n, "prefixItems": [*[True] * (n - 1), {"required": [member]}]}
                    for n in range(1, longest + 1)
                ]
            }


class BodyValidator:
    """Holds bodies to one document of the catalogue."""

    def __init__(self, document: Document, *, allow_local_callbacks: bool = False) -> None:
        self.document = document
        self._allow_local = allow_local_callbacks
        self._accepts, self._certain = (
            jsonschema_rs.Draft202012Validator(schema, validate_formats=True, formats={"uri": is_uri})
            for schema in (standard(document.schema), certain(document.schema))
        )
        self._explainer = _EXPLAINER(document.schema)
        own = [
            (path, keyword, owner[keyword])
            for path, owner in walk(document.schema)
            for keyword in OWN
            if keyword in owner
        ]
        self._keeps_own = self._keeper(own)
        self._keeps_uncertain = self._keeper([each for each in own if each[1] not in {"x-image", "x-parts"}])

    def accepts(self, body: JSON) -> bool:
        """Tell whether the body keeps every rule of the schema."""
        return self._accepts.is_valid(body) and self._keeps_own(body)

    def is_definitely_valid(self, body: JSON) -> bool:
        """Tell, where that is quickly told, that the body keeps every rule and has no member beside the documented."""
        return self._certain.is_valid(body) and self._keeps_uncertain(body)

    def _keeper(self, own: list[tuple[Path, str, JSON]]) -> Callable[[JSON], bool]:
        """Return what tells whether a body keeps some of the project's own keywords."""
        paths = list(dict.fromkeys(path for path, _, _ in own))
        read = reader([[path] for path in paths])
        checks = [(paths.index(path), OWN[keyword], spec) for path, keyword, spec in own]

        def keeps(body: JSON) -> bool:
            found = read(body)
            for slot, check, spec in checks:
                for value in found[slot]:
                    for _ in check(spec, value):
                        if not (self._allow_local and check is _callback and _is_local(value)):
                            return False
            return True

        return keeps if own else lambda _body: True

    def violation(self, body: JSON) -> Violation | None:
        """Return the rule that the body breaks, the outermost where there are several; None for a right one."""
        return None if self.accepts(body) else self.explain(body)

    def explain(self, body: JSON) -> Violation | None:
        """Do as `violation`, with the slow engine alone."""
        errors = self._explainer.iter_errors(body)
        if self._allow_local:
            errors = (e for e in errors if not (e.validator in {"schemes", "publicHost"} and _is_local(e.instance)))
        worst = cast(Any, best_match(errors))
        if worst is None:
            return None
        steps: list[str | int] = list(worst.absolute_path)
        path = tuple("*" if isinstance(step, int) else step for step in steps)
        rule = self.document.rule_at[path, worst.validator]
        return Violation(rule, f"{field_name(steps)} {worst.message}"[:LONGEST_DETAIL])

    def unknown_fields(self, body: JSON) -> list[str]:
        """Return the members that the document does not name, as `parameters.foo`."""
        return list(_unknown(self.document.schema, body, []))


def field_name(steps: list[str | int]) -> str:
    """Write a place in a body as a reader would: `contents[0].parts[1].image`."""
    name = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).lstrip(".")
    return name or "the body"


def _unknown(schema: Schema, value: JSON, steps: list[str | int]) -> Iterator[str]:
    if isinstance(value, dict) and "properties" in schema:
        for name, member in cast(dict[str, JSON], value).items():
            if name in schema["properties"]:
                yield from _unknown(schema["properties"][name], member, [*steps, name])
            else:
                yield field_name([*steps, name])[:100]
    elif isinstance(value, list) and "items" in schema:
        for index, item in enumerate(cast(list[JSON], value)):
            yield from _unknown(schema["items"], item, [*steps, index])
