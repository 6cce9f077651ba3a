"""The journal, the image fetches and the kept images in SQLite: what stays, what is dropped, in which order."""

import asyncio
import contextlib
import random
import sqlite3
from pathlib import Path

import pytest
from store_values import DEFAULTS, charge, compact, entry, on, row

from qwenmock.mockserver.errors import StoreError
from qwenmock.mockserver.store.protocols import Fetch, Selection
from qwenmock.mockserver.store.search import cursor_of
from qwenmock.mockserver.store.sqlite import accounts, blobs, journal
from qwenmock.mockserver.store.sqlite.checkpoints import Checkpoints
from qwenmock.mockserver.store.sqlite.database import TRANSACTION_BYTES
from qwenmock.mockserver.store.sqlite.store import SqliteStore

EVERYTHING = Selection()


@pytest.fixture(params=["memory", "file"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> str | None:
    return str(tmp_path / "state.db") if request.param == "file" else None


async def ids(store: SqliteStore, selection: Selection = EVERYTHING) -> list[str]:
    return [each["id"] for each in await store.journal(selection)]


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What is counted towards the next checkpoint."""
    found: list[int] = []
    monkeypatch.setattr(Checkpoints, "wrote", lambda _self, size: found.append(size))
    return found


def test_entries_are_selected_newest_first(path: str | None) -> None:
    async def steps(store: SqliteStore) -> None:
        assert await ids(store) == []
        for id_, status, provider, key in (
            ("a", 200, "nebula", "sk-mock"), ("b", 400, "nebula", "sk-mock.b"),
            ("c", 200, "aigc", "sk-mock"), ("d", 200, "nebula", "sk-mock"),
        ):  # fmt: skip
            await store.record(entry(id_, status, provider), key)
        assert await ids(store) == ["d", "c", "b", "a"]
        assert await ids(store, Selection(limit=2)) == ["d", "c"]
        assert await ids(store, Selection(limit=0)) == []
        assert await ids(store, Selection("nebula")) == ["d", "b", "a"]
        assert await ids(store, Selection(key="sk-mock")) == ["d", "c", "a"]
        assert await ids(store, Selection(status=400)) == ["b"]
        assert await ids(store, Selection("nebula", "sk-mock", 200, limit=1)) == ["d"]

    on(path, steps)


def test_selection_matches_what_it_names() -> None:
    line = entry("a", 200, "nebula")
    assert Selection().limit == 1000
    assert Selection().matches("sk-mock", line)
    assert Selection("nebula", "sk-mock", 200).matches("sk-mock", line)
    for selection in (Selection("aigc"), Selection(key="x"), Selection(status=201), Selection("aigc", "sk-mock", 200)):
        assert not selection.matches("sk-mock", line)


def test_entries_of_one_transaction_keep_their_order(path: str | None) -> None:
    async def steps(store: SqliteStore) -> None:
        await asyncio.gather(*(store.record(entry(id_), "sk-mock") for id_ in "abc"))
        await store.record(entry("d"), "sk-mock")
        assert await ids(store) == ["d", "c", "b", "a"]

    on(path, steps)


def test_journal_holds_so_many_entries(path: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "TRIM_EVERY", 1)

    async def steps(store: SqliteStore) -> None:
        for number in range(7):
            await store.record(entry(str(number)), "sk-mock")
            assert await ids(store) == [str(each) for each in range(number, max(-1, number - 3), -1)]

    on(path, steps, journal_max=3)


def test_journal_in_memory_has_a_size_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    line = len(b'["sk-mock",{"id":"0","provider":"nebula","status":200}]')
    monkeypatch.setattr(journal, "JOURNAL_BYTES", 2 * line)

    async def steps(store: SqliteStore) -> None:
        for number in range(4):
            await store.record(entry(str(number)), "sk-mock")
        assert await ids(store) == ["3", "2"]
        await store.record(entry("4", note="x"), "sk-mock")
        assert await ids(store) == ["4"]
        await store.record(entry("5", note="x" * 1000), "sk-mock")
        assert await ids(store) == ["5"]  # the newest stays, whatever its size
        await store.reset("journal")
        for number in range(3):
            await store.record(entry(str(number)), "sk-mock")
        assert await ids(store) == ["2", "1"]

    on(None, steps)


def test_entries_of_sales_count_with_their_bodies(monkeypatch: pytest.MonkeyPatch) -> None:
    async def steps(store: SqliteStore) -> None:
        await store.account(DEFAULTS)
        for name in "abc":
            store.sell(row(name), compact(name, request=b'"' + b"x" * 98 + b'"', answer=b'"' + b"x" * 148 + b'"'))
            await store.record(entry(f"after {name}"), "sk-mock.b")
        assert await ids(store) == ["after c", "c"]
        assert await ids(store, Selection(key="sk-mock")) == ["c"]

    line = len(b'["sk-mock.b",{"id":"after c","provider":"nebula","status":200}]')
    monkeypatch.setattr(journal, "JOURNAL_BYTES", 2000 + 100 + 150 + line)
    on(None, steps)


def rows_of(path: str) -> list[tuple[int, int]]:
    """Return how many entries each row has, and how many bytes these take."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        return db.execute("SELECT length, size FROM journal ORDER BY seq").fetchall()


def test_entries_of_one_transaction_are_one_row(tmp_path: Path, written: list[int]) -> None:

    path = str(tmp_path / "state.db")

    async def steps(store: SqliteStore) -> None:
        await asyncio.gather(*(store.record(entry(id_), "sk-mock") for id_ in "ab"))
        await store.account(DEFAULTS)  # writes no entry, and no row
        await store.charge(charge("c", "1"), entry("c"), is_held=False)
        assert [length for length, _ in rows_of(path)] == [2, 1]
        assert written == [TRANSACTION_BYTES] * 3

    on(path, steps)


def test_parts_of_a_failed_transaction_are_not_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: list[int]
) -> None:
    async def steps(store: SqliteStore) -> None:
        def fail(_self: object) -> None:
            raise sqlite3.OperationalError("disk full")

        with monkeypatch.context() as patched:
            patched.setattr(accounts.SqliteJournal, "_after_steps", fail)
            with pytest.raises(StoreError, match="disk full"):
                await store.keep("a", b"a" * 40)
        await store.account(DEFAULTS)
        assert written == [TRANSACTION_BYTES]

    on(str(tmp_path / "state.db"), steps)


def test_rows_of_a_file_are_deleted_now_and_then(tmp_path: Path) -> None:

    path = str(tmp_path / "state.db")

    async def steps(store: SqliteStore) -> None:
        for _ in range(51):
            await asyncio.gather(*(store.record(entry(id_), "sk-mock") for id_ in "abcde"))
        assert len(rows_of(path)) == 51  # 255 entries
        await store.record(entry("f"), "sk-mock")
        assert [length for length, _ in rows_of(path)] == [5, 5, 1]
        assert await ids(store) == list("fedcbaedc")
        for _ in range(51):
            await asyncio.gather(*(store.record(entry(id_), "sk-mock") for id_ in "abcde"))
        assert len(rows_of(path)) == 3 + 51  # the count has begun anew
        await store.record(entry("f"), "sk-mock")
        assert [length for length, _ in rows_of(path)] == [5, 5, 1]

    on(path, steps, journal_max=9)


@pytest.mark.parametrize(("limit", "kept"), [(9, [5, 5, 1]), (7, [5, 5, 1]), (6, [5, 1]), (5, [5, 1]), (1, [1])])
def test_row_stays_while_one_of_its_entries_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int, kept: list[int]
) -> None:

    path = str(tmp_path / "state.db")
    monkeypatch.setattr(journal, "TRIM_EVERY", 16)

    async def steps(store: SqliteStore) -> None:
        for _ in range(3):
            await asyncio.gather(*(store.record(entry(id_), "sk-mock") for id_ in "abcde"))
        await store.record(entry("f"), "sk-mock")
        assert [length for length, _ in rows_of(path)] == kept
        assert len(await ids(store)) == min(limit, sum(kept))

    on(path, steps, journal_max=limit)


