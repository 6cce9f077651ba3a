"""A running double as tests use it: read what it saw, tell it what to do next, assert what happened."""

import asyncio
import contextlib
import ssl
import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import urlsplit

import httpx

from qwenmock.mockserver.http.server import RunningServer
from qwenmock.mockserver.testing.entries import ChargeEntry, Fault, JournalEntry, Ledger, TaskEntry, Verdict
from qwenmock.mockserver.testing.exchanges import NOT_CALLED, Exchange, exchange_of, table
from qwenmock.mockserver.testing.intercept import Interception, intercepting
from qwenmock.schemas.catalog import Catalog
from qwenmock.schemas.wording import counted

KEY = "sk-mock"
LEDGER_LIMIT = 1_000_000
UNFINISHED = {"pending", "running"}


TIME = (time.time, time.monotonic, time.sleep, asyncio.sleep)
"""What tests replace so that retries need no time."""


def waits_are_real() -> bool:
    """Return whether no test has replaced the clock or `sleep` in this process."""
    return (time.time, time.monotonic, time.sleep, asyncio.sleep) == TIME


class Mock(RunningServer):
    """A running double with what tests need. `running()` and the fixtures `qwenmock` and `qwenmock_session` give it.

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
        super().__init__(server.double, server.port)
        self.key = KEY
        server.double.waits_are_real = waits_are_real
        # Without a certificate of an authority, of which HTTP needs none: to read them all takes 20 ms.
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._client = httpx.Client(base_url=f"{server.origin}/__mock__", timeout=60, trust_env=False, verify=tls)

    @property
    def catalog(self) -> Catalog:
        """The providers that the double serves, by slug."""
        return self.double.catalog

    def url(self, slug: str) -> str:
        """Return the URL that replaces a provider's production base URL.

        Args:
            slug: The provider, for example `nebula`.

        Returns:
            The URL, without a slash at the end.

        Raises:
            KeyError: The catalogue has no such provider.

        """
        __tracebackhide__ = True
        if slug not in self.catalog.providers:
            raise KeyError(f"unknown provider {slug!r}, expected one of {', '.join(self.catalog.providers)}")
        return super().url(slug)

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
        __tracebackhide__ = True
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
        return [exchange_of(entry) for entry in reversed(self.journal()) if entry["endpoint"] != "callback"]

    @property
    def last_request(self) -> Exchange:
        """The newest request.

        Raises:
            AssertionError: The double received no request.

        """
        __tracebackhide__ = True
        exchanges = self.exchanges
        _require(exchanges, NOT_CALLED)
        return exchanges[-1]

    def table(self) -> str:
        """Return the exchanges as a table of method, provider, model, status, rule and cost, the oldest first.

        Queries of one task with the same status are one row. Messages of failed assertions contain it.

        Returns:
            Lines without a line break at the end; the middle of a long table is left out.

        """
        return table(self.exchanges, self.ledger()["charges"])

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
        __tracebackhide__ = True
        calls = [each for each in self.exchanges if provider in {None, each.provider}]
        if len(calls) != number:
            shown = table(calls, self.ledger()["charges"])
            raise AssertionError(f"expected {counted(number, 'call')}, got {len(calls)}:\n{shown}")

    def assert_billed(self, amount: str | Decimal | float, provider: str | None = None) -> None:
        """Assert that exactly this amount was charged, over all keys.

        Args:
            amount: The expected amount in the provider's currency, for example `"0.36"`. A number counts as it is
                written: `0.2` is exactly 0.2.
            provider: Count only this provider's charges; `None` counts all.

        Raises:
            AssertionError: The amount was different, or there were charges in several currencies. The message has the
                exchanges.
            ValueError: It is not an amount.

        """
        __tracebackhide__ = True
        expected = _amount(amount)
        sums = self.spent(provider)
        shown = ", ".join(f"{total:f} {currency}" for currency, total in sums.items()) or "nothing"
        billed = next(iter(sums.values()), Decimal(0))
        if len(sums) > 1:
            shown = f"charges in several currencies: {shown}"
        elif billed == expected:
            return
        raise AssertionError(f"expected a charge of {amount}, got {shown}:\n{self.table()}")

    def assert_well_behaved(self, allow: Iterable[str] = ()) -> None:
        """Assert that the verdict on the code under test has no finding of severity `error`.

        Args:
            allow: Kinds of findings to accept: `retry_after_ignored`, `refusal_repeated`, `retry_storm`,
                `polled_too_fast`, `link_after_expiry`.

        Raises:
            AssertionError: There is such a finding. The message lists all of them, and the exchanges.

        """
        __tracebackhide__ = True
        allowed = set(allow)
        errors = [f for f in self.verdict()["findings"] if f["severity"] == "error" and f["kind"] not in allowed]
        if errors:
            lines = "\n".join(f"  {error['kind']}: {error['detail']}" for error in errors)
            raise AssertionError(f"expected no errors of the client, got {len(errors)}:\n{lines}\n{self.table()}")

    # Control

    def fail_next(self, status: int, times: int = 1, provider: str | None = None, **fault: object) -> None:
        """Answer the next valid requests with a documented error.

        Args:
            status: HTTP status of the error.
            times: How many requests fail.
            provider: Fail only requests to this provider; `None` fails requests to any.
            fault: Other members of a fault: `model`, `key`, `delay_ms`, `drop`, `fail_images`, `probability`.

        Raises:
            ValueError: No provider documents the status, or `times` is not at least 1.

        Example:
            ```python
            qwenmock.fail_next(429)
            qwenmock.fail_next(500, times=2, provider="evolink")
            ```

        """
        __tracebackhide__ = True
        if times < 1:
            raise ValueError(f"times: expected an integer from 1 on, got {times}")
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
        __tracebackhide__ = True
        self.control("PUT", "scenario", {"name": name})

    def advance(self, seconds: float) -> float:
        """Move the double's clock forward. Links expire, tasks finish and rate limits recover accordingly.

        Args:
            seconds: How far to move it.

        Returns:
            The double's new time, in Unix seconds.

        """
        __tracebackhide__ = True
        return self.control("POST", "clock", {"advance_seconds": seconds})["now"]

    def complete_tasks(self) -> None:
        """Move the clock forward until every unfinished task has finished."""
        tasks: list[TaskEntry] = self.control("GET", "tasks")
        ends = [task["ends"] for task in tasks if task["state"] in UNFINISHED]
        if ends:
            now = self.control("GET", "health")["now"]
            self.advance(max(0.0, max(ends) - now) + 0.001)

    def set_balance(self, amount: str | Decimal | float, key: str = KEY, provider: str | None = None) -> None:
        """Set the balance of a key's account.

        Args:
            amount: The new balance, in the provider's currency. A number counts as it is written.
            key: The key.
            provider: Change only the account with this provider; `None` changes it with all of them.

        Raises:
            ValueError: The amount is not a valid amount, or the double does not know the key or the provider. Or no
                provider is named, the amount is not 0, and providers have different currencies.

        """
        __tracebackhide__ = True
        change = {"balance": str(amount), **({"provider": provider} if provider else {})}
        self.control("PATCH", f"accounts/{key}", change)

    @contextlib.contextmanager
    def intercept(self, *allow: str) -> Generator[Interception]:
        """Redirect requests for the providers' production hosts to the double, and refuse other hosts, in a block.

        What it works for is said at the fixture `qwenmock_intercept`, which does the same for a test.

        Args:
            allow: Hosts to which requests are let through.

        Yields:
            The interception. Its `allow("example.com")` lets requests to another host through.

        Raises:
            HostRefused: In the code under test, when it calls a host that is not allowed.
            AssertionError: At the end of the block, if such a call was made.

        Example:
            ```python
            with qwenmock.mockserver.running() as double, double.intercept():
                my_code_that_knows_only_production()
                double.assert_billed("0.18")
            ```

        """
        __tracebackhide__ = True
        with intercepting(self, allow) as interception:
            yield interception
        hosts = ", ".join(interception.refused)
        _require(not hosts, f"hosts that are not allowed were called: {hosts}")

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


def _amount(given: str | Decimal | float) -> Decimal:
    """Return an amount. Raises ValueError for what is none."""
    with contextlib.suppress(InvalidOperation):
        amount = Decimal(str(given))
        if amount.is_finite():
            return amount
    raise ValueError(f'expected an amount such as "0.36", got {given!r}')


def _require(condition: object, message: str) -> None:
    """Raise AssertionError unless the condition holds. pytest shows no line of this module in the traceback."""
    __tracebackhide__ = True
    if not condition:
        raise AssertionError(message)
