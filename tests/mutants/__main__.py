"""Run the mutants of the modules in `modules.toml`, and print those that no test notices.

A mutant that survives is either a gap in the tests, or it changes nothing that a test could notice, or the test would
cost more than it is worth: `accepted.toml` has those with a reason each. The run fails if another one survives, if one
that is listed no longer exists or is noticed, or if fewer than 90 % of those that are not equivalent are noticed.

Results are kept in build/mutants until a module or one of its tests changes, so that a run that was stopped goes on.
"""

import argparse
import hashlib
import json
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path

from . import trial
from .mutations import Mutant, mutants_of

HERE = Path(__file__).parent
KEPT = trial.ROOT / "build" / "mutants"
LEAST_SCORE = 90.0
POLL_SECONDS = 0.005
NOTICED, SURVIVED = "noticed", "survived"


@dataclass
class Module:
    """A module, its tests, and what became of its mutants.

    Attributes:
        path: Below the root of the repository.
        results: By name of the mutant.
        accepted: Reasons why mutants may survive, by name.

    """

    path: str
    tests: list[str]
    accepted: dict[str, str]
    mutants: list[Mutant]
    results: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def _file(self) -> Path:
        return KEPT / f"{self.path.replace('/', '.')}.json"

    def _digest(self) -> str:
        files = [self.path, "tests/mutants/mutations.py", *self.tests]
        content = b"".join((trial.ROOT / file).read_bytes() for file in files)
        return hashlib.sha256(content).hexdigest()

    def load(self, *, only_survivors: bool) -> None:
        """Load the results of an earlier run: all if nothing has changed, else at most those that were noticed."""
        if not self._file.exists():
            return
        kept = json.loads(self._file.read_text("utf-8"))
        names = {mutant.name for mutant in self.mutants}
        if kept["digest"] == self._digest():
            self.results = {name: result for name, result in kept["results"].items() if name in names}
        if only_survivors:
            noticed = {name: result for name, result in kept["results"].items() if result != SURVIVED}
            self.results = {name: result for name, result in noticed.items() if name in names}

    def save(self) -> None:
        """Keep the results."""
        KEPT.mkdir(parents=True, exist_ok=True)
        self._file.write_text(json.dumps({"digest": self._digest(), "results": self.results}, indent=1), "utf-8")

    @property
    def waiting(self) -> list[Mutant]:
        """The mutants without a result."""
        return [mutant for mutant in self.mutants if mutant.name not in self.results]

    @property
    def survivors(self) -> list[Mutant]:
        """The mutants that no test noticed."""
        return [mutant for mutant in self.mutants if self.results.get(mutant.name) == SURVIVED]


def modules_of(chosen: list[str]) -> Iterator[Module]:
    """Yield the modules of the table whose path contains one of some texts; all of them without any."""
    table: dict[str, list[str]] = tomllib.loads((HERE / "modules.toml").read_text("utf-8"))
    accepted = tomllib.loads((HERE / "accepted.toml").read_text("utf-8"))
    for path, tests in table.items():
        if not chosen or any(text in path for text in chosen):
            mutants = mutants_of((trial.ROOT / path).read_text("utf-8"))
            yield Module(path, tests, accepted.get(path, {}), mutants)


def changed_files(since: str) -> set[str] | None:
    """Return the files that differ from a commit, in the working tree too; None if the commit is not in the clone."""
    command = ["git", "diff", "--name-only", "-z", since, "--"]
    found = subprocess.run(command, cwd=trial.ROOT, check=False, capture_output=True, text=True)
    print(found.stderr, end="", file=sys.stderr)
    return None if found.returncode else set(found.stdout.split("\0"))


def touched(modules: Iterable[Module], files: AbstractSet[str]) -> list[Module]:
    """Return the modules that a change of files concerns: those that are among them, or one of whose tests is."""
    return [module for module in modules if not files.isdisjoint({module.path, *module.tests})]


def run(module: Module, processes: int, deadline: float) -> None:
    """Run the mutants of a module that have no result, until a time."""
    waiting = module.waiting
    if not waiting or time.monotonic() >= deadline:
        return
    limit = 10 + 5 * trial.seconds_of(module.path, module.tests)
    running: dict[int, tuple[Mutant, float]] = {}
    try:
        while (waiting or running) and time.monotonic() < deadline:
            while waiting and len(running) < processes:
                mutant = waiting.pop(0)
                running[trial.start(module.path, module.tests, mutant)] = (mutant, time.monotonic() + limit)
            time.sleep(POLL_SECONDS)
            for pid, (mutant, latest) in list(running.items()):
                status = trial.ended(pid)
                if status is None and time.monotonic() > latest:
                    trial.stop(pid)
                    status = -1
                if status is not None:
                    del running[pid]
                    module.results[mutant.name] = SURVIVED if status == 0 else NOTICED
    finally:
        for pid in running:
            trial.stop(pid)
        module.save()


def report(modules: list[Module], *, must_finish: bool) -> bool:
    """Print score and survivors, and return whether all is well."""
    problems: list[str] = []
    noticed = tried = equivalent = 0
    for module in modules:
        survivors = module.survivors
        done, left = len(module.results), len(module.waiting)
        noticed, tried = noticed + done - len(survivors), tried + done
        rest = f", {left} not yet run" if left else ""
        print(f"{module.path}: {done - len(survivors)} of {done} noticed{rest}")
        for mutant in survivors:
            equivalent += module.accepted.get(mutant.name, "").startswith("equivalent")
            if mutant.name not in module.accepted:
                problems.append(f"{module.path}:{mutant.line}: no test notices {mutant.name}")
        if not left:
            stale = module.accepted.keys() - {mutant.name for mutant in survivors}
            problems += [f"{module.path}: in accepted.toml, but does not survive: {name}" for name in sorted(stale)]
        if left and must_finish:
            problems.append(f"{module.path}: {left} mutants are not run: run again to go on")
    score = 100 * noticed / (tried - equivalent) if tried > equivalent else 100.0
    if score < LEAST_SCORE and must_finish:
        problems.append(f"the score is below {LEAST_SCORE:g} %")
    print("\n".join(problems))
    print(f"{noticed} of {tried} mutants noticed, {equivalent} are equivalent: a score of {score:.1f} %")
    return not problems


def main() -> int:
    """Run the program and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description="Run mutants of modules.")
    parser.add_argument("modules", nargs="*", help="parts of the paths of modules; all modules without any")
    parser.add_argument("--processes", type=int, default=2, help="default: 2")
    parser.add_argument("--minutes", type=float, default=40, help="stop after this time; default: 40")
    parser.add_argument(
        "--changed-since", metavar="COMMIT", help="only modules that differ from a commit, or one of whose tests does"
    )
    parser.add_argument("--survivors", action="store_true", help="run only what has survived: for writing tests")
    options = parser.parse_args()
    deadline = time.monotonic() + 60 * options.minutes
    modules = list(modules_of(options.modules))
    if options.changed_since:
        files = changed_files(options.changed_since)
        if files is None:
            return 2
        modules = touched(modules, files)
    if not modules:
        print("none of the modules in modules.toml is chosen")
        return 0 if options.changed_since else 2
    trial.prepare()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the results so far are kept
    for module in modules:
        module.load(only_survivors=options.survivors)
        run(module, options.processes, deadline)
    return 0 if report(modules, must_finish=not options.changed_since) else 1


if __name__ == "__main__":
    sys.exit(main())
