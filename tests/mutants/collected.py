"""Trials in copies of a process that has collected the tests: the changed function takes the place of the other one.

Such a trial imports nothing and runs only the tests that call the function, the quickest first. It takes a hundredth of
the time of one that imports the project anew, but says less:

- It is possible if the change lies inside a function that is not called while the tests are collected: what was
  computed then would be from before the change.
- If all its tests pass, another test may fail: such a mutant has another trial, with everything.
- If one fails, the same tests in the same order must pass without the change, also in a trial of this kind.
"""

import gc
import inspect
import json
import os
import pickle
import sys
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import BinaryIO, TextIO

import pytest

from . import trial
from .mutations import Mutant

Key = tuple[str, str, int]
"""A function: file, qualified name, first line."""
PASSED, FAILED = 0, 1


@dataclass(frozen=True, slots=True)
class Tried:
    """What a trial of this kind has shown of a mutant, if anything.

    Attributes:
        is_noticed: False if it needs a trial with everything.
        taken: By this and the other mutants of the module so far.

    """

    path: str
    name: str
    is_noticed: bool
    taken: trial.Taken


def changed_function(before: CodeType, after: CodeType) -> tuple[CodeType, CodeType] | None:
    """Return the outermost function that differs in a module or class, before and after.

    None if there is none, if anything else differs, or if one cannot take the place of the other.
    """
    if _without_inner(before) != _without_inner(after):
        return None
    pairs = zip(_inner(before), _inner(after), strict=True)
    different = [(old, new) for old, new in pairs if old != new]
    if len(different) != 1:
        return None
    ((old, new),) = different
    if not old.co_flags & inspect.CO_OPTIMIZED:  # the body of a class
        return changed_function(old, new)
    return (old, new) if old.co_freevars == new.co_freevars else None


def _inner(code: CodeType) -> list[CodeType]:
    return [value for value in code.co_consts if isinstance(value, CodeType)]


def _without_inner(code: CodeType) -> CodeType:
    shown = [("code", value.co_qualname) if isinstance(value, CodeType) else value for value in code.co_consts]
    return code.replace(co_consts=tuple(shown))


def key_of(code: CodeType) -> Key:
    """Return what names a function in each compilation of its module."""
    return code.co_filename, code.co_qualname, code.co_firstlineno


def functions_of(files: frozenset[str]) -> dict[Key, list[FunctionType]]:
    """Return all functions of some files, however they are wrapped and whoever holds them."""
    found: dict[Key, list[FunctionType]] = defaultdict(list)
    for value in gc.get_objects():
        if type(value) is FunctionType and value.__code__.co_filename in files:
            found[key_of(value.__code__)].append(value)
    return found


class Calls:
    """Notes which functions of some files are called, in all threads."""

    def __init__(self, files: frozenset[str]) -> None:
        self._files = files
        self.found: set[Key] = set()

    def __call__(self, frame: FrameType, *_: object) -> None:
        code = frame.f_code
        if code.co_filename in self._files:
            self.found.add(key_of(code))

    def __enter__(self) -> "Calls":
        self.found = set()
        threading.settrace(self)
        sys.settrace(self)
        return self

    def __exit__(self, *error: object) -> None:
        sys.settrace(None)
        threading.settrace(None)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Noted:
    """What a run without a change has shown.

    Attributes:
        limits: Of each trial of these tests.
        tests: By function, the positions of the tests that call it, the quickest first.

    """

    limits: trial.Limits
    tests: Mapping[Key, Sequence[int]]


@contextmanager
def running(
    mutants: Mapping[str, Sequence[Mutant]], tests: Sequence[str], processes: int, deadline: float
) -> Iterator[tuple[trial.Limits, Iterator[Tried]]]:
    """Run mutants of modules that have the same tests in another process, and yield what has come out so far.

    Raises:
        RuntimeError: The tests fail without a change.

    """
    reading, writing = os.pipe()

    def run() -> int:
        os.close(reading)
        trial.stop_at_signal()
        with os.fdopen(writing, "wb", buffering=0) as output:
            return Collected(mutants, processes, deadline, lambda value: pickle.dump(value, output)).run(tests)

    pid = trial.fork(run, None, is_silent=False)
    os.close(writing)
    try:
        with os.fdopen(reading, "rb") as results:
            yield _limits_in(results, tests), iter(partial(pickle.load, results), None)
    except BaseException:
        trial.terminate(pid)
        raise
    trial.wait(pid)


def _limits_in(results: BinaryIO, tests: Sequence[str]) -> trial.Limits:
    try:
        return pickle.load(results)
    except EOFError:
        raise RuntimeError(f"the tests fail without a change: {' '.join(tests)}") from None


