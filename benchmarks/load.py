"""Load from `wrk`, and what it measured."""

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from benchmarks.servers import Running

UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


@dataclass(frozen=True)
class Round:
    """One run of wrk.

    Attributes:
        rate: Requests a second.
        p99: Milliseconds.
        cpu: Microseconds of processor time that the server took for a request.

    """

    rate: float
    requests: int
    p99: float
    cpu: float


def demand_wrk() -> None:
    """End with what is missing."""
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is not installed: apt-get install wrk")


def script(folder: Path, body: object, name: str = "post") -> Path:
    """Write what wrk sends."""
    path = folder / f"{name}.lua"
    path.write_text(
        f'wrk.method = "POST"\nwrk.body = [==[{json.dumps(body)}]==]\n'
        'wrk.headers["Content-Type"] = "application/json"\nwrk.headers["Authorization"] = "Bearer sk-mock"\n'
    )
    return path


def load_round(server: Running, lua: Path, seconds: float, connections: int = 32) -> Round:
    """Load a server, which must answer every request with a 2xx."""
    before = server.cpu_seconds()
    command = [
        "wrk",
        "-t1",
        f"-c{connections}",
        f"-d{seconds:g}s",
        "--latency",
        "--timeout",
        "30s",
        "-s",
        str(lua),
        server.url,
    ]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rate = re.search(r"Requests/sec:\s+([0-9.]+)", said)
    total = re.search(r"(\d+) requests in", said)
    p99 = re.search(r"99%\s+([0-9.]+)(us|ms|s)", said)
    if rate is None or total is None or p99 is None or "Non-2xx" in said:
        raise SystemExit(f"{server.spec.name}: {said}")
    requests = int(total[1])
    cpu = (server.cpu_seconds() - before) / max(requests, 1) * 1e6
    return Round(float(rate[1]), requests, float(p99[1]) * UNITS[p99[2]], cpu)
