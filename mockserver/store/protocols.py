"""The interface of the stores: five small protocols, `Store`, which has them all, and `QuickStore`.

Each method is one atomic step. When it returns, its effect is committed. Times are unix seconds on the double's clock
unless a method says otherwise. Every method raises `StoreError` if the database fails; nothing was changed then.
"""

from collections.abc import AsyncGenerator, Awaitable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, NamedTuple, Protocol, TypeAlias, TypedDict

from qwenmock.mockserver.errors import StoreError
from qwenmock.mockserver.models import Account, Charge, Delivery, Task
from qwenmock.mockserver.store.compact import CompactEntry, Line
from qwenmock.mockserver.store.records import ChargeRow, FaultValues, JournalEntry, NewEntry
from qwenmock.schemas.wording import counted

ResetScope: TypeAlias = Literal["all", "journal", "ledger", "tasks", "faults", "limits", "clock"]
"""What a reset deletes."""


class AccountDefaults(NamedTuple):
    """The first state of an account; it is opened when its key is first used.

    Attributes:
        requests_per_minute: None for no limit.

    """

    provider: str
    key: str
    currency: str
    balance: Decimal
    requests_per_minute: int | None


class AccountChanges(TypedDict, total=False):
    """New values for an account."""

    balance: Decimal
    requests_per_minute: int | None


@dataclass(frozen=True, slots=True)
class Selection:
    """A filter for stored entries; a field that is None matches everything.

    Attributes:
        status: HTTP status. Only for the journal.
        request_id: Only for charges.
        limit: Largest number of entries to return.

    """

    provider: str | None = None
    key: str | None = None
    status: int | None = None
    request_id: str | None = None
    limit: int = 1000

    def matches(self, key: str, entry: NewEntry) -> bool:
        """Tell whether a journal entry, recorded for a key, passes the filter."""
        return (
            self.key in {None, key}
            and self.provider in {None, entry["provider"]}
            and self.status in {None, entry["status"]}
        )


@dataclass(frozen=True, slots=True)
class Shared:
    """State that any process may change, and that all must follow.

    Attributes:
        offset: Seconds that the clock was moved by.
        plan: Number of the fault plan; each change makes a new number.

    """

    offset: float
    plan: int


class InsufficientBalance(Exception):  # noqa: N818, an answer of the store, not a failure
    """The balance is smaller than the amount."""


class NoReservation(StoreError):  # noqa: N818, an answer of the store, not a failure
    """Nothing is reserved for the request."""


class TooManyRequests(Exception):  # noqa: N818, an answer of the store, not a failure
    """The key has reached its limit of requests a minute.

    Attributes:
        per_minute: The limit.
        wait: Seconds until a request would be accepted.

    """

    def __init__(self, per_minute: int, wait: float) -> None:
        super().__init__(f"{counted(per_minute, 'request')} a minute")
        self.per_minute = per_minute
        self.wait = wait


class Fetch(NamedTuple):
    """A request for an image.

    Attributes:
        path: Path of its link, without the query.
        is_expired: Whether the link had expired.

    """

    path: str
    is_expired: bool


class AccountStore(Protocol):
    """Accounts, request limits, reservations and charges."""

    async def account(self, defaults: AccountDefaults) -> Account:
        """Return an account; open it if it does not exist."""
        ...

    async def accounts(self, selection: Selection) -> Sequence[Account]:
        """Return the accounts, oldest first; the selection's limit is not used."""
        ...

    async def change_account(self, defaults: AccountDefaults, changes: AccountChanges) -> Account:
        """Change an account and return it; open it if it does not exist."""
        ...

    async def admit(self, defaults: AccountDefaults, now: float) -> Decimal:
        """Count a request against its key's limit and return the balance; open the account if it does not exist.

        Raises:
            TooManyRequests: The limit of the last minute is reached.

        """
        ...

    async def reserve(self, defaults: AccountDefaults, request_id: str, amount: Decimal, until: float | None) -> None:
        """Move an amount from the balance to a reservation for a request; open the account if it does not exist.

        Args:
            until: Real unix seconds after which `release_expired` releases it, since the process of the request must
                have died; None for a reservation that does not expire.

        Raises:
            InsufficientBalance: The balance is smaller, or 0; nothing was changed.

        """
        ...

    async def release(self, provider: str, key: str, request_id: str) -> None:
        """Move the reservation of a request back to the balance, if there is one and it has a term.

        One without a term is that of a task, which may have been stored although the call that created it has failed.
        """
        ...

    async def release_expired(self) -> None:
        """Release the reservations of requests whose process has died."""
        ...

    async def charge(self, charge: Charge, entry: NewEntry, *, is_held: bool) -> None:
        """Book a charge, and record the journal entry of its request.

        Args:
            charge: On an account that exists.
            entry: The journal entry.
            is_held: Whether the amount was reserved; the rest of the reservation is released. If not, the amount is
                taken from the balance now.

        Raises:
            InsufficientBalance: Nothing was reserved, and the balance is smaller, or 0; nothing was changed.
            NoReservation: `is_held`, but there is no reservation for the request; nothing was changed.

        """
        ...

    async def charges(self, selection: Selection) -> Sequence[Charge]:
        """Return the charges, newest first."""
        ...


