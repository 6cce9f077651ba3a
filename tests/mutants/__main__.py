"""Run the mutants of the modules in `modules.toml`, and print those that no test notices.

A mutant that survives is either a gap in the tests, or it changes nothing that a test could notice, or the test would
cost more than it is worth: `accepted.toml` has those with a reason each. The run fails if another one survives, if one
that is listed no longer exists or is noticed, or if fewer than 90 % of those that are not equivalent are noticed.

Results are kept in build/mutants until a module or one of its tests changes, so that a run that was stopped goes on.
"""

import argparse
import hashlib
import json
import subprocess
import sys
import time
import tomllib
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from . import anew, collected, trial
from .mutations import Mutant, mutants_of

HERE = Path(__file__).parent
KEPT = trial.ROOT / "build" / "mutants"
LEAST_SCORE = 90.0
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


def run(modules: Sequence[Module], processes: int, deadline: float, *, is_anew: bool = False) -> None:
    """Run the mutants without a result of modules that have the same tests, until a time.

    Args:
        modules: What comes out is kept in them.
        processes: How many trials run at once.
        deadline: When to stop.
        is_anew: Whether each mutant has a trial that imports the project anew, which takes much longer.

    Raises:
        RuntimeError: The tests fail without a change.

    """
    waiting = {module.path: module for module in modules if module.waiting}
    if not waiting or time.monotonic() >= deadline:
        return
    mutants = {} if is_anew else {path: module.waiting for path, module in waiting.items()}
    taken = dict.fromkeys(waiting, trial.Taken())
    try:
        with collected.running(mutants, modules[0].tests, processes, deadline) as (limits, trials):
            for tried in trials:
                taken[tried.path] = tried.taken
                if tried.is_noticed:
                    waiting[tried.path].results[tried.name] = NOTICED
        for path, module in waiting.items():
            began, tried = trial.Taken.now(), len(module.results)
            run_anew(module, processes, deadline, limits)
            last, count = trial.Taken.now() - began, len(module.results) - tried
            print(f"{path}: {taken[path]}, and {last} for {count} mutants anew", flush=True)
    finally:
        for module in waiting.values():
            module.save()


def run_anew(module: Module, processes: int, deadline: float, limits: trial.Limits) -> None:
    """Run the mutants of a module without a result in trials that import the project anew."""
    waiting = deque(
        (mutant.name, partial(anew.start, module.path, module.tests, mutant, limits), limits)
        for mutant in module.waiting
    )
    with closing(trial.run_all(waiting, processes, deadline)) as trials:
        for name, status in trials:
            module.results[name] = SURVIVED if status == 0 else NOTICED


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
    parser.add_argument(
        "--anew", action="store_true", help="import the project anew for each mutant: the result is the same, but later"
    )
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
    trial.stop_at_signal()
    groups: dict[tuple[str, ...], list[Module]] = defaultdict(list)
    for module in modules:
        module.load(only_survivors=options.survivors)
        groups[tuple(module.tests)].append(module)
    for group in groups.values():
        run(group, options.processes, deadline, is_anew=options.anew)
    return 0 if report(modules, must_finish=not options.changed_since) else 1


if __name__ == "__main__":
    sys.exit(main())
