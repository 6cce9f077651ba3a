"""Run targets in turn, and report what they find with what repeats it."""

import contextlib
import logging
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Protocol

SLICE_SECONDS = 2.0
"""How long one target runs before the next one's turn."""
MAX_SECONDS = 10.0
"""What one input may take on a busy machine; a usual one takes milliseconds."""
MAX_MEGABYTES = 300
"""What one input may add to the largest memory of the process."""
ROOT = Path(__file__).parents[2]


class Target(Protocol):
    """Something that reads input."""

    def run_one(self, rng: Random) -> None:
        """Make one input and use it; raise any exception for an outcome that is not documented."""
        ...


OpenTarget = Callable[[], AbstractContextManager[Target]]


class TooMuch(Exception):  # noqa: N818, a finding
    """An input took too much time or memory."""


class ErrorLog(logging.Handler):
    """Keeps the records of errors, which would otherwise be seen by nobody."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(self.format(record))

    def check(self) -> None:
        texts, self.texts = self.texts, []
        assert not texts, "errors were logged:\n" + "\n".join(texts)


@dataclass
class Tally:
    """What was done with one target.

    Attributes:
        inputs: Number of inputs.
        findings: How often each finding came up, by its identity.
        slowest: Seconds that the slowest input took.

    """

    inputs: int = 0
    findings: dict[str, int] = field(default_factory=dict[str, int])
    slowest: float = 0.0


class Fuzzer:
    """Runs targets.

    Args:
        targets: By name.
        seed: Every input follows from it, the target's name and the input's number.
        report: Called with the text of each new finding.

    """

    def __init__(self, targets: dict[str, OpenTarget], seed: int, report: Callable[[str], None]) -> None:
        self.tallies = {name: Tally() for name in targets}
        self._targets = targets
        self._seed = seed
        self._report = report
        self._log = ErrorLog()

    def run(self, seconds: float) -> None:
        """Run all targets in turn; each gets at least one input."""
        deadline = time.monotonic() + seconds
        with self._opened(self._targets) as opened:
            is_first = True
            while is_first or time.monotonic() < deadline:
                slice_seconds = min(SLICE_SECONDS, max(0.0, deadline - time.monotonic()) / len(opened))
                for name, target in opened.items():
                    self._run_slice(name, target, slice_seconds)
                is_first = False

    def run_input(self, name: str, number: int) -> None:
        """Run one input of one target."""
        with self._opened({name: self._targets[name]}) as opened:
            self._run_input(name, opened[name], number)

    @contextlib.contextmanager
    def _opened(self, targets: dict[str, OpenTarget]) -> Iterator[dict[str, Target]]:
        logging.getLogger().addHandler(self._log)
        try:
            with contextlib.ExitStack() as stack:
                yield {name: stack.enter_context(target()) for name, target in targets.items()}
        finally:
            logging.getLogger().removeHandler(self._log)

    def _run_slice(self, name: str, target: Target, seconds: float) -> None:
        end = time.monotonic() + seconds
        self._run_input(name, target, self.tallies[name].inputs)
        while time.monotonic() < end:
            self._run_input(name, target, self.tallies[name].inputs)

    def _run_input(self, name: str, target: Target, number: int) -> None:
        tally = self.tallies[name]
        began = time.monotonic()
        try:
            with bounded():
                target.run_one(Random(f"{self._seed}/{name}/{number}"))
            self._log.check()
        except Exception as error:
            self._log.texts.clear()
            self._note(name, number, error)
        tally.inputs += 1
        tally.slowest = max(tally.slowest, time.monotonic() - began)

    def _note(self, name: str, number: int, error: Exception) -> None:
        """Count a finding, and report it if it is new."""
        findings = self.tallies[name].findings
        identity = identity_of(error)
        findings[identity] = findings.get(identity, 0) + 1
        if findings[identity] == 1:
            text = "".join(traceback.format_exception(error, limit=-8))
            self._report(f"{name}: {identity}\n{text}repeat: make fuzz SEED={self._seed} ONLY={name}:{number}\n")


@contextlib.contextmanager
def bounded() -> Iterator[None]:
    """Raise `TooMuch` if the block takes too much time or memory."""

    def give_up(_number: int, _frame: object) -> None:
        raise TooMuch(f"one input took more than {MAX_SECONDS:g} s")

    before = largest_megabytes()
    previous = signal.signal(signal.SIGALRM, give_up)
    timer = signal.setitimer(signal.ITIMER_REAL, MAX_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
        signal.setitimer(signal.ITIMER_REAL, *timer)
    if largest_megabytes() - before > MAX_MEGABYTES:
        raise TooMuch(f"one input took {largest_megabytes() - before:.0f} MB")


def largest_megabytes() -> float:
    """Return the most memory that this process has had."""
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def identity_of(error: Exception) -> str:
    """Return what equal findings have in common: the kind of the error, and where in the project it was raised."""
    places = [frame for frame in traceback.extract_tb(error.__traceback__) if is_of_project(frame.filename)]
    place = f"{relative(places[-1].filename)}:{places[-1].lineno}" if places else "?"
    return f"{type(error).__name__} at {place}"


def is_of_project(file: str) -> bool:
    return file.startswith(str(ROOT)) and ".venv" not in file and not file.startswith(str(Path(__file__)))


def relative(file: str) -> str:
    return str(Path(file).resolve().relative_to(ROOT))


def table(tallies: dict[str, Tally]) -> Sequence[str]:
    """Return the lines of the result."""
    lines = [f"{'target':12} {'inputs':>8} {'slowest':>9} {'findings':>9}"]
    for name, tally in tallies.items():
        lines.append(f"{name:12} {tally.inputs:8} {tally.slowest * 1000:6.0f} ms {len(tally.findings):9}")
    return lines
