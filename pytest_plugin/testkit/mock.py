"""The double as a user's tests hold it: what it saw, what it is to do next, what must have happened."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import httpx

from qwenmock.mockserver.http.server import RunningServer

KEY = "sk-mock"
MOST = 1_000_000


@dataclass(frozen=True)
class Exchange:
    """One call that the double answered.

    Attributes:
        json: The request's body; long texts and pictures are cut.
        answer: The answer's body.
        rule: Id of the rule that it broke, "" for none.
        entry: All that the journal says.

    """

    provider: str
    path: str
    status: int
    json: Any
    answer: Any
    rule: str
    entry: Mapping[str, Any]


class Mock:
    """A running double, for tests.

    Attributes:
        key: A key that works.
        origin: Scheme, host and port.

    """

    def __init__(self, server: RunningServer) -> None:
        self.key = KEY
        self.origin = server.origin
        self.catalog = server.double.catalog
        self._client = httpx.Client(base_url=f"{server.origin}/__mock__", timeout=60, trust_env=False)

    def url(self, slug: str) -> str:
        """Return what stands in for the provider's production base URL.

        Raises:
            KeyError: There is no such provider.

        """
        if slug not in self.catalog.providers:
            raise KeyError(f"there is no provider {slug!r}; there are {', '.join(self.catalog.providers)}")
        return f"{self.origin}/{slug}"

    def control(self, method: str, path: str, body: object = None) -> Any:
        """Call the control API and return what it answers.

        Raises:
            ValueError: It refuses the call; the text says why.

        """
        answer = self._client.request(method, f"/{path}", json={} if body is None and method != "GET" else body)
        content = answer.json()
        if answer.is_error:
            raise ValueError(content["error"])
        return content

    # What happened

    def journal(self) -> list[dict[str, Any]]:
        """Return what was asked and answered, newest first."""
        return self.control("GET", "journal")

    def ledger(self) -> dict[str, Any]:
        """Return accounts and charges; amounts are strings."""
        return self.control("GET", f"ledger?limit={MOST}")

    @property
    def exchanges(self) -> Sequence[Exchange]:
        """The calls, the oldest first."""
        return [_exchange(entry) for entry in reversed(self.journal()) if entry["endpoint"] != "callback"]

    @property
    def last_request(self) -> Exchange:
        """The newest call.

        Raises:
            AssertionError: There was none.

        """
        found = self.exchanges
        _demand(found, "the double was not called")
        return found[-1]

    def spent(self, provider: str | None = None) -> Mapping[str, Decimal]:
        """Return what was charged, by currency."""
        sums: dict[str, Decimal] = {}
        for charge in self.ledger()["charges"]:
            if provider in {None, charge["provider"]}:
                sums[charge["currency"]] = sums.get(charge["currency"], Decimal(0)) + Decimal(charge["amount"])
        return sums

    def verdict(self) -> dict[str, Any]:
        """Return how the code under test behaved: `{ok, calls, findings}`."""
        return self.control("GET", "verdict")

    # What must have happened

    def expect_calls(self, number: int, provider: str | None = None) -> None:
        """Hold the number of calls to what is expected.

        Raises:
            AssertionError: There were more, or fewer.

        """
        calls = [each for each in self.exchanges if provider in {None, each.provider}]
        _demand(len(calls) == number, f"{number} calls were expected, there were {len(calls)}:\n{listed(calls)}")

    def assert_billed(self, amount: str | Decimal, provider: str | None = None) -> None:
        """Hold what was charged, over all keys, to an amount in one currency.

        Raises:
            AssertionError: It was more, or less, or in several currencies.

        """
        sums = self.spent(provider)
        shown = ", ".join(f"{total:f} {currency}" for currency, total in sums.items()) or "nothing"
        billed = next(iter(sums.values()), Decimal(0))
        _demand(len(sums) < 2, f"{amount} was expected, and several currencies were charged: {shown}")
        _demand(billed == Decimal(amount), f"{amount} was expected to be charged, it was {shown}")

    def assert_well_behaved(self, allow: Iterable[str] = ()) -> None:
        """Hold the code under test to good manners; see `verdict`.

        Args:
            allow: Kinds of findings that are meant.

        Raises:
            AssertionError: It ignored a Retry-After, repeated what was refused, polled too fast, or the like.

        """
        allowed = set(allow)
        found = [f for f in self.verdict()["findings"] if f["severity"] == "error" and f["kind"] not in allowed]
        _demand(not found, "\n".join(f"{finding['kind']}: {finding['detail']}" for finding in found))

    # What is to happen

    def fail_next(self, status: int, times: int = 1, provider: str | None = None, **fault: Any) -> None:
        """Answer the next valid requests with a documented error.

        Args:
            status: One that the provider documents.
            times: How many.
            provider: Only those to this one.
            fault: More of a fault: `model`, `key`, `delay_ms`, `drop`, `fail_images`, `probability`.

        Raises:
            ValueError: No document names the status.

        """
        entry = {"status": status, "times": times, **({"provider": provider} if provider else {}), **fault}
        self.control("PUT", "faults", [*self.control("GET", "faults"), entry])

    def advance(self, seconds: float) -> float:
        """Move the clock on and return the double's time in unix seconds."""
        return self.control("POST", "clock", {"advance_seconds": seconds})["now"]

    def complete_tasks(self) -> None:
        """Move the clock to the end of every task under way."""
        ends = [task["ends"] for task in self.control("GET", "tasks") if task["state"] in {"pending", "running"}]
        if ends:
            now = self.control("GET", "health")["now"]
            self.advance(max(0.0, max(ends) - now) + 0.001)

    def set_balance(self, amount: str | Decimal, key: str = KEY, provider: str | None = None) -> None:
        """Set what a key has left, with one provider or all."""
        change = {"balance": str(amount), **({"provider": provider} if provider else {})}
        self.control("PATCH", f"accounts/{key}", change)

    def reset(self) -> None:
        """Begin anew: accounts, journal, tasks, faults, clock."""
        self.control("POST", "reset")

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        parts = urlsplit(self.origin)
        return parts.hostname or "", parts.port or 0


def _demand(holds: object, text: str) -> None:
    """Raise what a failing assertion raises, without what pytest would add of our own values."""
    if not holds:
        raise AssertionError(text)


def _exchange(entry: Mapping[str, Any]) -> Exchange:
    rule = entry["rule"]["id"] if entry["rule"] else ""
    return Exchange(entry["provider"], entry["path"], entry["status"], entry["request"], entry["answer"], rule, entry)


def listed(calls: Iterable[Exchange]) -> str:
    """Return calls as lines to read."""
    return "\n".join(f"  {call.status} {call.path} {call.rule}" for call in calls)
