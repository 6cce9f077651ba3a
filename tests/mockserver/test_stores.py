"""The stores: SQLite in memory, SQLite in a file, a real Redis."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qwenmock.mockserver.calls.double import open_store
from qwenmock.mockserver.errors import StoreError
from qwenmock.mockserver.models import Charge, Delivery, Task
from qwenmock.mockserver.settings import REDIS_SCHEMES, Settings
from qwenmock.mockserver.store.protocols import (
    AccountDefaults,
    Fetch,
    InsufficientBalance,
    Selection,
    Store,
    TooManyRequests,
)
from qwenmock.mockserver.store.sqlite import checkpoints

DEFAULTS = AccountDefaults("nebula", "sk-mock", "CNY", Decimal(1000), None)
FAR = 4_000_000_000.0
LARGE = Decimal("999999999.999999999")
"""More billionths than a double can count."""


@pytest.fixture(params=["file", "redis"])
def shared_state(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return request.getfixturevalue("redis_server").url if request.param == "redis" else str(tmp_path / "state.db")


def charge(request_id: str, amount: str = "0.2", defaults: AccountDefaults = DEFAULTS) -> Charge:
    price = Decimal(amount)
    return Charge(request_id, defaults.provider, "qwen-image", defaults.key, 1, price, "CNY", price, 1.5)


def entry(number: int, status: int = 200, provider: str = "nebula") -> dict[str, Any]:
    return {"id": number, "provider": provider, "status": status}


def task(task_id: str, ends: float = 10.0, defaults: AccountDefaults = DEFAULTS) -> Task:
    return Task(
        id=task_id,
        provider=defaults.provider,
        endpoint="generate",
        variant="v",
        key=defaults.key,
        request_id=f"r-{task_id}",
        model="m",
        prompt="p",
        prompt_extend=False,
        created=float(len(task_id)),
        starts=1.0,
        ends=ends,
        urls=("u",),
        width=1,
        height=1,
        failed=0,
        failure=None,
        callback_url=None,
        callback_fault=None,
        reserved=Decimal("0.2"),
    )


def delivery(delivery_id: str, due: float = 1.0, state: str = "waiting") -> Delivery:
    return Delivery(delivery_id, f"msg_{delivery_id}", "t1", "nebula", "sk-mock", "http://x", due, state)


def package(state: str | None) -> str:
    """Return the package of the store that a state is kept in."""
    is_redis = state is not None and state.startswith(REDIS_SCHEMES)
    return f"qwenmock.mockserver.store.{'redis' if is_redis else 'sqlite'}"


@asynccontextmanager
async def opened(state: str | None, journal_max: int = 1000) -> AsyncGenerator[Store]:
    store = open_store(Settings(state=state, journal_max=journal_max))
    try:
        await store.reset("all")
        yield store
    finally:
        await store.close()


def on(state: str | None, steps: Callable[[Store], Awaitable[None]], journal_max: int = 1000) -> None:
    async def run() -> None:
        async with opened(state, journal_max) as store:
            await steps(store)

    asyncio.run(run())


def test_an_account_opens_once_and_keeps_what_it_is_changed_to(state: str | None) -> None:
    async def steps(store: Store) -> None:
        assert (await store.account(DEFAULTS)).balance == 1000
        changed = await store.change_account(DEFAULTS, {"balance": LARGE, "requests_per_minute": 7})
        assert (changed.balance, changed.requests_per_minute) == (LARGE, 7)
        again = await store.account(DEFAULTS._replace(balance=Decimal(5)))
        assert (again.balance, again.reserved, again.spent, again.currency) == (LARGE, 0, 0, "CNY")
        assert (await store.change_account(DEFAULTS, {"requests_per_minute": None})).requests_per_minute is None

    on(state, steps)


def test_what_is_charged_at_once_leaves_the_balance_exactly(state: str | None) -> None:
    async def steps(store: Store) -> None:
        await store.change_account(DEFAULTS, {"balance": LARGE})
        await asyncio.gather(
            *(store.charge(charge(f"r{n}", "0.000000001"), entry(n), is_held=False) for n in range(100))
        )
        (account,) = await store.accounts(Selection())
        assert (account.balance, account.spent) == (LARGE - Decimal("0.0000001"), Decimal("0.0000001"))
        assert len(await store.charges(Selection())) == 100
        assert len(await store.journal(Selection())) == 100

    on(state, steps)


def test_a_balance_is_never_overdrawn_by_many_at_once(state: str | None) -> None:
    async def steps(store: Store) -> None:
        await store.change_account(DEFAULTS, {"balance": Decimal("1.0")})
        done = await asyncio.gather(
            *(store.charge(charge(f"r{n}", "0.3"), entry(n), is_held=False) for n in range(9)),
            *(store.reserve(DEFAULTS, f"h{n}", Decimal("0.3"), None) for n in range(9)),
            return_exceptions=True,
        )
        assert sum(result is None for result in done) == 3
        assert all(result is None or isinstance(result, InsufficientBalance) for result in done)
        (account,) = await store.accounts(Selection())
        assert (account.balance, account.reserved + account.spent) == (Decimal("0.1"), Decimal("0.9"))
        assert len(await store.journal(Selection())) == len(await store.charges(Selection()))

    on(state, steps)


def test_an_empty_account_buys_nothing_even_for_nothing(state: str | None) -> None:
    async def steps(store: Store) -> None:
        await store.change_account(DEFAULTS, {"balance": Decimal(0)})
        with pytest.raises(InsufficientBalance):
            await store.charge(charge("r", "0"), entry(1), is_held=False)
        with pytest.raises(InsufficientBalance):
            await store.reserve(DEFAULTS, "h", Decimal(0), None)

    on(state, steps)


def test_a_hold_is_charged_in_part_and_the_rest_goes_back(state: str | None) -> None:
    async def steps(store: Store) -> None:
        await store.reserve(DEFAULTS, "r", Decimal("0.6"), FAR)
        held = await store.account(DEFAULTS)
        assert (held.balance, held.reserved) == (Decimal("999.4"), Decimal("0.6"))
        await store.charge(charge("r", "0.4"), entry(1), is_held=True)
        account = await store.account(DEFAULTS)
        assert (account.balance, account.reserved, account.spent) == (Decimal("999.6"), 0, Decimal("0.4"))
        with pytest.raises(StoreError):
            await store.charge(charge("r", "0.4"), entry(1), is_held=True)
        assert (await store.account(DEFAULTS)).spent == Decimal("0.4")

    on(state, steps)


def test_holds_end_when_released_or_when_their_term_is_over(state: str | None) -> None:
    async def steps(store: Store) -> None:
        await store.reserve(DEFAULTS, "released", Decimal(1), FAR)
        await store.reserve(DEFAULTS, "expired", Decimal(2), 1.0)
        await store.reserve(DEFAULTS, "not expired", Decimal(4), FAR)
        await store.reserve(DEFAULTS, "of a task", Decimal(8), None)
        await store.release("nebula", "sk-mock", "released")
        await store.release("nebula", "sk-mock", "released")
        await store.release("nebula", "sk-mock", "of a task")
        assert (await store.account(DEFAULTS)).reserved == 14
        await store.release_expired()
        account = await store.account(DEFAULTS)
        assert (account.balance, account.reserved) == (988, 12)

    on(state, steps)


def test_a_limit_counts_the_last_minute(state: str | None) -> None:
    async def steps(store: Store) -> None:
        limited = DEFAULTS._replace(key="sk-mock-limited", requests_per_minute=3)
        for now in (100.0, 110.0, 120.0):
            assert await store.admit(limited, now) == 1000
        with pytest.raises(TooManyRequests) as refused:
            await store.admit(limited, 130.5)
        assert (refused.value.per_minute, refused.value.wait) == (3, pytest.approx(29.5))
        await store.admit(limited, 160.5)
        await store.reset("limits")
        await store.admit(limited, 161.0)
        assert await store.admit(DEFAULTS, 1.0) == 1000
        await store.change_account(DEFAULTS, {"requests_per_minute": 0})
        with pytest.raises(TooManyRequests):
            await store.admit(DEFAULTS, 1.0)

    on(state, steps)


def test_the_journal_keeps_the_newest_and_filters(state: str | None) -> None:
    async def steps(store: Store) -> None:
        for number in range(700):
            await store.record(entry(number, 200 + number % 2, ("nebula", "aigc")[number % 2]), f"sk-mock.{number % 5}")
        newest = await store.journal(Selection())
        assert [line["id"] for line in newest] == list(range(699, 649, -1))
        assert [line["id"] for line in await store.journal(Selection(limit=2))] == [699, 698]
        assert {line["status"] for line in await store.journal(Selection(status=201))} == {201}
        assert [line["id"] for line in await store.journal(Selection(key="sk-mock.3", limit=2))] == [698, 693]
        assert all(line["provider"] == "aigc" for line in await store.journal(Selection(provider="aigc")))
        await store.reset("journal")
        assert await store.journal(Selection()) == []

    on(state, steps, journal_max=50)


def test_charges_are_found_newest_first_and_by_request(state: str | None) -> None:
    async def steps(store: Store) -> None:
        other = DEFAULTS._replace(provider="aigc", key="sk-mock.x")
        await store.account(DEFAULTS)
        await store.account(other)
        for number in range(6):
            defaults = (DEFAULTS, other)[number % 2]
            await store.charge(charge(f"r{number}", defaults=defaults), entry(number), is_held=False)
        assert [c.request_id for c in await store.charges(Selection())] == ["r5", "r4", "r3", "r2", "r1", "r0"]
        assert [c.request_id for c in await store.charges(Selection(limit=2))] == ["r5", "r4"]
        assert [c.request_id for c in await store.charges(Selection(provider="aigc"))] == ["r5", "r3", "r1"]
        assert [c.request_id for c in await store.charges(Selection(key="sk-mock"))] == ["r4", "r2", "r0"]
        assert await store.charges(Selection(request_id="r3")) == [charge("r3", defaults=other)]
        assert await store.charges(Selection(request_id="none")) == []
        await store.reset("ledger")
        assert not await store.charges(Selection())
        assert not await store.accounts(Selection())

    on(state, steps)


def test_a_request_that_was_charged_twice_does_not_look_right(tmp_path: Path) -> None:
    async def steps(store: Store) -> None:
        await store.account(DEFAULTS)
        for number in range(2):
            await store.charge(charge("r1"), entry(number), is_held=False)
        assert len(await store.charges(Selection(request_id="r1"))) == 2

    for path in (None, str(tmp_path / "qm.db")):
        on(path, steps)


def test_a_task_is_settled_once_with_its_charge_and_callbacks(state: str | None) -> None:
    async def steps(store: Store) -> None:
        await store.reserve(DEFAULTS, "r-t1", Decimal("0.2"), None)
        await store.add_task(task("t1"))
        assert await store.task("t1") == task("t1")
        assert await store.task("none") is None
        assert await store.finished_tasks(9.0) == []
        assert await store.has_work()
        (due,) = await store.finished_tasks(10.0)
        results = await asyncio.gather(*(store.finish_task(due, charge("r-t1"), [delivery("d1")]) for _ in range(3)))
        assert sorted(results) == [False, False, True]
        assert await store.finished_tasks(99.0) == []
        assert await store.task("t1") == replace(task("t1"), settled=True)
        account = await store.account(DEFAULTS)
        assert (account.reserved, account.spent) == (0, Decimal("0.2"))
        assert [d.id for d in await store.deliveries("t1")] == ["d1"]
        assert await store.has_work()
        await store.set_delivery(delivery("d1", state="delivered"))
        assert not await store.has_work()

    on(state, steps)


def test_reservation_of_a_task_that_was_never_stored_expires(state: str | None) -> None:
    async def steps(store: Store) -> None:
        for request in ("r-t1", "r-never"):
            await store.reserve(DEFAULTS, request, Decimal("0.2"), 1.0)
        await store.add_task(task("t1"))
        await store.release_expired()
        assert (await store.account(DEFAULTS)).reserved == Decimal("0.2")
        assert await store.finish_task(task("t1"), charge("r-t1"), [])
        account = await store.account(DEFAULTS)
        assert (account.reserved, account.spent) == (0, Decimal("0.2"))

    on(state, steps)


def test_a_task_whose_ledger_was_reset_ends_without_a_charge(state: str | None) -> None:
    async def steps(store: Store) -> None:
        await store.reserve(DEFAULTS, "r-t1", Decimal("0.2"), None)
        await store.add_task(task("t1"))
        await store.reset("ledger")
        assert await store.finish_task(task("t1"), charge("r-t1"), [])
        assert not await store.charges(Selection())

    on(state, steps)


def test_tasks_are_listed_newest_first_and_forgotten_by_a_reset(state: str | None) -> None:
    async def steps(store: Store) -> None:
        other = DEFAULTS._replace(key="sk-mock.other")
        for defaults in (DEFAULTS, other):
            await store.account(defaults)
        await store.add_task(task("t1"))
        await store.add_task(task("t22"))
        await store.add_task(task("t333", defaults=other))
        assert [each.id for each in await store.tasks(Selection())] == ["t333", "t22", "t1"]
        assert [each.id for each in await store.tasks(Selection(key="sk-mock", limit=1))] == ["t22"]
        await store.reset("tasks")
        assert await store.tasks(Selection()) == []
        assert await store.task("t1") is None
        assert not await store.has_work()

    on(state, steps)


def test_a_callback_is_claimed_by_one_until_its_lease_ends(state: str | None) -> None:
    async def steps(store: Store) -> None:
        await store.account(DEFAULTS)
        await store.add_task(task("t1"))
        await store.set_delivery(delivery("d1", due=5.0))
        assert await store.claim_delivery(4.0, FAR) is None
        claimed = await asyncio.gather(*(store.claim_delivery(5.0, FAR) for _ in range(4)))
        assert [each.id for each in claimed if each] == ["d1"]
        await store.set_delivery(delivery("d2", due=5.0))
        first = await store.claim_delivery(6.0, 1.0)  # a lease that has ended: its process must have died
        assert first is not None
        assert await store.claim_delivery(6.0, FAR) == first
        await store.set_delivery(delivery("d3", due=900.0, state="held"))
        assert await store.claim_delivery(6.0, FAR) is None
        await store.release_held("sk-mock", 6.0)
        released = await store.claim_delivery(6.0, FAR)
        assert released == delivery("d3", due=6.0)

    on(state, steps)


def test_fetches_are_noted_once_and_the_oldest_leave(state: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{package(state)}.journal.FETCHES", 3)
    noted = [Fetch("/a.png", is_expired=False), Fetch("/a.png", is_expired=True), Fetch("/b:1.png", is_expired=False)]

    async def steps(store: Store) -> None:
        for each in (*noted, *noted):
            await store.fetched(each)
        assert await store.fetches() == noted
        await store.fetched(Fetch("/c.png", is_expired=False))
        assert await store.fetches() == [*noted[1:], Fetch("/c.png", is_expired=False)]
        await store.reset("journal")
        assert await store.fetches() == []

    on(state, steps)


def test_what_is_kept_is_found_and_the_longest_unused_leaves(
    state: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{package(state)}.blobs.KEPT_BYTES", 100)
    monkeypatch.setattr("qwenmock.mockserver.store.sqlite.blobs.USED_SECONDS", -1.0)

    async def steps(store: Store) -> None:
        for name in ("kept-a", "kept-b"):
            await store.keep(name, name.encode() * 7)
        await store.keep("kept-a", b"kept-a" * 7)
        await store.keep("kept-c", b"kept-c" * 7)
        assert await store.kept("kept-a") == b"kept-a" * 7
        assert await store.kept("kept-b") is None
        await store.keep("large", b"x" * 1000)
        assert await store.kept("large") == b"x" * 1000
        assert await store.kept("kept-a") is None

    on(state, steps)


def test_the_clock_and_the_fault_plan_are_shared(state: str | None) -> None:
    async def steps(store: Store) -> None:
        await store.move_clock(None)
        before = (await store.shared()).plan
        assert await store.move_clock(1.5) == 1.5
        assert await store.move_clock(2) == 3.5
        await store.set_faults([{"status": 429, "times": 2}, {"status": 500}])
        shared = await store.shared()
        assert (shared.offset, shared.plan) == (3.5, before + 1)
        first, second = await store.faults()
        used = await asyncio.gather(*(store.use_fault(first) for _ in range(4)))
        assert sum(used) == 2
        assert list((await store.faults()).values()) == [{"status": 500}]
        await store.set_faults([{"status": 500, "times": 1}])
        assert not await store.use_fault(second)
        assert await store.move_clock(None) == 0
        await store.set_faults([])

    on(state, steps)


def test_a_reset_sets_the_clock_back_and_empties_the_fault_plan(state: str | None) -> None:
    async def steps(store: Store) -> None:
        for what, offset, faults in (("journal", 7, 1), ("clock", 0, 1), ("faults", 7, 0), ("all", 0, 0)):
            await store.move_clock(None)
            await store.move_clock(7)
            await store.set_faults([{"status": 500}])
            before = (await store.shared()).plan
            await store.reset(what)
            assert (await store.shared()).offset == offset, what
            assert len(await store.faults()) == faults, what
            # A new number tells other processes that the plan has changed.
            assert ((await store.shared()).plan > before) is (faults == 0), what

    on(state, steps)


def test_what_another_process_changes_is_seen_in_the_next_turn(shared_state: str) -> None:
    async def steps(store: Store) -> None:
        async with opened(shared_state) as other:
            await store.account(DEFAULTS)
            assert await other.admit(DEFAULTS, 1.0) == 1000
            assert (await other.shared()).offset == (await store.move_clock(None)) == 0
            await store.charge(charge("r1"), entry(1), is_held=False)
            assert await other.admit(DEFAULTS, 1.0) == Decimal("999.8")
            await store.change_account(DEFAULTS, {"balance": Decimal("0.3"), "requests_per_minute": 1})
            assert await other.admit(DEFAULTS, 2.0) == Decimal("0.3")
            with pytest.raises(TooManyRequests):
                await other.admit(DEFAULTS, 2.0)
            await other.charge(charge("r2"), entry(2), is_held=False)
            with pytest.raises(InsufficientBalance):
                await store.charge(charge("r3"), entry(3), is_held=False)
            await store.move_clock(7)
            assert (await other.shared()).offset == 7
            await other.reset("clock")
            assert (await store.shared()).offset == 0
            await store.set_faults([{"status": 500}])
            plan = (await other.shared()).plan
            await store.reset("faults")
            assert (await other.shared()).plan > plan
            assert await other.faults() == {}

    on(shared_state, steps)


def test_a_file_takes_over_what_its_log_gathers_while_it_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "CHECKPOINT_BYTES", 2**18)
    monkeypatch.setattr(checkpoints, "MAX_LOG_PAGES", 500)
    file, log = tmp_path / "qm.db", tmp_path / "qm.db-wal"

    async def steps(store: Store) -> None:
        deadline = time.monotonic() + 60
        for megabytes in range(1, 21):
            for number in range(16):
                await store.keep(f"{megabytes} {number}", b"x" * 2**16)
            while file.stat().st_size < (megabytes - 1) * 2**20:
                assert time.monotonic() < deadline, "nothing more has come into the file"
                await asyncio.sleep(0.01)
        assert 0 < log.stat().st_size < 10 * 2**20

    on(str(file), steps)
    assert not log.exists(), "a store that is closed leaves no log"


def test_processes_are_numbered_and_settings_stay(state: str | None) -> None:
    async def steps(store: Store) -> None:
        first = store.register()
        assert store.register() == first + 1
        kept = store.setting("test", "a")
        assert store.setting("test", "b") == kept

    on(state, steps)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["charge", "reserve", "settle", "release"]),
            st.integers(0, 5),
            st.decimals(0, 3, places=9, allow_nan=False),
        ),
        max_size=25,
    )
)
def test_no_order_of_steps_makes_or_loses_money(state: str | None, plan: list[tuple[str, int, Decimal]]) -> None:
    start = Decimal("5.000000001")

    async def steps(store: Store) -> None:
        await store.change_account(DEFAULTS, {"balance": start})
        balance, holds, spent, booked = start, dict[str, Decimal](), Decimal(0), set[str]()
        for name, number, amount in plan:
            request_id = f"r{number}"
            if request_id in booked or (name == "reserve" and request_id in holds):
                continue
            line = charge(request_id)._replace(amount=min(amount, holds.get(request_id, amount)))
            try:
                if name == "reserve":
                    await store.reserve(DEFAULTS, request_id, amount, FAR)
                    holds[request_id] = amount
                    balance -= amount
                elif name == "release":
                    await store.release("nebula", "sk-mock", request_id)
                    balance += holds.pop(request_id, Decimal(0))
                elif name == "settle":
                    await store.charge(line, entry(number), is_held=True)
                    balance += holds.pop(request_id) - line.amount
                    spent += line.amount
                    booked.add(request_id)
                elif request_id not in holds:
                    await store.charge(line, entry(number), is_held=False)
                    balance -= line.amount
                    spent += line.amount
                    booked.add(request_id)
            except InsufficientBalance:
                assert balance < amount or balance == 0
            except StoreError:
                assert name == "settle"
                assert request_id not in holds
            account = await store.account(DEFAULTS)
            held = sum(holds.values(), Decimal(0))
            assert (account.balance, account.reserved, account.spent) == (balance, held, spent)
        lines = await store.charges(Selection())
        assert {line.request_id for line in lines} == booked
        assert sum((line.amount for line in lines), Decimal(0)) == spent

    on(state, steps)


def test_a_redis_that_is_not_there_is_said_in_a_line() -> None:
    pytest.importorskip("redis", reason="redis is not installed; the group `dev` has it")
    with pytest.raises(StoreError, match="unix:///nowhere"):
        open_store(Settings(state="unix:///nowhere/redis.sock"))


def test_a_file_of_another_version_is_refused(tmp_path: Any) -> None:
    import sqlite3

    with sqlite3.connect(tmp_path / "old.db") as db:
        db.execute("CREATE TABLE accounts (key TEXT)")
    db.close()
    with pytest.raises(StoreError, match="another version"):
        open_store(Settings(state=str(tmp_path / "old.db")))


@pytest.mark.parametrize("settings", [{"secret": "00"}, {"secret": "00", "version": "1"}])
def test_a_redis_database_of_another_version_is_refused(redis_server: Any, settings: dict[str, str]) -> None:
    import redis

    open_store(Settings(state=redis_server.url))
    open_store(Settings(state=redis_server.url))
    with redis.Redis.from_url(redis_server.url) as client:
        client.delete("qwenmock:{shared}:settings")
        client.hset("qwenmock:{shared}:settings", mapping=settings)
    with pytest.raises(StoreError, match=": written by another version of qwenmock; expected an empty database"):
        open_store(Settings(state=redis_server.url))
    with redis.Redis.from_url(redis_server.url) as client:
        client.flushdb()


def test_scripts_that_redis_has_forgotten_are_loaded_again(redis_server: Any) -> None:
    import redis

    async def steps(store: Store) -> None:
        await store.account(DEFAULTS)
        with redis.Redis.from_url(redis_server.url) as client:
            client.script_flush()
        assert (await store.account(DEFAULTS)).balance == 1000

    on(redis_server.url, steps)
