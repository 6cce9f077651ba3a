"""The transactions of the SQLite store: all or nothing, told to every caller, and what happens if they fail."""

import asyncio
import gc
import os
import sqlite3
import tempfile
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from qwenmock.mockserver.errors import StoreError
from qwenmock.mockserver.store.protocols import InsufficientBalance, Selection
from qwenmock.mockserver.store.sqlite import database
from qwenmock.mockserver.store.sqlite.checkpoints import Checkpoints
from qwenmock.mockserver.store.sqlite.database import Database, identity, where
from qwenmock.mockserver.store.sqlite.schema import VERSION


class Watched(Database):
    """Notes what it does: the hooks for subclasses, and the statements that begin and end transactions."""

    def __init__(self, path: str | None) -> None:
        self.notes: list[str] = []
        super().__init__(path, 10)
        self.notes.clear()
        self._db.set_trace_callback(self._trace)

    def _trace(self, statement: str) -> None:
        if statement.split()[0] in {"BEGIN", "COMMIT", "ROLLBACK"} or "data_version" in statement:
            self.notes.append(statement)

    def _before_steps(self, outcomes: Any) -> None:
        assert outcomes == []
        self.notes.append("before")

    def _after_steps(self) -> None:
        self.notes.append("after")

    def _after_commit(self) -> None:
        self.notes.append("committed")

    def _settle(self) -> None:
        self.notes.append("settle")

    def _discard(self) -> None:
        self.notes.append("discard")

    def _clear_cache(self) -> None:
        self.notes.append("clear")

    def put(self, name: str) -> Awaitable[str]:
        def step(db: sqlite3.Connection) -> str:
            db.execute("INSERT INTO settings VALUES (?, '')", (name,))
            return name.upper()

        return self._write(step)

    def fail(self, error: Exception) -> Awaitable[None]:
        def step(_db: sqlite3.Connection) -> None:
            raise error

        return self._write(step)

    @property
    def names(self) -> list[str]:
        return self._select(str, "SELECT name FROM settings ORDER BY name")


def on(path: Path | None, steps: Callable[[Watched], Awaitable[None]]) -> None:
    async def run() -> None:
        db = Watched(None if path is None else str(path))
        try:
            await steps(db)
        finally:
            await db.close()

    asyncio.run(run())


