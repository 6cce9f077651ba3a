"""Moves what SQLite's write-ahead log has gathered into the file, beside the event loop.

A checkpoint waits for the disk. SQLite makes it in whatever thread commits; here that would hold up every request.
"""

import contextlib
import sqlite3
import threading

CHECKPOINT_BYTES = 8 * 2**20
"""What is written between two checkpoints, without indexes and SQLite's own."""
LONGEST_LOG = 16_000
"""Pages: a longer log is not only copied, but begun anew, for which writers must wait a moment."""


class Checkpoints:
    """Makes checkpoints of one database in a thread of its own, which starts with the first.

    Args:
        path: The database's file.

    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._written = 0
        self._due = threading.Event()
        self._is_ending = False
        self._thread: threading.Thread | None = None

    def wrote(self, size: int) -> None:
        """Take note that some bytes were committed."""
        self._written += size
        if self._written < CHECKPOINT_BYTES:
            return
        self._written = 0
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="checkpoints", daemon=True)
            self._thread.start()
        self._due.set()

    def end(self) -> None:
        """Let a checkpoint that is under way end; no more are made."""
        self._is_ending = True
        self._due.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        with contextlib.closing(sqlite3.connect(self._path, isolation_level=None)) as db:
            while self._due.wait() and not self._is_ending:
                self._due.clear()
                # A full disk or a lock: the log stays as it is, and the next turn tries again.
                with contextlib.suppress(sqlite3.Error):
                    _, length, _ = db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
                    if length > LONGEST_LOG:
                        db.execute("PRAGMA wal_checkpoint(RESTART)")
