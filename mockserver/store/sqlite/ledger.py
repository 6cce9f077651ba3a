"""Reservations and charges: the statements that accounts and tasks share."""

import sqlite3
from typing import NamedTuple

from qwenmock.mockserver.store.protocols import InsufficientBalance, NoReservation
from qwenmock.mockserver.store.records import ChargeRow

CHARGE_COLUMNS = ", ".join(ChargeRow._fields)
INSERT_CHARGE = f"INSERT INTO charges ({CHARGE_COLUMNS}) VALUES ({', '.join('?' * len(ChargeRow._fields))})"

INSERT_HOLD = "INSERT INTO holds VALUES (?, ?, ?, ?, ?)"


class Hold(NamedTuple):
    """What identifies a reservation."""

    request_id: str
    provider: str
    key: str


def covers(balance: int, amount: int) -> bool:
    """Tell whether a balance is enough. An empty account is never: a price of 0 means that the price is unknown."""
    return balance >= amount and balance > 0


def reserve(db: sqlite3.Connection, hold: Hold, amount: int, until: float | None) -> None:
    """Move an amount from the balance to a new reservation; the condition is that of `covers`.

    Raises:
        InsufficientBalance: The balance is smaller, or 0.

    """
    update = (
        "UPDATE accounts SET balance = balance - ?1, reserved = reserved + ?1 "
        "WHERE provider = ?2 AND key = ?3 AND balance >= ?1 AND balance > 0"
    )
    if not db.execute(update, (amount, hold.provider, hold.key)).rowcount:
        raise InsufficientBalance
    db.execute(INSERT_HOLD, (*hold, amount, until))


def settle(db: sqlite3.Connection, hold: Hold, spent: int) -> bool:
    """End a reservation: move what was not spent back to the balance. Returns False if there is none."""
    ended = "DELETE FROM holds WHERE request_id = ? AND provider = ? AND key = ? RETURNING amount"
    rows = db.execute(ended, hold).fetchall()
    if not rows:
        return False
    held: int = rows[0][0]
    db.execute(
        "UPDATE accounts SET balance = balance + ?, reserved = reserved - ?, spent = spent + ? "
        "WHERE provider = ? AND key = ?",
        (held - spent, held, spent, hold.provider, hold.key),
    )
    return True


def book(db: sqlite3.Connection, row: ChargeRow) -> None:
    """Book a charge against its reservation.

    Raises:
        NoReservation: There is none for the request.

    """
    if not settle(db, Hold(row.request_id, row.provider, row.key), row.amount):
        raise NoReservation(f"no reservation for request {row.request_id}")
    db.execute(INSERT_CHARGE, row)
