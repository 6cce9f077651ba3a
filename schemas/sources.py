"""What the sources of rules are called where a person reads them: `sources.toml` has the names."""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

FILE = Path(__file__).with_name("sources.toml")


@cache
def cited(source: str) -> str:
    """Return a source as a person reads it: `Nebula image editing guide, 7.1 Billing Method`.

    A public page, and a document that is not listed, keep the text that the data has.
    """
    file, _, section = source.partition("#")
    name = _names().get(file)
    return source if name is None else f"{name}, {section}"


@cache
def _names() -> Mapping[str, str]:
    """Return what we call each document, by its file."""
    return {file: entry["name"] for file, entry in tomllib.loads(FILE.read_text("utf-8"))["documents"].items()}
