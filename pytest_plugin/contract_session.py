"""The contract tests of one pytest run: providers, examiners, and what they found. The hooks of `plugin` call this.

Imports the examiner, so that it is imported only by runs that have contract tests.
"""

import json
from collections.abc import Generator, Iterable, Sequence
from typing import cast

import pytest

from qwenmock.pytest_plugin.examiner.budget import OverBudget
from qwenmock.pytest_plugin.examiner.report.content import budget_line, headline, report_of
from qwenmock.pytest_plugin.examiner.report.files import write
from qwenmock.pytest_plugin.examiner.report.run import Run, RunValues, begin
from qwenmock.pytest_plugin.examiner.results import (
    UNREADABLE,
    CheckResult,
    ContractViolation,
    CouldNotRun,
    NotExaminable,
    unreadable,
)
from qwenmock.pytest_plugin.examiner.runner import COSTLY, Arguments, arguments, is_last, rank
from qwenmock.pytest_plugin.examiner.session import Examiner
from qwenmock.pytest_plugin.examiner.target import TargetError
from qwenmock.pytest_plugin.examiner_factory import choose_providers, create_examiner
from qwenmock.pytest_plugin.options import OptionError, Options
from qwenmock.schemas.errors import CatalogError
from qwenmock.schemas.models import Provider


class ContractSession:
    """The contract tests of one pytest run.

    Attributes:
        providers: Those to examine.
        runs: What was found, by slug.

    """

    def __init__(self, options: Options) -> None:
        self.runs: dict[str, Run] = {}
        self._options = options
        try:
            self.providers: list[Provider] = choose_providers(options)
        except (OptionError, CatalogError) as error:
            raise pytest.UsageError(str(error)) from error

    @classmethod
    def of(cls, config: pytest.Config, key: "pytest.StashKey[ContractSession]", options: Options) -> "ContractSession":
        """Return the session that a configuration holds, or put one there."""
        if key not in config.stash:
            config.stash[key] = cls(options)
        return config.stash[key]

    def arguments(self, names: Iterable[str], marks: Iterable[str]) -> list[Arguments]:
        """Return the arguments of each run of a contract test with these parameters and marks."""
        return [row for provider in self.providers for row in arguments(provider, names, marks)]

    def examiners(self, shared_budget: str | None) -> Generator[dict[str, Examiner]]:
        """Yield the examiners by slug, and collect afterwards what they found.

        A target that cannot be examined ends the run here, with exit code 2.

        Args:
            shared_budget: File of the budget that several processes spend from.

        """
        examiners = {p.slug: create_examiner(p, self._options, shared_budget) for p in self.providers}
        try:
            for examiner in examiners.values() if self._options.live else ():
                examiner.preflight()
        except CouldNotRun as reason:
            pytest.exit(f"qwenmock: {reason}", returncode=2)
        self.runs |= {slug: begin(examiner) for slug, examiner in examiners.items()}
        yield examiners
        for slug, examiner in examiners.items():
            self.runs[slug].finish(examiner)
            examiner.close()

    def dump(self) -> str:
        """Return what was found, for `load` in another process."""
        return json.dumps([run.dump() for run in self.runs.values()])

    def load(self, dumped: str) -> None:
        """Add what another process found."""
        dumped_runs: list[RunValues] = json.loads(dumped)
        for values in dumped_runs:
            run = Run.load(values)
            if run.provider in self.runs:
                self.runs[run.provider].add(run)
            else:
                self.runs[run.provider] = run

    def write_reports(self) -> None:
        """Write the reports that the options name."""
        if self.runs:
            reports = [report_of(run, self._provider(slug)) for slug, run in self.runs.items()]
            for path in self._options.reports:
                write(path, reports)

    def summary(self) -> list[str]:
        """Return the lines of the terminal's summary; none without results."""
        lines: list[str] = []
        for slug, run in self.runs.items():
            report = report_of(run, self._provider(slug))
            lines += [line for line in (headline(report), budget_line(report)) if line]
        return [*lines, *(f"report: {path}" for path in self._options.reports)] if lines else []

    def _provider(self, slug: str) -> Provider:
        return next(provider for provider in self.providers if provider.slug == slug)

    def count(self, item: pytest.Function, error: Exception) -> BaseException | None:
        """Count what a contract test raised.

        Returns:
            pytest's outcome for it: a failure without a trace of the examiner's code, or a skip. None for an error
            that is not a result.

        """
        result: CheckResult = "skipped"
        if isinstance(error, ContractViolation):
            result, outcome = "failed", pytest.fail.Exception(str(error), pytrace=False)
        elif isinstance(error, NotExaminable | OverBudget | TargetError):
            outcome = pytest.skip.Exception(str(error))
        elif isinstance(error, UNREADABLE):
            outcome = pytest.skip.Exception(unreadable(error))
        else:
            return None
        provider = cast(Provider, item.callspec.params["contract_provider"])
        self.runs[provider.slug].count(item.name, result, str(outcome))
        return outcome


def sort_costly(items: list[pytest.Item]) -> None:
    """Move the tests that cost most and prove least behind the others."""

    def place(item: pytest.Item) -> tuple[bool, int]:
        costly = item.get_closest_marker(COSTLY) is not None
        late = costly or is_last(item.path.stem)
        return late, rank(item.path.stem) if late else 0

    items.sort(key=place)


def deselect_idle(items: list[pytest.Item]) -> Sequence[pytest.Item]:
    """Remove the tests of tasks that no chosen provider has, and return them.

    pytest makes one item, to be skipped, of a parametrized test without arguments.
    """
    idle = [item for item in items if item.get_closest_marker("contract_tasks") and "NOTSET" in item.name]
    items[:] = [item for item in items if item not in idle]
    return idle
