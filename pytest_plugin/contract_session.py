"""The contract tests of one pytest run: providers, examiners, and what they found. The hooks of `plugin` call this.

Imports the examiner, so that it is imported only by runs that have contract tests.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TypeGuard

import pytest

from qwenmock.pytest_plugin.examiner.report.baseline import (
    Baseline,
    BaselineError,
    change_lines,
    comparison_line,
    read_baselines,
)
from qwenmock.pytest_plugin.examiner.report.content import (
    COULD_NOT_RUN,
    Report,
    budget_line,
    exit_code,
    headline,
    report_of,
    shortfall,
    target_line,
    unenforced_line,
)
from qwenmock.pytest_plugin.examiner.report.failures import alike, short
from qwenmock.pytest_plugin.examiner.report.files import prune, write
from qwenmock.pytest_plugin.examiner.report.run import Run, RunValues, begin
from qwenmock.pytest_plugin.examiner.results import ContractViolation, CouldNotRun, UnreadableAnswer
from qwenmock.pytest_plugin.examiner.runner import PROVIDERS, Arguments, arguments, code_of, place
from qwenmock.pytest_plugin.examiner.session import Examiner
from qwenmock.pytest_plugin.examiner.verdicts import Verdict, verdict_of
from qwenmock.pytest_plugin.examiner_factory import choose_providers, create_examiner
from qwenmock.pytest_plugin.options import OptionError, Options
from qwenmock.schemas.errors import CatalogError
from qwenmock.schemas.models import Provider

PROVIDER = "contract_provider"
SHOWN_CHANGES = 10
"""Changes since an earlier report in the terminal's summary, of each kind."""
SHOWN_FAILURES = 10
"""Failures in the terminal's summary; equal ones are one."""


class ContractSession:
    """The contract tests of one pytest run.

    Attributes:
        providers: Those to examine.
        baselines: Earlier reports, by slug.
        runs: What was found, by slug.
        examiners: By slug; empty until `open`.
        unwritten: Reports that could not be written, and why.

    """

    def __init__(self, options: Options, providers: list[Provider] | None = None) -> None:
        self.providers = choose_providers(options) if providers is None else providers
        self.baselines = _baselines(options, self.providers)
        self.runs: dict[str, Run] = {}
        self.examiners: Mapping[str, Examiner] = {}
        self.unwritten: list[str] = []
        self._options = options

    @classmethod
    def of(cls, config: pytest.Config, key: "pytest.StashKey[ContractSession]", options: Options) -> "ContractSession":
        """Return the session that a configuration holds, or put one there.

        Raises:
            pytest.UsageError: A value of an option is not accepted.

        """
        if key not in config.stash:
            try:
                config.stash[key] = cls(options, config.stash.get(PROVIDERS, None))
            except (OptionError, CatalogError, CouldNotRun) as error:
                raise pytest.UsageError(str(error)) from error
        return config.stash[key]

    def arguments(self, names: Sequence[str], marks: Sequence[str]) -> list[Arguments]:
        """Return the arguments of each run of a contract test with these parameters and marks."""
        return [row for provider in self.providers for row in arguments(provider, names, marks)]

    def open(self, shared_budget: str | None = None) -> Mapping[str, Examiner]:
        """Connect the examiners, and return them by slug.

        Args:
            shared_budget: File of the budget that several processes spend from.

        """
        if not self.examiners:
            self.examiners = {p.slug: create_examiner(p, self._options, shared_budget) for p in self.providers}
            self.runs |= {slug: begin(examiner) for slug, examiner in self.examiners.items()}
        return self.examiners

    def preflight(self, *, for_others: bool = False) -> None:
        """Find out whether the live targets can be examined, before any check.

        Args:
            for_others: Other processes will examine them: nothing is spent here.

        Raises:
            CouldNotRun: One of them cannot.

        """
        if not self._options.live:
            return
        if for_others and self._options.control is not None:
            raise CouldNotRun("--live-control needs a run in one process: several would move one clock")
        if not for_others:
            for examiner in self.open().values():
                examiner.preflight()
            return
        free = ContractSession(self._options._replace(budget=Decimal(0), record=None), self.providers)
        try:
            free.preflight()
        finally:
            free.finish()

    def finish(self) -> None:
        """Collect what the examiners have counted, and close them."""
        for slug, examiner in self.examiners.items():
            self.runs[slug].finish(examiner)
            examiner.close()
        self.examiners = {}

    # Results

    def count(self, item: pytest.Function, error: BaseException | None, seconds: float) -> BaseException | None:
        """Count what a contract test raised, or that it raised nothing.

        Returns:
            pytest's outcome for it: a failure without a trace of the examiner's code, or a skip. None for an error
            that pytest shows as it is.

        """
        slug = _slug(item)
        if error is None:
            self._run(slug).count(item.name, Verdict("passed"), seconds)
            return None
        verdict = verdict_of(error, self.examiners.get(slug), code_of(item))
        self._run(slug).count(item.name, verdict, seconds)
        if verdict.result == "skipped":
            return pytest.skip.Exception(verdict.text)
        if isinstance(error, ContractViolation | UnreadableAnswer):
            return pytest.fail.Exception(verdict.text, pytrace=False)
        return None

    def count_broken(self, item: pytest.Function, text: str) -> None:
        """Count a contract test whose fixtures failed."""
        self._run(_slug(item)).count(item.name, Verdict("error", text.strip().rpartition("\n")[2], text))

    def _run(self, slug: str) -> Run:
        if slug not in self.runs:
            self.open()
        return self.runs[slug]

    # Several processes

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

    # Reports

    def reports(self) -> list[Report]:
        """Return what was found."""
        return [report_of(run, self._provider(slug), self.baselines.get(slug)) for slug, run in self.runs.items()]

    @property
    def is_interrupted(self) -> bool:
        """Whether the run has ended before its end: by the user, or since a test module cannot be imported."""
        return any(run.interrupted for run in self.runs.values())

    def interrupt(self) -> None:
        """Note that the run ends before its end, so that its reports are no verdict."""
        for run in self.runs.values():
            run.interrupted = True

    def write_reports(self) -> None:
        """Write the reports that the options name; one that cannot be written is in `unwritten`."""
        reports = self.reports()
        for path in self._options.reports if reports else ():
            try:
                write(path, reports)
            except OSError as error:
                self.unwritten.append(f"{path}: {error.strerror or error}")
        prune(self._options.bodies, reports)

    def exit_code(self) -> int:
        """Return the exit code that the results ask for; 2 for a live run in which no check had a verdict."""
        code = exit_code(self.reports(), self._options.required)
        return max(code, COULD_NOT_RUN) if self._is_empty() or self.unwritten else code

    def _is_empty(self) -> bool:
        """Return whether a live run has proved nothing."""
        tried = any(run.passed or run.failed or run.tallies for run in self.runs.values())
        return self._options.live and bool(self.runs) and not tried

    def summary(self) -> list[str]:
        """Return the lines of the terminal's summary; none without results."""
        lines: list[str] = []
        for report in self.reports():
            too_few = shortfall(report, self._options.required)
            notes = (headline(report), too_few, budget_line(report), unenforced_line(report))
            lines += [line for line in notes if line]
            lines += baseline_lines(report)
            groups = alike(report["failures"])
            lines += map(short, groups[:SHOWN_FAILURES])
            lines += [f"… and {len(groups) - SHOWN_FAILURES} more"] if len(groups) > SHOWN_FAILURES else []
            lines += [f"target: {target_line(report)}"] if report["control"] else []
        lines += self.error_lines()
        if self._is_empty():
            lines.append("nothing could be examined")
        lines += [f"no report: {problem}" for problem in self.unwritten]
        written = () if self.unwritten else self._options.reports
        return [*lines, *(f"report: {path}" for path in written)] if lines else []

    def error_lines(self) -> list[str]:
        """Return one line for the errors of the examiner, and their traceback if that is asked for."""
        errors = [error for run in self.runs.values() for error in run.errors]
        if not errors:
            return []
        name, text, trace = errors[0]
        others = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        hint = "" if self._options.traceback else "; --contract-traceback prints where"
        line = f"internal error of the examiner in {name}{others}: {' '.join(text.split())}{hint}"
        return [line, *(trace.splitlines() if self._options.traceback else [])]

    def _provider(self, slug: str) -> Provider:
        return next(provider for provider in self.providers if provider.slug == slug)


