"""The callback worker ends when it is told to, also if it is woken at that moment."""

import asyncio

import pytest

from qwenmock.mockserver.calls.double import create_double
from qwenmock.mockserver.settings import Settings
from qwenmock.mockserver.tasks.callbacks import CallbackWorker

TURNS_TO_WAIT = 20
"""Turns of the event loop after which the worker waits for its next round."""


async def stop_while_waking(turns: int) -> None:
    double = create_double(Settings())
    worker = CallbackWorker(double, double.dialects, double.refresh, calls_out=False)
    worker.start()
    for _ in range(TURNS_TO_WAIT):
        await asyncio.sleep(0)
    worker.start()
    for _ in range(turns):
        await asyncio.sleep(0)
    stopping = asyncio.create_task(worker.stop())
    _, pending = await asyncio.wait({stopping}, timeout=5)
    assert not pending


@pytest.mark.parametrize("turns", range(4))
def test_worker_stops_while_it_is_woken(turns: int) -> None:
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(stop_while_waking(turns))
    finally:
        loop.close()
