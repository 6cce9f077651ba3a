"""The two kinds of trials of `make mutants` agree, on a module that is made for this."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
REPLACED = """
import contextlib
import functools


@functools.lru_cache
def remembered(number):
    return not number


def outer(number):
    def inner():
        return not number

    return inner()


@contextlib.contextmanager
def opened(values):
    yield not values
    values.clear()


async def waited(number):
    return not number


class Base:
    def name(self):
        return "base"


class Small(Base):
    value = None

    def name(self):
        return super().name() + " and small"

    @property
    def is_property(self):
        return not self.value

    @classmethod
    def is_of_class(cls):
        return not cls.value

    @staticmethod
    def of_none(values):
        return max(values)
"""
TESTS_OF_REPLACED = """
import asyncio

from qwenmock.replaced import Small, opened, outer, remembered, waited


def test_functions():
    assert remembered(0) is True
    assert outer(0) is True
    assert asyncio.run(waited(0)) is True
    assert Small().name() == "base and small"
    assert Small().is_property is True
    assert Small.is_of_class() is True
    assert Small.of_none([1, 2]) == 2


def test_context():
    values = ["text"]
    with opened(values) as is_empty:
        assert is_empty is False
    assert not values
"""
IMPORTED = """
CONSTANT = True


def early(number):
    return not number


TABLE = {0: early(0)}


def default(value=True):
    return value


def expected_of(number):
    return not number


def depends(number):
    return number or None


def loose(number):
    return number or None


def uncalled(number):
    return not number
"""
TESTS_OF_IMPORTED = """
import pytest

from qwenmock import imported

DONE = []


def test_imported():
    assert imported.CONSTANT is True
    assert imported.TABLE == {0: True}
    assert imported.default() is True
    imported.loose(7)


@pytest.mark.parametrize("expected", [imported.expected_of(0)])
def test_that_computes_what_it_expects(expected):
    assert imported.expected_of(0) == expected


def test_that_others_need():
    DONE.append(1)


def test_that_needs_another_one():
    assert DONE
    imported.depends(7)
"""
SURVIVORS = {
    "expected_of: `return not number` -> `return None`",
    "expected_of: `return not number` -> `return number`",
    "depends: `return number or None` -> `return None`",
    "depends: `number or None` -> `number and None`",
    "loose: `return number or None` -> `return None`",
    "loose: `number or None` -> `number and None`",
    "uncalled: `return not number` -> `return None`",
    "uncalled: `return not number` -> `return number`",
}


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(folder / ".links")}
    return subprocess.run(
        [sys.executable, *command], cwd=folder, check=False, capture_output=True, text=True, env=environment
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with the tool, two modules and their tests."""
    tool, links = tmp_path / "tests" / "mutants", tmp_path / ".links" / "qwenmock"
    tool.mkdir(parents=True)
    links.mkdir(parents=True)
    for file in (ROOT / "tests" / "mutants").glob("*.py"):
        (tool / file.name).write_bytes(file.read_bytes())
    (tool / "accepted.toml").write_text("")
    (tmp_path / "pyproject.toml").write_text('[tool.pytest.ini_options]\naddopts = "--import-mode=importlib"\n')
    table = ""
    for name, source, tests in (("replaced", REPLACED, TESTS_OF_REPLACED), ("imported", IMPORTED, TESTS_OF_IMPORTED)):
        (tmp_path / f"{name}.py").write_text(source)
        (tmp_path / "tests" / f"test_{name}.py").write_text(tests)
        (links / f"{name}.py").symlink_to(f"../../{name}.py")
        table += f'"{name}.py" = ["tests/test_{name}.py"]\n'
    (tool / "modules.toml").write_text(table)
    return tmp_path


def results_of(project: Path, module: str, *options: str) -> tuple[dict[str, str], str]:
    """Run the mutants of a module, and return what comes out and the line that is printed of its trials."""
    file = project / "build" / "mutants" / f"{module}.json"
    file.unlink(missing_ok=True)
    shown = run(project, "-m", "tests.mutants", "--processes", "1", *options, module)
    assert not shown.stderr
    (line,) = [line for line in shown.stdout.splitlines() if line.startswith(f"{module}: ") and "anew" in line]
    return json.loads(file.read_text())["results"], line


def test_functions_are_replaced_however_they_are_wrapped(project: Path) -> None:
    results, line = results_of(project, "replaced.py")
    assert {name for name, result in results.items() if result == "survived"} == set()
    assert line.endswith(" for 1 mutants anew")  # a function without its cell for super() cannot be replaced


def test_both_ways_agree(project: Path) -> None:
    quick, _ = results_of(project, "imported.py")
    anew, _ = results_of(project, "imported.py", "--anew")
    assert quick == anew
    assert {name for name, result in anew.items() if result == "survived"} == SURVIVORS


def test_tests_that_fail_without_a_change_are_an_error(project: Path) -> None:
    test = project / "tests" / "test_replaced.py"
    test.write_text(test.read_text() + "\n\ndef test_wrong():\n    assert Small.of_none([1, 2]) == 3\n")
    shown = run(project, "-m", "tests.mutants", "replaced.py")
    assert shown.returncode == 1
    assert "assert 2 == 3" in shown.stderr
    assert "RuntimeError: the tests fail without a change: tests/test_replaced.py" in shown.stderr


def test_trial_that_takes_too_long_is_stopped(project: Path) -> None:
    script = """
import time
from collections import deque
from functools import partial
from tests.mutants import trial

def work():
    while True:
        pass

limits = {"sleep": trial.Limits(600, 600, 0.1), "work": trial.Limits(600, 1, 600)}
run = {"sleep": partial(time.sleep, 600), "work": work}
waiting = deque((name, partial(trial.fork, run[name], limits[name]), limits[name]) for name in run)
print([*trial.run_all(waiting, 1, time.monotonic() + 600)])
"""
    shown = run(project, "-c", script)
    assert shown.stdout == "[('sleep', -9), ('work', -9)]\n"


def test_test_that_takes_too_long_ends_its_trial(project: Path) -> None:
    script = """
import signal
import time
from functools import partial
from tests.mutants import trial

def work():
    wrapped = trial.OneTestLimit(0.1).pytest_runtest_protocol()
    next(wrapped)
    try:
        wrapped.send(None)
    except StopIteration:
        assert signal.getitimer(signal.ITIMER_PROF) == (0, 0)
    wrapped = trial.OneTestLimit(0.1).pytest_runtest_protocol()
    next(wrapped)
    while True:
        pass

print(trial.wait(trial.fork(work, trial.Limits(600, 5, 600))) == -signal.SIGPROF)
"""
    shown = run(project, "-c", script)
    assert shown.stdout == "True\n"


@pytest.mark.skipif(not Path("/proc").exists(), reason="only Linux tells what waits")
def test_trial_that_only_waits_does_not_keep_others_from_beginning(project: Path) -> None:
    script = """
import os
import time
from collections import deque
from functools import partial
from tests.mutants import trial

reading, writing = os.pipe()
run = {"waits": partial(os.read, reading, 1), "ends": lambda: os.write(writing, b"x") - 1}
limits = trial.Limits(600, 600, 600)
waiting = deque((name, partial(trial.fork, run[name], limits), limits) for name in run)
print(len([*trial.run_all(waiting, 1, time.monotonic() + 60)]))
"""
    assert run(project, "-c", script).stdout == "2\n"
