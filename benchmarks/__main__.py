"""`make bench`: requests per second and CPU time per request, compared with other servers in the same run.

The double validates, bills and journals every request, and the ledger is checked afterwards. `wrk` (a Debian package)
generates the load. Each server is warmed up until it no longer gets faster; then rounds alternate between all servers.
The peers come from npm (`npm install` in `benchmarks/peers`); one that cannot run is named and left out. A server whose
rate still rises at the end is left out of the ratios.
"""

import contextlib
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import httpx

from benchmarks.load import Round, demand_wrk, load_round, script
from benchmarks.servers import BODY, Missing, Running, Spec, aimock, bare, mockoon, prism, qwenmock, run, wiremock
from qwenmock.schemas.catalog import load

ROUNDS = 5
SECONDS = 3
FIRST_PORT = 4610
WARM_UP_LIMIT = 150
STILL_RISING = 1.10
PRICE = load()["nebula"].price_of(str(BODY["model"])).amount or Decimal(0)


def specs(folder: Path) -> list[tuple[int, Callable[[], Spec]]]:
    """Return port and specification of each server; a specification is made when it is called."""
    port = iter(range(FIRST_PORT, FIRST_PORT + 20))
    state = folder / "state"
    state.mkdir()
    own = {
        "qwenmock": (),
        "qwenmock, file": ("--state", str(state / "one.db")),
        "qwenmock, 2 workers": ("--workers", "2", "--state", str(state / "two.db")),
    }
    table: list[tuple[int, Callable[[], Spec]]] = []
    for name, options in own.items():
        number = next(port)
        table.append((number, lambda name=name, number=number, options=options: qwenmock(name, number, *options)))
    for name, loop, http in (("Starlette, h11", "asyncio", "h11"), ("Starlette, uvloop", "uvloop", "httptools")):
        number = next(port)
        table.append((number, lambda n=name, p=number, x=loop, y=http: bare(n, p, x, y)))
    for peer in (prism, wiremock, mockoon, aimock):
        number = next(port)
        place = folder / peer.__name__
        place.mkdir()
        table.append((number, lambda peer=peer, number=number, place=place: peer(number, place)))
    return table


def warm_up(server: Running, lua: Path) -> None:
    """Load a server until it no longer gets faster."""
    began = time.monotonic()
    best, better = 0.0, True
    while time.monotonic() - began < server.spec.warm_up or (better and time.monotonic() - began < WARM_UP_LIMIT):
        rate = load_round(server, lua, SECONDS).rate
        best, better = max(best, rate), rate > best * 1.03


def check_ledger(server: Running, answers_before: int) -> None:
    """Exit unless the ledger has one charge for each answer with status 200."""
    control = server.url.partition("/nebula")[0] + "/__mock__"
    time.sleep(0.5)  # the server still answers requests that wrk left behind
    (account,) = httpx.get(f"{control}/ledger", timeout=60).json()["accounts"]
    lines = httpx.get(f"{control}/metrics", timeout=60).text.splitlines()
    counted = [line for line in lines if line.startswith("qwenmock_requests_total") and 'status="200"' in line]
    answered = sum(int(float(line.rpartition(" ")[2])) for line in counted)
    charges = Decimal(account["spent"]) / PRICE
    if charges != answered or answered < answers_before:
        raise SystemExit(f"{server.spec.name}: {charges} charges for {answered} answers; wrk saw {answers_before}")
    print(f"{server.spec.name}: {answered} answers with 200, {charges:f} charges", file=sys.stderr)


def spread(values: list[float], form: str = "8.0f") -> str:
    return " ".join(format(value, form) for value in (min(values), statistics.median(values), max(values)))


def is_rising(rates: list[float]) -> bool:
    return statistics.median(rates[-2:]) > STILL_RISING * statistics.median(rates[:2])


def report(found: dict[str, list[Round]], memory: dict[str, float]) -> None:
    print(f"\n{'':22} {'requests/s, min med max':>26} {'us CPU/request':>24} {'p99 ms':>8} {'MB':>6}")
    for name, rounds in found.items():
        rates, cpu = [r.rate for r in rounds], [r.cpu for r in rounds]
        p99 = statistics.median(r.p99 for r in rounds)
        rising = "  still rising: not counted" if is_rising(rates) else ""
        print(f"{name:22} {spread(rates)} {spread(cpu, '7.1f')} {p99:8.1f} {memory[name]:6.0f}{rising}")
    steady = {name: rounds for name, rounds in found.items() if not is_rising([r.rate for r in rounds])}
    print("\nratios of medians: throughput, CPU time per request, p99")
    for own in (name for name in steady if name.startswith("qwenmock")):
        for other in (name for name in steady if name != own):
            mine, theirs = steady[own], steady[other]
            ratios = [
                statistics.median(getattr(r, field) for r in mine)
                / statistics.median(getattr(r, field) for r in theirs)
                for field in ("rate", "cpu", "p99")
            ]
            print(f"{own:22} / {other:22} {ratios[0]:6.2f} {ratios[1]:6.2f} {ratios[2]:6.2f}")


def main() -> None:
    demand_wrk()
    with tempfile.TemporaryDirectory() as place, contextlib.ExitStack() as stack:
        folder = Path(place)
        lua = script(folder, BODY)
        servers: list[Running] = []
        for port, make in specs(folder):
            try:
                servers.append(stack.enter_context(run(make(), port)))
            except Missing as missing:
                print(f"left out: {missing}", file=sys.stderr)
        for server in servers:
            warm_up(server, lua)
            print(f"{server.spec.name}: warm ({server.spec.about})", file=sys.stderr)
        found: dict[str, list[Round]] = {server.spec.name: [] for server in servers}
        for _ in range(ROUNDS):
            for server in servers:
                found[server.spec.name].append(load_round(server, lua, SECONDS))
        for server in servers:
            if server.spec.name.startswith("qwenmock"):
                check_ledger(server, sum(r.requests for r in found[server.spec.name]))
        report(found, {server.spec.name: server.resident_mb() for server in servers})


if __name__ == "__main__":
    main()
