"""The scripts of the pages: readable, and without knowledge of any provider."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from qwenmock.mockserver.control.pages import STATIC
from qwenmock.schemas.catalog import load
from qwenmock.schemas.models import Document, Provider
from qwenmock.schemas.vocabulary import walk

SCRIPTS = sorted(STATIC.glob("*.js"))
TRANSLATIONS = STATIC / "data_texts.js"
"""Chinese for the catalogue's own sentences, which name models."""
WORDS = {
    *("error", "id", "input", "token", "type", "code", "data", "n", "progress", "status", "text", "url", "content"),
    *("role", "model", "prompt", "negative_prompt", "image", "size", "width", "height", "message", "parts"),
    *("request_id", "object", "images", "created", "seed", "callback_url"),
}
"""Members that are also the pages' own words: of HTML, of roles, of the control API's answers."""
SDK_WORDS = {"dashscope", "extra", "parameters"}
"""What the client libraries call their parts."""


def documents(provider: Provider) -> Iterator[Document]:
    yield provider.error
    yield from provider.task_documents
    for variant in provider.variants.values():
        yield from (variant.request, variant.answer)
    for endpoint in provider.endpoints.values():
        yield from provider.answers_of(endpoint)


def members(schema: Any) -> Iterator[str]:
    for _, node in walk(schema):
        yield from node.get("properties", {})


def provider_words() -> set[str]:
    """Return the providers' slugs, hosts, paths, states and members, as far as they are no ordinary words."""
    found: set[str] = set()
    for provider in load():
        found |= {provider.slug, provider.host, *provider.models}
        found |= {endpoint.path for endpoint in provider.endpoints.values()}
        found |= {member for document in documents(provider) for member in members(document.schema)}
        if provider.tasks is not None:
            found |= {state.name for state in provider.tasks.states.values() if not state.name.islower()}
    return found - WORDS


@pytest.mark.parametrize("script", [each for each in SCRIPTS if each != TRANSLATIONS], ids=lambda path: path.name)
def test_script_names_no_provider(script: Path) -> None:
    words = set(re.findall(r"[\w./-]+", script.read_text("utf-8")))
    allowed = SDK_WORDS if script.name == "snippets.js" else set[str]()
    assert words & provider_words() <= allowed


@pytest.mark.parametrize("script", [*SCRIPTS, *STATIC.glob("*.css")], ids=lambda path: path.name)
def test_no_line_is_longer_than_120(script: Path) -> None:
    assert [line for line in script.read_text("utf-8").splitlines() if len(line) > 120] == []
