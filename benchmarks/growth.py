"""`make bench-growth`: how the cost of a request grows with the body, the ledger and the number of connections.

It also measures the start-up, an image, and the cost of an open dashboard.
"""

import contextlib
import json
import sqlite3
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from benchmarks.load import Round, demand_wrk, load_round, script
from benchmarks.servers import BODY, INSTRUCTION, Running, qwenmock, run
from qwenmock.mockserver.calls.double import open_store
from qwenmock.mockserver.settings import Settings
from qwenmock.pytest_plugin.examiner.sample_images import data_url, picture_of_length

PORT = 4660
SECONDS = 3
KB = 1024
BODIES = (1 * KB, 10 * KB, 100 * KB, 1024 * KB, 9 * 1024 * KB)
LEDGERS = (0, 10_000, 1_000_000, 10_000_000)
CONNECTIONS = (1, 4, 16, 64, 256)
MILLION = 1_000_000
KEY = {"Authorization": "Bearer sk-mock"}
FILL = """
WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < ?)
INSERT INTO charges (id, request_id, provider, model, key, images, unit_price, currency, amount, created)
SELECT n, lower(hex(randomblob(16))), 'nebula', 'qwen-image-edit-plus', 'sk-mock.old', 1, 180000000, 'CNY', 180000000, n
FROM number
"""


@contextlib.contextmanager
def double(*options: str) -> Iterator[Running]:
    with run(qwenmock("qwenmock", PORT, *options), PORT) as server:
        yield server


def line(name: str, result: Round, server: Running) -> None:
    print(
        f"{name:>16} {result.rate:9.0f} requests/s {result.cpu:9.1f} us CPU/request "
        f"{result.p99:8.1f} ms p99 {server.resident_mb():6.0f} MB",
        flush=True,
    )


def body_of(size: int) -> dict[str, object]:
    """Return an edit request of about a size in bytes, most of it an image as a data URL."""
    if size <= KB:
        return BODY
    url = data_url(picture_of_length((size - len(json.dumps(BODY))) * 3 // 4))
    parts = [{"image": url}, {"text": INSTRUCTION}]
    return {**BODY, "contents": [{"role": "user", "parts": parts}]}


def beginnings() -> None:
    began = time.perf_counter()
    with double() as server:
        print(f"{'first answer':>16} {time.perf_counter() - began:9.2f} s after the start of the command")
        print(f"{'idle':>16} {server.resident_mb():9.0f} MB")
        origin = server.url.partition("/nebula")[0]
        times: list[float] = []
        client = httpx.Client(base_url=origin)
        for seed in range(20):
            body = {"model": "qwen-image-plus", "prompt": "a cat", "parameters": {"size": "1328*1328", "seed": seed}}
            answer = client.post("/nebula/v1/images/generations", json=body, headers=KEY).json()
            link = answer["data"]["data"][0]["url"]
            began = time.perf_counter()
            client.get(link).raise_for_status()
            times.append((time.perf_counter() - began) * 1000)
        print(f"{'picture':>16} {statistics.median(times):9.1f} ms for 1328x1328")


def dashboards() -> None:
    """Compare the rate with and without an open dashboard, in alternating rounds."""
    print("\ndashboard")
    with double() as server, tempfile.TemporaryDirectory() as place:
        lua = script(Path(place), BODY)
        origin = server.url.partition("/nebula")[0]
        load_round(server, lua, SECONDS)
        rates: dict[bool, list[float]] = {False: [], True: []}
        for turn in range(10):
            stop = threading.Event()
            watcher = threading.Thread(target=_watch, args=(origin, stop))
            if turn % 2:
                watcher.start()
            rates[bool(turn % 2)].append(load_round(server, lua, SECONDS).rate)
            stop.set()
            if turn % 2:
                watcher.join()
        medians = {watched: statistics.median(found) for watched, found in rates.items()}
        print(f"{'closed':>16} {medians[False]:9.0f} requests/s\n{'open and live':>16} {medians[True]:9.0f} requests/s")
        print(f"{'ratio':>16} {medians[True] / medians[False]:9.3f}")


def _watch(origin: str, stop: threading.Event) -> None:
    """Send the requests that an open dashboard sends."""
    with httpx.Client(base_url=f"{origin}/__mock__", timeout=30) as client, client.stream("GET", "/events") as events:
        read = 0.0
        for _ in events.iter_lines():
            if time.monotonic() - read > 2:
                client.get("/ledger?limit=1000")
                read = time.monotonic()
            if stop.is_set():
                return


def main() -> None:
    demand_wrk()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        lua = script(folder, BODY)
        beginnings()
        dashboards()
        print("\nbody")
        with double() as server:
            for size in BODIES:
                body_lua = script(folder, body_of(size), f"body{size}")
                load_round(server, body_lua, 1, connections=8)
                line(f"{size // KB} KB", load_round(server, body_lua, SECONDS, connections=8), server)
        print("\nconnections")
        with double() as server:
            load_round(server, lua, SECONDS)
            for connections in CONNECTIONS:
                line(str(connections), load_round(server, lua, SECONDS, connections), server)
        print("\nledger")
        for charges in LEDGERS:
            state = folder / f"{charges}.db"
            open_store(Settings(state=str(state))).setting("opened", "yes")
            with contextlib.closing(sqlite3.connect(state)) as db, db:
                if charges:
                    db.execute(FILL, (charges,))
            with double("--state", str(state)) as server:
                load_round(server, lua, SECONDS)
                line(str(charges), load_round(server, lua, SECONDS), server)
            state.unlink()
        print("\na million requests, in memory")
        with double() as server:
            done = 0
            while done < MILLION:
                result = load_round(server, lua, 20)
                done += result.requests
                line(str(done), result, server)


if __name__ == "__main__":
    main()
