"""Requests a second of the double beside a bare Starlette route, in the same run; `make bench` runs it.

Every request of the double is validated, billed and journaled, and the ledger is counted afterwards. The load comes
from `wrk` (Debian's package), in rounds that alternate between the servers.
"""

import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

from qwenmock.pytest_plugin.bodies import example
from qwenmock.schemas.catalog import load

ROUNDS = 5
SECONDS = 4
BARE = """
import sys, uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
async def answer(request):
    return JSONResponse({"created": 1, "data": [{"url": "https://example.com/a.png"}]})
app = Starlette(routes=[Route("/", answer, methods=["POST"])])
uvicorn.run(app, port=int(sys.argv[1]), log_level="critical", access_log=False)
"""
PORTS = {"qwenmock": 4610, "bare Starlette": 4611}


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            httpx.get(f"http://127.0.0.1:{port}/health")
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit(f"nothing answers on port {port}")


def load_round(script: Path, url: str) -> float:
    command = ["wrk", "-t1", "-c32", f"-d{SECONDS}s", "-s", str(script), url]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    match = re.search(r"Requests/sec:\s+([0-9.]+)", done.stdout)
    if match is None or "Non-2xx" in done.stdout:
        raise SystemExit(done.stdout)
    return float(match[1])


def main() -> None:
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is not installed: apt-get install wrk")
    body = json.dumps(example(load()["nebula"].variants["simplified"]))
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "post.lua"
        script.write_text(
            f'wrk.method = "POST"\nwrk.body = [==[{body}]==]\n'
            'wrk.headers["Content-Type"] = "application/json"\nwrk.headers["Authorization"] = "Bearer sk-mock"\n'
        )
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        double = [sys.executable, "-m", "qwenmock.mockserver", "serve", "--port", str(PORTS["qwenmock"])]
        servers = [
            subprocess.Popen(double, **quiet),
            subprocess.Popen([sys.executable, "-c", BARE, str(PORTS["bare Starlette"])], **quiet),
        ]
        try:
            for port in PORTS.values():
                wait_for(port)
            urls = {
                "qwenmock": f"http://127.0.0.1:{PORTS['qwenmock']}/nebula/v1/images/generations",
                "bare Starlette": f"http://127.0.0.1:{PORTS['bare Starlette']}/",
            }
            rates: dict[str, list[float]] = {name: [] for name in urls}
            for turn in range(ROUNDS + 1):
                for name, url in urls.items():
                    rate = load_round(script, url)
                    if turn:  # the first round warms up
                        rates[name].append(rate)
            for name, found in rates.items():
                print(f"{name:15} {min(found):8.0f} {statistics.median(found):8.0f} {max(found):8.0f} requests/s")
            ratio = statistics.median(rates["qwenmock"]) / statistics.median(rates["bare Starlette"])
            print(f"qwenmock does {ratio:.2f} of a bare Starlette route")
        finally:
            for server in servers:
                server.terminate()
                server.wait()


if __name__ == "__main__":
    main()