def test_journal_in_a_file_has_a_size_in_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "state.db")
    line = len(b'0123456789abcdef 1,["sk-mock",{"id":"0","provider":"nebula","status":200}]')
    monkeypatch.setattr(journal, "TRIM_EVERY", 1)
    monkeypatch.setattr(journal, "JOURNAL_BYTES", 2 * line)

    async def steps(store: SqliteStore) -> None:
        for number in range(4):
            await store.record(entry(str(number)), "sk-mock")
        assert await ids(store) == ["3", "2"]
        monkeypatch.setattr(journal, "JOURNAL_BYTES", 2 * line - 1)
        await store.record(entry("4"), "sk-mock")
        assert await ids(store) == ["4"]

    on(path, steps)


def test_journal_is_read_no_further_than_asked(tmp_path: Path) -> None:
    """A journal of a thousand rows is not loaded for its newest entry."""
    read: list[int] = []

    class Watched(SqliteStore):
        def _select(self, make, query, *values):  # type: ignore[no-untyped-def]
            found = super()._select(make, query, *values)
            if "FROM journal WHERE" in query:
                read.append(len(found))
            return found

    async def steps() -> None:
        store = Watched(str(tmp_path / "state.db"), 5)
        for id_ in "abcdefgh":
            await store.record(entry(id_), "sk-mock")
        read.clear()
        assert await ids(store, Selection(limit=2)) == ["h", "g"]
        assert read == [1, 1, 1]
        read.clear()
        assert await ids(store) == list("hgfed")
        assert read == [1] * 5
        await store.close()

    asyncio.run(steps())


