"""The names of before of what is in `qwenmock.mockserver.testing.entries`, for type annotations in users' tests."""

from qwenmock.mockserver.testing.entries import (
    AccountEntry,
    BrokenRule,
    ChargeEntry,
    EntryCharge,
    Fault,
    JournalEntry,
    Ledger,
    Refusal,
    TaskEntry,
    Verdict,
    VerdictFinding,
)

__all__ = [
    "AccountEntry",
    "BrokenRule",
    "ChargeEntry",
    "EntryCharge",
    "Fault",
    "JournalEntry",
    "Ledger",
    "Refusal",
    "TaskEntry",
    "Verdict",
    "VerdictFinding",
]
