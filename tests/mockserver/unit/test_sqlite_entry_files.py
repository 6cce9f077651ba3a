"""The files beside a state in a file that hold the entries of its journal."""

import asyncio
import contextlib
import gc
import io
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from store_values import entry, on

from qwenmock.mockserver.errors import StoreError
from qwenmock.mockserver.store.protocols import Selection
from qwenmock.mockserver.store.records import dump_entry
from qwenmock.mockserver.store.search import cursor_of
from qwenmock.mockserver.store.sqlite import checkpoints, entry_files, journal
from qwenmock.mockserver.store.sqlite.entry_files import Block, EntryFiles
from qwenmock.mockserver.store.sqlite.store import SqliteStore

EVERYTHING = Selection()


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "state.db")


async def ids(store: SqliteStore) -> list[str]:
    return [each["id"] for each in await store.journal(EVERYTHING)]


async def record(store: SqliteStore, *names: str) -> None:
    for name in names:
        await store.record(entry(name, at=1.5), "sk-mock")


@contextlib.contextmanager
def replaced(store: SqliteStore, file: io.FileIO) -> Iterator[None]:
    """Let a store use another file."""
    assert store._files is not None
    with pytest.MonkeyPatch.context() as patched, file:
        patched.setattr(store._files, "_files", [file])
        yield


def sizes(path: str) -> list[int]:
    return [os.stat(path + suffix).st_size for suffix in entry_files.SUFFIXES]  # noqa: PTH116, a part of a name


SIZE = len(b'0123456789abcdef 1,["sk-mock",{"id":"0","provider":"nebula","status":200,"at":1.5}]')


