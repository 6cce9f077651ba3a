"""The server's clock. It can be advanced, so that tests need not wait."""

import time

FURTHEST = 1e10
"""Most seconds that the clock can be advanced at once."""


class Clock:
    """Unix time plus an offset.

    Attributes:
        offset: Seconds that the clock was advanced by. The store keeps it for every process that shares the state.

    """

    def __init__(self, offset: float = 0.0) -> None:
        self.offset = offset

    def now(self) -> float:
        """Return the time in unix seconds."""
        return time.time() + self.offset
