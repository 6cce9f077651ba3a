"""`make bench-detection`: how many wrong servers the examiner finds, and how fast, compared with Schemathesis.

Schemathesis tests the exported OpenAPI document. It counts as having found a server if the kinds of its findings differ
from those on the correct server. `--sample N` takes every Nth wrong server of Nebula.
"""

import argparse
import re
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from wrong_servers.faults import NEBULA, Fault, changed_checks

from qwenmock.mockserver.http.server import serving
from qwenmock.pytest_plugin.examiner.budget import Budget
from qwenmock.pytest_plugin.examiner.connection.credentials import Credentials
from qwenmock.pytest_plugin.examiner.runner import checks_of, run_checks
from qwenmock.pytest_plugin.examiner.session import Examiner
from qwenmock.pytest_plugin.examiner.settings import SessionSettings
from qwenmock.pytest_plugin.examiner.target import HttpTarget
from qwenmock.pytest_plugin.options import PURPOSES
from qwenmock.schemas.catalog import load

PROVIDER = load()["nebula"]


def ours(origin: str) -> str | None:
    """Return the first check of the examiner that fails, with the ledger; None if all pass."""
    keys = {purpose: f"sk-mock-{purpose}" for purpose in PURPOSES}
    examiner = Examiner(
        PROVIDER,
        HttpTarget(f"{origin}/nebula"),
        Credentials("nebula", "sk-mock", keys),
        Budget(None, PROVIDER.currency),
        SessionSettings(
            ledger=f"{origin}/__mock__/ledger?request_id={{request_id}}",
            control=f"{origin}/__mock__",
        ),
    )
    try:
        return next((o.check.name for o in run_checks(examiner, checks_of(PROVIDER)) if o.result == "failed"), None)
    finally:
        examiner.close()


def theirs(origin: str, tool: str) -> frozenset[str]:
    """Return the kinds of findings that Schemathesis reports."""
    command = [tool, "run", f"{origin}/__mock__/openapi/nebula.json", "--header", "Authorization: Bearer sk-mock"]
    done = subprocess.run(
        [*command, "--seed", "1", "--continue-on-failure", "--no-color"], capture_output=True, text=True, check=False
    )
    return frozenset(re.findall(r"^- (.+)$", done.stdout, re.MULTILINE))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", type=int, default=8, help="take every Nth wrong server (default 8)")
    parser.add_argument("--schemathesis", default=".venv-bench/bin/schemathesis")
    options = parser.parse_args()
    tool = options.schemathesis if Path(options.schemathesis).exists() else None
    if tool is None:
        print(f"Schemathesis is left out: {options.schemathesis} not found; `make bench-detection` installs it")
    right = Fault("right", "nebula")
    with serving(right.server(PROVIDER)[0]) as port:
        origin = f"http://127.0.0.1:{port}"
        print(f"correct server: {ours(origin) or 'no finding'}")
        baseline = theirs(origin, tool) if tool else frozenset()
        if tool:
            print(f"correct server, Schemathesis: {sorted(baseline) or 'no finding'}")
    faults = [*NEBULA, *changed_checks(PROVIDER)][:: options.sample]
    found = {"qwenmock": 0, "Schemathesis": 0}
    seconds = {"qwenmock": 0.0, "Schemathesis": 0.0}
    for fault in faults:
        with serving(fault.server(PROVIDER)[0]) as port:
            origin = f"http://127.0.0.1:{port}"
            started = time.perf_counter()
            check = ours(origin)
            seconds["qwenmock"] += time.perf_counter() - started
            found["qwenmock"] += check is not None
            line = f"{fault.name:70} qwenmock {'found' if check else 'MISSED'}"
            if tool:
                started = time.perf_counter()
                differs = theirs(origin, tool) != baseline
                seconds["Schemathesis"] += time.perf_counter() - started
                found["Schemathesis"] += differs
                line += f"   Schemathesis {'found' if differs else 'missed'}"
            print(line, flush=True)
    for name in found if tool else ("qwenmock",):
        print(f"{name:13} {found[name]:3} of {len(faults)}, {seconds[name] / len(faults):.2f} s each")


if __name__ == "__main__":
    main()