@pytest.mark.parametrize(("journal_max", "shown"), [(1000, ["43", "21", "0"]), (3, ["43", "2"]), (2, ["43"])])
def test_journal_is_read_in_parts(
    path: str | None, monkeypatch: pytest.MonkeyPatch, journal_max: int, shown: list[str]
) -> None:
    assert (journal.LINES_AT_ONCE, journal.ROWS_AT_ONCE) == (200, 16)  # enough at once, but not for long
    monkeypatch.setattr(journal, "LINES_AT_ONCE", 2)
    monkeypatch.setattr(journal, "ROWS_AT_ONCE", 2)

    async def steps(store: SqliteStore) -> None:
        async def parts() -> list[str]:
            return ["".join(cursor_of(line).id for line in lines) async for lines in store.read_journal()]

        assert await store.journal_length() == 0
        assert await parts() == []
        for number in range(5):
            await store.record(entry(str(number), at=1.5), "sk-mock")
        assert await store.journal_length() == min(5, journal_max)
        assert await parts() == shown
        found = ""
        async for lines in store.read_journal():
            found += "".join(cursor_of(line).id for line in lines)
            if len(found) == 2:
                await store.record(entry("5", at=1.5), "sk-mock")  # meanwhile
        assert found == "".join(shown)

    on(path, steps, journal_max=journal_max)


def test_entries_of_one_transaction_are_read_newest_first(path: str | None) -> None:
    async def steps(store: SqliteStore) -> None:
        await asyncio.gather(*(store.record(entry(id_, at=1.5), "sk-mock") for id_ in "abc"))
        await store.record(entry("d", at=1.5), "sk-mock")
        assert await store.journal_length() == 4
        assert [[cursor_of(line).id for line in lines] async for lines in store.read_journal()] == [list("dcba")]

    on(path, steps)


