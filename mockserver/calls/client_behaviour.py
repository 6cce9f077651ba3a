"""How a client behaved: retries, polling and links, from the journal of its calls.

Calls with the same key, provider, path and body are tries of one request. Of refused calls the journal keeps a hash of
key and body, since the key is masked and the body may not have been read.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from itertools import pairwise

import orjson

from qwenmock.mockserver.store.protocols import Fetch
from qwenmock.mockserver.store.records import JournalEntry
from qwenmock.schemas.catalog import Catalog
from qwenmock.schemas.models import ENDED_STATES
from qwenmock.schemas.vocabulary import JSON
from qwenmock.schemas.wording import counted

NOT_WORTH_REPEATING = {400, 401, 402, 403, 404, 405, 413}
STORM = 10
"""Tries of one request within a minute."""
STORM_SECONDS = 60.0
POLL_SECONDS = 0.2
"""Seconds between two queries of one task; the documents' examples wait for longer."""
POLLS = 3
"""Queries in too quick succession that are too many for an accident."""
TOLERANCE = 0.05
"""Seconds that a client may come early: clocks differ."""

UNREAL_WAITS = "the client's clock or sleep is replaced: its waits are not judged"
"""The advisory of such a call."""

Entry = JournalEntry


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a client did.

    Attributes:
        kind: `retry_after_ignored`, `refusal_repeated`, `charge_repeated`, `retry_storm`, `polled_too_fast`,
            `polled_after_the_end`, `link_after_expiry` or `link_never_fetched`.
        severity: `error`, or `note` for what may be meant.
        detail: A sentence.
        requests: Ids, the oldest first.
        lost: What it cost for nothing, with its currency; "" where nothing.

    """

    kind: str
    severity: str
    detail: str
    requests: tuple[str, ...]
    lost: str = ""


def verdict(entries: Sequence[Entry], fetches: Sequence[Fetch], catalog: Catalog) -> dict[str, JSON]:
    """Return the findings on some calls.

    Args:
        entries: Of the journal, the oldest first.
        fetches: Of pictures; only those that the entries' answers link to count.
        catalog: The providers that were called.

    """
    calls = [entry for entry in entries if entry["endpoint"] != "callback"]
    findings = [*_retries(calls), *_polls(calls, catalog), *_links(calls, fetches)]
    return {
        "ok": not any(finding.severity == "error" for finding in findings),
        "calls": len(calls),
        "findings": [asdict(finding) for finding in findings],
    }


def _retries(calls: Sequence[Entry]) -> Iterator[Finding]:
    tries: dict[tuple[str, ...], list[Entry]] = defaultdict(list)
    for entry in calls:
        if entry["method"] == "POST":
            tries[_identity(entry)].append(entry)
    for same in tries.values():
        yield from _repeated(same)
        yield from _charged_again(same)
        for start in range(len(same) - STORM):
            seconds = same[start + STORM]["at"] - same[start]["at"]
            if seconds < STORM_SECONDS and _can_be_timed(same[start : start + STORM + 1]):
                detail = f"{len(same)} tries of one request, {STORM + 1} of them within {seconds:.1f} s"
                yield Finding("retry_storm", "error", detail, _ids(same))
                break
    by_key: dict[tuple[str, str], list[Entry]] = defaultdict(list)
    for entry in calls:
        by_key[entry["provider"], entry["key"]].append(entry)
    for group in by_key.values():
        yield from _early(group)


def _repeated(same: Sequence[Entry]) -> Iterator[Finding]:
    """Find refusals that a retry cannot change, and that were retried."""
    refusals: dict[tuple[int, str], list[Entry]] = defaultdict(list)
    for entry in same:
        if entry["status"] in NOT_WORTH_REPEATING:
            refusals[entry["status"], entry.get("fingerprint", "")].append(entry)
    for (status, _), refused in sorted(refusals.items(), key=lambda item: item[0]):
        if len(refused) > 1:
            detail = f"the same request was sent {len(refused)} times although it was refused with {status}"
            yield Finding("refusal_repeated", "error", detail, _ids(refused))


def _charged_again(same: Sequence[Entry]) -> Iterator[Finding]:
    charged = [(entry, entry["charge"]) for entry in same if entry["charge"] is not None]
    if len(charged) < 2:
        return
    lost = sum((Decimal(charge["amount"]) for _, charge in charged[1:]), Decimal(0))
    currency = charged[0][1]["currency"]
    detail = f"one request was charged {len(charged)} times; the repetitions cost {lost:f} {currency}"
    yield Finding("charge_repeated", "note", detail, _ids([entry for entry, _ in charged]), f"{lost:f} {currency}")


def _can_be_timed(entries: Sequence[Entry]) -> bool:
    """Return whether time passed for the client as it did for the server between these calls."""
    return not any(UNREAL_WAITS in entry["advisories"] for entry in entries)


def _early(group: Sequence[Entry]) -> Iterator[Finding]:
    """Find calls that came before the end of a Retry-After."""
    for before, after in pairwise(group):
        wait = float(before.get("retry_after") or 0)
        came = after["at"] - before["at"]
        is_early = came < wait - TOLERANCE and after["method"] == "POST"
        if wait and is_early and _can_be_timed((before, after)):
            detail = f"Retry-After was {wait:g} s, and the next request came after {came:.2f} s"
            yield Finding("retry_after_ignored", "error", detail, _ids((before, after)))


def _polls(calls: Sequence[Entry], catalog: Catalog) -> Iterator[Finding]:
    looks: dict[str, list[Entry]] = defaultdict(list)
    for entry in calls:
        kind = catalog.endpoint_kind(entry["provider"], entry["endpoint"])
        if kind == "task" and entry["status"] == 200:
            looks[entry["task"]].append(entry)
    for task, group in looks.items():
        quick = [b for a, b in pairwise(group) if b["at"] - a["at"] < POLL_SECONDS and _can_be_timed((a, b))]
        if len(quick) >= POLLS:
            detail = f"task {task} was looked at {len(quick)} times within {POLL_SECONDS} s of the look before"
            yield Finding("polled_too_fast", "error", detail, _ids(quick))
        ends = [
            at
            for at, entry in enumerate(group)
            if catalog[entry["provider"]].task_state(entry["answer"]) in ENDED_STATES
        ]
        if ends and ends[0] < len(group) - 1:
            after = group[ends[0] + 1 :]
            detail = f"task {task} had ended, and was looked at {len(after)} times more"
            yield Finding("polled_after_the_end", "note", detail, _ids(after))


def _links(calls: Sequence[Entry], fetches: Sequence[Fetch]) -> Iterator[Finding]:
    linked = [(entry, set(_paths(entry["answer"]))) for entry in calls]
    ended = {fetch.path for fetch in fetches if fetch.is_expired}
    late = [entry for entry, paths in linked if ended & paths]
    if late:
        links = counted(len(ended & set[str]().union(*(paths for _, paths in linked))), "link")
        yield Finding("link_after_expiry", "error", f"{links} opened after the end of its time", _ids(late))
    opened = {fetch.path for fetch in fetches if not fetch.is_expired}
    unopened = [entry for entry, paths in linked if entry["charge"] and not opened & paths]
    if unopened:
        detail = f"the pictures of {counted(len(unopened), 'charged request')} were never fetched; their links end"
        yield Finding("link_never_fetched", "note", detail, _ids(unopened))


def _paths(value: JSON) -> Iterator[str]:
    if isinstance(value, str):
        _, files, path = value.partition("/__files__/")
        if files:
            yield files + path.partition("?")[0]
    elif isinstance(value, dict):
        for member in value.values():
            yield from _paths(member)
    elif isinstance(value, list):
        for item in value:
            yield from _paths(item)


def _identity(entry: Entry) -> tuple[str, ...]:
    body = orjson.dumps(entry["request"], option=orjson.OPT_SORT_KEYS)
    # The journal has no body of a call that was refused before it was read.
    unread = entry.get("fingerprint", "") if entry["request"] is None else ""
    return entry["provider"], entry["key"], entry["path"], hashlib.sha256(body).hexdigest(), unread


def _ids(entries: Sequence[Entry]) -> tuple[str, ...]:
    return tuple(str(entry["id"]) for entry in entries)
