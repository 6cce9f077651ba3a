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
from qwenmock.mockserver.store.sqlite import entry_files, journal
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
        await store.record(entry(name), "sk-mock")


@contextlib.contextmanager
def replaced(store: SqliteStore, file: io.FileIO) -> Iterator[None]:
    """Let a store use another file."""
    assert store._files is not None
    with pytest.MonkeyPatch.context() as patched, file:
        patched.setattr(store._files, "_files", [file])
        yield


def sizes(path: str) -> list[int]:
    return [os.stat(path + suffix).st_size for suffix in entry_files.SUFFIXES]  # noqa: PTH116, a part of a name


SIZE = len(b'1,["sk-mock",{"id":"0","provider":"nebula","status":200}]')


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
                other._lines.append(dump_entry(entry(name), "sk-mock"))
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
        lambda file: file.write_bytes(file.read_bytes()[: 2 * SIZE].replace(b"2,[", b"3,[") + file.read_bytes()[:SIZE]),
    ],
    ids=["all", "the end", "zeros", "an older block"],
)
def test_entries_that_were_lost_with_the_power_are_left_out(path: str, lose: Callable[[Path], object]) -> None:
    async def steps(store: SqliteStore) -> None:
        await record(store, *"123")
        lose(Path(path + entry_files.SUFFIXES[0]))
        found = await ids(store)
        assert found in (["2", "1"], ["1"])
        assert [len(lines) async for lines in store.read_journal()] == [len(found)]
        await record(store, "4")
        assert await ids(store) == ["4", *found]

    on(path, steps)


def test_file_that_was_removed_is_named(path: str) -> None:
    async def steps(store: SqliteStore) -> None:
        await record(store, "a")
        Path(path + "-entries-0").unlink()
        with pytest.raises(StoreError, match=r"state\.db-entries-0 was removed; restart the server"):
            await record(store, "b")

    on(path, steps)
    on(path, lambda store: expect(store, ""))


def test_journal_outlives_the_process(path: str) -> None:
    on(path, lambda store: record(store, "a", "b"))
    on(path, lambda store: expect(store, "ba"))
    Path(path + "-entries-1").unlink()
    on(path, lambda store: expect(store, ""))


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
