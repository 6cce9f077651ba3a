"""Clock, fault plan, settings and resets in SQLite, in memory and in a file."""

from pathlib import Path

import pytest
from store_values import DEFAULTS, OTHER_KEY, charge, delivery, entry, on, task

from qwenmock.mockserver.store.protocols import Fetch, ResetScope, Selection
from qwenmock.mockserver.store.sqlite.store import SqliteStore

EVERYTHING = Selection()


@pytest.fixture(params=["memory", "file"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> str | None:
    return str(tmp_path / "state.db") if request.param == "file" else None


def test_clock_is_moved_by_each_step_and_set_back(path: str | None) -> None:
    async def steps(store: SqliteStore) -> None:
        assert (await store.shared()).offset == 0
        assert await store.move_clock(1.5) == 1.5
        assert (await store.shared()).offset == 1.5
        assert await store.move_clock(2) == 3.5
        assert (await store.shared()).offset == 3.5
        assert await store.move_clock(None) == 0
        assert (await store.shared()).offset == 0

    on(path, steps)


def test_each_fault_plan_has_a_new_number(path: str | None) -> None:
    async def steps(store: SqliteStore) -> None:
        assert (await store.shared()).plan == 0
        await store.set_faults([{"status": 500}, {"status": 429, "times": 2}, {"fail_images": 1, "times": 0}])
        assert (await store.shared()).plan == 1
        assert await store.faults() == {"1": {"status": 500}, "2": {"status": 429, "times": 2}}
        await store.set_faults([{"status": 400}])
        assert (await store.shared()).plan == 2
        assert list((await store.faults()).values()) == [{"status": 400}]

    on(path, steps)


def test_fault_is_used_as_often_as_it_may(path: str | None) -> None:
    async def steps(store: SqliteStore) -> None:
        await store.set_faults([{"times": 2}, {"times": 2}, {}])
        one, two, three = await store.faults()
        assert [await store.use_fault(one) for _ in range(3)] == [True, True, False]
        assert await store.faults() == {two: {"times": 2}, three: {}}
        assert not await store.use_fault(three)  # it has no `times` to count down
        assert not await store.use_fault("99")
        assert await store.use_fault(two)
        assert await store.faults() == {two: {"times": 1}, three: {}}

    on(path, steps)


def test_setting_is_kept_and_processes_are_numbered(tmp_path: Path) -> None:
    path = str(tmp_path / "state.db")

    async def steps(store: SqliteStore) -> None:
        assert [store.setting("a", "1"), store.setting("b", "2"), store.setting("a", "3")] == ["1", "2", "1"]
        assert (store.register(), store.register()) == (0, 1)

    async def again(store: SqliteStore) -> None:
        assert (store.setting("a", "9"), store.setting("b", "9")) == ("1", "2")
        assert store.register() == 2

    on(path, steps)
    on(path, again)


def test_start_waits_for_another_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a server reads at its start waits for a lock; afterwards a lock is reported at once."""
    path = str(tmp_path / "state.db")
    seen: list[int] = []

    class Watched(SqliteStore):
        def _select(self, make, query, *values):  # type: ignore[no-untyped-def]
            seen.append(self._db.execute("PRAGMA busy_timeout").fetchone()[0])
            return super()._select(make, query, *values)

    store = Watched(path, 10)
    store.register()
    store.setting("a", "1")
    assert seen == [30_000, 30_000, 0]
    store._db.close()


def test_what_another_process_changes_is_seen(tmp_path: Path) -> None:
    path = str(tmp_path / "state.db")

    async def steps(store: SqliteStore) -> None:
        other = SqliteStore(path, 10)
        assert (await store.shared()).offset == 0
        await other.move_clock(7)
        assert (await store.shared()).offset == 7
        await other.set_faults([{"status": 500}])
        assert (await store.shared()).plan == 1
        await other.close()

    on(path, steps)


async def fill(store: SqliteStore) -> None:
    await store.account(DEFAULTS)
    await store.charge(charge("r"), entry("r"), is_held=False)
    await store.reserve(DEFAULTS, "r-t", DEFAULTS.balance / 2, None)
    await store.admit(OTHER_KEY._replace(requests_per_minute=1), 100.0)
    await store.add_task(task("t"))
    await store.set_delivery(delivery("d"))
    await store.fetched(Fetch("/a.png", is_expired=False))
    await store.move_clock(None)
    await store.move_clock(7)
    await store.set_faults([{"status": 500}])


async def kinds_of(store: SqliteStore) -> set[str]:
    """Return what the state has, by the names of the resets that delete it."""
    found = {
        "journal": await store.journal(EVERYTHING) or await store.fetches(),
        "ledger": await store.charges(EVERYTHING) or await store.accounts(EVERYTHING),
        "tasks": await store.tasks(EVERYTHING) or await store.deliveries(None),
        "clock": (await store.shared()).offset,
        "faults": await store.faults(),
    }
    return {name for name, content in found.items() if content}


@pytest.mark.parametrize("what", ["journal", "ledger", "tasks", "limits", "clock", "faults", "all"])
def test_reset_deletes_what_it_names(path: str | None, what: ResetScope) -> None:
    everything = {"journal", "ledger", "tasks", "clock", "faults"}

    async def steps(store: SqliteStore) -> None:
        await fill(store)
        assert await kinds_of(store) == everything
        before = await store.shared()
        await store.reset(what)
        assert await kinds_of(store) == (set() if what == "all" else everything - {what})
        assert (await store.shared()).plan == before.plan + (what in {"faults", "all"})
        if what in {"limits", "all"}:
            await store.admit(OTHER_KEY._replace(requests_per_minute=1), 100.0)
        if what in {"ledger", "all"}:
            await store.reserve(DEFAULTS, "r-t", DEFAULTS.balance, None)  # the reservation is gone too
        # The journal of a state in memory is empty in the next transaction too.
        await store.record(entry("new"), "sk-mock")
        assert len(await store.journal(EVERYTHING)) == (1 if what in {"journal", "all"} else 2)

    on(path, steps)
