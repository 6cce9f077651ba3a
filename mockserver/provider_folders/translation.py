"""Schemas of an OpenAPI document in the contract's vocabulary, and what that cannot say.

The vocabulary is smaller than JSON Schema. What it has no keyword for is left out and noted: the double then accepts
more than the document does.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeGuard

from qwenmock.mockserver.provider_folders.document import Notes
from qwenmock.mockserver.provider_folders.reading import is_list, is_table, tables
from qwenmock.schemas.metaschemas import mistake
from qwenmock.schemas.vocabulary import JSON, Schema

NULL = "null"
TYPES = ("string", "integer", "number", "boolean", "object", "array", NULL)
LIMITS = (("minimum", "maximum"), ("minLength", "maxLength"), ("minItems", "maxItems"))
COUNTS = ("minLength", "maxLength", "minItems", "maxItems")
BY_KEYWORD = {
    "properties": "object",
    "items": "array",
    "minLength": "string",
    "maxLength": "string",
    "pattern": "string",
    "minimum": "number",
    "maximum": "number",
}
"""The type that a schema without one must mean, by what it limits."""
UNKNOWN = (
    "multipleOf", "uniqueItems", "minProperties", "maxProperties", "patternProperties", "propertyNames", "if", "not",
    "dependentRequired", "dependentSchemas", "prefixItems", "contains", "unevaluatedProperties",
)  # fmt: skip
"""Keywords that the vocabulary has no word for."""
OWN = ("x-role", "x-image", "x-size", "x-parts", "x-truncate", "x-callback", "x-depends", "x-single")
"""Extensions that mean here what they mean in the vocabulary, if they are written as it has them."""
CONDITION = frozenset({"if", "then", "else"})
FORMS = frozenset({"type", "properties", "items"})
"""What a schema has that is a form of its own, and not only a limit on another."""
NAMED = {"if": "a condition between members (if)", "not": "what must not be (not)"}
"""What keywords are called that no short value explains."""


@dataclass(frozen=True, slots=True)
class Translator:
    """Translates schemas from one source.

    Attributes:
        source: What the schemas cite.
        notes: Gets what is left out.

    """

    source: str
    notes: Notes

    def request(self, schema: Schema, place: str) -> Schema:
        """Return the schema of a request's body, or of a part of it."""
        return self._translated(schema, place, is_request=True)

    def answer(self, schema: Schema, place: str) -> Schema:
        """Return the schema of an answer."""
        return self._translated(schema, place, is_request=False)

    def _translated(self, schema: Schema, place: str, *, is_request: bool) -> Schema:
        plain, nullable = self.simplified(schema, place, is_request=is_request)
        kinds = _types(plain)
        if nullable and NULL not in kinds and kinds:
            kinds = [*kinds, NULL]
        if is_request:
            if {"string", "array"} <= set(kinds):
                plain = {**plain, "x-single": True}
            kinds = self._one_type(kinds, place)
        if not kinds:  # any value
            return {"type": [*TYPES], "x-source": self.source, "x-certainty": "published"}
        found: Schema = {"type": kinds[0] if len(kinds) == 1 else kinds}
        for kind in kinds:
            found |= self._limits(kind, plain, place, is_request=is_request)
        self._note_unknown(plain, place, is_request=is_request)
        found |= {"x-source": self.source, "x-certainty": "published"}
        return found | dict(self._own_keywords(plain, found))

    def simplified(self, schema: Schema, place: str, *, is_request: bool) -> tuple[Schema, bool]:
        """Return a schema without compositions, and whether it accepts null: what cannot be told in one is noted."""
        found, nullable = dict(schema), schema.get("nullable") is True
        for part in tables(found.pop("allOf", None)):
            if part.keys() <= CONDITION:
                self.notes.leave_out(place, "a condition between members (if)")
            elif not self._take_parts(found, part):
                inner, _ = self.simplified(part, place, is_request=is_request)
                self._merge(found, inner, place)
        for keyword in ("oneOf", "anyOf"):
            branches = tables(found.pop(keyword, None))
            nullable = nullable or any(branch.get("type") == NULL for branch in branches)
            branches = [branch for branch in branches if branch.get("type") != NULL]
            if is_table(found.get("properties")) and _are_choices(branches):
                if keyword == "oneOf" and len(branches) > 1:
                    found["oneOf"] = [{"required": branch["required"]} for branch in branches]
                else:
                    self.notes.leave_out(place, f"{keyword}: which of the members are needed")
            elif len(branches) > 1 and "type" in found and not any(branch.keys() & FORMS for branch in branches):
                self._take_alternatives(found, branches, place)
            elif branches:
                inner, inner_null = self.simplified(self._one_of(branches, place), place, is_request=is_request)
                nullable = nullable or inner_null
                self._merge(found, inner, place)
        return found, nullable

    def _take_alternatives(self, found: Schema, branches: list[Schema], place: str) -> None:
        """Take over what a value of one type must keep one of: values or patterns can be told in one."""
        listed = [_listed(branch) for branch in branches]
        patterns = [branch["pattern"] for branch in branches if branch.keys() == {"pattern"}]
        if all(listed):
            self._merge(found, {"enum": [value for values in listed for value in values]}, place)
        elif len(patterns) == len(branches):
            self._merge(found, {"pattern": "|".join(f"(?:{pattern})" for pattern in patterns)}, place)
        else:
            self.notes.leave_out(place, f"one of {len(branches)} conditions")

    def _one_of(self, branches: list[Schema], place: str) -> Schema:
        """Return the form to take over where a value may have several."""
        if len(branches) == 1:
            return branches[0]
        values = [value for branch in branches for value in (_listed(branch) or [None])]
        if all(value is not None for value in values) and len({type(value) for value in values}) == 1:
            return {"enum": list(dict.fromkeys(values))}
        # A list has room for what a single value says, and more.
        chosen = next((branch for branch in branches if "array" in _types(branch)), branches[0])
        others = [branch for branch in branches if branch is not chosen]
        if (
            len(others) == 1
            and is_table(chosen.get("items"))
            and _types(others[0]) == _types(chosen["items"]) == ["string"]
        ):
            return {**chosen, "x-single": True}
        self.notes.leave_out(
            place, f"one of {len(branches)} forms is taken over: {'/'.join(_types(chosen)) or 'the first'}"
        )
        return chosen

    def _merge(self, found: Schema, more: Schema, place: str) -> None:
        """Put what another schema says beside what is there."""
        for keyword, value in more.items():
            if keyword == "properties" and is_table(value) and is_table(found.get(keyword)):
                found[keyword] = {**value, **found[keyword]}
            elif keyword == "required" and is_list(value) and is_list(found.get(keyword)):
                found[keyword] = [*dict.fromkeys([*map(str, found[keyword]), *map(str, value)])]
            elif keyword not in found:
                found[keyword] = value
            elif keyword == "pattern" and found[keyword] != value:
                found[keyword] = "^" + "".join(f"(?=[\\s\\S]*?(?:{pattern}))" for pattern in (found[keyword], value))
            elif found[keyword] != value and keyword not in {"title", "description", "example", "examples", "default"}:
                self.notes.leave_out(
                    place, f"{keyword}: it is stated twice, as {found[keyword]!r} and as {value!r}"[:200]
                )

    def _take_parts(self, found: Schema, part: Schema) -> bool:
        """Take over how many items of a list hold a member, where that is all that a part says."""
        held = part.get("contains")
        named = held.get("required") if is_table(held) and held.keys() == {"required"} else None
        if not is_list(named) or len(named) != 1:
            return False
        counts = {"minItems": part.get("minContains", 1), "maxItems": part.get("maxContains")}
        limits = {name: count for name, count in counts.items() if isinstance(count, int)}
        found.setdefault("x-parts", {}).setdefault(str(named[0]), limits)
        return True

    def _one_type(self, kinds: list[str], place: str) -> list[str]:
        """Return the one type that a request's value has here."""
        if len(kinds) > 1 and NULL in kinds:
            self.notes.leave_out(place, "null is accepted too")
            kinds = [kind for kind in kinds if kind != NULL]
        if len(kinds) > 1:
            kinds = ["number"] if set(kinds) == {"integer", "number"} else kinds
        if set(kinds) == {"string", "array"}:
            return ["array"]  # with x-single
        if len(kinds) > 1:
            self.notes.leave_out(place, f"one of {len(kinds)} types is taken over: {kinds[0]}")
        return kinds[:1]

    def _limits(self, kind: str, plain: Schema, place: str, *, is_request: bool) -> Schema:
        found: Schema = {}
        found |= self._values(kind, plain, place, is_request=is_request)
        if kind == "string":
            found |= _counts(plain, "minLength", "maxLength")
            found |= self._pattern(plain, place)
            if not is_request and plain.get("format") in ("uri", "url"):
                found["format"] = "uri"
        elif kind in {"integer", "number"}:
            found |= self._range(kind, plain, place)
        elif kind == "array":
            found |= _counts(plain, "minItems", "maxItems")
            if is_table(plain.get("items")):
                found["items"] = self._translated(plain["items"], f"{place}[]", is_request=is_request)
        elif kind == "object":
            found |= self._members(plain, place, is_request=is_request)
        for low, high in contradictory_limits(found):
            self.notes.leave_out(place, f"{low} {found.pop(low)} is more than {high} {found.pop(high)}")
        if has_forbidden_default(found):
            self.notes.leave_out(place, f"the default {found.pop('default')} is beyond the limits")
        return found

    def _values(self, kind: str, plain: Schema, place: str, *, is_request: bool) -> Schema:
        """Return the values that are accepted, the default, and the examples of a type."""
        found: Schema = {}
        listed = [value for value in _listed(plain) if _is_a(kind, value)]
        numbers = [value for value in listed if _is_number(value)]
        if numbers and kind in {"integer", "number"} and is_request:
            low, high = min(numbers), max(numbers)
            found |= {"minimum": low, "maximum": high}
            if len(numbers) <= high - low:
                self.notes.leave_out(place, f"only these are accepted: {numbers}"[:200])
        elif listed and "const" in plain:
            found["const"] = plain["const"]
        elif listed and kind in {"string", "integer", "number"}:
            found["enum"] = list(dict.fromkeys(listed))
        elif kind == "boolean" and len(set(listed)) == 1:
            found["const"] = listed[0]
        if "default" in plain and _is_a(kind, plain["default"]) and kind not in {"object", "array"}:
            found["default"] = plain["default"]
        examples = [*_scalars(plain.get("examples")), *([plain["example"]] if "example" in plain else [])]
        examples = [value for value in examples if _is_a(kind, value) and kind not in {"object", "array", NULL}]
        if examples:
            found["examples"] = examples[:3]
        return found

    def _pattern(self, plain: Schema, place: str) -> Schema:
        pattern = plain.get("pattern")
        if not isinstance(pattern, str):
            return {}
        try:
            re.compile(pattern)
        except re.error:
            self.notes.leave_out(place, f"pattern {pattern}: not one of Python's"[:200])
            return {}
        return {"pattern": pattern}

    def _range(self, kind: str, plain: Schema, place: str) -> Schema:
        found: Schema = {}
        for keyword, exclusive, step in (("minimum", "exclusiveMinimum", 1), ("maximum", "exclusiveMaximum", -1)):
            # OpenAPI 3.0 has true beside the limit, 3.1 the limit itself.
            beyond: object = plain.get(exclusive)
            is_exclusive = beyond is True or _is_number(beyond)
            limit: object = beyond if _is_number(beyond) else plain.get(keyword)
            if not _is_number(limit):
                continue
            if is_exclusive and kind == "integer":
                limit = (math.floor(limit) if step > 0 else math.ceil(limit)) + step
            elif is_exclusive:
                self.notes.leave_out(place, f"{exclusive}: {limit} itself is refused")
            found[keyword] = int(limit) if float(limit).is_integer() else limit
        return found

    def _members(self, plain: Schema, place: str, *, is_request: bool) -> Schema:
        properties = plain.get("properties")
        members: dict[str, Schema] = {}
        for name, member in properties.items() if is_table(properties) else ():
            where = f"{place}.{name}"
            schema = member if is_table(member) else {}
            if "/" in name or name in {"*", ""}:
                self.notes.leave_out(where, "no member can have this name here")
            elif schema.get("readOnly") is True and is_request:
                continue
            elif schema.get("not") == {}:
                members[name] = {"not": {}, "x-source": self.source, "x-certainty": "published"}
            elif is_request and not self.is_described(schema, where):
                self.notes.leave_out(where, "its type, or that of its items, is not described")
            else:
                members[name] = self._translated(schema, where, is_request=is_request)
        found: Schema = {"properties": members} if members else {}
        needed = [str(name) for name in _scalars(plain.get("required"))]
        known = [name for name in dict.fromkeys(needed) if name in members]
        for name in needed:
            if name not in members:
                self.notes.leave_out(f"{place}.{name}", "it is required, and not described")
        if known:
            found["required"] = known
        choices = [each for each in tables(plain.get("oneOf")) if str(each["required"][0]) in members]
        return found | ({"oneOf": choices} if len(choices) > 1 else {})

    def is_described(self, schema: Schema, place: str) -> bool:
        """Tell whether it is known what values a place accepts."""
        plain, _ = self.simplified(schema, place, is_request=True)
        kinds = [kind for kind in _types(plain) if kind != NULL]
        if kinds[:1] == ["array"]:
            items = plain.get("items")
            return is_table(items) and self.is_described(items, place)
        return bool(kinds)

    def _note_unknown(self, plain: Schema, place: str, *, is_request: bool) -> None:
        for keyword in UNKNOWN:
            if keyword in plain and plain[keyword] is not False and plain[keyword] != 0:
                value = plain[keyword]
                text = f"{keyword} {value!r}" if isinstance(value, str | int | float) else keyword
                self.notes.leave_out(place, NAMED.get(keyword, text))
        if is_request and plain.get("additionalProperties") is False:
            self.notes.leave_out(place, "other members are refused; the double does so with --strict")

    def _own_keywords(self, plain: Schema, found: Schema) -> Iterator[tuple[str, JSON]]:
        """Yield the keywords of this project's vocabulary, as its own OpenAPI documents have them."""
        for keyword in OWN:
            if keyword in plain and mistake({**found, keyword: plain[keyword]}, "vocabulary.schema.json") is None:
                yield keyword, plain[keyword]


