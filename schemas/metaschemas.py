"""The schemas of the catalogue's own files, and sentences for what breaks them."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import jsonschema_rs

from qwenmock.schemas.vocabulary import JSON

if TYPE_CHECKING:  # importing it takes a tenth of the start of a server, and only what is wrong needs it
    import jsonschema

FOLDER = Path(__file__).parent
FILES = ("vocabulary.schema.json", "provider.schema.json", "rules.schema.json")
LONGEST_VALUE = 200
QUICK = "json-schema:///"
"""Where the quick validators look up a relative reference."""


@cache
def _validator(name: str) -> "jsonschema.Draft202012Validator":
    import jsonschema
    from referencing import Registry, Resource

    registry: Registry[Any] = Registry()
    for file in FILES:
        registry = registry.with_resource(file, Resource.from_contents(json.loads((FOLDER / file).read_text("utf-8"))))
    return jsonschema.Draft202012Validator(
        {"$ref": name}, registry=registry, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )


def _is_regex(text: str) -> bool:
    try:
        re.compile(text)
    except re.error:
        return False
    return True


def _quick_validators() -> dict[str, jsonschema_rs.Draft202012Validator]:
    """Return validators that only accept, in a twentieth of the time: with the others every start takes 0.1 s more."""
    resources = [(QUICK + file, json.loads((FOLDER / file).read_text("utf-8"))) for file in FILES]
    registry = jsonschema_rs.Registry(resources)
    return {
        file: jsonschema_rs.Draft202012Validator(
            {"$ref": QUICK + file}, registry=registry, validate_formats=True, formats={"regex": _is_regex}
        )
        for file in FILES
    }


_QUICK_VALIDATORS = _quick_validators()


def _is_surely_valid(value: JSON, metaschema: str) -> bool:
    try:
        return _QUICK_VALIDATORS[metaschema].is_valid(value)
    except ValueError:  # a value that JSON has not, such as a date of TOML
        return False


def mistake(value: JSON, metaschema: str) -> tuple[str, str] | None:
    """Return what makes a file's content invalid, as JSON pointer and sentence; None for valid content."""
    if _is_surely_valid(value, metaschema):
        return None
    errors = list(_validator(metaschema).iter_errors(value))
    if not errors:
        return None
    return _told(errors)


def mistakes(value: JSON, metaschema: str) -> list[tuple[str, str]]:
    """Return everything that makes a file's content invalid, each as JSON pointer and sentence."""
    return list(dict.fromkeys(_told([error]) for error in _validator(metaschema).iter_errors(value)))


def _told(errors: "Iterable[jsonschema.ValidationError]") -> tuple[str, str]:
    """Return what a person should read first of some errors."""
    from jsonschema.exceptions import best_match  # pyright: ignore[reportUnknownVariableType]

    error = cast(Any, best_match(errors))
    return pointer(error.absolute_path), _describe(error.validator, error.validator_value, error.instance, error)


def pointer(path: "list[str | int] | tuple[str | int, ...]") -> str:
    """Return a path as JSON pointer."""
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in path)


def quoted(names: object) -> str:
    """Return names in alphabetical order, each in quotation marks: `"a", "b"`."""
    return ", ".join(sorted(f'"{name}"' for name in cast(set[str], names)))


def _shown(value: JSON) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"


_EXPECTED: Mapping[str, Callable[[Any], str]] = {
    "type": lambda expected: f"a value of type {expected}",
    "enum": lambda expected: "one of " + ", ".join(map(_shown, expected)),
    "const": _shown,
    "not": lambda excluded: f"a value other than {_shown(excluded.get('const'))}",
    "pattern": lambda expected: f"a string that matches {expected}",
    "format": lambda expected: f"a string in the format {expected}",
    "minimum": lambda expected: f"at least {expected}",
    "maximum": lambda expected: f"at most {expected}",
    "minLength": lambda expected: f"at least {expected} characters",
    "minItems": lambda expected: f"at least {expected} items",
    "maxItems": lambda expected: f"at most {expected} items",
    "minProperties": lambda expected: f"at least {expected} members",
    "uniqueItems": lambda _: "items that differ",
}
"""What is accepted, by the keyword that a value breaks."""


def _describe(keyword: str, expected: Any, value: Any, error: Any) -> str:
    if keyword == "required":
        missing = [name for name in expected if name not in value]
        return f"missing {quoted(missing)}; expected {quoted(expected)}"
    if keyword == "additionalProperties" and expected is False:
        known = error.schema.get("properties", {})
        return f"unknown {quoted(value.keys() - known.keys())}; expected {quoted(known)}"
    if keyword in _EXPECTED:
        return f"expected {_EXPECTED[keyword](expected)}, got {_shown(value)}"
    return str(error.message)[:1000]