@pytest.fixture(params=["memory", "file"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    return tmp_path / "state.db" if request.param == "file" else None


def pragma(db: Database, name: str) -> Any:
    return db._db.execute(f"PRAGMA {name}").fetchone()[0]


# Opening and closing.


def test_state_in_memory_needs_no_disk() -> None:
    async def steps(db: Watched) -> None:
        assert not db.is_shared
        assert db._journal_max == 10
        assert (pragma(db, "journal_mode"), pragma(db, "cache_size")) == ("memory", -4096)
        assert (pragma(db, "synchronous"), pragma(db, "busy_timeout")) == (1, 0)
        assert pragma(db, "user_version") == VERSION

    on(None, steps)


def test_state_in_a_file_has_a_log_that_is_copied_by_a_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[str] = []
    monkeypatch.setattr(Checkpoints, "end", lambda _: ended.append("end"))

    async def steps(db: Watched) -> None:
        assert db.is_shared
        assert (pragma(db, "journal_mode"), pragma(db, "wal_autocheckpoint")) == ("wal", 0)
        assert (pragma(db, "synchronous"), pragma(db, "busy_timeout")) == (1, 0)
        assert pragma(db, "cache_size") != -4096

    on(tmp_path / "state.db", steps)
    assert len(ended) == 1
    on(None, lambda db: db.put("a"))
    assert len(ended) == 1


def test_closed_database_answers_no_more(path: Path | None) -> None:
    async def steps(db: Watched) -> None:
        await db.put("a")
        await db.close()
        with pytest.raises(StoreError, match="closed database"):
            db.names  # noqa: B018
        with pytest.raises(StoreError, match="closed database"):
            await asyncio.wait_for(db.put("b"), 10)

    on(path, steps)


def test_dropped_database_is_closed() -> None:
    db = Database(None, 10)
    connection = db._db
    del db
    gc.collect()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")


def test_database_may_be_used_in_another_thread() -> None:
    async def steps(db: Watched) -> None:
        await db.put("a")
        with ThreadPoolExecutor(1) as threads:
            assert threads.submit(lambda: db.names).result() == ["a"]

    on(None, steps)


def test_without_a_folder_for_files_memory_is_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    class Noted(sqlite3.Connection):
        def __init__(self, name: str, *args: Any, **more: Any) -> None:
            opened.append(name)
            super().__init__(name, *args, **more)

    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **more: connect(*args, factory=Noted, **more))
    Database(None, 10)

    def fail() -> str:
        raise FileNotFoundError

    monkeypatch.setattr(tempfile, "gettempdir", fail)
    Database(None, 10)
    assert opened == ["", ":memory:"]


def test_file_that_is_kept_is_opened_again(tmp_path: Path) -> None:
    async def write(db: Watched) -> None:
        await db.put("a")

    async def read(db: Watched) -> None:
        assert db.names == ["a"]

    on(tmp_path / "state.db", write)
    on(tmp_path / "state.db", read)


def test_file_of_another_program_or_version_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    with sqlite3.connect(file) as db:
        db.execute("CREATE TABLE other (id)")
    db.close()
    with pytest.raises(StoreError, match=r"state\.db: written by another version of qwenmock; expected a new file"):
        Database(str(file), 10)
    file.write_text("no database, but a text that is long enough to look like one: " + "x" * 1000)
    with pytest.raises(StoreError, match=r"state\.db: file is not a database"):
        Database(str(file), 10)
    with pytest.raises(StoreError, match="unable to open database file"):
        Database(str(tmp_path / "no folder" / "state.db"), 10)


def test_empty_file_of_any_version_is_a_new_one(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "state.db") as db:
        db.execute("PRAGMA user_version = 1")
    db.close()
    on(tmp_path / "state.db", lambda db: db.put("a"))


def test_tables_are_created_in_one_transaction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "SCHEMA", f"{database.SCHEMA}; CREATE nonsense")
    with pytest.raises(StoreError, match="syntax error"):
        Database(str(tmp_path / "state.db"), 10)
    gc.collect()
    with sqlite3.connect(tmp_path / "state.db") as db:
        assert db.execute("SELECT * FROM sqlite_master").fetchall() == []
    db.close()


# Transactions.


def test_writes_of_one_turn_are_one_transaction(path: Path | None) -> None:
    async def steps(db: Watched) -> None:
        assert await asyncio.gather(db.put("a"), db.put("b"), db.put("c")) == ["A", "B", "C"]
        looks = ["settle", "PRAGMA data_version", "clear"] if path else []
        assert db.notes == ["BEGIN IMMEDIATE", *looks, "before", "after", "COMMIT", "committed", "clear"]
        assert db.names == ["a", "b", "c"]
        db.notes.clear()
        assert await db.put("d") == "D"
        assert db.notes.count("COMMIT") == 1

    on(path, steps)


@pytest.mark.parametrize(("is_file", "together"), [(False, 1), (True, 4)])
def test_transaction_on_a_file_waits_some_turns_for_more(tmp_path: Path, is_file: bool, together: int) -> None:
    """One write in each turn of the event loop: so many go into the first transaction."""

    async def steps(db: Watched) -> None:
        loop, waiting = asyncio.get_running_loop(), []

        def put(number: int) -> None:
            waiting.append(db.put(str(number)))
            if number < 9:
                loop.call_soon(put, number + 1)

        put(0)
        committed: list[int] = []
        while len(committed) < 10:
            await asyncio.sleep(0)
            committed.extend([db.notes.count("COMMIT")] * (sum(each.done() for each in waiting) - len(committed)))
        assert committed.count(1) == together
        await asyncio.gather(*waiting)

    on(tmp_path / "state.db" if is_file else None, steps)


def test_transaction_on_a_file_does_not_wait_if_nothing_more_comes(tmp_path: Path) -> None:
    async def steps(db: Watched) -> None:
        waiting = db.put("a")
        turns = 0
        while not waiting.done():  # type: ignore[attr-defined]
            await asyncio.sleep(0)
            turns += 1
        assert turns == 2

    on(tmp_path / "state.db", steps)