def test_files_are_used_in_turn(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is full and of which nothing is needed any more is written to anew, from its beginning."""
    monkeypatch.setattr(entry_files, "FILE_BYTES", 4 * SIZE)
    monkeypatch.setattr(journal, "TRIM_EVERY", 1)
    found: list[list[int]] = []

    async def steps(store: SqliteStore) -> None:
        for number in range(1, 10):
            await record(store, str(number))
            found.append([size / SIZE for size in sizes(path)])
            assert await ids(store) == [str(each) for each in range(number, max(0, number - 3), -1)]

    on(path, steps, journal_max=3)
    # Row 5 goes to the other file; row 9 comes back, as rows 1 to 4 were dropped with rows 5 to 7.
    assert found == [[1, 0], [2, 0], [3, 0], [4, 0], [4, 1], [4, 2], [4, 3], [4, 4], [4, 4]]


def test_file_with_rows_that_are_needed_is_not_written_to(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entry_files, "FILE_BYTES", 2 * SIZE)
    monkeypatch.setattr(journal, "TRIM_EVERY", 1)

    async def steps(store: SqliteStore) -> None:
        await record(store, *"1234567")
        assert await ids(store) == list("76543")
        assert [size // SIZE for size in sizes(path)] == [2, 5]
        await record(store, "8")
        assert await ids(store) == list("87654")
        assert [size // SIZE for size in sizes(path)] == [2, 5]

    on(path, steps, journal_max=5)


def test_other_process_goes_on_where_one_has_ended(path: str) -> None:
    async def steps(store: SqliteStore) -> None:
        other = SqliteStore(path, 1000)
        await record(store, "a")
        await record(other, "b", "c")
        await record(store, "d")
        assert await ids(store) == await ids(other) == list("dcba")
        await other.close()

    on(path, steps)
    on(path, lambda store: expect(store, "dcba"))


async def expect(store: SqliteStore, shown: str) -> None:
    assert await ids(store) == list(shown)


@pytest.mark.parametrize("moment", ["before", "while"])
def test_entries_that_another_process_overwrites_meanwhile_are_left_out(
    path: str, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """A row was read, and dropped by another process, which writes others to its place before or while it is read."""
    monkeypatch.setattr(entry_files, "FILE_BYTES", SIZE)
    monkeypatch.setattr(journal, "TRIM_EVERY", 1)
    read = EntryFiles.read
    meanwhile: list[Callable[[], Any]] = []

    def read_late(files: EntryFiles, block: Block) -> bytes:
        found = read(files, block)
        if meanwhile:
            meanwhile.pop()()
            return found if moment == "while" else read(files, block)
        return found

    async def steps(store: SqliteStore) -> None:
        other = SqliteStore(path, 1)
        await record(store, "a")

        def write() -> None:
            for name in "bcd":
                other._lines.append(dump_entry(entry(name, at=1.5), "sk-mock"))
                other._db.execute("BEGIN IMMEDIATE")
                other._after_steps()
                other._db.execute("COMMIT")

        meanwhile.append(write)
        monkeypatch.setattr(EntryFiles, "read", read_late)
        assert await ids(store) == []
        assert await ids(store) == ["d"]
        await other.close()

    on(path, steps, journal_max=1)


@pytest.mark.parametrize(
    "lose",
    [
        lambda file: os.truncate(file, 2 * SIZE),
        lambda file: os.truncate(file, 2 * SIZE + SIZE // 2),
        lambda file: file.write_bytes(file.read_bytes()[: 2 * SIZE] + bytes(SIZE)),
        lambda file: file.write_bytes(file.read_bytes()[: 2 * SIZE].replace(b" 2,", b" 3,") + file.read_bytes()[:SIZE]),
    ],
    ids=["all", "the end", "zeros", "an older block"],
)
def test_entries_that_were_lost_with_the_power_are_left_out(path: str, lose: Callable[[Path], object]) -> None:
    async def steps(store: SqliteStore) -> None:
        found = await ids(store)
        assert found in (["2", "1"], ["1"])
        assert [len(lines) async for lines in store.read_journal()] == [len(found)]
        await record(store, "4")
        assert await ids(store) == ["4", *found]

    on(path, lambda store: record(store, *"123"))
    lose(Path(path + entry_files.SUFFIXES[0]))
    on(path, steps)


def replace_file(file: Path) -> None:
    file.rename(file.with_suffix(".old"))
    file.write_bytes(bytes(10_000))


@pytest.mark.parametrize(
    "end",
    [
        lambda file: file.unlink(),
        lambda file: file.rename(file.with_suffix(".old")),
        lambda file: file.write_bytes(b""),
        lambda file: os.truncate(file, SIZE - 1),
        replace_file,
    ],
    ids=["removed", "renamed", "emptied", "shortened", "replaced"],
)
def test_file_that_vanishes_is_named(path: str, end: Callable[[Path], object]) -> None:
    async def steps(store: SqliteStore) -> None:
        await record(store, "a")
        end(Path(path + "-entries-0"))
        with pytest.raises(
            StoreError, match=r"state\.db-entries-0 was removed, emptied or replaced; restart the server"
        ):
            await record(store, "b")
        with pytest.raises(StoreError, match=r"state\.db-entries-0 was removed, emptied or replaced; restart"):
            await ids(store)

    on(path, steps)

    async def begin_anew(store: SqliteStore) -> None:
        assert await ids(store) == []
        await record(store, "c")
        assert await ids(store) == ["c"]

    on(path, begin_anew)


def test_journal_outlives_the_process(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entry_files, "FILE_BYTES", 2 * SIZE)
    on(path, lambda store: record(store, *"123"))
    on(path, lambda store: expect(store, "321"))
    Path(path + "-entries-1").unlink()

    async def steps(store: SqliteStore) -> None:
        assert await ids(store) == list("21")
        assert await store.journal_length() == 2, "only what was in the other file is lost"

    on(path, steps)


def test_database_that_was_copied_alone_has_no_entries_of_others(path: str, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    on(path, lambda store: record(store, "1"))
    copy.write_bytes(Path(path).read_bytes())
    on(str(copy), lambda store: expect(store, ""))
    on(str(tmp_path / "other.db"), lambda store: record(store, "2"))
    (tmp_path / "other.db").write_bytes(Path(path).read_bytes())
    on(str(tmp_path / "other.db"), lambda store: expect(store, ""))


def test_link_to_a_database_leads_to_its_entries(path: str, tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(path)

    async def steps(store: SqliteStore) -> None:
        other = SqliteStore(str(tmp_path / "link.db"), 1000)
        await record(store, "a")
        await record(other, "b")
        assert await ids(store) == await ids(other) == ["b", "a"]
        await other.close()

    on(path, steps)


def test_reset_empties_the_journal(path: str) -> None:
    async def steps(store: SqliteStore) -> None:
        for name in "abc":
            await record(store, name, name)
            await store.reset("journal")
            assert await ids(store) == []
            assert await store.journal_length() == 0
            assert [lines async for lines in store.read_journal()] == []
        await record(store, "d")
        assert await ids(store) == ["d"]
        assert await store.journal_length() == 1
        assert store._select(int, "SELECT count(*) FROM journal") == [2], "the last of the others stays"

    on(path, steps)


def test_files_stay_short_when_the_journal_is_reset_again_and_again(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entry_files, "FILE_BYTES", 4 * SIZE)
    monkeypatch.setattr(journal, "TRIM_EVERY", 2)

    async def steps(store: SqliteStore) -> None:
        for _ in range(8):
            await record(store, *"123")
            await store.reset("journal")
        await record(store, *"45")
        assert await ids(store) == ["5", "4"]
        assert max(sizes(path)) <= 8 * SIZE

    on(path, steps)


def test_journal_is_trimmed_when_a_process_starts(path: str) -> None:
    for number in range(3):
        on(path, lambda store, number=number: record(store, f"{number}a", f"{number}b"), journal_max=3)

    async def steps(store: SqliteStore) -> None:
        assert await ids(store) == ["2b", "2a", "1b"]
        assert store._select(int, "SELECT count(*) FROM journal") == [3]

    on(path, steps, journal_max=3)


def test_as_much_is_dropped_as_is_too_much(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    on(path, lambda store: record(store, *"12345"))
    monkeypatch.setattr(journal, "JOURNAL_BYTES", 2 * SIZE)
    on(path, lambda store: expect(store, "54"))


def test_newest_block_stays_whatever_its_size(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "TRIM_EVERY", 1)
    monkeypatch.setattr(journal, "JOURNAL_BYTES", SIZE)

    async def steps(store: SqliteStore) -> None:
        await record(store, "1")
        await asyncio.gather(record(store, "2"), record(store, "3"))
        assert await ids(store) == ["3", "2"]
        await record(store, "4")
        assert await ids(store) == ["4"]

    on(path, steps)


def test_process_that_changes_its_folder_keeps_its_files(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "CHECKPOINT_BYTES", 1)
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path)

    async def steps(store: SqliteStore) -> None:
        monkeypatch.chdir(tmp_path / "other")
        await record(store, "a", "b")
        assert await ids(store) == ["b", "a"]

    on("state.db", steps)
    assert list((tmp_path / "other").iterdir()) == []
    on(path, lambda store: expect(store, "ba"))


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5])
def test_reset_that_fails_loses_nothing(path: str, monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    """Entries that are written in the same transaction are not written to the place of others."""
    monkeypatch.setattr(entry_files, "FILE_BYTES", 2 * SIZE)
    names = [str(number) for number in range(rows)]

    async def steps(store: SqliteStore) -> None:
        await record(store, *names)
        for _ in range(4):
            with monkeypatch.context() as patched:
                patched.setattr(store, "_trim", fail)
                patched.setattr(journal, "TRIM_EVERY", 1)
                done = await asyncio.gather(store.reset("journal"), record(store, "x"), return_exceptions=True)
            assert [str(each) for each in done] == ["disk full", "disk full"]
        assert await ids(store) == names[::-1]

    def fail() -> None:
        raise sqlite3.OperationalError("disk full")

    on(path, steps)


def test_journal_that_is_read_across_a_reset_is_the_former_one(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "ROWS_AT_ONCE", 1)

    async def steps(store: SqliteStore) -> None:
        await record(store, *"abc")
        found: list[list[str]] = []
        async for lines in store.read_journal():
            found.append([cursor_of(line).id for line in lines])
            if len(found) == 1:
                await store.reset("journal")
                await record(store, *"de")
        assert found == [["c"]]

    on(path, steps)


def test_failed_transaction_leaves_no_entry(path: str) -> None:
    async def steps(store: SqliteStore) -> None:
        await record(store, "a")
        for seek, write in ((False, True), (True, False)):
            with (
                replaced(store, Broken(path + "-entries-0", seek=seek, write=write)),
                pytest.raises(StoreError, match="No space left on device"),
            ):
                await record(store, "b")
        await record(store, "c")
        assert await ids(store) == ["c", "a"]

    on(path, steps)


def test_entries_that_cannot_be_read_are_an_error(path: str) -> None:
    async def steps(store: SqliteStore) -> None:
        await record(store, "a")
        with (
            replaced(store, Broken(path + "-entries-0", seek=True, write=False)),
            pytest.raises(StoreError, match=r"state\.db-entries-0: .*No space left on device"),
        ):
            await ids(store)

    on(path, steps)


class Broken(io.FileIO):
    """A file on a device that fails."""

    def __init__(self, path: str, *, seek: bool, write: bool) -> None:
        super().__init__(path, "r+")
        self._fails = {"seek": seek, "write": write}

    def seek(self, *args: int) -> int:
        if self._fails["seek"]:
            raise OSError(28, "No space left on device")
        return super().seek(*args)

    def write(self, data: Any) -> int:
        if self._fails["write"]:
            raise OSError(28, "No space left on device")
        return super().write(data)


class Slow(io.FileIO):
    """A file that takes a few bytes at a time."""

    def write(self, data: Any) -> int:
        return super().write(data[:7])


def test_entries_are_written_to_their_end(path: str) -> None:
    async def steps(store: SqliteStore) -> None:
        with replaced(store, Slow(path + "-entries-0", "r+")):
            await record(store, "a", "b")
        assert await ids(store) == ["b", "a"]

    on(path, steps)


@pytest.mark.parametrize("mode", [0o600, 0o701])
def test_files_have_the_rights_of_the_database(path: str, mode: int) -> None:
    Path(path).touch()
    Path(path).chmod(mode)
    before = os.umask(0)
    try:
        asyncio.run(SqliteStore(path, 1).close())
    finally:
        os.umask(before)
    assert [os.stat(path + suffix).st_mode & 0o777 for suffix in entry_files.SUFFIXES] == [mode, mode]  # noqa: PTH116


@pytest.mark.parametrize(("user", "given"), [(0, [(1000, 100)] * 2), (1000, [])])
def test_files_made_by_root_belong_to_the_owner_of_the_database(
    path: str, monkeypatch: pytest.MonkeyPatch, user: int, given: list[tuple[int, int]]
) -> None:
    found: list[tuple[int, int]] = []
    stat = os.stat

    def owned(name: str) -> os.stat_result:
        values = list(stat(name))
        values[4:6] = (1000, 100)
        return os.stat_result(values)

    monkeypatch.setattr(entry_files.os, "geteuid", lambda: user)
    monkeypatch.setattr(entry_files.os, "fchown", lambda _, owner, group: found.append((owner, group)))
    with monkeypatch.context() as patched:
        patched.setattr(entry_files.os, "stat", owned)
        Path(path).touch()
        EntryFiles(path, "mark").close()
    assert found == given


def test_creating_files_leaves_none_open(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Path(path).touch()
    opened, closed = list[int](), list[int]()
    create, close = os.open, os.close
    monkeypatch.setattr(entry_files.os, "open", lambda *options: opened.append(create(*options)) or opened[-1])
    monkeypatch.setattr(entry_files.os, "close", lambda file: closed.append(file) or close(file))
    EntryFiles(path, "mark").close()
    assert len(opened) == 2
    assert closed == opened


@pytest.mark.parametrize("is_dropped", [False, True])
def test_files_are_closed_with_the_store(path: str, *, is_dropped: bool) -> None:
    store = SqliteStore(path, 1)
    database = store._db
    assert store._files is not None
    files = list(store._files._files)
    if is_dropped:
        del store
        gc.collect()
    else:
        asyncio.run(store.close())
    assert [file.closed for file in files] == [True, True]
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        database.execute("SELECT 1")


def test_files_that_cannot_be_opened(path: str) -> None:
    Path(path + "-entries-1").mkdir()
    with pytest.raises(StoreError, match=r"state\.db: .*state\.db-entries-1"):
        SqliteStore(path, 1)