def _scalars(value: object) -> "list[str | int | float]":
    return [each for each in value if isinstance(each, str | int | float)] if is_list(value) else []


def _listed(plain: Schema) -> "list[str | int | float]":
    return _scalars([plain["const"]]) if "const" in plain else _scalars(plain.get("enum"))


def _are_choices(branches: list[Schema]) -> bool:
    return bool(branches) and all(
        branch.keys() == {"required"} and is_list(branch["required"]) and len(branch["required"]) == 1
        for branch in branches
    )


def _types(plain: Schema) -> list[str]:
    """Return the types that a schema names, or else must mean."""
    named = plain.get("type")
    kinds = [named] if isinstance(named, str) else [str(each) for each in _scalars(named)]
    if not kinds:
        kinds = [BY_KEYWORD[keyword] for keyword in BY_KEYWORD if keyword in plain][:1]
    if not kinds:
        values = _listed(plain)
        kinds = list(dict.fromkeys(kind for value in values for kind in TYPES if _is_a(kind, value)))[:1]
    return [kind for kind in dict.fromkeys(kinds) if kind in TYPES]


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_a(kind: str, value: object) -> bool:
    match kind:
        case "string":
            return isinstance(value, str)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return _is_number(value)
        case "boolean":
            return isinstance(value, bool)
        case _:
            return False


def _counts(plain: Schema, *keywords: str) -> Schema:
    return {
        keyword: int(plain[keyword]) for keyword in keywords if _is_number(plain.get(keyword)) and plain[keyword] >= 0
    }


def contradictory_limits(schema: Schema) -> list[tuple[str, str]]:
    """Return the pairs of keywords that leave no value."""
    return [(low, high) for low, high in LIMITS if low in schema and high in schema and schema[low] > schema[high]]


def has_forbidden_default(schema: Schema) -> bool:
    """Return whether the default is a number that the limits do not permit."""
    default = schema.get("default")
    return _is_number(default) and not schema.get("minimum", default) <= default <= schema.get("maximum", default)