@dataclass
class Collected:
    """A plugin of pytest that runs mutants in place of the tests that it has collected.

    Attributes:
        mutants: By path of the module.
        show: Gets the limits of trials of these tests, then what comes out, and then None.

    """

    mutants: Mapping[str, Sequence[Mutant]]
    processes: int
    deadline: float
    show: Callable[[trial.Limits | Tried | None], None]
    _items: list[pytest.Item] = field(default_factory=list)
    _files: frozenset[str] = frozenset()
    _early: Calls = field(init=False)
    _noted: Noted = field(init=False)
    _functions: dict[Key, list[FunctionType]] = field(init=False)

    def __post_init__(self) -> None:
        self._files = frozenset(map(trial.file_of, self.mutants))
        self._early = Calls(self._files)

    def run(self, tests: Sequence[str]) -> int:
        """Collect tests and run the mutants. Return the exit status of pytest, which is not 0 if the tests fail."""
        with self._early:
            return int(pytest.main([*trial.ARGUMENTS, "--capture=sys", *tests], plugins=[self]))

    @property
    def limits(self) -> trial.Limits:
        """Those of each trial of these tests."""
        return self._noted.limits

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self._early.__exit__()
        if session.testsfailed:
            raise session.Interrupted("the tests cannot be collected")
        self._items = session.items
        self._functions = functions_of(self._files)
        gc.collect()
        gc.freeze()
        self._noted = self._note()
        self.show(self.limits)
        for path, mutants in self.mutants.items():
            began = trial.Taken.now()
            for name, is_noticed in self._run_mutants(trial.file_of(path), mutants):
                self.show(Tried(path, name, is_noticed, trial.Taken.now() - began))
        self.show(None)
        return True

    @pytest.hookimpl
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            print(report.longreprtext, file=sys.__stderr__)
            os._exit(FAILED)

    def _run_tests(self, positions: Sequence[int]) -> Iterator[int]:
        """Run tests and yield the position of each afterwards. The process ends at the first failure."""
        for index, position in enumerate(positions):
            item = self._items[position]
            following = self._items[positions[index + 1]] if index + 1 < len(positions) else None
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            yield position

    def _note(self) -> Noted:
        """Run all tests without a change in another process, so that nothing here depends on it.

        Raises:
            pytest.Session.Interrupted: One fails.

        """
        reading, writing = os.pipe()

        def run() -> int:
            os.close(reading)
            with os.fdopen(writing, "w") as output:
                return self._write_notes(output)

        pid = trial.fork(run, None, is_silent=False)
        os.close(writing)
        try:
            with os.fdopen(reading) as notes:
                text = notes.read()
        except BaseException:
            trial.stop(pid)
            raise
        if trial.wait(pid):
            raise pytest.Session.Interrupted("the tests fail without a change")
        return self._read_notes(text)

    def _write_notes(self, output: TextIO) -> int:
        tests: list[tuple[float, list[Key]]] = []
        began = time.monotonic()
        running = self._run_tests(range(len(self._items)))
        for _ in self._items:
            start = time.process_time()
            with Calls(self._files) as calls:
                next(running)
            tests.append((time.process_time() - start, list(calls.found)))
        json.dump({"seconds": time.monotonic() - began, "tests": tests}, output)
        return PASSED

    def _read_notes(self, text: str) -> Noted:
        notes = json.loads(text)
        found: dict[Key, list[tuple[float, int]]] = defaultdict(list)
        for position, (seconds, keys) in enumerate(notes["tests"]):
            for file, name, line in keys:
                found[file, name, line].append((seconds, position))
        tests = {key: [position for _, position in sorted(each)] for key, each in found.items()}
        limits = trial.Limits.after([seconds for seconds, _ in notes["tests"]], notes["seconds"])
        return Noted(limits, tests)

    def _run_mutants(self, file: str, mutants: Sequence[Mutant]) -> Iterator[tuple[str, bool]]:
        """Yield the name of each mutant, and whether it is noticed."""
        trials = _Trials(self, file)
        for mutant in mutants:
            if not trials.add(mutant):
                yield mutant.name, False
        yield from trials.run()

    def tests_of(self, function: Key) -> Sequence[int]:
        """Return the positions of the tests that must notice a change in a function; none if that is not possible."""
        if function in self._early.found or function not in self._functions:
            return ()
        return self._noted.tests.get(function, ())

    def begin(self, function: Key, code: CodeType) -> int:
        """Start the tests of a function with other code in its place, and return the process id."""

        def run() -> int:
            for each in self._functions[function]:
                each.__code__ = code
            self._items[0].config.pluginmanager.register(trial.OneTestLimit(self.limits.test))
            deque(self._run_tests(self.tests_of(function)), maxlen=0)
            return PASSED

        return trial.fork(run, self.limits)


class _Trials:
    """The trials of the mutants of a file.

    Those of a function that are noticed wait until its tests have passed without a change.
    """

    def __init__(self, collected: Collected, file: str) -> None:
        self._collected = collected
        self._file = file
        self._unchanged = compile(Path(file).read_bytes(), file, "exec", dont_inherit=True)
        self._waiting: deque[tuple[tuple[str | None, Key], Callable[[], int], trial.Limits]] = deque()
        self._codes: dict[Key, CodeType] = {}
        self._passes: dict[Key, bool] = {}
        self._held: dict[Key, list[str]] = {}

    def add(self, mutant: Mutant) -> bool:
        """Add the trial of a mutant, and return whether there can be one."""
        changed = changed_function(self._unchanged, mutant.code(self._file))
        if changed is None:
            return False
        old, new = changed
        function = key_of(old)
        self._codes[function] = old
        if not self._collected.tests_of(function):
            return False
        self._waiting.append(self._trial(mutant.name, function, new))
        return True

    def _trial(
        self, name: str | None, function: Key, code: CodeType
    ) -> tuple[tuple[str | None, Key], Callable[[], int], trial.Limits]:
        begin = partial(self._collected.begin, function, code)
        return (name, function), begin, self._collected.limits

    def run(self) -> Iterator[tuple[str, bool]]:
        """Run the trials, and yield the name of each mutant, and whether it is noticed."""
        trials = trial.run_all(self._waiting, self._collected.processes, self._collected.deadline)
        with closing(trials):
            for (name, function), status in trials:
                if name is None:
                    self._passes[function] = status == PASSED
                    yield from ((held, status == PASSED) for held in self._held.pop(function))
                elif status == PASSED:
                    yield name, False
                elif function in self._passes:
                    yield name, self._passes[function]
                else:
                    self._hold(name, function)

    def _hold(self, name: str, function: Key) -> None:
        if function not in self._held:
            self._waiting.appendleft(self._trial(None, function, self._codes[function]))
        self._held.setdefault(function, []).append(name)
