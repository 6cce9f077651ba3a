"""Tasks and callbacks in SQLite: settled once, with their money; claimed by one. In memory and in a file."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from store_values import DEFAULTS, OTHER_KEY, OTHER_PROVIDER, charge, delivery, on, task

from qwenmock.mockserver.store.protocols import Selection
from qwenmock.mockserver.store.sqlite.store import SqliteStore

EVERYTHING = Selection()
FAR = 4_000_000_000.0


@pytest.fixture(params=["memory", "file"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> str | None:
    return str(tmp_path / "state.db") if request.param == "file" else None


async def money(store: SqliteStore) -> tuple[Decimal, Decimal, Decimal]:
    """Return balance, reserved and spent."""
    [found] = await store.accounts(Selection("nebula", "sk-mock"))
    return found.balance, found.reserved, found.spent


def ids(found: object) -> list[str]:
    return [each.id for each in found]  # type: ignore[attr-defined]


def test_tasks_are_found_newest_first(path: str | None) -> None:
    async def steps(store: SqliteStore) -> None:
        for task_id, owner in (("c", DEFAULTS), ("a", OTHER_KEY), ("b", OTHER_PROVIDER)):
            await store.add_task(task(task_id, owner=owner))
        assert ids(await store.tasks(EVERYTHING)) == ["b", "a", "c"]
        assert ids(await store.tasks(Selection(limit=2))) == ["b", "a"]
        assert ids(await store.tasks(Selection("nebula"))) == ["a", "c"]
        assert ids(await store.tasks(Selection(key="sk-mock"))) == ["b", "c"]
        assert await store.task("a") == task("a", owner=OTHER_KEY)
        assert await store.task("b") == task("b", owner=OTHER_PROVIDER)
        assert await store.task("d") is None

    on(path, steps)


def test_finished_tasks_come_by_their_end_until_they_are_settled(path: str | None) -> None:
    async def steps(store: SqliteStore) -> None:
        for task_id, ends in (("late", 30.0), ("early", 10.0), ("middle", 20.0)):
            await store.add_task(task(task_id, ends))
        assert ids(await store.finished_tasks(9.9)) == []
        assert ids(await store.finished_tasks(20.0)) == ["early", "middle"]
        assert ids(await store.finished_tasks(99.0)) == ["early", "middle", "late"]
        assert await store.finish_task(task("early"), None, [])
        assert ids(await store.finished_tasks(99.0)) == ["middle", "late"]
        assert await store.has_work()
        assert await store.task("early") == task("early", settled=True)
        assert await store.task("late") == task("late", 30.0)

    on(path, steps)


def test_task_is_charged_once(path: str | None) -> None:
    async def steps(store: SqliteStore) -> None:
        await store.reserve(DEFAULTS, "other", Decimal(1), None)
        await store.reserve(DEFAULTS, "r-t", Decimal(3), 1.0)
        await store.add_task(task("t"))
        await store.add_task(task("u"))
        assert [await store.finish_task(task("t"), charge("r-t"), [delivery("d")]) for _ in range(2)] == [True, False]
        assert await money(store) == (7, 1, 2)
        assert await store.charges(EVERYTHING) == [charge("r-t")]
        assert ids(await store.deliveries("t")) == ["d"]
        # A task without a reservation, since the ledger was reset, is settled without a charge.
        assert await store.finish_task(task("u"), charge("r-u"), [])
        assert await money(store) == (7, 1, 2)
        assert not await store.finish_task(task("never stored"), charge("other"), [])
        assert await money(store) == (7, 1, 2)

    on(path, steps)


def test_task_without_a_charge_gives_its_reservation_back(path: str | None) -> None:
    async def steps(store: SqliteStore) -> None:
        await store.reserve(DEFAULTS, "r-t", Decimal(3), None)
        await store.add_task(task("t"))
        cancelled = replace(task("t"), cancelled=5.0)
        assert await store.finish_task(cancelled, None, [])
        assert await money(store) == (10, 0, 0)
        assert await store.charges(EVERYTHING) == []
        assert await store.task("t") == replace(cancelled, settled=True)

    on(path, steps)


def test_reservation_of_a_stored_task_has_no_term(path: str | None) -> None:
    async def steps(store: SqliteStore) -> None:
        for request in ("r-t", "r-u"):
            await store.reserve(DEFAULTS, request, Decimal(3), 1.0)
        await store.add_task(task("t"))
        await store.release_expired()
        assert await money(store) == (7, 3, 0)

    on(path, steps)


def test_callbacks_of_a_task_come_in_their_order(path: str | None) -> None:
    async def steps(store: SqliteStore) -> None:
        for id_, task_id in (("c", "t"), ("a", "u"), ("b", "t")):
            await store.set_delivery(delivery(id_, task_id))
        assert await store.deliveries("t") == [delivery("c"), delivery("b")]
        assert ids(await store.deliveries("u")) == ["a"]
        assert await store.deliveries("v") == []
        assert ids(await store.deliveries(None)) == ["c", "a", "b"]

    on(path, steps)


def test_due_callback_is_claimed_by_one(path: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 1000.0)

    async def steps(store: SqliteStore) -> None:
        for id_, due, state in (
            ("late", 9.0, "waiting"), ("early", 5.0, "waiting"), ("held", 7.0, "held"),
            ("done", 1.0, "delivered"), ("lost", 1.0, "lost"), ("failed", 1.0, "failed"),
        ):  # fmt: skip
            await store.set_delivery(delivery(id_, due=due, state=state))
        assert await store.claim_delivery(4.9, 1015.0) is None
        assert await store.claim_delivery(5.0, 1015.0) == delivery("early")
        assert await store.claim_delivery(5.0, 1015.0) is None
        claimed = [await store.claim_delivery(9.0, 1015.0) for _ in range(3)]
        assert claimed == [delivery("held", due=7.0, state="held"), delivery("late", due=9.0), None]
        monkeypatch.setattr("time.time", lambda: 1015.0)
        assert await store.claim_delivery(9.0, 1030.0) is None
        monkeypatch.setattr("time.time", lambda: 1015.5)
        assert await store.claim_delivery(9.0, 1030.0) == delivery("early")
        await store.set_delivery(delivery("early", due=6.0))  # its new state ends the claim
        assert await store.claim_delivery(6.0, 1030.0) == delivery("early", due=6.0)

    on(path, steps)


def test_claim_that_another_process_was_faster_with_is_none(tmp_path: Path) -> None:
    path = str(tmp_path / "state.db")

    async def steps(store: SqliteStore) -> None:
        await store.set_delivery(delivery("d"))
        other = SqliteStore(path, 10)
        first = other.claim_delivery(9.0, FAR)
        second = store.claim_delivery(9.0, FAR)
        found = [await first, await second]
        assert found == [delivery("d"), None]
        await other.close()

    on(path, steps)


def test_held_callbacks_of_a_key_are_released(path: str | None) -> None:
    async def steps(store: SqliteStore) -> None:
        for id_, key, state in (("a", "sk-mock", "held"), ("b", "sk-mock.b", "held"), ("c", "sk-mock", "failed")):
            await store.set_delivery(delivery(id_, due=90.0, state=state, key=key))
        await store.release_held("sk-mock", 7.0)
        found = {each.id: (each.state, each.due) for each in await store.deliveries(None)}
        assert found == {"a": ("waiting", 7.0), "b": ("held", 90.0), "c": ("failed", 90.0)}

    on(path, steps)


@pytest.mark.parametrize(
    ("state", "is_work"),
    [("waiting", True), ("held", True), ("delivered", False), ("failed", False), ("lost", False)],
)
def test_work_is_a_task_or_a_callback_that_is_not_finished(path: str | None, state: str, is_work: bool) -> None:
    async def steps(store: SqliteStore) -> None:
        assert not await store.has_work()
        await store.add_task(task("t"))
        assert await store.has_work()
        await store.finish_task(task("t"), None, [])
        assert not await store.has_work()
        await store.set_delivery(delivery("d", state=state))
        assert await store.has_work() is is_work
        await store.add_task(task("u"))
        assert await store.has_work()

    on(path, steps)
