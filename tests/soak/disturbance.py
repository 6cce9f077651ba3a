"""Faults that are armed, and a worker that is killed, now and then."""

import threading
from random import Random
from typing import Any

import httpx

from soak.server import Server

FAULTS: list[dict[str, Any]] = [
    {"status": 429},
    {"status": 500},
    {"drop": "before"},
    {"drop": "mid-body"},
    {"delay_ms": 200},
    {"fail_images": 1},
    {"provider": "evolink", "fail_task": "generation_timeout"},
    {"provider": "dashscope", "fail_task": "InternalError.Timeout"},
    {"provider": "evolink", "callback": "duplicate"},
    {"provider": "evolink", "callback": "late"},
    {"provider": "evolink", "callback": "out-of-order"},
]
FAULT_SECONDS = 1.5
KILL_SECONDS = 10.0


class Disturbance:
    """Disturbs a server until it is stopped.

    Args:
        spared: The worker that is never killed, so that its memory can be compared over the whole time.

    Attributes:
        armed: How many faults were armed.

    """

    def __init__(self, server: Server, spared: int, seed: int, kill_seconds: float) -> None:
        self.armed = 0
        self._server = server
        self._spared = spared
        self._kill_seconds = kill_seconds
        self._rng = Random(f"{seed}/disturbance")
        self._is_stopped = threading.Event()
        self._threads = [threading.Thread(target=self._arm), threading.Thread(target=self._kill)]

    def __enter__(self) -> "Disturbance":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_stopped.set()
        for thread in self._threads:
            thread.join()
        with httpx.Client(base_url=self._server.origin, timeout=60) as client:
            client.request("DELETE", "/__mock__/faults", json={}).raise_for_status()

    def _arm(self) -> None:
        with httpx.Client(base_url=self._server.origin, timeout=60) as client:
            while not self._is_stopped.wait(FAULT_SECONDS):
                faults = [{**self._rng.choice(FAULTS), "times": self._rng.randint(1, 5)} for _ in range(2)]
                try:
                    client.put("/__mock__/faults", json=faults).raise_for_status()
                    self.armed += len(faults)
                except httpx.TransportError:
                    continue  # its worker was killed

    def _kill(self) -> None:
        while not self._is_stopped.wait(self._kill_seconds):
            others = [worker for worker in self._server.workers() if worker != self._spared]
            if others:
                self._server.kill(others[0])
