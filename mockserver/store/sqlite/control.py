"""Settings, the clock's offset and the fault plan in SQLite."""

import sqlite3
from collections.abc import Mapping, Sequence

import orjson

from qwenmock.mockserver.store.protocols import Shared
from qwenmock.mockserver.store.records import FaultValues
from qwenmock.mockserver.store.sqlite.database import Database


class SqliteControl(Database):
    """What all processes on the same file share."""

    def __init__(self, path: str | None, journal_max: int) -> None:
        super().__init__(path, journal_max)
        self._shared: Shared | None = None

    def _clear_cache(self) -> None:
        super()._clear_cache()
        self._shared = None

    def setting(self, name: str, default: str) -> str:
        """Return a value that all processes share and restarts keep; store the default if there is none."""
        self._select_blocking(str, "INSERT OR IGNORE INTO settings VALUES (?, ?)", name, default)
        return self._select(str, "SELECT value FROM settings WHERE name = ?", name)[0]

    def register(self) -> int:
        """Return the number of this process, unique on this state, from 0."""
        statement = "UPDATE shared SET processes = processes + 1 RETURNING processes - 1"
        return self._select_blocking(int, statement)[0]

    async def shared(self) -> Shared:
        """Return the present offset and plan number."""
        self._refresh_cache()
        if self._shared is None:
            self._shared = self._select(Shared, "SELECT offset, plan FROM shared")[0]
        return self._shared

    async def move_clock(self, seconds: float | None) -> float:
        """Add to the clock's offset and return it; None resets it to 0."""

        def step(db: sqlite3.Connection) -> float:
            if seconds is None:
                reset_clock(db)
                return 0.0
            return db.execute("UPDATE shared SET offset = offset + ? RETURNING offset", (seconds,)).fetchall()[0][0]

        return await self._write(step)

    async def set_faults(self, faults: Sequence[FaultValues]) -> None:
        """Replace the fault plan."""
        rows = [(fault.get("times"), orjson.dumps(fault)) for fault in faults]

        def step(db: sqlite3.Connection) -> None:
            clear_faults(db)
            db.executemany("INSERT INTO faults (left, fault) VALUES (?, ?)", rows)

        await self._write(step)

    async def faults(self) -> Mapping[str, FaultValues]:
        """Return the remaining faults by id, in order, each with the `times` that are left."""
        return dict(self._select(_fault, "SELECT id, left, fault FROM faults WHERE left IS NOT 0 ORDER BY id"))

    async def use_fault(self, fault_id: str) -> bool:
        """Count down a fault that has `times`. Returns False if none are left."""
        count = "UPDATE faults SET left = left - 1 WHERE id = ? AND left > 0"
        return await self._write(lambda db: db.execute(count, (int(fault_id),)).rowcount > 0)


def reset_clock(db: sqlite3.Connection) -> None:
    """Set the clock's offset to 0."""
    db.execute("UPDATE shared SET offset = 0.0")


def clear_faults(db: sqlite3.Connection) -> None:
    """Empty the fault plan; that is a new plan, with a new number."""
    db.execute("UPDATE shared SET plan = plan + 1")
    db.execute("DELETE FROM faults")


def _fault(fault_id: int, left: int | None, fault: bytes) -> tuple[str, FaultValues]:
    return str(fault_id), orjson.loads(fault) | ({} if left is None else {"times": left})
