"""Where the double keeps what it must not forget: accounts, charges, limits, the journal, pictures that were sent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from qwenmock.mockserver.job import Account, Charge, Delivery, Task
from qwenmock.schemas.vocabulary import JSON


@dataclass(frozen=True, slots=True)
class Opening:
    """How an account begins when its key is first used."""

    provider: str
    key: str
    currency: str
    balance: Decimal
    requests_per_minute: int | None


@dataclass(frozen=True, slots=True)
class Selection:
    """Which entries are asked for; None leaves a field open.

    Attributes:
        limit: How many at the most.

    """

    provider: str | None = None
    key: str | None = None
    status: int | None = None
    request_id: str | None = None
    limit: int = 1000


class InsufficientBalance(Exception):  # noqa: N818, an answer of the store, no failure
    """The account does not hold what the request may cost."""


class Store(Protocol):
    """What every store does. Each method is one atomic step; when it returns, it is done."""

    async def account(self, opening: Opening) -> Account:
        """Return the account, opening it where there is none yet."""
        ...

    async def change_account(self, opening: Opening, changes: Mapping[str, JSON]) -> Account:
        """Set `balance` (Decimal) or `requests_per_minute` (int or None) and return the account."""
        ...

    async def admit(self, provider: str, key: str, now: float, per_minute: int) -> float:
        """Count a request against its key's limit. Returns 0, or the seconds until the next would be admitted."""
        ...

    async def reserve(self, opening: Opening, request_id: str, amount: Decimal) -> None:
        """Take the amount off the balance and hold it for the request.

        Raises:
            InsufficientBalance: The balance is smaller; nothing was changed.

        """
        ...

    async def release(self, request_id: str) -> None:
        """Give back what is held for the request, if anything is."""
        ...

    async def charge(self, charge: Charge) -> None:
        """Book the charge against what is held for its request, and give the rest back."""
        ...

    async def add_task(self, task: Task) -> None:
        """Keep a new task."""
        ...

    async def task(self, task_id: str) -> Task | None:
        """Return a task."""
        ...

    async def tasks(self, selection: Selection) -> Sequence[Task]:
        """Return tasks, newest first."""
        ...

    async def due_tasks(self, now: float) -> Sequence[Task]:
        """Return the tasks that have ended and were not settled."""
        ...

    async def finish_task(self, task: Task, charge: Charge | None, deliveries: Sequence[Delivery]) -> bool:
        """Settle a task, once: book its charge or give back what is held, and set its callbacks up.

        Returns False, having changed nothing, where somebody else has settled it already.
        """
        ...

    async def claim_delivery(self, now: float, lease: float) -> Delivery | None:
        """Return a callback that is due, and keep others from it until the lease (real unix seconds) ends."""
        ...

    async def set_delivery(self, delivery: Delivery) -> None:
        """Keep a callback's new state, and end the claim to it."""
        ...

    async def deliveries(self, task_id: str | None) -> Sequence[Delivery]:
        """Return the callbacks of a task, or all, oldest first."""
        ...

    async def release_held(self, key: str, now: float) -> None:
        """Let the callbacks of a key go that were held until another had gone out."""
        ...

    async def has_work(self) -> bool:
        """Tell whether a task or a callback is still under way."""
        ...

    async def accounts(self, selection: Selection) -> Sequence[Account]:
        """Return the accounts, oldest first."""
        ...

    async def charges(self, selection: Selection) -> Sequence[Charge]:
        """Return the charges, newest first."""
        ...

    async def record(self, entry: Mapping[str, JSON], key: str) -> None:
        """Put an entry into the journal; the oldest leave when it is full."""
        ...

    async def journal(self, selection: Selection) -> Sequence[Mapping[str, JSON]]:
        """Return journal entries, newest first."""
        ...

    async def keep(self, digest: str, data: bytes) -> None:
        """Keep some bytes under their digest; the longest unused leave when there is no room."""
        ...

    async def kept(self, digest: str) -> bytes | None:
        """Return what is kept under the digest."""
        ...

    async def reset(self, what: str) -> None:
        """Forget `journal`, `ledger` (accounts begin anew), `tasks`, `limits` or `all`."""
        ...

    def setting(self, name: str, default: str) -> str:
        """Return a value that all workers share, and that restarts keep; the default is kept where there is none.

        For start-up, before anything is served.
        """
        ...

    async def close(self) -> None:
        """Let go of what the store holds."""
        ...