def _baselines(options: Options, providers: list[Provider]) -> Mapping[str, Baseline]:
    """Return the earlier reports of some providers, from the file that the options name.

    Raises:
        OptionError: It has none.

    """
    if options.baseline is None:
        return {}
    try:
        found = read_baselines(options.baseline)
    except BaselineError as error:
        raise OptionError(f"--contract-baseline: {error}") from error
    slugs = [provider.slug for provider in providers]
    if not found.keys() & set(slugs):
        expected, got = " or ".join(slugs), " and ".join(found)
        raise OptionError(f"--contract-baseline: expected a report of {expected}, got one of {got}")
    return found


def baseline_lines(report: Report) -> list[str]:
    """Return what has changed since the earlier report, in lines; none without one."""
    comparison = report["baseline"]
    if comparison is None:
        return []
    lines = change_lines(comparison, SHOWN_CHANGES)
    return [f"{report['provider']}: {comparison_line(comparison)}", *(f"  {line}" for line in lines)]


def open_live(config: pytest.Config, key: "pytest.StashKey[ContractSession]", options: Options) -> int | None:
    """Put the session of a live run into its configuration; print a line and return 2 if nothing can be examined."""
    try:
        contract = config.stash[key] = ContractSession(options)
        contract.preflight(for_others=bool(getattr(config.option, "numprocesses", None)))
    except (OptionError, CatalogError) as error:
        raise pytest.UsageError(str(error)) from error
    except CouldNotRun as reason:
        print(f"qwenmock: {' '.join(str(reason).split())}", file=sys.stderr)
        return COULD_NOT_RUN
    return None


def is_contract_test(item: pytest.Item) -> TypeGuard[pytest.Function]:
    """Return whether a test examines a provider."""
    return isinstance(item, pytest.Function) and PROVIDER in (item.callspec.params if hasattr(item, "callspec") else ())


def _slug(item: pytest.Function) -> str:
    provider = item.callspec.params[PROVIDER]
    assert isinstance(provider, Provider), "contract tests have a provider"
    return provider.slug


def sort(items: list[pytest.Item]) -> None:
    """Put the contract tests in the order of `place`, and leave the others where they are."""
    contract = [item for item in items if is_contract_test(item)]
    ordered = iter(sorted(contract, key=place))
    items[:] = [next(ordered) if is_contract_test(item) else item for item in items]


def deselect_idle(items: list[pytest.Item]) -> Sequence[pytest.Item]:
    """Remove the tests of tasks that no chosen provider has, and return them.

    pytest makes one item, to be skipped, of a parametrized test without arguments.
    """
    idle = [item for item in items if item.get_closest_marker("contract_tasks") and "NOTSET" in item.name]
    items[:] = [item for item in items if item not in idle]
    return idle
