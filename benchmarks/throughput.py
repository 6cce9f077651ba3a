"""The table `throughput`: requests per second, CPU time per request and p99, beside other servers.

The double validates, bills and journals every request, and the ledger is checked afterwards. `wrk` (a Debian package)
generates the load. Each server is warmed up until it no longer gets faster; then rounds alternate between all servers.
The peers come from npm (`make peers`); one that cannot run is named and left out. A server whose rate still rises at
the end is left out of the ratios.
"""

import contextlib
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.load import Round, demand_wrk, load_round, script
from benchmarks.servers import BEFORE, BODY, FILE, MEMORY, RAW, REDIS, WORKERS, Missing, Running, compared, run
from benchmarks.tables import Deadline, check_ledger, markdown, median, spread

ROUNDS = 5
SECONDS = 3
WARM_UP_LIMIT = 150
STILL_RISING = 1.10
RATIOS = (
    ("CPU per request to raw ASGI", "cpu", MEMORY, RAW),
    ("CPU per request to the version before", "cpu", MEMORY, BEFORE),
    ("requests/s to Prism", "rate", MEMORY, "Prism 5"),
    ("p99 to Prism's", "p99", MEMORY, "Prism 5"),
    ("requests/s to Starlette, uvloop", "rate", MEMORY, "Starlette, uvloop"),
    ("requests/s to Starlette, h11", "rate", MEMORY, "Starlette, h11"),
    ("requests/s to aimock", "rate", MEMORY, "aimock 1"),
    ("requests/s to WireMock", "rate", MEMORY, "WireMock 3"),
    ("file to in memory", "rate", FILE, MEMORY),
    ("Redis to in memory", "rate", REDIS, MEMORY),
    ("two workers to one process on a file", "rate", WORKERS, FILE),
    ("two workers to WireMock", "rate", WORKERS, "WireMock 3"),
)
"""What is compared: a name, the field of a round, and the two servers."""


def table(deadline: Deadline) -> str:
    demand_wrk()
    with tempfile.TemporaryDirectory() as place, contextlib.ExitStack() as stack:
        lua = script(Path(place), BODY)
        servers = list(_started(Path(place), stack))
        # The rounds come first: the warm-up gets the rest of the time.
        rounds_take = ROUNDS * len(servers) * (SECONDS + 1)
        for number, server in enumerate(servers):
            _warm_up(server, lua, min(WARM_UP_LIMIT, (deadline.left() - rounds_take) / (len(servers) - number)))
        found: dict[str, list[Round]] = {server.spec.name: [] for server in servers}
        for _ in deadline.rounds(ROUNDS, len(servers) * (SECONDS + 1)):
            for server in servers:
                found[server.spec.name].append(load_round(server, lua, SECONDS))
        for server in servers:
            if server.is_own:
                check_ledger(server, sum(r.requests for r in found[server.spec.name]))
        rows = [_row(server, found[server.spec.name]) for server in servers]
    columns = ("server", "requests/s", "CPU time per request, µs", "p99, ms", "MB", "what it does with each request")
    return f"{markdown(columns, rows)}\n\n{markdown(('ratio of medians', ''), _ratios(found))}"


def _started(folder: Path, stack: contextlib.ExitStack) -> Sequence[Running]:
    servers: list[Running] = []
    for port, make in compared(folder):
        try:
            servers.append(stack.enter_context(run(make(), port)))
        except Missing as missing:
            print(f"left out: {missing}", file=sys.stderr, flush=True)
    return servers


def _warm_up(server: Running, lua: Path, seconds: float) -> None:
    """Load a server until it no longer gets faster, or the time has passed."""
    began = time.monotonic()
    best, better = 0.0, True
    while time.monotonic() - began < min(server.spec.warm_up, seconds) or better:
        rate = load_round(server, lua, SECONDS).rate
        best, better = max(best, rate), rate > best * 1.03 and time.monotonic() - began < seconds
    print(f"{server.spec.name}: warm after {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)


def _row(server: Running, rounds: Sequence[Round]) -> Sequence[str]:
    about = server.spec.about + ("; still rising" if _is_rising(rounds) else "")
    return (
        server.spec.name,
        spread([r.rate for r in rounds]),
        spread([r.cpu for r in rounds]),
        f"{median(r.p99 for r in rounds):.1f}",
        f"{server.resident_mb():.0f}",
        about,
    )


def _is_rising(rounds: Sequence[Round]) -> bool:
    rates = [r.rate for r in rounds]
    return len(rates) >= 4 and median(rates[-2:]) > STILL_RISING * median(rates[:2])


def _ratios(found: dict[str, list[Round]]) -> Sequence[Sequence[str]]:
    """Return the ratios; in brackets those with a server that was still rising."""
    rows: list[Sequence[str]] = []
    for name, field, own, other in RATIOS:
        if own in found and other in found:
            ratio = median(getattr(r, field) for r in found[own]) / median(getattr(r, field) for r in found[other])
            is_steady = not _is_rising(found[own]) and not _is_rising(found[other])
            rows.append((name, f"{ratio:.2f}" if is_steady else f"({ratio:.2f})"))
    return rows
