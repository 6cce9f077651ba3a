"""Searching the journal: one function for all stores.

A store yields its lines, newest first, some at a time; what matches is decided here, on a line as it is stored. Only
the entries that are returned are expanded. Between two parts of the journal other requests are answered.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import orjson

from qwenmock.mockserver.store.compact import CompactEntry, Line
from qwenmock.mockserver.store.protocols import JournalStore
from qwenmock.mockserver.store.records import JournalEntry


class Cursor(NamedTuple):
    """A place in the journal: that of one entry."""

    id: str
    at: float

    def __str__(self) -> str:
        return f"{self.id}/{self.at}"


class _Facts(NamedTuple):
    """What is selected by, of a line of either form."""

    id: str
    at: float
    provider: str
    variant: str
    model: str
    task: str
    key: str
    masked: str
    status: int
    rule: str


@dataclass(frozen=True)
class Search:
    """Which entries are searched for; what is None matches everything.

    Attributes:
        key: An API key, whole or as the journal shows it.
        statuses: The lowest and the highest HTTP status.
        rule: Id of a broken rule, or its beginning up to a slash.
        text: What stands in the prompts, the bodies, the refusal or the path, in capitals or not.
        since: Unix seconds; `until` too. Both are included.
        after: The entry after which the answer begins; older ones follow it.
        limit: Largest number of entries to return.

    """

    id: str | None = None
    provider: str | None = None
    variant: str | None = None
    model: str | None = None
    task: str | None = None
    key: str | None = None
    statuses: tuple[int, int] | None = None
    rule: str | None = None
    text: str | None = None
    since: float | None = None
    until: float | None = None
    after: Cursor | None = None
    limit: int = 1000

    @cached_property
    def has_filter(self) -> bool:
        """Whether there are entries that it does not match."""
        return self != Search(after=self.after, limit=self.limit)

    @cached_property
    def _needle(self) -> bytes:
        # As JSON writes it: what is searched is JSON.
        return orjson.dumps((self.text or "").lower())[1:-1]

    @cached_property
    def _equal(self) -> Sequence[tuple[int, str]]:
        names = ("id", "provider", "variant", "model", "task")
        wanted: list[tuple[str, str | None]] = [(name, getattr(self, name)) for name in names]
        return [(_Facts._fields.index(name), value) for name, value in wanted if value is not None]

    def matches(self, line: Line) -> bool:
        """Return whether a line is searched for."""
        if not self.has_filter:
            return True
        facts = _facts(line)
        for at, value in self._equal:
            if facts[at] != value:
                return False
        return (
            self.key in {None, facts.key, facts.masked}
            and (self.statuses is None or self.statuses[0] <= facts.status <= self.statuses[1])
            and (self.rule is None or f"{facts.rule}/".startswith(self.rule.rstrip("/") + "/"))
            and (self.since is None or facts.at >= self.since)
            and (self.until is None or facts.at <= self.until)
            and (not self.text or _has_text(line, self._needle))
        )


class JournalPage(NamedTuple):
    """A part of what was found.

    Attributes:
        entries: Newest first.
        total: How many entries there are in all.
        next: Where the next part begins; None after the last.

    """

    entries: Sequence[JournalEntry]
    total: int
    next: Cursor | None


async def search(store: JournalStore, query: Search) -> JournalPage:
    """Search the whole journal."""
    found: list[Line] = []
    matching, has_begun, has_more = 0, query.after is None, False
    async for lines in store.read_journal():
        for line in lines:
            is_match = query.matches(line)
            matching += is_match
            if not has_begun:
                has_begun = cursor_of(line) == query.after
            elif is_match and len(found) < query.limit:
                found.append(line)
            else:
                has_more = has_more or is_match
        if has_more and not query.has_filter:
            break
        await asyncio.sleep(0)
    return JournalPage(
        entries=[expand(line) for line in found],
        total=matching if query.has_filter else await store.journal_length(),
        next=cursor_of(found[-1]) if found and has_more else None,
    )


def cursor_of(line: Line) -> Cursor:
    """Return the place of a line."""
    if isinstance(line, CompactEntry):
        return Cursor(line.id, line.at)
    return Cursor(line[1]["id"], line[1]["at"])


def expand(line: Line) -> JournalEntry:
    """Return the documented entry of a line."""
    return line.expand() if isinstance(line, CompactEntry) else line[1]


def _facts(line: Line) -> _Facts:
    if isinstance(line, CompactEntry):
        place = line.place
        rule = "" if line.refusal is None else line.refusal.rule
        return _Facts(
            line.id, line.at, place.provider, place.variant, line.model, line.task, line.key, line.masked, line.status,
            rule,
        )  # fmt: skip
    key, entry = line
    rule = entry["rule"]
    return _Facts(
        id=entry["id"],
        at=entry["at"],
        provider=entry["provider"],
        variant=entry["variant"],
        model=entry["model"],
        task=entry["task"],
        key=key,
        masked=entry["key"],
        status=entry["status"],
        rule="" if rule is None else rule["id"],
    )


def _has_text(line: Line, needle: bytes) -> bool:
    """Return whether a line has a text, which is in lower case and written as in JSON."""
    if isinstance(line, CompactEntry):
        data = b"\n".join((line.request, line.answer, orjson.dumps((line.path, _refusal(line)))))
        if b"\\" not in line.request and needle not in _lower(data, needle):
            return False  # nor has the documented entry, which takes 10 µs to make
        return _has_text((line.key, line.expand()), needle)
    entry = line[1]
    searched = (
        entry.get("effective_prompt"),
        entry.get("effective_negative_prompt"),
        entry["path"],
        entry["request"],
        entry["answer"],
        entry["refusal"],
    )
    return needle in _lower(orjson.dumps(searched), needle)


def _refusal(line: CompactEntry) -> tuple[str, str] | None:
    return None if line.refusal is None else (line.refusal.kind, line.refusal.detail)


def _lower(data: bytes, needle: bytes) -> bytes:
    """Return UTF-8 in lower case, as far as that matters for finding something in it."""
    return data.lower() if needle.isascii() else data.decode().lower().encode()
