"""The one clock. Everything that passes in the double passes on it, and it can be moved."""

import time


class Clock:
    """Unix time plus what was skipped.

    Attributes:
        offset: Seconds that `advance` has skipped so far.

    """

    def __init__(self, offset: float = 0.0) -> None:
        self.offset = offset

    def now(self) -> float:
        """Return the double's time in unix seconds."""
        return time.time() + self.offset

    def advance(self, seconds: float) -> float:
        """Skip some seconds and return the new time.

        Raises:
            ValueError: The number is negative or not finite: time only goes forward.

        """
        if not 0 <= seconds < 1e10:
            raise ValueError(f"seconds must be a number from 0 to 1e10, got {seconds}")
        self.offset += seconds
        return self.now()
