"""The target's own control API: its clock and balances. Only the double has one."""

import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal

import orjson

from qwenmock.pytest_plugin.examiner.connection.credentials import Credentials
from qwenmock.pytest_plugin.examiner.connection.hosting import PictureHost
from qwenmock.pytest_plugin.examiner.connection.sending import Sender
from qwenmock.pytest_plugin.examiner.expected_cost import amount_of
from qwenmock.pytest_plugin.examiner.json_values import read_array, read_member, read_number, read_string
from qwenmock.pytest_plugin.examiner.results import CouldNotRun, NotExaminable, UnreadableAnswer
from qwenmock.pytest_plugin.examiner.target import Reply, TargetError
from qwenmock.schemas.vocabulary import JSON

CONTROL_PATH = "/__mock__"
"""Where the double has its control API."""
HOSTED_SECONDS = 3600
"""How far the clock may be moved before images are hosted again: their links may have expired."""
TASK_SECONDS = 600
"""More than a task takes."""


@dataclass(frozen=True, slots=True)
class Account:
    """An account in the double's ledger."""

    provider: str
    balance: Decimal
    reserved: Decimal


def accounts_of(ledger: JSON) -> list[Account]:
    """Return the accounts in a ledger, or raise UnreadableAnswer."""
    return [
        Account(
            provider=read_string(read_member(account, "provider"), "provider"),
            balance=amount_of(read_member(account, "balance")),
            reserved=amount_of(read_member(account, "reserved")),
        )
        for account in read_array(read_member(ledger, "accounts"), "accounts")
    ]


@dataclass(frozen=True, slots=True)
class ClockReading:
    """A target's clock: how far it is ahead of its machine's time, and of the time here."""

    offset: float
    ahead: float


class TargetControl:
    """Controls a target.

    Attributes:
        url: Of the control API; None for a target without one.

    """

    def __init__(self, url: str | None, sender: Sender, pictures: PictureHost, credentials: Credentials) -> None:
        self.url = url
        self._sender = sender
        self._pictures = pictures
        self._credentials = credentials
        self._first: ClockReading | None = None
        self._last: ClockReading | None = None
        self._moved_since_hosting = 0.0

    @property
    def is_available(self) -> bool:
        """Whether the target can be controlled."""
        return self.url is not None

    def send(self, method: str, path: str, body: JSON = None) -> Reply:
        """Send a request to the control API."""
        content = b"" if body is None else orjson.dumps(body)
        return self._sender.target.send(method, f"{self.url}{path}", {"Content-Type": "application/json"}, content)

    def require(self) -> None:
        """Check that the control API, if there is one, answers.

        Raises:
            CouldNotRun: It does not.

        """
        try:
            self.now()
        except (TargetError, NotExaminable, UnreadableAnswer) as error:
            raise CouldNotRun(f"{self.url} is not a control API that can be used: {error}") from error

    # The clock

    def read_clock(self) -> ClockReading:
        """Return the target's clock.

        Raises:
            NotExaminable: The control API refuses to state it.
            UnreadableAnswer: Its answer does not.
            TargetError: No answer came.

        """
        if self._last is None:
            self._first = self._last = self._move(0)
        return self._last

    def _move(self, seconds: float) -> ClockReading:
        reply = self.send("POST", "/clock", {"advance_seconds": seconds})
        if reply.status != 200:
            raise NotExaminable(f"POST {self.url}/clock: status {reply.status}, {reply.excerpt}")
        answer = reply.json()
        ahead = read_number(read_member(answer, "now"), "now") - time.time()
        return ClockReading(offset=read_number(read_member(answer, "offset"), "offset"), ahead=ahead)

    def now(self) -> float:
        """Return the target's time, in Unix seconds; the time here if the target cannot be controlled."""
        return time.time() + (0 if self.url is None else self.read_clock().ahead)

    def advance(self, seconds: float) -> None:
        """Move the target's clock.

        Raises:
            NotExaminable: It cannot be moved.

        """
        if self.url is None:
            raise NotExaminable("the target's clock cannot be moved")
        self.read_clock()
        self._last = self._move(seconds)
        self._moved_since_hosting += seconds
        if self._moved_since_hosting > HOSTED_SECONDS:
            self._pictures.forget()
            self._moved_since_hosting = 0.0

    def restore(self) -> None:
        """Set the target's clock back to where it was found, after the end of every task of the examination.

        Request limits begin anew: they would count requests of a time that has not come yet.
        """
        if self._first is None or self._last is None or self._first.offset == self._last.offset:
            return
        self._move(TASK_SECONDS)
        for part in ("clock", "limits"):
            self.send("POST", f"/reset/{part}")
        self._move(self._first.offset)

    # Faults

    @contextmanager
    def callbacks_sent_to(self, origin: str) -> Generator[bool]:
        """Have the callback of the next task sent to another origin; yield whether it will. The fault plan is kept."""
        plan = read_array(self.send("GET", "/faults").json(), "the fault plan")
        fault: JSON = {
            "provider": self._credentials.slug,
            "key": self._credentials.paying_key(),
            "callback_origin": origin,
            "times": 1,
        }
        is_set = self.send("PUT", "/faults", [fault, *plan]).status == 200
        try:
            yield is_set
        finally:
            if is_set:
                self.send("PUT", "/faults", plan)

    # Money

    def balance(self) -> Decimal:
        """Return the balance of the key that pays.

        Raises:
            NotExaminable: The target does not state it.

        """
        if self.url is None:
            raise NotExaminable("the target does not state balances")
        balances = self.balances(self._credentials.paying_key())
        if not balances:
            # An account opens with its key's first request; a refused one costs nothing.
            self._sender.call(b"{", Decimal(0))
            balances = self.balances(self._credentials.paying_key())
        if not balances:
            raise NotExaminable("the target does not state a balance for the key that pays")
        return balances[0]

    def account(self) -> Account:
        """Return the account of the key that pays.

        Raises:
            NotExaminable: The target does not state it.

        """
        self.balance()  # opens it
        ledger = self.send("GET", f"/ledger?key={self._credentials.paying_key()}&limit=0").json()
        found = [account for account in accounts_of(ledger) if account.provider == self._credentials.slug]
        if not found:
            raise NotExaminable("the target does not state the account of the key that pays")
        return found[0]

    def balances(self, key: str) -> list[Decimal]:
        """Return the balance of a key's account; nothing if it has none yet.

        Raises:
            NotExaminable: The target does not state it.

        """
        if self.url is None:
            raise NotExaminable("the target does not state balances")
        ledger = self.send("GET", f"/ledger?key={key}&limit=0").json()
        slug = self._credentials.slug
        return [account.balance for account in accounts_of(ledger) if account.provider == slug]
