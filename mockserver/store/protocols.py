"""Where the double keeps what it must not forget: accounts, charges, limits, the journal, pictures that were sent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple, Protocol

from qwenmock.mockserver.models import Account, Charge, Delivery, Task
from qwenmock.schemas.vocabulary import JSON
from qwenmock.schemas.wording import counted


class AccountDefaults(NamedTuple):
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

    def fits(self, key: str, entry: Mapping[str, JSON]) -> bool:
        """Tell whether a journal entry, written for a key, is among those asked for."""
        return (
            self.key in {None, key}
            and self.provider in {None, entry["provider"]}
            and self.status in {None, entry["status"]}
        )


@dataclass(frozen=True, slots=True)
class Shared:
    """What every process that shares the state must know before it acts.

    Attributes:
        offset: Seconds that the clock was moved by.
        plan: Number of the fault plan; a new one for each change.

    """

    offset: float
    plan: int


class InsufficientBalance(Exception):  # noqa: N818, an answer of the store, no failure
    """The account does not hold what the request may cost."""


class TooManyRequests(Exception):  # noqa: N818, an answer of the store, no failure
    """The key has used up its requests of this minute.

    Attributes:
        per_minute: How many it has.
        wait: Seconds until the next would be admitted.

    """

    def __init__(self, per_minute: int, wait: float) -> None:
        super().__init__(f"{counted(per_minute, 'request')} a minute")
        self.per_minute = per_minute
        self.wait = wait


class Fetch(NamedTuple):
    """A picture that was asked for.

    Attributes:
        path: Of its link, without the query.
        is_expired: Whether its link had ended.

    """

    path: str
    is_expired: bool


class Store(Protocol):
    """What every store does. Each method is one atomic step; when it returns, it is done and kept.

    Attributes:
        is_shared: Whether other processes may work on the same state.

    """

    is_shared: bool

    def setting(self, name: str, default: str) -> str:
        """Return a value that all workers share, and that restarts keep; the default is kept where there is none.

        For start-up, before anything is served.
        """
        ...

    def register(self) -> int:
        """Return a number that no other process has had on this state. For start-up."""
        ...

    async def shared(self) -> Shared:
        """Return what may have been changed by another process."""
        ...

    async def move_clock(self, seconds: float | None) -> float:
        """Add to the clock's offset, or with None set it to 0, and return it."""
        ...

    async def set_faults(self, faults: Sequence[Mapping[str, JSON]]) -> None:
        """Replace the fault plan."""
        ...

    async def faults(self) -> Mapping[str, Mapping[str, JSON]]:
        """Return the faults by id, in order, each with the `times` that are left."""
        ...

    async def use_fault(self, fault_id: str) -> bool:
        """Count down a fault that has `times`. Returns False where none is left."""
        ...

    async def account(self, defaults: AccountDefaults) -> Account:
        """Return the account, defaults it where there is none yet."""
        ...

    async def change_account(self, defaults: AccountDefaults, changes: Mapping[str, JSON]) -> Account:
        """Set `balance` (Decimal) or `requests_per_minute` (int or None) and return the account."""
        ...

    async def admit(self, defaults: AccountDefaults, now: float) -> Decimal:
        """Count a request against its key's limit, defaults the account where there is none. Returns the balance.

        Raises:
            TooManyRequests: The limit is used up.

        """
        ...

    async def reserve(self, defaults: AccountDefaults, request_id: str, amount: Decimal, until: float | None) -> None:
        """Take the amount off the balance and hold it for the request.

        Args:
            until: Real unix seconds after which the hold is given up, as its process must have died; None: never.

        Raises:
            InsufficientBalance: The balance is smaller; nothing was changed.

        """
        ...

    async def release(self, provider: str, key: str, request_id: str) -> None:
        """Give back what is held for the request, if anything is."""
        ...

    async def release_expired(self) -> None:
        """Give back what requests hold whose process has died."""
        ...

    async def charge(self, charge: Charge, entry: Mapping[str, JSON], *, is_held: bool) -> None:
        """Book the charge, and put what the journal says of its request beside it.

        Args:
            charge: For a request of an account that is open.
            entry: The journal's entry.
            is_held: Whether the amount was reserved before; what is left of it goes back. Else it comes off the
                balance now.

        Raises:
            InsufficientBalance: Nothing was reserved, and the balance is smaller; nothing was changed.

        """
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

    async def finished_tasks(self, now: float) -> Sequence[Task]:
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

    async def fetched(self, fetch: Fetch) -> None:
        """Note that a picture was asked for, once however often; the oldest such notes leave when they are many."""
        ...

    async def fetches(self) -> Sequence[Fetch]:
        """Return which pictures were asked for, the oldest first."""
        ...

    async def keep(self, digest: str, data: bytes) -> None:
        """Keep some bytes under their digest; the longest unused leave when there is no room."""
        ...

    async def kept(self, digest: str) -> bytes | None:
        """Return what is kept under the digest."""
        ...

    async def reset(self, what: str) -> None:
        """Forget `journal` (fetches too), `ledger` (accounts begin anew), `tasks`, `limits` or `all`."""
        ...

    async def close(self) -> None:
        """Let go of what the store holds."""
        ...
