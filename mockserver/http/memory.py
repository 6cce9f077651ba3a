"""The memory of the server's process: how often it is searched for garbage, and when it goes back to the system."""

import asyncio
import contextlib
import ctypes
import gc
import sys

GC_THRESHOLD = 20_000
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
"""Options of glibc's `mallopt`."""
LARGEST_IN_HEAP = 2**25
"""Bytes of a block that the heap has; a larger one is made by the system, and returned to it when it is freed. A new
block costs 1 µs for each 4 KB: with 2 MB a data URL of 9 MB took 27 ms, with 32 MB it takes 12 ms. That is the most.
"""
KEPT_FREE = 2**26
"""Bytes that the heap keeps for the next request. A data URL of 9 MB needs 34 MB: with 32 MB it took 12 or 24 ms.
By default glibc raises both limits with each large block, and its heap keeps all that large bodies took.
"""
LARGE = 2**20
"""Bytes of a body that leave enough free memory to be returned."""
IDLE_SECONDS = 1.0


def settle_memory() -> None:
    """Exclude the objects made at startup from garbage collection, collect less often, and keep free blocks.

    A request makes about a hundred short-lived objects and no cycles; by default every tenth request would pay for a
    collection.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD, 20, 20)
    if sys.platform == "linux":
        # Other C libraries (musl) have no `mallopt`.
        with contextlib.suppress(AttributeError):
            set_option = ctypes.CDLL(None).mallopt
            set_option(M_MMAP_THRESHOLD, LARGEST_IN_HEAP)
            set_option(M_TRIM_THRESHOLD, KEPT_FREE)
            # `malloc_trim` does not return the top of a heap that a thread has for itself.
            set_option(M_ARENA_MAX, 1)


class IdleMemory:
    """Returns free memory to the system when no large body has come for `IDLE_SECONDS`."""

    def __init__(self) -> None:
        self._last_use = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def used(self, size: int) -> None:
        """Note that a body of so many bytes was answered."""
        if size < LARGE:
            return
        loop = asyncio.get_running_loop()
        self._last_use = loop.time()
        # The timer of an event loop that has ended, as one of a test, never fires.
        if self._timer is None or self._loop is not loop:
            self._loop = loop
            self._timer = loop.call_later(IDLE_SECONDS, self._look)

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        left = self._last_use + IDLE_SECONDS - loop.time()
        if left > 0:
            self._timer = loop.call_later(left, self._look)
            return
        self._timer = None
        # A few milliseconds for 100 MB, so not in the event loop's thread.
        loop.run_in_executor(None, give_back)


def give_back() -> None:
    """Return free memory to the system, where the C library can."""
    if sys.platform == "linux":
        with contextlib.suppress(AttributeError):
            ctypes.CDLL(None).malloc_trim(0)
