"""The table `parts`: what is measured without a peer, each beside its target."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable

import httpx

from benchmarks.growth import KB, body_of
from benchmarks.servers import BODY, PATH, Running, qwenmock, run
from benchmarks.tables import Deadline, markdown, spread
from qwenmock.mockserver.commands.options import read_settings
from qwenmock.mockserver.http.memory import IDLE_SECONDS
from qwenmock.mockserver.http.server import running
from qwenmock.pytest_plugin.examiner.runner import checks_of, run_checks
from qwenmock.pytest_plugin.examiner_factory import create_examiner, find_provider
from qwenmock.pytest_plugin.options import Options
from qwenmock.pytest_plugin.testkit.mock import Mock
from qwenmock.pytest_plugin.testkit.usage import Usage

PORT = 4680
TIMES = 9
TESTS = 200
LARGE_BODIES = 100
AT_ONCE = 20
KEY = {"Authorization": "Bearer sk-mock"}
IMPORT = """
import time, pytest
began = time.perf_counter()
import qwenmock.pytest_plugin.plugin
print((time.perf_counter() - began) * 1000)
"""


def table(_deadline: Deadline) -> str:
    return markdown(("part", "measured", "target"), [row() for row in ROWS])


def _examiner() -> tuple[str, str, str]:
    rates: list[float] = []
    for _ in range(3):
        examiner = create_examiner(find_provider("nebula"), Options(providers=("nebula",)))
        began = time.perf_counter()
        try:
            failed = [each for each in run_checks(examiner, checks_of(examiner.provider)) if each.result == "failed"]
            rates.append(examiner.sender.sent / (time.perf_counter() - began))
        finally:
            examiner.close()
        if failed:
            raise SystemExit(f"the examiner found mistakes in the double: {failed[0].check.name}")
    return "examiner in process, cases/s", spread(rates), "at least 600"


def _import() -> tuple[str, str, str]:
    command = [sys.executable, "-c", IMPORT]
    times = [float(subprocess.run(command, capture_output=True, check=True).stdout) for _ in range(TIMES)]
    return "import qwenmock.pytest_plugin.plugin, ms", spread(times, ".1f"), "at most 10"


def _fixture() -> tuple[str, str, str]:
    """Measure what the fixture does between two tests, each of which has sent one request."""
    times: list[float] = []
    with running(read_settings({"port": 0, "journal_max": 1000})) as server:
        mock, usage = Mock(server), Usage()
        for number in range(TESTS):
            httpx.post(f"{mock.url('nebula')}{PATH}", json=BODY, headers=KEY, trust_env=False).raise_for_status()
            began = time.perf_counter()
            mock.reset()
            times.append((time.perf_counter() - began) * 1000)
            usage.take(str(number), mock)
        mock.close()
    return "reset of the fixture between tests, ms", spread(times, ".2f"), "at most 2"


def _memory() -> tuple[str, str, str]:
    """Measure the server's memory before and after refused bodies of 9 MB, half of them several at once."""
    body = {**body_of(9 * KB * KB), "parameters": {"n": 9}}
    with run(qwenmock("qwenmock", PORT, "--quiet"), PORT) as server:
        before = server.resident_mb()
        _refuse(server, body, LARGE_BODIES // 2)
        senders = [
            threading.Thread(target=_refuse, args=(server, body, LARGE_BODIES // 2 // AT_ONCE)) for _ in range(AT_ONCE)
        ]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        time.sleep(2 * IDLE_SECONDS)
        after = server.resident_mb()
    return f"memory before and after {LARGE_BODIES} refused bodies of 9 MB, MB", f"{before:.0f}, {after:.0f}", "flat"


def _refuse(server: Running, body: object, times: int) -> None:
    with httpx.Client(timeout=120, trust_env=False) as client:
        for _ in range(times):
            answer = client.post(server.url, json=body, headers=KEY)
            if answer.status_code != 400:
                raise SystemExit(f"expected status 400, got {answer.status_code}")


ROWS: tuple[Callable[[], tuple[str, str, str]], ...] = (_examiner, _import, _fixture, _memory)