def test_refusal_concerns_its_caller_only(path: Path | None) -> None:
    async def steps(db: Watched) -> None:
        refusal = InsufficientBalance()
        done = await asyncio.gather(db.put("a"), db.fail(refusal), db.put("b"), return_exceptions=True)
        assert done == ["A", refusal, "B"]
        assert db.names == ["a", "b"]
        assert "discard" not in db.notes

    on(path, steps)


def test_failure_undoes_the_transaction_and_is_told_to_all(path: Path | None) -> None:
    async def steps(db: Watched) -> None:
        error = ZeroDivisionError("of a step")
        waiting = [asyncio.ensure_future(each) for each in (db.put("a"), db.put("b"), db.fail(error), db.put("c"))]
        waiting[1].cancel()
        await asyncio.wait(waiting)
        failures = [each.exception() for each in waiting if not each.cancelled()]
        assert [type(each) for each in failures] == [StoreError] * 3
        assert {str(each) for each in failures} == {"of a step"}
        assert all(each is not None and each.__cause__ is error for each in failures)
        assert [note for note in db.notes if note in {"ROLLBACK", "clear", "discard", "committed"}][-3:] == [
            "ROLLBACK",
            "clear",
            "discard",
        ]
        assert db.names == []
        assert await db.put("d") == "D"
        assert db.names == ["d"]

    on(path, steps)


def test_cancelled_write_is_not_made(path: Path | None) -> None:
    async def steps(db: Watched) -> None:
        waiting = [db.put("a"), db.put("b")]
        waiting[0].cancel()  # type: ignore[attr-defined]
        assert await waiting[1] == "B"
        assert db.names == ["b"]

    on(path, steps)


def test_write_that_is_cancelled_in_its_transaction_is_not_answered() -> None:
    async def steps(db: Watched) -> None:
        first = db.put("a")
        second = db._write(lambda _db: first.cancel())  # type: ignore[attr-defined]
        third = db.put("c")
        assert await asyncio.wait_for(asyncio.gather(second, third), 10) == [True, "C"]

    on(None, steps)


def test_failed_query_is_an_error_of_the_store(path: Path | None) -> None:
    async def steps(db: Watched) -> None:
        with pytest.raises(StoreError, match="no such table: nowhere") as raised:
            db._select(int, "SELECT * FROM nowhere")
        assert isinstance(raised.value.__cause__, sqlite3.OperationalError)
        assert db._select(lambda one, two: (two, one), "SELECT ?, ?", 1, 2) == [(2, 1)]

    on(path, steps)


# Other processes.


class Loop:
    """Stands in for clock and timer of the event loop."""

    def __init__(self) -> None:
        self.now = 100.0
        self.later: list[tuple[float, Callable[[], None]]] = []
        loop: Any = asyncio.get_running_loop()
        loop.time = lambda: self.now
        loop.call_later = lambda delay, call: self.later.append((delay, call))

    def run(self) -> None:
        self.later.pop()[1]()


