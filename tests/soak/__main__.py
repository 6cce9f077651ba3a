"""`python -m soak`; `make soak` calls it."""

import argparse
import secrets
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import httpx

from qwenmock.mockserver.images.files import MAX_RENDERED_BYTES
from qwenmock.schemas.catalog import load
from soak.disturbance import KILL_SECONDS, Disturbance
from soak.receiver import SECRET, receiving
from soak.server import Sample, descriptors, running, sample
from soak.traffic import Client
from soak.verdict import Row, ledger_rows, merged, process_rows, settled, table, task_rows

CLIENTS = 6
PICTURES_MB = 3 * MAX_RENDERED_BYTES // 2**20
"""Megabytes of pictures that are fetched before memory is measured: each of the two workers keeps the last
`MAX_RENDERED_BYTES` that it drew, and the kernel gives each connection to any of them."""
LONG_MINUTES = 3
"""A worker's caches are full after about a minute: 78 MB at first, then 150 MB from the second on."""
SAMPLE_SECONDS = 0.5
SHOWN = 10


def send_for(seconds: float, clients: Sequence[Client], spared: int) -> list[Sample]:
    """Let the clients send for some time; return what the spared worker used meanwhile."""
    samples: list[Sample] = []
    deadline = time.monotonic() + seconds
    for client in clients:
        client.start()
    while time.monotonic() < deadline:
        samples.append(sample(spared))
        time.sleep(SAMPLE_SECONDS)
    for client in clients:
        client.stop()
    return samples


def main() -> None:
    parser = argparse.ArgumentParser(description="Send mixed traffic, with faults and killed workers, and add it up.")
    parser.add_argument("--minutes", type=float, default=10, help="how long (default 10)")
    parser.add_argument("--seed", type=int, help="what the clients send follows from it (default: a random seed)")
    parser.add_argument("--clients", type=int, default=CLIENTS, help=f"how many send at once (default {CLIENTS})")
    parser.add_argument("--pictures", type=int, default=PICTURES_MB, help="megabytes of them that are fetched first")
    parser.add_argument("--kill-seconds", type=float, default=KILL_SECONDS, help="seconds from kill to kill")
    options = parser.parse_args()
    if sys.platform != "linux":
        parser.error("processes are measured in /proc, which only Linux has")
    seed = secrets.randbelow(2**32) if options.seed is None else options.seed
    print(f"seed {seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder, receiving(seed) as receiver:
        settings = ("--seed", str(seed), "--allow-local-callbacks", "--callback-secret", SECRET)
        with running(Path(folder), *settings) as server:
            spared = server.workers()[0]
            before = descriptors(server.process.pid)
            catalog = load()
            clients = [Client(n, server.origin, catalog, receiver.url, seed) for n in range(options.clients)]
            clients[0].fill(options.pictures * 2**20)
            print(f"memory of a worker after {options.pictures} MB of pictures: {sample(spared).resident_mb:.0f} MB")
            with Disturbance(server, spared, seed, options.kill_seconds) as disturbance:
                samples = send_for(options.minutes * 60, clients, spared)
            book = merged([client.book for client in clients])
            with httpx.Client(base_url=server.origin, timeout=120) as client:
                tasks = settled(client)
                rows = [
                    *ledger_rows(client, book, tasks),
                    *task_rows(book, receiver, tasks),
                ]
            rows += process_rows(server, spared, samples, before, is_long=options.minutes >= LONG_MINUTES)
            rows.append(Row("answers that no client should get", str(len(book.problems)), not book.problems))
            errors = server.error_lines()
        print(f"{sum(book.actions.values())} actions, {len(server.killed)} kills, {disturbance.armed} faults armed")
        print(f"answers by status: {dict(sorted(book.statuses.items()))}")
        print(f"actions: {dict(book.actions)}")
        megabytes = [f"{each.resident_mb:.0f}" for each in samples[:: len(samples) // 12 + 1]]
        print(f"memory of a worker: {' '.join(megabytes)} MB")
        print(table(rows))
        for line in [*book.problems[:SHOWN], *receiver.problems[:SHOWN], *errors[-50:]]:
            print(f"  {line}")
    if not all(row.is_kept for row in rows):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
