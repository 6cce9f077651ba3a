"""Reads an OpenAPI document from a file or a URL, and nothing else: what it refers to elsewhere is not fetched."""

import importlib
import json
from pathlib import Path
from typing import TypeGuard

import httpx
import orjson

from qwenmock.mockserver.provider_folders.errors import OpenapiError
from qwenmock.schemas.vocabulary import Schema

LONGEST = 20_000_000
"""Bytes of a document. The largest public ones have about 10 MB."""
MOST_VALUES = 2_000_000
"""Values of a YAML document."""
SECONDS = 30.0


def is_table(value: object) -> TypeGuard[Schema]:
    """Return whether a value is an object."""
    return isinstance(value, dict)


def is_list(value: object) -> TypeGuard[list[Schema]]:
    """Return whether a value is a list."""
    return isinstance(value, list)


def tables(value: object) -> list[Schema]:
    """Return the objects in a list; none for what is no list."""
    return [each for each in value if is_table(each)] if is_list(value) else []


def printable(text: str) -> str:
    """Return a text as one line that every terminal shows: names of files and texts of others may hold anything."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


def read_document(place: str) -> Schema:
    """Return the document at a path or a URL.

    Raises:
        OpenapiError: It cannot be read, or is no OpenAPI 3 document.

    """
    name = printable(place)
    data = _fetched(place) if place.startswith(("http://", "https://")) else _read(place)
    document = _parsed(data, name)
    if not is_table(document):
        raise OpenapiError(f"{name}: expected an OpenAPI 3 document, got no object")
    if "swagger" in document:
        found = printable(str(document["swagger"]))
        raise OpenapiError(f"{name}: expected OpenAPI 3, got Swagger {found:.20}; convert it first")
    version = document.get("openapi")
    if not isinstance(version, str) or not version.startswith("3."):
        found = 'no "openapi"' if version is None else f'"openapi": {json.dumps(version, default=str):.40}'
        raise OpenapiError(f"{name}: expected an OpenAPI 3 document, got {found}")
    if not is_table(document.get("paths")):
        raise OpenapiError(f'{name}: expected an object at "paths", got none')
    return document


def _read(place: str) -> bytes:
    try:
        with Path(place).open("rb") as file:
            data = file.read(LONGEST + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise OpenapiError(f"{printable(place)}: {reason}") from error
    return _short_enough(data, place)


def _fetched(url: str) -> bytes:
    """Return what is at the URL itself: a redirect would lead where the user did not send us."""
    name = printable(url)
    data = bytearray()
    try:
        with httpx.stream("GET", url, timeout=SECONDS, follow_redirects=False, trust_env=True) as answer:
            if answer.is_redirect:
                target = printable(answer.headers.get("location", ""))
                raise OpenapiError(f"{name}: expected the document, got a redirect to {target:.200}; give that URL")
            if answer.status_code != 200:
                raise OpenapiError(f"{name}: expected status 200, got {answer.status_code}")
            for chunk in answer.iter_bytes():
                data += chunk
                if len(data) > LONGEST:
                    break
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        raise OpenapiError(f"{name}: cannot be fetched: {printable(str(error)) or type(error).__name__}") from error
    return _short_enough(bytes(data), url)


def _short_enough(data: bytes, place: str) -> bytes:
    if len(data) > LONGEST:
        raise OpenapiError(f"{printable(place)}: expected at most {LONGEST} bytes, got more")
    return data


def _parsed(data: bytes, name: str) -> object:
    data = data.removeprefix(b"\xef\xbb\xbf")
    if data.lstrip()[:1] in {b"{", b"["}:
        try:
            return orjson.loads(data)
        except orjson.JSONDecodeError as error:
            raise OpenapiError(f"{name}: expected JSON: {error}") from error
    return _from_yaml(data, name)


def _from_yaml(data: bytes, name: str) -> object:
    try:
        yaml = importlib.import_module("yaml")
    except ImportError as error:
        raise OpenapiError(
            f"{name}: expected JSON; YAML needs the library PyYAML, which is not installed: pip install pyyaml"
        ) from error
    try:
        return _Plain().value(yaml.safe_load(data))
    except (yaml.YAMLError, UnicodeError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split()) or "it is too deep"
        raise OpenapiError(f"{name}: expected JSON or YAML: {printable(reason):.300}") from error


class _Plain:
    """Turns what YAML has into the values of JSON: names that are numbers into texts, dates into texts."""

    def __init__(self) -> None:
        self._left = MOST_VALUES

    def value(self, value: object) -> object:
        """Return a value as JSON has it.

        Raises:
            ValueError: There are too many: a few aliases stand for any number of them.

        """
        self._left -= 1
        if self._left < 0:
            raise ValueError(f"expected at most {MOST_VALUES} values, aliases included")
        if is_table(value):
            return {str(name): self.value(member) for name, member in value.items()}
        if is_list(value):
            return [self.value(item) for item in value]
        return value if isinstance(value, str | int | float | None) else str(value)
