"""Remarks on what a `Prefer` header or a directive requests in vain: a name or a value that the double does not know.

The request is answered as if it were not there, since RFC 7240 demands that of unknown preferences, and since a prompt
is a user's text. The remarks are advisories, so that a test that waits for an error learns why none comes.
"""

import re
from collections.abc import Callable, Iterator
from itertools import islice

from qwenmock.mockserver.calls.effects import DIRECTIVES, NO_EFFECTS, OPENING, Effects, directives, preferences
from qwenmock.mockserver.settings import unknown
from qwenmock.schemas.models import Provider

REQUESTED = "requested effect: "
"""Beginning of these advisories."""
OF_OTHERS = frozenset({"respond-async", "return", "handling"})
"""Registered preferences that the double does not have, and clients may send."""
PREFERENCES = ("code", "wait")
NAMES = ("status", "wait", "refuse", "fail-images", "fail-task")
MOST = 5
"""Remarks on one request."""
LONGEST = 60
"""Characters of a name or a value that are shown."""


def on_preferences(provider: Provider, header: str) -> list[str]:
    """Return remarks on a `Prefer` header; none on preferences that are registered for something else."""
    if not header:
        return []
    items = [item for item in _items(header) if item[0] not in OF_OTHERS]
    return [*islice(_remarks(provider, items, "preference", PREFERENCES, preferences, "{}={}"), MOST)]


def on_directives(provider: Provider, prompt: str) -> list[str]:
    """Return remarks on the directives in a prompt."""
    if OPENING not in prompt:
        return []
    contents = DIRECTIVES.findall(prompt)
    broken = prompt.count(OPENING) - len(contents)
    items = [item for content in contents for item in _items(content)]
    found = [f"{REQUESTED}expected a directive as in [[qwenmock: status=429]], got one without : or ]]"] * (broken > 0)
    return [*found, *islice(_remarks(provider, items, "directive", NAMES, directives, "[[qwenmock:{}={}]]"), MOST)]


def _items(text: str) -> list[tuple[str, str]]:
    parts = [item.partition("=") for item in re.split(r"[,;]", text) if item.strip()]
    return [(name.strip().strip('"').lower(), value.strip().strip('"')) for name, _, value in parts]


def _remarks(
    provider: Provider,
    items: list[tuple[str, str]],
    kind: str,
    known: tuple[str, ...],
    read: Callable[[Provider, str], Effects],
    form: str,
) -> Iterator[str]:
    for name, value in items:
        if name not in known:
            yield f"{REQUESTED}{unknown(kind, name[:LONGEST], known)}"
        elif name == "fail-task" and value not in _codes(provider):
            yield f"{REQUESTED}fail-task: {_expected(_codes(provider))}, got {value[:LONGEST]!r}"
        elif read(provider, form.format(name, value)) is NO_EFFECTS:
            yield f"{REQUESTED}{name}: {_values(provider, name)}, got {value[:LONGEST]!r}"


def _values(provider: Provider, name: str) -> str:
    if name in {"code", "status"}:
        return _expected(sorted(map(str, provider.statuses - {200})))
    return "expected seconds, as in 0.5" if name == "wait" else "expected a number of images"


def _codes(provider: Provider) -> list[str]:
    tasks = provider.tasks
    return sorted({*tasks.failures, *tasks.failure_codes.values()}) if tasks is not None else []


def _expected(values: list[str]) -> str:
    return f"expected one of {', '.join(values)}" if values else "expected no value, as this provider has no tasks"
