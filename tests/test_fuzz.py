"""`make fuzz`: every target runs, finds a bug that is put in, and repeats it."""

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from fuzz import run as fuzzing
from fuzz.__main__ import TARGETS
from fuzz.run import Fuzzer, TooMuch

TESTS = Path(__file__).parent


def fuzz(*options: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    command = [sys.executable, "-m", "fuzz", *options]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)


def test_every_target_runs_without_a_finding() -> None:
    done = fuzz("--minutes", "0.05", "--seed", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    counts = dict(re.findall(r"^(\w+) +([0-9]+) +[0-9]+ ms +0$", done.stdout, re.MULTILINE))
    assert counts.keys() == TARGETS.keys()
    assert all(int(count) > 0 for count in counts.values())


@pytest.mark.parametrize("name", TARGETS)
def test_input_follows_from_seed_target_and_number(name: str) -> None:
    done = fuzz("--seed", "1", "--only", f"{name}:3")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(rf"^{name} +1 ", done.stdout, re.MULTILINE)


def test_unknown_target_is_refused() -> None:
    done = fuzz("--only", "colours")
    assert done.returncode == 2
    assert "expected one of http, " in done.stderr


class Faulty:
    """Fails for some inputs."""

    def run_one(self, rng: Random) -> None:
        number = rng.randrange(20)
        assert number != 7
        if number == 8:
            raise ValueError("another bug")


@contextlib.contextmanager
def faulty() -> Iterator[Faulty]:
    yield Faulty()


def found_in(seed: int, number: int | None = None) -> list[str]:
    """Return what is reported."""
    texts: list[str] = []
    fuzzer = Fuzzer({"faulty": faulty}, seed, texts.append)
    if number is None:
        fuzzer.run(0.2)
    else:
        fuzzer.run_input("faulty", number)
    return texts


def test_each_bug_is_reported_once_with_what_repeats_it() -> None:
    texts = found_in(seed=5)
    assert sorted(text.partition(" at ")[0] for text in texts) == ["faulty: AssertionError", "faulty: ValueError"]
    for text in texts:
        found = re.search(r"^repeat: make fuzz SEED=5 ONLY=faulty:([0-9]+)$", text, re.MULTILINE)
        assert found is not None
        assert found_in(5, int(found[1]))[0] == text


def endless() -> None:
    while True:
        pass


def test_slow_input_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzzing, "MAX_SECONDS", 0.01)
    with pytest.raises(TooMuch, match=r"took more than 0\.01 s"), fuzzing.bounded():
        endless()


def test_large_input_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = iter([100.0, 500.0, 500.0])
    monkeypatch.setattr(fuzzing, "largest_megabytes", lambda: next(sizes))
    with pytest.raises(TooMuch, match="took 400 MB"), fuzzing.bounded():
        pass
