"""The rules of `rules.toml`, which every provider has, with the source and certainty that each provider gives them."""

import tomllib
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from functools import cache
from pathlib import Path as FilePath
from typing import Any, Protocol, TypeAlias

from qwenmock.schemas.errors import CatalogError
from qwenmock.schemas.metaschemas import mistake, quoted
from qwenmock.schemas.models import Certainty, Document, Invariant, Rule
from qwenmock.schemas.vocabulary import JSON

FILE = FilePath(__file__).with_name("rules.toml")

Entry: TypeAlias = dict[str, Any]
"""A table of rules.toml, valid by rules.schema.json."""


class Terms(Protocol):
    """What gives a rule its source and certainty."""

    @property
    def source(self) -> str:
        """Where it was read."""
        ...

    @property
    def certainty(self) -> Certainty:
        """How sure it is."""
        ...


@cache
def _shared() -> dict[str, dict[str, Entry]]:
    table = tomllib.loads(FILE.read_text("utf-8"))
    found = mistake(table, "rules.schema.json")
    if found is not None:
        raise CatalogError(FILE, *found)
    return table


def invariant_names() -> AbstractSet[str]:
    """Return the names of all invariants."""
    return _shared()["invariants"].keys()


class SharedRules:
    """Makes the shared rules of one provider.

    Args:
        slug: The provider's slug.
        table: Its provider.toml.

    """

    def __init__(self, slug: str, table: Entry) -> None:
        self._slug = slug
        self._table = table
        self._overrides: dict[str, Entry] = table.get("rules", {})

    def unknown_override(self) -> tuple[str, str] | None:
        """Return JSON pointer and sentence for an override of a rule that does not exist."""
        known = {f"{group}/{name}" for group, rules in _shared().items() for name in rules}
        for name in self._overrides:
            if name not in known:
                pointer = name.replace("~", "~0").replace("/", "~1")
                return f"/rules/{pointer}", f'unknown rule "{name}"; expected {quoted(known)}'
        return None

    def http(self, errors: Mapping[str, Terms], authentication: Terms) -> list[Rule]:
        """Return the rules of HTTP."""
        return [
            self._rule(
                variant="http",
                path=(name.partition("/")[0],),
                name=f"http/{name}",
                value=self._value(entry),
                entry=entry,
                terms=authentication if entry["terms"] == "authentication" else errors[entry["error"]],
            )
            for name, entry in _shared()["http"].items()
        ]

    def invariants(self, answer: Document, terms: Mapping[str, Terms]) -> dict[str, Invariant]:
        """Return the invariants of a variant's answer, by name.

        Args:
            terms: By `answer`, `links`, `picture`, and `n` for a request that names a number of images.

        """
        return {
            name: Invariant(
                rule=self._rule(
                    variant=answer.name,
                    path=(),
                    name=f"invariants/{name}",
                    value=entry["statement"],
                    entry=entry,
                    terms=terms[entry["terms"]],
                    own=answer.schema.get("x-rules", {}).get(f"invariants.{name}", {}),
                ),
                tolerance=self._overrides.get(f"invariants/{name}", entry).get("tolerance", entry.get("tolerance", 0)),
                needs_images=entry.get("needs_images", False),
            )
            for name, entry in _shared()["invariants"].items()
            if entry["terms"] in terms and all(role in answer.roles for role in entry.get("roles", ()))
        }

    def callbacks(self, terms: Mapping[str, Terms]) -> list[Rule]:
        """Return the rules of callbacks.

        Args:
            terms: By `callbacks` and `pauses`.

        """
        return [
            self._rule(
                variant="callback",
                path=(),
                name=f"callbacks/{name}",
                value=entry["statement"],
                entry=entry,
                terms=terms[entry["terms"]],
            )
            for name, entry in _shared()["callbacks"].items()
        ]

    def _value(self, entry: Entry) -> JSON:
        value = entry.get("value", True)
        return self._table.get(value, value)

    def _rule(
        self,
        *,
        variant: str,
        path: tuple[str, ...],
        name: str,
        value: JSON,
        entry: Entry,
        terms: Terms,
        own: Entry | None = None,
    ) -> Rule:
        own = {**self._overrides.get(name, {}), **(own or {})}
        certainty = own.get("certainty", entry.get("certainty", terms.certainty))
        keyword = name.rpartition("/")[2]
        return Rule(
            id="/".join((self._slug, variant, *path, keyword)),
            provider=self._slug,
            variant=variant,
            path=path,
            keyword=keyword,
            value=own.get("value", value),
            source=own.get("source", entry.get("source", terms.source)),
            certainty=certainty,
            reject_certainty=own.get("reject_certainty", certainty),
            error=entry.get("error", ""),
            comment=own.get("$comment", own.get("comment", entry.get("comment", ""))),
        )
