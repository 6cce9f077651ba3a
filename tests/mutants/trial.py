"""The processes in which tests run: what they have loaded, what they may use, and several at a time."""

import gc
import importlib
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import hypothesis
import pytest

ROOT = Path(__file__).parent.parent.parent
MEMORY_BYTES = 4 * 2**30
PRELOADED = (
    "anyio", "httpcore", "httpx", "jsonschema", "jsonschema_rs", "orjson", "PIL.Image", "prometheus_client",
    "pybase64", "starlette.applications", "starlette.responses", "starlette.testclient", "_pytest.pytester",
)  # fmt: skip
"""What most tests import. A process that is forked afterwards need not load it again."""
ARGUMENTS = ("-x", "-q", "--tb=native", "-p", "no:cacheprovider", "--noconftest", "-W", "ignore")
POLL_SECONDS = 0.002
LOOK_SECONDS = 0.5
MOST_WAITING = 16
"""Processes that wait for something and do not count."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a trial may take.

    Attributes:
        test: Seconds of processor time for one test. They do not depend on what else the machine does.
        processor: Seconds of processor time for everything.
        seconds: For a trial that waits for ever.

    """

    test: float
    processor: int
    seconds: float

    @classmethod
    def after(cls, tests: Sequence[float], seconds: float) -> "Limits":
        """Return the limits of trials of tests that need some processor time each, and some time, without a change."""
        return cls(test=2 + 3 * max(tests, default=0), processor=int(10 + 5 * sum(tests)), seconds=10 + 5 * seconds)


@dataclass(frozen=True, slots=True)
class OneTestLimit:
    """A plugin of pytest that ends the process if a test takes too much processor time."""

    seconds: float

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self) -> Generator[None, object, object]:
        signal.setitimer(signal.ITIMER_PROF, self.seconds)
        try:
            return (yield)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)


@dataclass(frozen=True, slots=True)
class Taken:
    """Time, and processor time of this process and those that it has waited for."""

    seconds: float = 0.0
    processor: float = 0.0

    @classmethod
    def now(cls) -> "Taken":
        times = os.times()
        return cls(time.monotonic(), sum(times[:4]))

    def __sub__(self, other: "Taken") -> "Taken":
        return Taken(self.seconds - other.seconds, self.processor - other.processor)

    def __str__(self) -> str:
        return f"{self.seconds:.1f} s ({self.processor:.1f} s of processor time)"


def prepare() -> None:
    """Load what every trial needs. Nothing of the project may be loaded: each trial imports it anew."""
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    for name in PRELOADED:
        importlib.import_module(name)
    hypothesis.settings.register_profile(
        "mutants", derandomize=True, database=None, deadline=None, suppress_health_check=list(hypothesis.HealthCheck)
    )
    hypothesis.settings.load_profile("mutants")
    assert not any(name.startswith("qwenmock") for name in sys.modules)
    gc.freeze()  # what is loaded is not copied into each process by its collector


def file_of(path: str) -> str:
    """Return the name of the file from which a module is imported."""
    return str(ROOT / ".links/qwenmock" / path)


def fork(run: Callable[[], int], limits: Limits | None, *, is_silent: bool = True) -> int:
    """Run a function in a process of its own, whose exit status it returns. Return the process id."""
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        _limit(limits)
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, *((2,) if is_silent else ())):
            os.dup2(null, descriptor)
        folder = _folder(os.getpid())
        folder.mkdir(parents=True)
        os.environ["PYTEST_DEBUG_TEMPROOT"] = str(folder)
        os._exit(run())
    finally:
        os._exit(99)


def _limit(limits: Limits | None) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if limits is not None:
        resource.setrlimit(resource.RLIMIT_CPU, (limits.processor, limits.processor))


def _folder(pid: int) -> Path:
    """Return where a trial has its files."""
    return Path(tempfile.gettempdir()) / f"qwenmock-mutants-{pid}"


def ended(pid: int) -> int | None:
    """Return the exit status of a trial, or minus the number of the signal that ended it; None while it runs."""
    found, status = os.waitpid(pid, os.WNOHANG)
    if found == 0:
        return None
    shutil.rmtree(_folder(pid), ignore_errors=True)
    return os.waitstatus_to_exitcode(status)


def stop(pid: int) -> None:
    """Stop a trial with everything that it started."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:  # it has not yet got a group of its own
        os.kill(pid, signal.SIGKILL)
    wait(pid)


def terminate(pid: int) -> None:
    """Let a process stop its trials, and wait for it."""
    os.kill(pid, signal.SIGTERM)
    wait(pid)


def wait(pid: int) -> int:
    """Wait for a process to end, and return its exit status, or minus the number of the signal that ended it."""
    _, status = os.waitpid(pid, 0)
    shutil.rmtree(_folder(pid), ignore_errors=True)
    return os.waitstatus_to_exitcode(status)


def stop_at_signal() -> None:
    """Leave the program at SIGTERM as after an error: trials are stopped, and results are kept."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))


@dataclass
class _Running:
    """A process that runs.

    Attributes:
        latest: When it is stopped.
        next_look: When it is next found out whether it works or waits.
        used: What it had used of the processor at the last look.

    """

    pid: int
    latest: float
    next_look: float
    used: str = ""
    is_waiting: bool = False

    def look(self) -> None:
        """Find out whether it works or waits, if it is time to."""
        if time.monotonic() >= self.next_look:
            self.next_look = time.monotonic() + LOOK_SECONDS
            before, self.used = self.used, _state_and_use(self.pid)
            self.is_waiting = self.used == before and self.used.startswith("S")


def _state_and_use(pid: int) -> str:
    """Return the state of a process, S if it sleeps, and the processor time used; "" where the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return f"{fields[0]} {fields[11]} {fields[12]}"


def run_all(
    waiting: deque[tuple[T, Callable[[], int], Limits]], processes: int, deadline: float
) -> Iterator[tuple[T, int]]:
    """Run trials side by side until a time, and yield each with its exit status when it has ended.

    Args:
        waiting: Each with what starts it and returns its process id. The caller may add some to the left.
        processes: How many work at once. Some more may wait, for a lock that nobody releases, say.
        deadline: What has not ended then is stopped.

    """
    running: dict[int, tuple[T, _Running]] = {}
    try:
        while (waiting or running) and time.monotonic() < deadline:
            while waiting and _has_room([each for _, each in running.values()], processes):
                trial, begin, limits = waiting.popleft()
                pid, now = begin(), time.monotonic()
                running[pid] = (trial, _Running(pid, now + limits.seconds, now + LOOK_SECONDS))
            time.sleep(POLL_SECONDS)
            for pid, (trial, each) in list(running.items()):
                status = ended(pid)
                if status is None and time.monotonic() > each.latest:
                    stop(pid)
                    status = -signal.SIGKILL
                if status is None:
                    each.look()
                else:
                    del running[pid]
                    yield trial, status
    finally:
        for pid in running:
            stop(pid)


def _has_room(running: list[_Running], processes: int) -> bool:
    working = sum(not each.is_waiting for each in running)
    return working < processes and len(running) < MOST_WAITING + processes
