"""What the sources of rules are called where a person reads them: `sources.toml` has the names."""

import tomllib
from collections.abc import Mapping
from datetime import date
from functools import cache
from pathlib import Path
from typing import NamedTuple

FILE = Path(__file__).with_name("sources.toml")


class SourceDocument(NamedTuple):
    """A document that the contract was written from.

    Attributes:
        file: Its file, which is not part of the package.
        name: What its sections are cited with.
        title: What it calls itself.

    """

    file: str
    name: str
    title: str


class SourcePage(NamedTuple):
    """A public page, and the day on which it was read."""

    name: str
    addresses: tuple[str, ...]
    read: date


@cache
def cited(source: str) -> str:
    """Return a source as a person reads it: `Nebula image editing guide, 7.1 Billing Method`.

    A public page, and a document that is not listed, keep the text that the data has.
    """
    file, _, section = source.partition("#")
    document = known_documents().get(file)
    return source if document is None else f"{document.name}, {section}"


@cache
def known_documents() -> Mapping[str, SourceDocument]:
    """Return the documents by their files."""
    documents = tomllib.loads(FILE.read_text("utf-8"))["documents"]
    return {file: SourceDocument(file, entry["name"], entry["title"]) for file, entry in documents.items()}


@cache
def known_pages() -> tuple[SourcePage, ...]:
    """Return the public pages; a source that begins with `published: ` and the name of one cites it."""
    pages = tomllib.loads(FILE.read_text("utf-8"))["pages"]
    return tuple(SourcePage(name, tuple(entry["addresses"]), entry["read"]) for name, entry in pages.items())
