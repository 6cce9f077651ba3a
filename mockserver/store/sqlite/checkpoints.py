"""Checkpoints of SQLite's write-ahead log, in a thread of their own.

A checkpoint copies the log into the database file, and waits for the disk. SQLite does that in the thread that commits;
here that is the event loop, and every request would wait.
"""

import contextlib
import sqlite3
import threading

CHECKPOINT_BYTES = 8 * 2**20
"""Written between two checkpoints; indexes and SQLite's own pages are not counted."""
MAX_LOG_PAGES = 16_000
"""Pages. A longer log is restarted after it was copied; writers wait a moment for that."""


class Checkpoints:
    """Makes the checkpoints of one database; the thread starts with the first.

    Args:
        path: The database's file.

    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._written = 0
        self._requested = threading.Event()
        self._is_ending = False
        self._thread: threading.Thread | None = None

    def wrote(self, size: int) -> None:
        """Count committed bytes, and request a checkpoint when there are enough."""
        self._written += size
        if self._written < CHECKPOINT_BYTES:
            return
        self._written = 0
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="checkpoints", daemon=True)
            self._thread.start()
        self._requested.set()

    def end(self) -> None:
        """Wait for a running checkpoint, and make no more."""
        self._is_ending = True
        self._requested.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        with contextlib.closing(sqlite3.connect(self._path, isolation_level=None)) as db:
            while self._requested.wait() and not self._is_ending:
                self._requested.clear()
                # A full disk or a lock: the log stays as it is, and the next checkpoint tries again.
                with contextlib.suppress(sqlite3.Error):
                    _, length, _ = db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
                    if length > MAX_LOG_PAGES:
                        db.execute("PRAGMA wal_checkpoint(RESTART)")