def test_entry_of_a_failed_charge_is_not_recorded(path: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    async def steps(store: SqliteStore) -> None:
        await store.account(DEFAULTS)
        await store.reserve(DEFAULTS, "r", DEFAULTS.balance, None)

        def fail(_self: object) -> None:
            raise sqlite3.OperationalError("disk full")

        with monkeypatch.context() as patched:
            patched.setattr(accounts.SqliteJournal, "_after_steps", fail)
            done = await asyncio.gather(
                store.charge(charge("r"), entry("r"), is_held=True),
                store.record(entry("s"), "k"),
                return_exceptions=True,
            )
        assert [str(each) for each in done] == ["disk full", "disk full"]
        assert all(isinstance(each, StoreError) for each in done)
        await store.record(entry("t"), "sk-mock")
        assert await ids(store) == ["t"]
        assert await store.charges(EVERYTHING) == []

    on(path, steps)


def test_fetches_are_noted_once_and_the_oldest_are_dropped(path: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "FETCHES", 3)
    noted = [Fetch("/b.png", is_expired=False), Fetch("/a.png", is_expired=True), Fetch("/b.png", is_expired=True)]

    async def steps(store: SqliteStore) -> None:
        for each in (*noted, *noted):
            await store.fetched(each)
        found = await store.fetches()
        assert found == noted
        assert [each.is_expired for each in found] == [False, True, True]
        await store.fetched(Fetch("/c.png", is_expired=False))
        assert await store.fetches() == [*noted[1:], Fetch("/c.png", is_expired=False)]

    on(path, steps)


def test_fetch_that_is_noted_twice_at_once_is_one(path: str | None) -> None:

    fetch = Fetch("/a.png", is_expired=False)

    async def steps(store: SqliteStore) -> None:
        await asyncio.gather(*(store.fetched(fetch) for _ in range(3)))
        assert await store.fetches() == [fetch]

    on(path, steps)


def test_kept_bytes_are_found_and_the_longest_unused_are_dropped(
    path: str | None, monkeypatch: pytest.MonkeyPatch, written: list[int]
) -> None:
    monkeypatch.setattr(blobs, "KEPT_BYTES", 100)
    now = [1000.0]
    monkeypatch.setattr("time.time", lambda: now[0])

    async def kept(store: SqliteStore) -> str:
        return "".join([name for name in "abcde" if await store.kept(name) is not None])

    async def steps(store: SqliteStore) -> None:
        await store.keep("b", b"b" * 40)
        now[0] = 1001.0
        await store.keep("a", b"a" * 60)
        assert await kept(store) == "ab"  # as much as there is room for
        assert await store.kept("a") == b"a" * 60
        now[0] = 1059.9
        await store.keep("b", b"b" * 40)  # used less than a minute ago: not noted again
        await store.keep("c", b"c")
        assert await kept(store) == "ac"
        now[0] = 1061.0
        await store.keep("a", b"a" * 60)  # a minute ago: noted
        await store.keep("d", b"d" * 40)
        assert await kept(store) == "ad"
        await store.keep("e", b"e" * 101)  # the newest stays, whatever its size
        assert await kept(store) == "e"
        assert await store.kept("e") == b"e" * 101
        parts = [size - TRANSACTION_BYTES for size in written]
        assert [size for size in parts if size] == ([40, 60, 1, 40, 101] if path else [])

    on(path, steps)


def test_parts_that_were_interrupted_are_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not here as a whole was not used recently; what is was."""
    monkeypatch.setattr(blobs, "PART", 100)
    path = str(tmp_path / "state.db")
    data = b"a" * 150

    def used() -> list[float]:
        with contextlib.closing(sqlite3.connect(path)) as db:
            return [each for (each,) in db.execute("SELECT used FROM kept")]

    async def steps(store: SqliteStore) -> None:
        monkeypatch.setattr("time.time", lambda: 1000.0)
        writing = asyncio.ensure_future(store.keep("a", data))
        while not used():
            await asyncio.sleep(0)
        writing.cancel()
        assert await store.kept("a") is None
        await store.keep("a", data)
        assert await store.kept("a") == data
        assert used() == [1000.0]

    on(path, steps)


def test_parts_of_several_requests_are_not_in_one_transaction(
    path: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blobs, "PART", 100)

    async def steps(store: SqliteStore) -> None:
        statements: list[str] = []
        store._db.set_trace_callback(statements.append)
        await asyncio.gather(*(store.keep(name, name.encode() * 250) for name in "abc"))
        store._db.set_trace_callback(None)
        assert [await store.kept(name) for name in "abc"] == [name.encode() * 250 for name in "abc"]
        parts = [text.count("INSERT OR IGNORE") for text in "\n".join(statements).split("COMMIT")]
        assert max(parts) == 1
        assert sum(parts) == 9

    on(path, steps)


def test_what_is_large_is_kept_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One part is one transaction: other requests go on between them."""
    monkeypatch.setattr(blobs, "PART", 100)
    monkeypatch.setattr(blobs, "KEPT_BYTES", 700)
    path = str(tmp_path / "qm.db")
    data = {name: random.Random(name).randbytes(size) for name, size in (("a", 250), ("b", 300), ("c", 301), ("d", 99))}

    def lengths(query: str) -> dict[str, int]:
        with contextlib.closing(sqlite3.connect(path)) as db:
            return dict(db.execute(query).fetchall())

    async def steps(store: SqliteStore) -> None:
        for name in ("a", "b"):
            await store.keep(name, data[name])
            assert await store.kept(name) == data[name]
        stored = {"a": 100, "a/1": 100, "a/2": 50, "b": 100, "b/1": 100, "b/2": 100}
        assert lengths("SELECT digest, length(data) FROM kept_data") == stored
        # A process that died between two parts: what is incomplete is not found, and is completed by the next.
        with contextlib.closing(sqlite3.connect(path)) as db, db:
            db.execute("DELETE FROM kept_data WHERE digest = 'a/1'")
            db.execute("UPDATE kept SET used = used - 60 WHERE digest = 'a'")
        assert await store.kept("a") is None
        await store.keep("a", data["a"])
        assert await store.kept("a") == data["a"]
        await store.keep("c", data["c"])  # 851 bytes: the one that was used first leaves, with all its parts
        assert lengths("SELECT digest, size FROM kept").keys() == {"a", "c"}
        parts = {"a", "a/1", "a/2", "c", "c/1", "c/2", "c/3"}
        assert lengths("SELECT digest, length(data) FROM kept_data").keys() == parts
        await store.keep("d", data["d"])
        assert await store.kept("d") == data["d"]

    on(path, steps)
