"""The table `first`, as a CI job sees it: requests answered in the first 10 s after the command was typed.

A server is started, asked every 10 ms until it gives the first right answer, and then loaded by `wrk` until 10 s after
the start of the command. Rounds alternate between all servers; nothing is warm.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx

from benchmarks.load import counted, demand_wrk, script, wrk_command
from benchmarks.servers import BODY, Missing, Running, Spec, compared, launched
from benchmarks.tables import Deadline, check_ledger, markdown, median, spread

SECONDS = 10.0
ROUNDS = 3
PAUSE = 0.01
ROUND_SECONDS = 140
"""About what a round of all servers takes."""


def table(deadline: Deadline) -> str:
    demand_wrk()
    found: dict[str, list[tuple[float, int]]] = {}
    missing: set[str] = set()
    with tempfile.TemporaryDirectory() as place:
        lua = script(Path(place), BODY)
        for number in deadline.rounds(ROUNDS, ROUND_SECONDS):
            folder = Path(place) / str(number)
            folder.mkdir()
            for spec, port in _specs(folder, missing):
                found.setdefault(spec.name, []).append(_first_seconds(spec, port, lua))
    rows = sorted(found.items(), key=lambda named: -median(answered for _, answered in named[1]))
    columns = ("server", "requests answered in the first 10 s", "first answer after, s")
    return markdown(columns, [_row(name, rounds) for name, rounds in rows])


def _specs(folder: Path, missing: set[str]) -> Iterator[tuple[Spec, int]]:
    """Yield the servers that can run here, each when it is its turn; its state is new."""
    for port, make in compared(folder):
        try:
            yield make(), port
        except Missing as reason:
            if str(reason) not in missing:
                print(f"left out: {reason}", file=sys.stderr, flush=True)
            missing.add(str(reason))


def _row(name: str, rounds: Sequence[tuple[float, int]]) -> Sequence[str]:
    return (
        name,
        spread([answered for _, answered in rounds]),
        spread([seconds for seconds, _ in rounds], ".2f"),
    )


def _first_seconds(spec: Spec, port: int, lua: Path) -> tuple[float, int]:
    """Return after how many seconds a server answered first, and how many requests it answered in time."""
    began = time.monotonic()
    with launched(spec, port) as (server, process):
        while not _answers(server):
            if time.monotonic() - began > SECONDS or process.poll() is not None:
                return SECONDS, 0
            time.sleep(PAUSE)
        first = time.monotonic() - began
        answered = 1 + _load(server, lua, began + SECONDS)
        if server.is_own:
            check_ledger(server, answered)
        print(f"{spec.name}: {answered}, the first after {first:.2f} s", file=sys.stderr, flush=True)
        return first, answered


def _answers(server: Running) -> bool:
    try:
        # A cheap look first: most attempts come before the server listens.
        socket.create_connection(("127.0.0.1", server.port), 1).close()
        answer = httpx.post(server.url, json=BODY, headers={"Authorization": "Bearer sk-mock"}, trust_env=False)
    except (OSError, httpx.TransportError):
        return False
    return answer.status_code == 200


def _load(server: Running, lua: Path, until: float) -> int:
    """Return the number of requests that a server answers until some time."""
    command = wrk_command(server, lua, 2 * SECONDS)
    wrk = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        said, _ = wrk.communicate(timeout=max(until - time.monotonic(), 0))
    except subprocess.TimeoutExpired:
        os.kill(wrk.pid, signal.SIGINT)  # it then says what it has counted
        said, _ = wrk.communicate()
    return counted(server, said)
