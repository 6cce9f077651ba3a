"""What must hold when the traffic has ended."""

import csv
import io
import statistics
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import httpx

from soak.receiver import Receiver
from soak.server import Sample, Server, descriptors
from soak.traffic import Book

HOUR = 3600
SETTLE_SECONDS = 60
BALANCE = Decimal(1_000_000)
ALL = 1_000_000
GROWTH = 1.1
MEGABYTES = 10
DESCRIPTORS = 10


@dataclass(frozen=True)
class Row:
    """One line of the result."""

    name: str
    found: str
    is_kept: bool


def settled(client: httpx.Client) -> list[dict[str, Any]]:
    """Let hours pass, so that tasks, reservations and late callbacks end; return all tasks."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        client.post("/__mock__/clock", json={"advance_seconds": HOUR}).raise_for_status()
        tasks: list[dict[str, Any]] = client.get(f"/__mock__/tasks?limit={ALL}").json()
        waiting = [each for task in tasks for each in task["callbacks"] if each["state"] in {"waiting", "held"}]
        has_ended = all(task["state"] not in {"pending", "running"} for task in tasks)
        if (has_ended and not waiting) or time.monotonic() > deadline:
            return tasks
        time.sleep(0.2)


def merged(books: Sequence[Book]) -> Book:
    total = Book()
    for book in books:
        total.charged |= book.charged
        total.tasks |= book.tasks
        total.unanswered += book.unanswered
        total.statuses += book.statuses
        total.actions += book.actions
        total.problems += book.problems
    return total


def released(client: httpx.Client) -> list[dict[str, Any]]:
    """Return the accounts, as soon as what killed workers had reserved is released, or not in time."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        accounts: list[dict[str, Any]] = client.get(f"/__mock__/ledger?limit={ALL}").json()["accounts"]
        if not any(Decimal(account["reserved"]) for account in accounts) or time.monotonic() > deadline:
            return accounts
        time.sleep(0.2)


def ledger_rows(client: httpx.Client, book: Book, tasks: list[dict[str, Any]]) -> Iterator[Row]:
    """Compare the ledger with what clients were told."""
    charges = list(csv.DictReader(io.StringIO(client.get(f"/__mock__/ledger.csv?limit={ALL}").text)))
    by_request = {charge["request_id"]: (int(charge["images"]), Decimal(charge["amount"])) for charge in charges}
    repeated = len(charges) - len(by_request)
    yield Row("charges booked twice", str(repeated), repeated == 0)
    expected = book.charged | dict(task_charges(book, tasks))
    wrong = [request for request, charge in expected.items() if by_request.get(request) != charge]
    yield Row("acknowledged charges", f"{len(expected)}, of them missing or wrong: {len(wrong)}", not wrong)
    known = {task.request_id for task in book.tasks.values()}
    free = [request for request in by_request if request in known and request not in expected]
    yield Row("charges of tasks that failed", str(len(free)), not free)
    more = len(by_request.keys() - expected.keys()) - len(free)
    yield Row("charges of unanswered requests", f"{more} of {book.unanswered}", more <= book.unanswered)
    yield from account_rows(client, charges)


def task_charges(book: Book, tasks: list[dict[str, Any]]) -> Iterator[tuple[str, tuple[int, Decimal]]]:
    """Yield what each task that a client was told of costs, by its request, if it has succeeded."""
    for entry in tasks:
        task = book.tasks.get(entry["id"])
        if task is not None and entry["state"] == "succeeded":
            images = len(entry["urls"])
            yield task.request_id, (images, images * (task.provider.price_of(task.model).amount or Decimal(0)))


def account_rows(client: httpx.Client, charges: list[dict[str, str]]) -> Iterator[Row]:
    accounts = released(client)
    booked: dict[str, Decimal] = {}
    for charge in charges:
        booked[charge["provider"]] = booked.get(charge["provider"], Decimal(0)) + Decimal(charge["amount"])
    spent: dict[str, Decimal] = {}
    for account in accounts:
        spent[account["provider"]] = spent.get(account["provider"], Decimal(0)) + Decimal(account["spent"])
    differing = [slug for slug in spent if spent[slug] != booked.get(slug, Decimal(0))]
    yield Row("spent is the sum of the charges", "at all providers" if not differing else str(differing), not differing)
    sums = [Decimal(account["balance"]) + Decimal(account["spent"]) for account in accounts]
    off = [total for total in sums if total not in {BALANCE, Decimal(0)}]
    yield Row("balance and spent make the first balance", f"{len(sums) - len(off)} of {len(sums)} accounts", not off)
    reserved = sum((Decimal(account["reserved"]) for account in accounts), Decimal(0))
    yield Row("still reserved after a minute", f"{reserved:f}", reserved == 0)


def task_rows(book: Book, receiver: Receiver, tasks: list[dict[str, Any]]) -> Iterator[Row]:
    """Check that every task has ended, and that its callback was received if it asked for one."""
    lost = book.tasks.keys() - {task["id"] for task in tasks}
    yield Row("tasks", f"{len(book.tasks)}, lost {len(lost)}", not lost)
    states = Counter(task["state"] for task in tasks)
    running = states["pending"] + states["running"]
    yield Row("tasks that have not ended", f"{running} of {dict(states)}", running == 0)
    asked = [task.id for task in book.tasks.values() if task.asks_callback]
    missing = [task for task in asked if not receiver.received[task]]
    missed = {task["id"]: task["callbacks"] for task in tasks if task["id"] in missing[:3]}
    found = f"{len(asked) - len(missing)} of {len(asked)}{f', missing {missed}' if missing else ''}"
    yield Row("callbacks of tasks that asked", found, not missing)
    yield Row("callbacks with something wrong", str(len(receiver.problems)), not receiver.problems)


def process_rows(
    server: Server, spared: int, samples: Sequence[Sample], before: int, *, is_long: bool = True
) -> Iterator[Row]:
    """Compare the memory and descriptors of the second half with the first; a fifth of it is left out as warm-up.

    Args:
        server: Its processes.
        spared: The worker that is never killed.
        samples: What this worker used.
        before: Descriptors of the supervisor at the beginning.
        is_long: Whether the run was so long that the bounded caches were full before its second half. If not, memory
            is told and not judged.

    """
    warm = samples[len(samples) // 5 :]
    halves = warm[: len(warm) // 2], warm[len(warm) // 2 :]
    first, second = (statistics.median(each.resident_mb for each in half) for half in halves)
    is_flat = second <= max(first * GROWTH, first + MEGABYTES)
    told = f"{first:.0f} and {second:.0f} MB{'' if is_long else ', not judged in a short run'}"
    yield Row("memory of a worker, first and second half", told, is_flat or not is_long)
    most = [max(each.descriptors for each in half) for half in halves]
    found = f"{most[0]} and {most[1]}, {descriptors(spared)} at the end"
    yield Row("its descriptors", found, max(most[1], descriptors(spared)) <= most[0] + DESCRIPTORS)
    after = descriptors(server.process.pid)
    yield Row("descriptors of the supervisor", f"{before} before, {after} after", after <= before + DESCRIPTORS)
    errors = server.error_lines()
    yield Row("lines in the error log", str(len(errors)), not errors)


def table(rows: Sequence[Row]) -> str:
    width = max(len(row.name) for row in rows)
    return "\n".join(f"{'ok  ' if row.is_kept else 'FAIL'}  {row.name:{width}}  {row.found}" for row in rows)
