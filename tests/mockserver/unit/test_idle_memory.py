"""Free memory goes back to the system once, when no large body has come for a while."""

import asyncio

import pytest

from qwenmock.mockserver.http import memory
from qwenmock.mockserver.http.memory import LARGE, IdleMemory


@pytest.mark.parametrize(("sizes", "times"), [([], 0), ([LARGE - 1], 0), ([LARGE], 1), ([LARGE, 2 * LARGE, 5], 1)])
def test_memory_goes_back_once_after_large_bodies(
    sizes: list[int], times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    returned: list[float] = []
    monkeypatch.setattr(memory, "IDLE_SECONDS", 0.02)

    async def play() -> float:
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(memory, "give_back", lambda: returned.append(loop.time()))
        kept = IdleMemory()
        for size in sizes:
            kept.used(size)
            await asyncio.sleep(0.01)
        last = loop.time()
        while loop.time() < last + 0.1 or len(returned) < times:
            await asyncio.sleep(0.01)
        return last

    last = asyncio.run(play())
    assert len(returned) == times
    assert all(at >= last - 0.01 for at in returned)


def test_memory_goes_back_again_after_more_large_bodies(monkeypatch: pytest.MonkeyPatch) -> None:
    returned: list[None] = []
    monkeypatch.setattr(memory, "IDLE_SECONDS", 0.0)
    monkeypatch.setattr(memory, "give_back", lambda: returned.append(None))

    async def play() -> None:
        kept = IdleMemory()
        for number in (1, 2):
            kept.used(LARGE)
            while len(returned) < number:
                await asyncio.sleep(0.001)

    asyncio.run(play())
    assert len(returned) == 2


def test_memory_goes_back_after_an_event_loop_that_ended_before(monkeypatch: pytest.MonkeyPatch) -> None:
    returned: list[None] = []
    monkeypatch.setattr(memory, "give_back", lambda: returned.append(None))
    kept = IdleMemory()

    async def play(*, waits: bool) -> None:
        kept.used(LARGE)
        while waits and not returned:
            await asyncio.sleep(0.001)

    asyncio.run(play(waits=False))
    monkeypatch.setattr(memory, "IDLE_SECONDS", 0.0)
    asyncio.run(asyncio.wait_for(play(waits=True), 5))
