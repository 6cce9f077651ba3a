"""The requests that a double answered, and a table of them for messages."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from qwenmock.mockserver.testing.entries import ChargeEntry, JournalEntry

NOT_CALLED = "the double was not called"
COLUMNS = ("method", "provider", "model", "status", "rule", "cost")
MOST_ROWS = 20
"""Rows of a table; of a longer one the middle is left out."""
TASK_CHARACTERS = 16
"""Characters of a task's id that are shown."""


@dataclass(frozen=True)
class Exchange:
    """One request that the double answered.

    Attributes:
        provider: Slug of the provider, for example `nebula`.
        path: Path of the request as it was sent.
        status: HTTP status of the answer.
        json: Body of the request. Long strings and images are shortened.
        answer: Body of the answer.
        rule: Id of the rule that the request broke; `""` if it broke none.
        entry: The complete journal entry.

    """

    provider: str
    path: str
    status: int
    json: Any  # not JSON: tests index it
    answer: Any
    rule: str
    entry: JournalEntry


def exchange_of(entry: JournalEntry) -> Exchange:
    """Return the exchange of a journal entry."""
    return Exchange(
        provider=entry["provider"],
        path=entry["path"],
        status=entry["status"],
        json=entry["request"],
        answer=entry["answer"],
        rule=entry["rule"]["id"] if entry["rule"] else "",
        entry=entry,
    )


def table(exchanges: Sequence[Exchange], charges: Iterable[ChargeEntry]) -> str:
    """Return exchanges as a table, the oldest first; what was asked several times with one result is one row."""
    if not exchanges:
        return NOT_CALLED
    rows = [COLUMNS, *_shortened([*_rows(exchanges, _costs(charges))])]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    used = [column for column in range(len(COLUMNS)) if any(row[column] for row in rows[1:])]
    return "\n".join("  " + "  ".join(row[at].ljust(widths[at]) for at in used).rstrip() for row in rows)


def _rows(exchanges: Sequence[Exchange], costs: Mapping[str, str]) -> Iterator[tuple[str, ...]]:
    alike: dict[tuple[str, ...], int] = {}
    for exchange in exchanges:
        entry = exchange.entry
        row = (
            entry["method"],
            exchange.provider,
            _model_of(entry),
            str(exchange.status),
            exchange.rule,
            costs.get(entry["id"], ""),
        )
        # Each request that could change something has a row of its own.
        own = "" if entry["method"] == "GET" else entry["id"]
        key = (own, exchange.path, *row)
        alike[key] = alike.get(key, 0) + 1
    for (_, _, *row), times in alike.items():
        folded = [*row]
        folded[0] += f" x{times}" if times > 1 else ""
        yield tuple(folded)


def _model_of(entry: JournalEntry) -> str:
    """Return the model, also one that was refused; for a query of a task its id."""
    if entry["task"] and not entry["model"]:
        task = entry["task"]
        return f"task {task[:TASK_CHARACTERS]}{'…' if len(task) > TASK_CHARACTERS else ''}"
    asked = entry["request"].get("model") if isinstance(entry["request"], dict) else None
    return entry["model"] or (asked if isinstance(asked, str) else "")


def _shortened(rows: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    half = MOST_ROWS // 2
    if len(rows) <= MOST_ROWS:
        return rows
    left_out = (f"… {len(rows) - 2 * half} more", *[""] * (len(COLUMNS) - 1))
    return [*rows[:half], left_out, *rows[-half:]]


def _costs(charges: Iterable[ChargeEntry]) -> dict[str, str]:
    """Return what each request cost, by its id: a task's charge is booked later than its entry is written."""
    sums: dict[tuple[str, str], Decimal] = {}
    for charge in charges:
        key = (charge["request_id"], charge["currency"])
        sums[key] = sums.get(key, Decimal(0)) + Decimal(charge["amount"])
    return {request: f"{amount:f} {currency}" for (request, currency), amount in sums.items()}