class TaskStore(Protocol):
    """Tasks and their callbacks."""

    async def add_task(self, task: Task) -> None:
        """Add a new task. What is reserved for its request no longer ends by itself."""
        ...

    async def task(self, task_id: str) -> Task | None:
        """Return a task, or None if it does not exist."""
        ...

    async def tasks(self, selection: Selection) -> Sequence[Task]:
        """Return the tasks, newest first."""
        ...

    async def finished_tasks(self, now: float) -> Sequence[Task]:
        """Return the tasks that have ended and are not settled."""
        ...

    async def finish_task(self, task: Task, charge: Charge | None, deliveries: Sequence[Delivery]) -> bool:
        """Settle a task once: book its charge or release its reservation, and add its callbacks.

        Returns False if it was settled before; nothing was changed then.
        """
        ...

    async def claim_delivery(self, now: float, lease: float) -> Delivery | None:
        """Return a callback whose time has come; no other process gets it until the lease (real unix seconds) ends."""
        ...

    async def set_delivery(self, delivery: Delivery) -> None:
        """Add a callback, or store its new state and end the claim to it."""
        ...

    async def deliveries(self, task_id: str | None) -> Sequence[Delivery]:
        """Return the callbacks of a task, oldest first; None for those of all tasks."""
        ...

    async def release_held(self, key: str, now: float) -> None:
        """Make the held callbacks of a key ready for delivery."""
        ...

    async def has_work(self) -> bool:
        """Tell whether a task is not settled, or a callback not delivered yet."""
        ...


class JournalStore(Protocol):
    """The journal of requests, and which images were fetched."""

    async def record(self, entry: NewEntry, key: str) -> None:
        """Add an entry to the journal; the oldest entries are dropped when it is full."""
        ...

    async def journal(self, selection: Selection) -> Sequence[JournalEntry]:
        """Return the journal entries, newest first."""
        ...

    def read_journal(self) -> AsyncGenerator[Sequence[Line]]:
        """Yield the lines of the journal, newest first, some at a time; none that comes meanwhile."""
        ...

    async def journal_length(self) -> int:
        """Return the number of entries in the journal."""
        ...

    async def fetched(self, fetch: Fetch) -> None:
        """Record that an image was fetched; a repeated fetch is recorded once. The oldest are dropped."""
        ...

    async def fetches(self) -> Sequence[Fetch]:
        """Return the recorded fetches, oldest first."""
        ...


class BlobStore(Protocol):
    """Input images, uploads and long prompts, by their digest or address."""

    async def keep(self, digest: str, data: bytes | bytearray) -> None:
        """Store some bytes; the least recently used are dropped when there is no room."""
        ...

    async def kept(self, digest: str) -> bytes | None:
        """Return the stored bytes, or None."""
        ...


class ControlStore(Protocol):
    """What all processes on the same state share: settings, the clock's offset and the fault plan.

    Attributes:
        is_shared: Whether other processes may use the same state.

    """

    is_shared: bool

    def setting(self, name: str, default: str) -> str:
        """Return a value that all processes share and restarts keep; store the default if there is none.

        Blocks: only for start-up.
        """
        ...

    def register(self) -> int:
        """Return the number of this process, unique on this state, from 0. Blocks: only for start-up."""
        ...

    async def shared(self) -> Shared:
        """Return the present offset and plan number."""
        ...

    async def move_clock(self, seconds: float | None) -> float:
        """Add to the clock's offset and return it; None resets it to 0."""
        ...

    async def set_faults(self, faults: Sequence[FaultValues]) -> None:
        """Replace the fault plan."""
        ...

    async def faults(self) -> Mapping[str, FaultValues]:
        """Return the remaining faults by id, in order, each with the `times` that are left."""
        ...

    async def use_fault(self, fault_id: str) -> bool:
        """Count down a fault that has `times`. Returns False if none are left."""
        ...


class QuickStore(Protocol):
    """What the compiled path needs of a store that can tell a balance without waiting.

    The writes return what to wait for before the answer leaves, which raises as they do; None where the state promises
    no durability, and the write shows already.
    """

    def quick_balance(self, provider: str, key: str) -> int | None:
        """Return the balance of an account in billionths; None if it has a request limit or does not exist."""
        ...

    def sell(self, row: ChargeRow, entry: CompactEntry) -> Awaitable[None] | None:
        """Book a charge for which nothing is reserved, on an account that `quick_balance` knows.

        Raises:
            InsufficientBalance: The balance is smaller, or 0; nothing was changed.

        """
        ...

    def order(self, task: Task, cost: int, entry: CompactEntry) -> Awaitable[None] | None:
        """Reserve what a new task costs, in billionths, and add it; the account is one that `quick_balance` knows.

        Raises:
            InsufficientBalance: The balance is smaller, or 0; nothing was changed.

        """
        ...

    def note(self, entry: CompactEntry) -> Awaitable[None] | None:
        """Add an entry to the journal."""
        ...


class Store(AccountStore, TaskStore, JournalStore, BlobStore, ControlStore, Protocol):
    """Everything that a double stores."""

    @property
    def quick(self) -> QuickStore | None:
        """The same store for the compiled path; None where each answer must be waited for."""
        ...

    async def reset(self, what: ResetScope) -> None:
        """Delete state.

        Args:
            what: `journal` (with the fetches), `ledger` (accounts open anew), `tasks` (with their callbacks),
                `limits`, `clock` (offset 0), `faults` (an empty plan), or `all` of these.

        """
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...
