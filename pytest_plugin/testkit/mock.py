"""The object behind the `qwenmock` fixture: read what the double saw, tell it what to do next, assert what happened."""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import httpx

from qwenmock.mockserver.http.server import RunningServer
from qwenmock.pytest_plugin.testkit.entries import ChargeEntry, Fault, JournalEntry, Ledger, TaskEntry, Verdict
from qwenmock.schemas.wording import counted

KEY = "sk-mock"
LEDGER_LIMIT = 1_000_000
UNFINISHED = {"pending", "running"}


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


TIME = (time.time, time.monotonic, time.sleep, asyncio.sleep)
"""What tests replace so that retries need no time."""


def waits_are_real() -> bool:
    """Return whether no test has replaced the clock or `sleep` in this process."""
    return (time.time, time.monotonic, time.sleep, asyncio.sleep) == TIME


class Mock:
    """A running double, as the fixtures `qwenmock` and `qwenmock_session` give it to a test.

    Attributes:
        key: An API key that every provider of the double accepts.
        origin: Scheme, host and port, for example `http://127.0.0.1:40123`.
        catalog: The providers that the double serves, by slug.

    Example:
        ```python
        def test_pays_once(qwenmock):
            my_client = MyClient(base_url=qwenmock.url("nebula"), api_key=qwenmock.key)
            my_client.paint("a cat")
            qwenmock.expect_calls(1)
            qwenmock.assert_billed("0.18")
        ```

    """

    def __init__(self, server: RunningServer) -> None:
        self.key = KEY
        self.origin = server.origin
        self.catalog = server.double.catalog
        server.double.waits_are_real = waits_are_real
        self._client = httpx.Client(base_url=f"{server.origin}/__mock__", timeout=60, trust_env=False)

    def url(self, slug: str) -> str:
        """Return the URL that replaces a provider's production base URL.

        Args:
            slug: The provider, for example `nebula`.

        Returns:
            The URL, without a slash at the end.

        Raises:
            KeyError: The catalogue has no such provider.

        """
        if slug not in self.catalog.providers:
            raise KeyError(f"unknown provider {slug!r}, expected one of {', '.join(self.catalog.providers)}")
        return f"{self.origin}/{slug}"

    def control(self, method: str, path: str, body: object = None) -> Any:
        """Call the control API.

        Args:
            method: HTTP method.
            path: Path below `/__mock__/`, without a slash in front: `ledger?limit=10`.
            body: A value that can be written as JSON; `None` sends no body with GET and `{}` otherwise.

        Returns:
            The answer, decoded from JSON.

        Raises:
            ValueError: The control API refused the call. The message gives the reason.

        """
        answer = self._client.request(method, f"/{path}", json={} if body is None and method != "GET" else body)
        content = answer.json()
        if answer.is_error:
            raise ValueError(content["error"])
        return content

    # Reading what happened

    def journal(self) -> list[JournalEntry]:
        """Return the journal: one entry for each request, the newest first.

        Returns:
            The entries as `GET /__mock__/journal` gives them.

        """
        return self.control("GET", "journal")

    def ledger(self) -> Ledger:
        """Return the ledger.

        Returns:
            `accounts` and `charges` as `GET /__mock__/ledger` gives them. Amounts are strings.

        """
        return self.control("GET", f"ledger?limit={LEDGER_LIMIT}")

    @property
    def exchanges(self) -> Sequence[Exchange]:
        """The requests of the code under test, the oldest first; without the callbacks that the double sent."""
        return [_exchange(entry) for entry in reversed(self.journal()) if entry["endpoint"] != "callback"]

    @property
    def last_request(self) -> Exchange:
        """The newest request.

        Raises:
            AssertionError: The double received no request.

        """
        exchanges = self.exchanges
        _require(exchanges, "the double was not called")
        return exchanges[-1]

    def spent(self, provider: str | None = None) -> Mapping[str, Decimal]:
        """Return the sum of all charges, over all keys.

        Args:
            provider: Count only this provider's charges; `None` counts all.

        Returns:
            Amounts by currency, for example `{"CNY": Decimal("0.36")}`; empty if nothing was charged.

        """
        charges = self.ledger()["charges"]
        return sums_of(charge for charge in charges if provider in {None, charge["provider"]})

    def verdict(self) -> Verdict:
        """Return how well the code under test behaved as a client.

        Returns:
            `{"ok": bool, "calls": int, "findings": [...]}`. A finding has `kind`, `severity` (`error` or `note`),
            `detail`, `requests` (ids) and `lost` (the amount that was paid for nothing).

        """
        return self.control("GET", "verdict")

    # Assertions

    def expect_calls(self, number: int, provider: str | None = None) -> None:
        """Assert that the double received exactly this many requests.

        Args:
            number: The expected number. Requests that failed count too.
            provider: Count only requests to this provider; `None` counts all.

        Raises:
            AssertionError: There were more, or fewer. The message lists them.

        """
        calls = [each for each in self.exchanges if provider in {None, each.provider}]
        _require(len(calls) == number, f"expected {counted(number, 'call')}, got {len(calls)}:\n{listed(calls)}")

    def assert_billed(self, amount: str | Decimal | float, provider: str | None = None) -> None:
        """Assert that exactly this amount was charged, over all keys.

        Args:
            amount: The expected amount in the provider's currency, for example `"0.36"`. A number counts as it is
                written: `0.2` is exactly 0.2.
            provider: Count only this provider's charges; `None` counts all.

        Raises:
            AssertionError: The amount was different, or there were charges in several currencies.

        """
        sums = self.spent(provider)
        shown = ", ".join(f"{total:f} {currency}" for currency, total in sums.items()) or "nothing"
        billed = next(iter(sums.values()), Decimal(0))
        _require(len(sums) < 2, f"expected a charge of {amount}, got charges in several currencies: {shown}")
        _require(billed == Decimal(str(amount)), f"expected a charge of {amount}, got {shown}")

    def assert_well_behaved(self, allow: Iterable[str] = ()) -> None:
        """Assert that the verdict on the code under test has no finding of severity `error`.

        Args:
            allow: Kinds of findings to accept: `retry_after_ignored`, `refusal_repeated`, `retry_storm`,
                `polled_too_fast`, `link_after_expiry`.

        Raises:
            AssertionError: There is such a finding. The message lists all of them.

        """
        allowed = set(allow)
        errors = [f for f in self.verdict()["findings"] if f["severity"] == "error" and f["kind"] not in allowed]
        _require(not errors, "\n".join(f"{error['kind']}: {error['detail']}" for error in errors))

    # Control

    def fail_next(self, status: int, times: int = 1, provider: str | None = None, **fault: object) -> None:
        """Answer the next valid requests with a documented error.

        Args:
            status: HTTP status of the error.
            times: How many requests fail.
            provider: Fail only requests to this provider; `None` fails requests to any.
            fault: Other members of a fault: `model`, `key`, `delay_ms`, `drop`, `fail_images`, `probability`.

        Raises:
            ValueError: No provider documents the status.

        Example:
            ```python
            qwenmock.fail_next(429)
            qwenmock.fail_next(500, times=2, provider="evolink")
            ```

        """
        plan: list[Fault] = self.control("GET", "faults")
        added = {"status": status, "times": times, **({"provider": provider} if provider else {}), **fault}
        self.control("PUT", "faults", [*plan, added])

    def scenario(self, name: str) -> None:
        """Replace the fault plan by that of a scenario, such as `outage`.

        Args:
            name: One of those that `GET /__mock__/scenarios` lists.

        Raises:
            ValueError: There is no such scenario.

        """
        self.control("PUT", "scenario", {"name": name})

    def advance(self, seconds: float) -> float:
        """Move the double's clock forward. Links expire, tasks finish and rate limits recover accordingly.

        Args:
            seconds: How far to move it.

        Returns:
            The double's new time, in Unix seconds.

        """
        return self.control("POST", "clock", {"advance_seconds": seconds})["now"]

    def complete_tasks(self) -> None:
        """Move the clock forward until every unfinished task has finished."""
        tasks: list[TaskEntry] = self.control("GET", "tasks")
        ends = [task["ends"] for task in tasks if task["state"] in UNFINISHED]
        if ends:
            now = self.control("GET", "health")["now"]
            self.advance(max(0.0, max(ends) - now) + 0.001)

    def set_balance(self, amount: str | Decimal, key: str = KEY, provider: str | None = None) -> None:
        """Set the balance of a key's account.

        Args:
            amount: The new balance, in the provider's currency.
            key: The key.
            provider: Change only the account with this provider; `None` changes it with all of them.

        Raises:
            ValueError: The amount is not a valid amount, or the double does not know the key or the provider.

        """
        change = {"balance": str(amount), **({"provider": provider} if provider else {})}
        self.control("PATCH", f"accounts/{key}", change)

    def reset(self) -> None:
        """Reset accounts, journal, tasks, faults, limits and the clock.

        The `qwenmock` fixture does this before each test.
        """
        self.control("POST", "reset")

    def close(self) -> None:
        """Close the connection to the double. The fixture does this."""
        self._client.close()

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of the double."""
        parts = urlsplit(self.origin)
        return parts.hostname or "", parts.port or 0


def sums_of(charges: Iterable[ChargeEntry]) -> Mapping[str, Decimal]:
    """Return the sums of charges, by currency."""
    sums: dict[str, Decimal] = {}
    for charge in charges:
        sums[charge["currency"]] = sums.get(charge["currency"], Decimal(0)) + Decimal(charge["amount"])
    return sums


def _require(condition: object, message: str) -> None:
    """Raise AssertionError unless the condition holds, without the values that pytest's assert rewriting would add."""
    if not condition:
        raise AssertionError(message)


def _exchange(entry: JournalEntry) -> Exchange:
    return Exchange(
        provider=entry["provider"],
        path=entry["path"],
        status=entry["status"],
        json=entry["request"],
        answer=entry["answer"],
        rule=entry["rule"]["id"] if entry["rule"] else "",
        entry=entry,
    )


def listed(calls: Iterable[Exchange]) -> str:
    """Return one line for each call."""
    return "\n".join(f"  {call.status} {call.path} {call.rule}" for call in calls)
