"""The one clock. Everything that passes in the double passes on it, and it can be moved."""

import time

FURTHEST = 1e10
"""Seconds that may be skipped at once."""


class Clock:
    """Unix time plus what was skipped.

    Attributes:
        offset: Seconds skipped so far; the store has it, for every process that shares the state.

    """

    def __init__(self, offset: float = 0.0) -> None:
        self.offset = offset

    def now(self) -> float:
        """Return the double's time in unix seconds."""
        return time.time() + self.offset
