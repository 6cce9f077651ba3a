"""Accounts, reservations and charges in SQLite: every amount after every step, in memory and in a file."""

import asyncio
import sqlite3
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from store_values import DEFAULTS, OTHER_KEY, OTHER_PROVIDER, OWNERS, charge, compact, entry, on, row

from qwenmock.mockserver.errors import StoreError
from qwenmock.mockserver.store.protocols import (
    AccountDefaults,
    InsufficientBalance,
    NoReservation,
    Selection,
    TooManyRequests,
)
from qwenmock.mockserver.store.sqlite import accounts, ledger
from qwenmock.mockserver.store.sqlite.schema import SCHEMA
from qwenmock.mockserver.store.sqlite.store import SqliteStore

EVERYTHING = Selection()
HELD = ledger.Hold("r", "nebula", "sk-mock")
BROKEN = f"INSERT INTO nowhere VALUES ({', '.join('?' * 11)})"
"""In place of the statement for charges: the transaction fails."""


@pytest.fixture(params=["memory", "file"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> str | None:
    return str(tmp_path / "state.db") if request.param == "file" else None


async def money(store: SqliteStore, owner: AccountDefaults = DEFAULTS) -> tuple[Decimal, Decimal, Decimal]:
    """Return balance, reserved and spent."""
    [found] = await store.accounts(Selection(owner.provider, owner.key))
    return found.balance, found.reserved, found.spent


async def open_all(store: SqliteStore) -> None:
    for owner in OWNERS:
        await store.account(owner)


async def charged(store: SqliteStore) -> list[str]:
    return [each.request_id for each in await store.charges(EVERYTHING)]


# The statements that accounts and tasks share.


@pytest.mark.parametrize(
    ("balance", "amount", "is_enough"),
    [(5, 5, True), (4, 5, False), (6, 5, True), (1, 0, True), (1, 1, True), (0, 0, False), (0, 1, False)],
)
def test_balance_covers_an_amount_unless_it_is_empty(balance: int, amount: int, is_enough: bool) -> None:
    assert ledger.covers(balance, amount) is is_enough
    with tables(balance) as db:
        if is_enough:
            ledger.reserve(db, HELD, amount, 7.0)
            assert db.execute("SELECT * FROM holds").fetchall() == [("r", "nebula", "sk-mock", amount, 7.0)]
        else:
            with pytest.raises(InsufficientBalance):
                ledger.reserve(db, HELD, amount, 7.0)
            assert db.execute("SELECT * FROM holds").fetchall() == []
        reserved = amount if is_enough else 0
        assert rows(db)["nebula", "sk-mock"] == (balance - reserved, reserved, 0)
        assert {rows(db)["nebula", "sk-mock.b"], rows(db)["aigc", "sk-mock"]} == {(100, 10, 1)}


def tables(balance: int) -> sqlite3.Connection:
    """Return a database with three accounts: what is reserved and spent, and the balance of the first."""
    db = sqlite3.connect(":memory:")
    db.executescript(SCHEMA)
    for owner in OWNERS:
        values = (balance, 0, 0) if owner == DEFAULTS else (100, 10, 1)
        db.execute("INSERT INTO accounts VALUES (?, ?, 'CNY', ?, ?, ?, NULL)", (owner.provider, owner.key, *values))
    return db


def rows(db: sqlite3.Connection) -> dict[tuple[str, str], tuple[int, int, int]]:
    found = db.execute("SELECT provider, key, balance, reserved, spent FROM accounts").fetchall()
    return {(provider, key): tuple(amounts) for provider, key, *amounts in found}


@pytest.mark.parametrize("spent", [0, 3, 5])
def test_settlement_spends_a_part_and_gives_the_rest_back(spent: int) -> None:
    with tables(20) as db:
        ledger.reserve(db, HELD, 5, None)
        for name in ("same key", "same provider"):
            owner = OTHER_PROVIDER if name == "same key" else OTHER_KEY
            ledger.reserve(db, ledger.Hold(name, owner.provider, owner.key), 1, None)
        assert not ledger.settle(db, HELD._replace(request_id="other"), 1)
        assert not ledger.settle(db, HELD._replace(key="other"), 1)
        assert not ledger.settle(db, HELD._replace(provider="other"), 1)
        assert ledger.settle(db, HELD, spent)
        assert rows(db)["nebula", "sk-mock"] == (20 - spent, 0, spent)
        assert {rows(db)["nebula", "sk-mock.b"], rows(db)["aigc", "sk-mock"]} == {(99, 11, 1)}
        assert not ledger.settle(db, HELD, spent)
        assert db.execute("SELECT request_id FROM holds").fetchall() == [("same key",), ("same provider",)]


def test_charge_without_its_reservation_is_not_booked() -> None:
    with tables(20) as db:
        ledger.reserve(db, HELD, 5, None)
        ledger.book(db, row("r", 3))
        with pytest.raises(NoReservation, match="no reservation for request r"):
            ledger.book(db, row("r", 3))
        assert rows(db)["nebula", "sk-mock"] == (17, 0, 3)
        assert db.execute(f"SELECT {ledger.CHARGE_COLUMNS} FROM charges").fetchall() == [tuple(row("r", 3))]


# Accounts.


def test_account_is_opened_once_with_its_defaults(path: str | None) -> None:
    async def steps(store: SqliteStore) -> None:
        owner = DEFAULTS._replace(requests_per_minute=5)
        opened = await store.account(owner)
        assert (opened.provider, opened.key, opened.currency) == ("nebula", "sk-mock", "CNY")
        assert (opened.balance, opened.reserved, opened.spent, opened.requests_per_minute) == (10, 0, 0, 5)
        assert await store.account(owner._replace(balance=Decimal(99), requests_per_minute=None)) == opened
        await store.account(OTHER_PROVIDER)
        await store.account(owner._replace(key="sk-mock-a"))
        assert [(each.provider, each.key) for each in await store.accounts(EVERYTHING)] == [
            ("nebula", "sk-mock"),
            ("aigc", "sk-mock"),
            ("nebula", "sk-mock-a"),
        ]
        await store.account(owner._replace(key="a"))
        found = await store.accounts(Selection("nebula", limit=0))
        assert [each.key for each in found] == ["sk-mock", "sk-mock-a", "a"]
        assert [each.provider for each in await store.accounts(Selection(key="sk-mock"))] == ["nebula", "aigc"]
        assert await store.accounts(Selection("aigc", "sk-mock.b")) == []

    on(path, steps)


def test_only_what_is_named_of_only_one_account_is_changed(path: str | None) -> None:
    async def steps(store: SqliteStore) -> None:
        await store.account(OTHER_KEY)
        await store.account(OTHER_PROVIDER)
        changed = await store.change_account(DEFAULTS, {"balance": Decimal("0.000000001")})
        assert (changed.balance, changed.requests_per_minute) == (Decimal("0.000000001"), None)
        changed = await store.change_account(DEFAULTS, {"requests_per_minute": 3})
        assert (changed.balance, changed.requests_per_minute) == (Decimal("0.000000001"), 3)
        for owner in (OTHER_KEY, OTHER_PROVIDER):
            [other] = await store.accounts(Selection(owner.provider, owner.key))
            assert (other.balance, other.requests_per_minute) == (10, None)

    on(path, steps)


# Request limits.


def refused(store: SqliteStore, owner: AccountDefaults, now: float) -> Any:
    async def admit() -> TooManyRequests:
        with pytest.raises(TooManyRequests) as refusal:
            await store.admit(owner, now)
        return refusal.value

    return admit()


def test_requests_of_the_last_minute_count(path: str | None) -> None:
    async def steps(store: SqliteStore) -> None:
        limited = DEFAULTS._replace(requests_per_minute=2)
        for owner in [each._replace(requests_per_minute=2) for each in OWNERS]:
            assert await store.admit(owner, 100.0) == 10
            assert await store.admit(owner, 110.0) == 10
        refusal = await refused(store, limited, 130.0)
        assert (refusal.per_minute, refusal.wait) == (2, 30.0)
        assert (await refused(store, limited, 159.0)).wait == 1.0
        await store.admit(limited, 160.0)  # a minute after the first
        assert (await refused(store, limited, 169.0)).wait == 1.0
        await store.admit(limited, 500.0)
        await store.admit(limited, 500.0)
        assert (await refused(store, limited, 500.0)).wait == 60.0
        # The others still have theirs.
        assert (await refused(store, OTHER_KEY, 159.0)).wait == 1.0
        assert (await refused(store, OTHER_PROVIDER, 159.0)).wait == 1.0

    on(path, steps)


def test_lower_limit_counts_the_newest_requests(path: str | None) -> None:
    async def steps(store: SqliteStore) -> None:
        limited = DEFAULTS._replace(requests_per_minute=5)
        for now in (100.0, 110.0, 120.0):
            await store.admit(limited, now)
        await store.change_account(limited, {"requests_per_minute": 1})
        assert (await refused(store, limited, 130.0)).wait == 50.0
        await store.change_account(limited, {"requests_per_minute": 0})
        assert (await refused(store, limited, 500.0)).wait == 60.0
        await store.change_account(limited, {"requests_per_minute": None})
        assert [await store.admit(limited, 130.0) for _ in range(9)] == [10] * 9

    on(path, steps)


def test_admission_tells_the_present_balance(path: str | None) -> None:
    async def steps(store: SqliteStore) -> None:
        assert [await store.admit(DEFAULTS, 1.0) for _ in range(3)] == [10, 10, 10]
        await store.admit(OTHER_PROVIDER._replace(balance=Decimal(3)), 1.0)
        await store.charge(charge("r"), entry("r"), is_held=False)
        assert await store.admit(DEFAULTS, 1.0) == 8
        await store.reserve(DEFAULTS, "h", Decimal("0.5"), None)
        assert await store.admit(DEFAULTS, 1.0) == Decimal("7.5")
        await store.change_account(DEFAULTS, {"balance": Decimal("0.25")})
        assert [await store.admit(DEFAULTS, 1.0) for _ in range(2)] == [Decimal("0.25")] * 2
        assert await store.admit(OTHER_PROVIDER, 1.0) == 3

    on(path, steps)


# Reservations.


def test_reservation_is_charged_in_part_and_once(path: str | None) -> None:
    async def steps(store: SqliteStore) -> None:
        await store.reserve(DEFAULTS, "r", Decimal(3), None)
        await store.reserve(OTHER_KEY, "r2", Decimal(3), None)
        assert await money(store) == (7, 3, 0)
        await store.charge(charge("r"), entry("r"), is_held=True)
        assert await money(store) == (8, 0, 2)
        with pytest.raises(NoReservation):
            await store.charge(charge("r"), entry("again"), is_held=True)
        assert await money(store) == (8, 0, 2)
        assert await charged(store) == ["r"]
        assert [each["id"] for each in await store.journal(EVERYTHING)] == ["r"]
        assert await money(store, OTHER_KEY) == (7, 3, 0)

    on(path, steps)


def test_released_reservation_goes_back_whole_and_once(path: str | None) -> None:
    async def steps(store: SqliteStore) -> None:
        await store.reserve(DEFAULTS, "r", Decimal(3), 1e12)
        await store.release("aigc", "sk-mock", "r")
        await store.release("nebula", "sk-mock.b", "r")
        assert await money(store) == (7, 3, 0)
        for _ in range(2):
            await store.release("nebula", "sk-mock", "r")
            assert await money(store) == (10, 0, 0)
        with pytest.raises(InsufficientBalance):
            await store.reserve(DEFAULTS, "more", Decimal("10.000000001"), None)
        assert await money(store) == (10, 0, 0)

    on(path, steps)


def test_reservation_of_a_task_is_not_released_by_its_call(path: str | None) -> None:
    async def steps(store: SqliteStore) -> None:
        await store.reserve(DEFAULTS, "r", Decimal(3), None)
        await store.release("nebula", "sk-mock", "r")
        assert await money(store) == (7, 3, 0)

    on(path, steps)


def test_reservation_ends_after_its_term(path: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    async def steps(store: SqliteStore) -> None:
        for name, until in (("past", 99.0), ("now", 100.0), ("later", 101.0), ("never", None)):
            await store.reserve(DEFAULTS, name, Decimal(1), until)
        monkeypatch.setattr("time.time", lambda: 100.0)
        await store.release_expired()
        assert await money(store) == (7, 3, 0)
        monkeypatch.setattr("time.time", lambda: 200.0)
        await store.release_expired()
        assert await money(store) == (9, 1, 0)

    on(path, steps)


# Charges that are booked with others, and take their amounts off the balance.


def test_charges_of_one_transaction_are_decided_in_their_order(path: str | None) -> None:
    async def steps(store: SqliteStore) -> None:
        await open_all(store)
        wanted = [("a", "6", DEFAULTS), ("b", "5", DEFAULTS), ("c", "4", DEFAULTS), ("d", "1", DEFAULTS)]
        wanted += [("e", "7", OTHER_KEY), ("f", "3", OTHER_KEY), ("g", "9", OTHER_PROVIDER)]
        waiting = [store.charge(charge(*each), entry(each[0]), is_held=False) for each in wanted]
        done = await asyncio.gather(*waiting, return_exceptions=True)
        is_refused = [isinstance(each, InsufficientBalance) for each in done]
        assert is_refused == [False, True, False, True, False, False, False]
        assert await money(store) == (0, 0, 10)
        assert await money(store, OTHER_KEY) == (0, 0, 10)
        assert await money(store, OTHER_PROVIDER) == (1, 0, 9)
        assert await charged(store) == ["g", "f", "e", "c", "a"]
        assert [each["id"] for each in await store.journal(EVERYTHING)] == ["g", "f", "e", "c", "a"]
        # Nothing of it is booked again by the next one.
        await store.charge(charge("h", "1", OTHER_PROVIDER), entry("h"), is_held=False)
        assert await money(store, OTHER_PROVIDER) == (0, 0, 10)
        assert len(await charged(store)) == 6

    on(path, steps)


def test_charge_on_an_account_that_is_not_open_is_refused(path: str | None) -> None:
    async def steps(store: SqliteStore) -> None:
        with pytest.raises(InsufficientBalance):
            await store.charge(charge("r", "0"), entry("r"), is_held=False)
        assert await store.accounts(EVERYTHING) == []
        assert await charged(store) == []

    on(path, steps)


def test_cancelled_charge_is_not_booked(path: str | None) -> None:
    async def steps(store: SqliteStore) -> None:
        await store.account(DEFAULTS)
        first, second = (
            asyncio.ensure_future(store.charge(charge(name), entry(name), is_held=False)) for name in ("a", "b")
        )
        asyncio.get_running_loop().call_soon(first.cancel)
        await asyncio.wait({first, second})
        assert first.cancelled()
        assert await charged(store) == ["b"]
        assert await money(store) == (8, 0, 2)

    on(path, steps)


def test_failed_charge_is_not_booked_later(path: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    async def steps(store: SqliteStore) -> None:
        await store.account(DEFAULTS)
        with monkeypatch.context() as patched:
            patched.setattr(accounts, "INSERT_CHARGE", BROKEN)
            with pytest.raises(StoreError, match="nowhere"):
                await store.charge(charge("r"), entry("r"), is_held=False)
        await store.account(DEFAULTS)
        assert await charged(store) == []
        assert await store.journal(EVERYTHING) == []
        assert await money(store) == (10, 0, 0)

    on(path, steps)


def test_charges_are_selected_newest_first(path: str | None) -> None:
    async def steps(store: SqliteStore) -> None:
        await open_all(store)
        for number, owner in enumerate((*OWNERS, *OWNERS)):
            await store.charge(charge(f"r{number}", "0.1", owner), entry("r"), is_held=False)
        assert await charged(store) == ["r5", "r4", "r3", "r2", "r1", "r0"]
        for selection, expected in (
            (Selection(limit=2), ["r5", "r4"]),
            (Selection("nebula", "sk-mock"), ["r3", "r0"]),
            (Selection("aigc"), ["r5", "r2"]),
            (Selection(key="sk-mock.b", limit=1), ["r4"]),
            (Selection("nebula", request_id="r4"), ["r4"]),
            (Selection("aigc", request_id="r4"), []),
        ):
            assert [each.request_id for each in await store.charges(selection)] == expected
        assert await store.charges(Selection(request_id="r0")) == [charge("r0", "0.1")]
        unknown = charge("free", "0")._replace(unit_price=None)
        await store.charge(unknown, entry("free"), is_held=False)
        assert await store.charges(Selection(limit=1)) == [unknown]

    on(path, steps)


# Charges of a state in memory, which are written a moment after they were answered.


class Timers:
    """Stands in for the timer of the event loop."""

    def __init__(self) -> None:
        self.waiting: list[tuple[float, Callable[[], object]]] = []
        asyncio.get_running_loop().call_later = self._call_later  # type: ignore[assignment,method-assign]

    def _call_later(self, delay: float, call: Callable[[], object]) -> None:
        self.waiting.append((delay, call))


async def is_written(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Tell whether nothing waits to be written: else it would be written now, and fail."""
    with monkeypatch.context() as patched:
        patched.setattr(accounts, "INSERT_CHARGE", BROKEN)
        try:
            await store.charges(EVERYTHING)
        except StoreError:
            return False
        return True


def test_sold_amounts_leave_the_balance_at_once() -> None:
    async def steps(store: SqliteStore) -> None:
        await open_all(store)
        for name, owner, left in (
            ("a", DEFAULTS, 8), ("b", OTHER_KEY, 8), ("c", DEFAULTS, 6), ("d", OTHER_PROVIDER, 8),
        ):  # fmt: skip
            assert store.quick_balance(owner.provider, owner.key) == (left + 2) * 10**9
            store.sell(row(name, owner=owner), compact(name))
            assert store.quick_balance(owner.provider, owner.key) == left * 10**9
        assert [each["id"] for each in await store.journal(EVERYTHING)] == ["d", "c", "b", "a"]
        assert await money(store) == (6, 0, 4)
        assert await money(store, OTHER_KEY) == await money(store, OTHER_PROVIDER) == (8, 0, 2)
        assert await charged(store) == ["d", "c", "b", "a"]
        await store.account(DEFAULTS)
        assert len(await charged(store)) == 4
        assert await money(store) == (6, 0, 4)

    on(None, steps)


@pytest.mark.parametrize(("amount", "is_sold"), [(10**10 - 1, True), (10**10, True), (10**10 + 1, False)])
def test_sale_needs_an_open_account_with_enough(amount: int, is_sold: bool) -> None:
    async def steps(store: SqliteStore) -> None:
        with pytest.raises(InsufficientBalance):
            store.sell(row("r", 0), compact("r"))
        await store.account(DEFAULTS)
        if is_sold:
            store.sell(row("r", amount), compact("r"))
        else:
            with pytest.raises(InsufficientBalance):
                store.sell(row("r", amount), compact("r"))
        assert (await money(store))[2] == (Decimal(amount).scaleb(-9) if is_sold else 0)
        assert len(await store.journal(EVERYTHING)) == is_sold
        await store.change_account(DEFAULTS, {"balance": Decimal(0)})
        with pytest.raises(InsufficientBalance):
            store.sell(row("r", 0), compact("r"))

    on(None, steps)


def test_sales_are_written_together_a_moment_later(monkeypatch: pytest.MonkeyPatch) -> None:
    async def steps(store: SqliteStore) -> None:
        await store.account(DEFAULTS)
        timers = Timers()
        for name in ("a", "b"):
            store.sell(row(name), compact(name))
        [(delay, write)] = timers.waiting
        assert 0 < delay < 0.1
        assert not await is_written(store, monkeypatch)
        write()
        assert await is_written(store, monkeypatch)
        assert await charged(store) == ["b", "a"]
        store.sell(row("c"), compact("c"))
        assert len(timers.waiting) == 2
        assert await money(store) == (4, 0, 6)

    on(None, steps)


def test_at_most_a_thousand_sales_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    async def steps(store: SqliteStore) -> None:
        await store.account(DEFAULTS)
        Timers()
        for number in range(999):
            store.sell(row(str(number), 1), compact("r"))
        assert not await is_written(store, monkeypatch)
        store.sell(row("last", 1), compact("r"))
        assert await is_written(store, monkeypatch)
        assert (await money(store))[2] == Decimal("0.000001")

    on(None, steps)


def test_sales_that_cannot_be_written_are_reported_and_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    async def steps(store: SqliteStore) -> None:
        await open_all(store)
        timers = Timers()
        for name in ("a", "b"):
            store.sell(row(name), compact(name))
        with monkeypatch.context() as patched:
            patched.setattr(accounts, "INSERT_CHARGE", BROKEN)
            timers.waiting[0][1]()  # the next read tries again
            for _ in range(2):
                with pytest.raises(StoreError, match="nowhere"):
                    await store.charges(EVERYTHING)
            assert store.quick_balance("aigc", "sk-mock") is None
            with pytest.raises(StoreError, match="nowhere"):
                await store.account(DEFAULTS)
        assert await charged(store) == ["b", "a"]
        assert await money(store) == (6, 0, 4)

    on(None, steps)


def test_sale_that_fails_half_way_is_not_booked_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second row of the two breaks a rule of the table: the first must not stay."""

    async def steps(store: SqliteStore) -> None:
        await store.account(DEFAULTS)
        Timers()
        for name, images in (("a", 1), ("b", None)):
            store.sell(row(name)._replace(images=images), compact(name))  # type: ignore[arg-type]
        for _ in range(2):
            with pytest.raises(StoreError, match="NOT NULL"):
                await store.accounts(EVERYTHING)
        with pytest.raises(StoreError, match="NOT NULL"):
            await store.charge(charge("c"), entry("c"), is_held=False)
        with monkeypatch.context() as patched:
            patched.setattr(accounts, "INSERT_CHARGE", accounts.INSERT_CHARGE.replace("INSERT", "INSERT OR IGNORE"))
            await store.account(OTHER_KEY)
        assert await charged(store) == ["a"]

    on(None, steps)


def test_sales_and_other_charges_go_into_one_transaction() -> None:
    async def steps(store: SqliteStore) -> None:
        await open_all(store)
        store.sell(row("a"), compact("a"))
        await store.charge(charge("b", owner=OTHER_KEY), entry("b"), is_held=False)
        store.sell(row("c"), compact("c"))
        with pytest.raises(InsufficientBalance):
            await store.charge(charge("d", "7"), entry("d"), is_held=False)
        assert await money(store) == (6, 0, 4)
        assert await money(store, OTHER_KEY) == (8, 0, 2)
        assert store.quick_balance("nebula", "sk-mock.b") == 8 * 10**9

    on(None, steps)


def test_quick_balance_is_for_accounts_without_a_limit(path: str | None) -> None:
    async def steps(store: SqliteStore) -> None:
        assert store.quick_balance("nebula", "sk-mock") is None
        await store.account(DEFAULTS)
        await store.account(OTHER_KEY._replace(requests_per_minute=1))
        assert store.quick_balance("nebula", "sk-mock") == 10**10
        assert store.quick_balance("nebula", "sk-mock.b") is None
        await store.change_account(DEFAULTS, {"balance": Decimal(1)})
        assert store.quick_balance("nebula", "sk-mock") == 10**9

    on(path, steps)


def test_admission_sees_what_another_process_changed(tmp_path: Path) -> None:
    path = str(tmp_path / "state.db")

    async def steps(store: SqliteStore) -> None:
        other = SqliteStore(path, 10)
        assert await store.admit(DEFAULTS, 1.0) == await store.admit(DEFAULTS, 1.0) == 10
        await other.change_account(DEFAULTS, {"balance": Decimal(1)})
        assert await store.admit(DEFAULTS, 1.0) == 1
        await other.close()

    on(path, steps)


def test_reading_a_file_waits_for_no_other_process(tmp_path: Path) -> None:
    async def steps(store: SqliteStore) -> None:
        await store.account(DEFAULTS)
        other = sqlite3.connect(tmp_path / "state.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        assert await money(store) == (10, 0, 0)
        other.execute("ROLLBACK")
        other.close()

    on(str(tmp_path / "state.db"), steps)
