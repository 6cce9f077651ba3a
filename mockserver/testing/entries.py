"""Types of the values that the control API returns: journal entries, ledger rows, verdicts, tasks.

Amounts are decimal strings, times are Unix seconds.
"""

from typing import Literal, NotRequired, TypeAlias, TypedDict

from qwenmock.mockserver.store.records import BrokenRule, FaultValues, JournalCharge, Refusal
from qwenmock.schemas.vocabulary import JSON

EntryCharge: TypeAlias = JournalCharge
"""The charge for a request, as its journal entry shows it."""
Fault: TypeAlias = FaultValues
"""One entry of the fault plan."""


class JournalEntry(TypedDict):
    """A request that the double answered, or a callback that it sent (`endpoint` is `callback`).

    Attributes:
        key: The API key, masked.
        status: HTTP status of the answer; for a callback the receiver's, 0 if there was none.
        milliseconds: Time to the answer.
        task: Id of the task that the request created or queried; "" for none.
        request: Request body, or the callback's body. Long strings and images are shortened.
        answer: Response body; None for a callback.
        refusal: None if the request was accepted.
        rule: None if the request broke no rule.
        advisories: Remarks on a request that was accepted nevertheless.
        charge: None if nothing was charged.
        microseconds: Time by stage. Not in callback entries, as the next three.
        effective_prompt: The prompt after shortening and extension.
        effective_negative_prompt: The negative prompt after shortening.
        retry_after: Value of the `Retry-After` header, if there was one.
        fingerprint: Hash of the key and of a body that was not read. Only in entries of refused requests.
        request_headers: By lower-case name; keys are masked, other secrets hidden, long values shortened.
        answer_headers: Those that the double writes. Not in callback entries.
        attempt: Number of the delivery attempt, from 1. Only in callback entries, as `state`.
        state: State of the delivery: `waiting`, `delivered`, `failed` or `lost`.

    """

    id: str
    at: float
    provider: str
    endpoint: str
    method: str
    path: str
    key: str
    status: int
    milliseconds: float
    variant: str
    model: str
    task: str
    request: JSON
    answer: JSON
    refusal: Refusal | None
    rule: BrokenRule | None
    advisories: list[str]
    charge: EntryCharge | None
    microseconds: NotRequired[dict[str, int]]
    effective_prompt: NotRequired[str]
    effective_negative_prompt: NotRequired[str]
    retry_after: NotRequired[str | None]
    fingerprint: NotRequired[str]
    request_headers: NotRequired[dict[str, str]]
    answer_headers: NotRequired[dict[str, str]]
    attempt: NotRequired[int]
    state: NotRequired[str]


class AccountEntry(TypedDict):
    """The account of one key with one provider.

    Attributes:
        balance: What is left; reserved amounts are already subtracted.
        reserved: What unfinished work holds.
        spent: Sum of the charges.
        requests_per_minute: None for no limit.

    """

    provider: str
    key: str
    currency: str
    balance: str
    reserved: str
    spent: str
    requests_per_minute: int | None


class ChargeEntry(TypedDict):
    """One line of the ledger.

    Attributes:
        unit_price: Price of one image; None if no document states a price (the amount is 0 then).
        usd: The amount in US dollars; None if no document names the price in them too.
        created: When it was charged.
        log: The provider's billing record, or a note that the price is unknown; None if the provider documents none.

    """

    id: str
    request_id: str
    provider: str
    model: str
    key: str
    images: int
    unit_price: str | None
    currency: str
    amount: str
    usd: str | None
    created: float
    log: JSON


class Ledger(TypedDict):
    """Accounts, and charges with the newest first."""

    accounts: list[AccountEntry]
    charges: list[ChargeEntry]


FindingKind = Literal[
    "charge_repeated",
    "fault_unused",
    "link_after_expiry",
    "link_never_fetched",
    "polled_after_the_end",
    "polled_too_fast",
    "refusal_repeated",
    "retry_after_ignored",
    "retry_storm",
]
"""Kinds of findings: those of the verdict, and `fault_unused` of the report on tests."""


class VerdictFinding(TypedDict):
    """Something that the client did wrong or may have done wrong.

    Attributes:
        kind: What it is.
        severity: `error` or `note`.
        detail: One sentence.
        requests: Ids, oldest first.
        lost: The amount that was paid for nothing, with its currency; "" for nothing.

    """

    kind: FindingKind
    severity: str
    detail: str
    requests: list[str]
    lost: str


class Verdict(TypedDict):
    """How well the client behaved; `ok` means that no finding is an error."""

    ok: bool
    calls: int
    findings: list[VerdictFinding]


class TaskEntry(TypedDict):
    """The members of a task that the fixtures read."""

    id: str
    state: str
    ends: float
