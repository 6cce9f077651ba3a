"""What all tables have in common: Markdown, medians, the ledger, and a limit of time."""

import os
import platform
import statistics
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal

import httpx

from benchmarks.servers import BODY, Running
from qwenmock.mockserver import __version__
from qwenmock.schemas.catalog import load

PRICE = load()["nebula"].price_of(str(BODY["model"])).amount or Decimal(0)


class Deadline:
    """The time that a table may take."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Return the seconds that are left; below 0 if there are none."""
        return self._end - time.monotonic()

    def rounds(self, most: int, seconds: float) -> Iterator[int]:
        """Yield up to so many rounds of that length, as long as there is time for another; always a first one."""
        for number in range(most):
            if number and self.left() < seconds:
                print(f"no time for more than {number} of {most} rounds", file=sys.stderr, flush=True)
                return
            yield number


def heading() -> str:
    """Return a line with what was measured, and where."""
    load_average = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return (
        f"qwenmock {__version__}, Python {platform.python_version()}, {os.cpu_count()} cores, "
        f"{datetime.now(UTC):%Y-%m-%d}; load before the run: {load_average:.1f}"
    )


def markdown(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def median(values: Iterable[float]) -> float:
    return statistics.median(values)


def spread(values: Sequence[float], form: str = ".0f") -> str:
    """Return the median, with the smallest and the largest value in brackets."""
    low, middle, high = (format(value, form) for value in (min(values), median(values), max(values)))
    return f"{middle} ({low}-{high})"


def check_ledger(server: Running, at_least: int) -> None:
    """Exit unless the ledger has one charge for each answer with status 200."""
    control = server.url.partition("/nebula")[0] + "/__mock__"
    time.sleep(0.5)  # the server still answers requests that wrk left behind
    (account,) = httpx.get(f"{control}/ledger", timeout=60).json()["accounts"]
    lines = httpx.get(f"{control}/metrics", timeout=60).text.splitlines()
    counted = [line for line in lines if line.startswith("qwenmock_requests_total") and 'status="200"' in line]
    answered = sum(int(float(line.rpartition(" ")[2])) for line in counted)
    charges = Decimal(account["spent"]) / PRICE
    if charges != answered or answered < at_least:
        raise SystemExit(f"{server.spec.name}: {charges} charges for {answered} answers; wrk saw {at_least}")
    print(f"{server.spec.name}: {answered} answers with 200, {charges:f} charges", file=sys.stderr, flush=True)