def test_lock_of_another_process_is_waited_for(tmp_path: Path) -> None:
    async def steps(db: Watched) -> None:
        other = sqlite3.connect(tmp_path / "state.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        loop = Loop()
        waiting = asyncio.ensure_future(db.put("a"))
        while not loop.later:
            await asyncio.sleep(0)
        assert 0 < loop.later[0][0] < 0.1
        loop.now = 129.9
        loop.run()
        assert len(loop.later) == 1
        assert not waiting.done()
        other.execute("ROLLBACK")
        loop.run()
        assert await waiting == "A"
        assert db.names == ["a"]
        other.close()

    on(tmp_path / "state.db", steps)


def test_write_goes_on_after_an_event_loop_that_ended_while_one_waited(tmp_path: Path) -> None:
    """As that of a test that is over, while another process has the lock."""
    path = str(tmp_path / "state.db")
    db, other = Watched(path), sqlite3.connect(path, isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")

        async def give_up() -> None:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.02):
                    await db.put("a")

        asyncio.run(give_up())
        other.execute("COMMIT")

        async def go_on() -> str:
            async with asyncio.timeout(10):
                return await db.put("b")

        assert asyncio.run(go_on()) == "B"
        assert db.names == ["b"]
    finally:
        other.close()
        asyncio.run(db.close())


def test_lock_is_waited_for_at_most_30_seconds(tmp_path: Path) -> None:
    async def steps(db: Watched) -> None:
        await db.put("before")
        other = sqlite3.connect(tmp_path / "state.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        loop = Loop()
        waiting = asyncio.ensure_future(db.put("a"))
        while not loop.later:
            await asyncio.sleep(0)
        loop.now = 130.0
        loop.run()
        assert loop.later == []
        with pytest.raises(StoreError, match="database is locked"):
            await waiting
        other.execute("ROLLBACK")
        other.close()
        await db.put("b")
        assert db.names == ["b", "before"]

    on(tmp_path / "state.db", steps)


def test_errors_of_a_lock(tmp_path: Path) -> None:
    for code, is_busy in (
        (sqlite3.SQLITE_BUSY, True),
        (sqlite3.SQLITE_LOCKED, True),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, True),
        (sqlite3.SQLITE_FULL, False),
        (sqlite3.SQLITE_PERM, False),
    ):
        error = sqlite3.OperationalError()
        error.sqlite_errorcode = code
        assert database._is_busy(error) is is_busy


def test_what_another_process_wrote_is_read_once_a_turn(tmp_path: Path) -> None:
    file = tmp_path / "state.db"

    async def steps(db: Watched) -> None:
        other = Watched(str(file))
        db._refresh_cache()
        await asyncio.sleep(0)
        db.notes.clear()
        db._refresh_cache()
        db._refresh_cache()
        assert db.notes == ["settle", "PRAGMA data_version"]
        await asyncio.sleep(0)
        await other.put("a")
        db.notes.clear()
        db._refresh_cache()
        db._refresh_cache()
        assert db.notes == ["settle", "PRAGMA data_version", "clear"]
        await asyncio.sleep(0)
        db.notes.clear()
        db._refresh_cache()
        assert "clear" not in db.notes
        # Also before the steps of a transaction.
        await other.put("b")
        await db.put("c")
        assert db.notes.index("clear") < db.notes.index("before")
        await other.close()

    on(file, steps)


def test_state_in_memory_has_no_other_process() -> None:
    async def steps(db: Watched) -> None:
        db._refresh_cache()
        assert db.notes == []

    on(None, steps)


def test_transaction_without_steps_forgets_nothing() -> None:
    """Only a step may have changed what is remembered."""

    async def steps(db: Watched) -> None:
        waiter = db._join()
        outcomes = db._before_steps
        db._before_steps = lambda found: found.append((waiter, "sold", None))  # type: ignore[method-assign]
        assert await waiter == "sold"
        assert "clear" not in db.notes
        db._before_steps = outcomes  # type: ignore[method-assign]

    on(None, steps)


# A file that goes away.


def emptied(file: Path) -> None:
    os.truncate(file, 0)


def replaced(file: Path) -> None:
    other = file.with_suffix(".new")
    other.write_bytes(file.read_bytes())
    other.rename(file)


@pytest.mark.parametrize("change", [Path.unlink, emptied, replaced])
def test_file_that_is_gone_takes_no_more(tmp_path: Path, change: Callable[[Path], object]) -> None:
    file = tmp_path / "state.db"

    async def steps(db: Watched) -> None:
        await db.put("a")
        change(file)
        with pytest.raises(StoreError, match=r"state\.db was removed, emptied or replaced; restart the server"):
            await db.put("b")

    on(file, steps)


def test_file_that_is_back_takes_what_comes_then(tmp_path: Path) -> None:
    file = tmp_path / "state.db"

    async def steps(db: Watched) -> None:
        file.rename(tmp_path / "away.db")
        with pytest.raises(StoreError, match="removed"):
            await db.put("a")
        (tmp_path / "away.db").rename(file)
        await db.put("b")
        assert db.names == ["b"]

    on(file, steps)


def test_identity_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "file"
    assert identity(None) is None
    assert identity(str(file)) is None
    file.touch()
    assert identity(str(file)) is None
    file.write_bytes(b"x")
    assert identity(str(file)) == (file.stat().st_dev, file.stat().st_ino)


def test_condition_of_a_selection() -> None:
    assert where(Selection(), "provider", "key") == ("", ())
    assert where(Selection("nebula", status=7), "provider", "key") == (" WHERE provider = ?", ("nebula",))
    assert where(Selection("nebula", "k"), "provider", "key") == (" WHERE provider = ? AND key = ?", ("nebula", "k"))
