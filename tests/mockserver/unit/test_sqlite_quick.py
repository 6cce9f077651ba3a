"""What the compiled path books in SQLite: at once in memory, with the next transaction in a file."""

import asyncio
from collections.abc import Awaitable
from decimal import Decimal
from pathlib import Path

import pytest
from store_values import DEFAULTS, OTHER_KEY, OTHER_PROVIDER, charge, compact, delivery, entry, on, row, task

from qwenmock.mockserver.errors import StoreError
from qwenmock.mockserver.models import Task
from qwenmock.mockserver.store.brief import brief
from qwenmock.mockserver.store.protocols import AccountDefaults, InsufficientBalance, Selection
from qwenmock.mockserver.store.sqlite import quick
from qwenmock.mockserver.store.sqlite import tasks as tasks_module
from qwenmock.mockserver.store.sqlite.store import SqliteStore

EVERYTHING = Selection()
UNITS = 10**9


@pytest.fixture(params=["memory", "file"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> str | None:
    return str(tmp_path / "state.db") if request.param == "file" else None


async def committed(written: Awaitable[None] | None) -> None:
    if written is not None:
        await written


async def order(store: SqliteStore, each: Task, cost: int = 3) -> None:
    await committed(store.order(each, cost * UNITS, compact(each.id, each.key)))


async def money(store: SqliteStore, owner: AccountDefaults = DEFAULTS) -> tuple[Decimal, Decimal, Decimal]:
    [found] = await store.accounts(Selection(owner.provider, owner.key))
    return found.balance, found.reserved, found.spent


async def journal(store: SqliteStore) -> list[str]:
    return [each["id"] for each in await store.journal(EVERYTHING)]


def test_ordered_task_is_stored_with_its_reservation(path: str | None) -> None:
    async def steps(store: SqliteStore) -> None:
        assert store.quick is store
        for owner in (DEFAULTS, OTHER_KEY, OTHER_PROVIDER):
            await store.account(owner)
        for task_id, owner in (("a", DEFAULTS), ("b", OTHER_KEY), ("c", DEFAULTS), ("d", OTHER_PROVIDER)):
            await order(store, task(task_id, owner=owner))
        assert store.quick_balance("nebula", "sk-mock") == 4 * UNITS
        assert await store.task("a") == task("a")
        assert [each.id for each in await store.tasks(EVERYTHING)] == ["d", "c", "b", "a"]
        assert await store.task("a") == task("a")
        assert await store.task("e") is None
        assert await money(store) == (4, 6, 0)
        assert await money(store, OTHER_KEY) == await money(store, OTHER_PROVIDER) == (7, 3, 0)
        assert await journal(store) == ["d", "c", "b", "a"]
        await store.release_expired()
        assert await money(store) == (4, 6, 0)
        assert await store.finish_task(task("a"), charge("r-a"), [delivery("x", "a")])
        assert await money(store) == (5, 3, 2)
        found = await store.task("a")
        assert found is not None
        assert found.settled
        assert [each.id for each in await store.deliveries("a")] == ["x"]

    on(path, steps)


@pytest.mark.parametrize(("balance", "cost", "is_enough"), [(3, 3, True), (2, 3, False), (0, 0, False), (4, 3, True)])
def test_order_needs_enough(path: str | None, balance: int, cost: int, is_enough: bool) -> None:
    async def steps(store: SqliteStore) -> None:
        await store.change_account(DEFAULTS, {"balance": Decimal(balance)})
        if is_enough:
            await order(store, task("a"), cost)
        else:
            with pytest.raises(InsufficientBalance):
                await order(store, task("a"), cost)
        assert await money(store) == ((balance - cost, cost, 0) if is_enough else (balance, 0, 0))
        assert len(await store.tasks(EVERYTHING)) == len(await store.journal(EVERYTHING)) == is_enough
        assert (await store.task("a") is not None) is is_enough

    on(path, steps)


def test_orders_of_an_account_that_is_not_open_are_refused() -> None:
    async def steps(store: SqliteStore) -> None:
        with pytest.raises(InsufficientBalance):
            await order(store, task("a"), 0)

    on(None, steps)


def test_sold_and_ordered_share_a_transaction(path: str | None) -> None:
    async def steps(store: SqliteStore) -> None:
        await store.account(DEFAULTS)
        both = [store.sell(row("s"), compact("s")), store.order(task("a"), 3 * UNITS, compact("a"))]
        await asyncio.gather(*(committed(each) for each in both))
        assert await money(store) == (5, 3, 2)
        assert sorted(await journal(store)) == ["a", "s"]
        await store.charge(charge("c"), entry("c"), is_held=False)
        assert await money(store) == (3, 3, 4)

    on(path, steps)


def test_more_sales_than_the_balance_covers_are_refused(path: str | None) -> None:
    async def steps(store: SqliteStore) -> None:
        await store.account(DEFAULTS)

        async def sell(name: str) -> None:
            await committed(store.sell(row(name, 4 * UNITS), compact(name)))

        done = await asyncio.gather(*(sell(name) for name in "abcd"), return_exceptions=True)
        assert [type(each) for each in done] == [type(None), type(None), InsufficientBalance, InsufficientBalance]
        assert await money(store) == (2, 0, 8)
        assert await journal(store) == ["b", "a"]

    on(path, steps)


def test_at_most_a_thousand_charges_and_tasks_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quick, "MOST_WAITING", 4)

    async def steps(store: SqliteStore) -> None:
        await store.account(DEFAULTS)
        timers: list[float] = []
        asyncio.get_running_loop().call_later = lambda delay, _: timers.append(delay)  # type: ignore[assignment,method-assign]
        for name in "abc":
            store.order(task(name), 1, compact(name))
        assert timers == [quick.SETTLE_SECONDS]
        assert written(store) == 0
        store.sell(row("d", 1), compact("d"))
        assert written(store) == 3
        store.order(task("e"), 1, compact("e"))
        assert len(timers) == 2

    on(None, steps)


def written(store: SqliteStore) -> int:
    """Return the number of tasks in the table, without writing those that wait."""
    return store._db.execute("SELECT count(*) FROM tasks").fetchone()[0]


def test_orders_that_cannot_be_written_are_reported_and_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    async def steps(store: SqliteStore) -> None:
        await store.account(DEFAULTS)
        await order(store, task("a"))
        with monkeypatch.context() as patched:
            patched.setattr(quick, "INSERT_TASK", "INSERT INTO nowhere VALUES (?, ?, ?, ?, ?, ?)")
            for _ in range(2):
                with pytest.raises(StoreError, match="nowhere"):
                    await store.tasks(EVERYTHING)
        assert [each.id for each in await store.tasks(EVERYTHING)] == ["a"]
        assert await money(store) == (7, 3, 0)

    on(None, steps)


def test_order_in_a_file_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def steps(store: SqliteStore) -> None:
        await store.account(DEFAULTS)
        monkeypatch.setattr(SqliteStore, "_after_steps", broken)
        for attempt in (store.order(task("a"), UNITS, compact("a")), store.sell(row("s"), compact("s"))):
            assert attempt is not None
            with pytest.raises(StoreError, match="disk full"):
                await attempt
        note = store.note(compact("n"))
        assert note is not None
        with pytest.raises(StoreError, match="disk full"):
            await note
        monkeypatch.undo()
        await store.record(entry("later"), "sk-mock")
        assert await journal(store) == ["later"]
        assert await money(store) == (10, 0, 0)
        assert await store.tasks(EVERYTHING) == []

    on(str(tmp_path / "state.db"), steps)


def broken(_self: object) -> None:
    raise StoreError("disk full")


def test_note_is_in_the_journal_and_reads_as_it_was_written(path: str | None) -> None:
    long = b'{"prompt":"' + b"x" * 5000 + b'","image":"data:image/png;base64,' + b"A" * 300 + b'"}'

    async def steps(store: SqliteStore) -> None:
        noted = [compact("a", request=b"null"), compact("b", request=long, answer=b'{"url":"u"}')]
        headers = {b"authorization": b"Bearer sk-mock", b"cookie": b"a=b", b"host": b"mock.example"}
        noted.append(compact("c")._replace(is_charged=False, task="t", prompt="é" * 5000, headers=headers))
        for each in noted:
            await committed(store.note(each))
        found = await store.journal(EVERYTHING)
        assert found == [each.expand() for each in reversed(noted)]
        assert [each["request"] for each in found][1:] == [
            brief({"prompt": "x" * 5000, "image": "data:image/png;base64," + "A" * 300}),
            None,
        ]
        assert [each["charge"] and each["charge"]["id"] for each in found] == [None, "b", "a"]
        assert await store.journal(Selection(key="sk-mock.b")) == []

    on(path, steps)


def test_tasks_are_remembered_until_something_is_written(path: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks_module, "MOST_REMEMBERED", 2)

    async def steps(store: SqliteStore) -> None:
        await store.account(DEFAULTS)
        for name in "abc":
            await order(store, task(name), 1)
        for name in "abcab":
            assert await store.task(name) == task(name)
            assert len(store._remembered) <= 2
        loaded: list[str] = []
        monkeypatch.setattr(tasks_module, "load_task", lambda data: loaded.append(data) or task("b"))
        await store.task("b")
        assert loaded == []
        await store.finish_task(task("c"), None, [])
        await store.task("b")
        assert len(loaded) == 1

    on(path, steps)


def test_finished_tasks_are_looked_for_when_one_may_have_ended(path: str | None) -> None:
    async def steps(store: SqliteStore) -> None:
        assert await store.finished_tasks(1e12) == []
        await store.account(DEFAULTS)
        assert await store.finished_tasks(1e12) == []
        await order(store, task("late", 30.0), 1)
        assert await store.finished_tasks(29.9) == []
        await order(store, task("early", 20.0), 1)
        assert await store.finished_tasks(19.9) == []
        assert [each.id for each in await store.finished_tasks(20.0)] == ["early"]
        await store.finish_task(task("early", 20.0), None, [])
        assert await store.finished_tasks(29.9) == []
        assert await store.task("early") is not None
        assert [each.id for each in await store.finished_tasks(30.0)] == ["late"]
        await store.add_task(task("added", 5.0))
        assert [each.id for each in await store.finished_tasks(5.0)] == ["added"]

    on(path, steps)


def test_what_another_process_orders_and_settles_is_seen(tmp_path: Path) -> None:
    path = str(tmp_path / "state.db")

    async def steps(store: SqliteStore) -> None:
        other = SqliteStore(path, 10)
        await store.account(DEFAULTS)
        assert await store.finished_tasks(100.0) == []
        assert store.quick_balance("nebula", "sk-mock") == 10 * UNITS
        await order(other, task("a"))
        await asyncio.sleep(0)
        assert store.quick_balance("nebula", "sk-mock") == 7 * UNITS
        await asyncio.sleep(0)
        assert await store.task("a") == task("a")
        assert [each.id for each in await store.finished_tasks(100.0)] == ["a"]
        await other.finish_task(task("a"), None, [])
        await asyncio.sleep(0)
        found = await store.task("a")
        assert found is not None
        assert found.settled
        assert await store.finished_tasks(100.0) == []
        await order(other, task("b"))
        await asyncio.sleep(0)
        assert [each.id for each in await store.finished_tasks(100.0)] == ["b"]
        assert (await store.shared()).offset == 0
        await other.move_clock(5)
        await asyncio.sleep(0)
        assert (await store.shared()).offset == 5
        await other.close()

    on(path, steps)
