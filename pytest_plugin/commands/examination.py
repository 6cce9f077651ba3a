"""What `qwenmock check` does: examine providers, and print and write the results."""

import os

import pytest
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from qwenmock.pytest_plugin.contract_session import ContractSession, baseline_lines, is_contract_test
from qwenmock.pytest_plugin.examiner.connection.discovery import find_control
from qwenmock.pytest_plugin.examiner.report.content import (
    CONFORMS,
    COULD_NOT_RUN,
    INTERNAL_ERROR,
    VIOLATED,
    Report,
    budget_line,
    exit_code,
    headline,
    shortfall,
    target_line,
    unenforced_line,
)
from qwenmock.pytest_plugin.examiner.report.failures import alike, found_by, short, title
from qwenmock.pytest_plugin.examiner.results import CouldNotRun, NotExaminable
from qwenmock.pytest_plugin.examiner.runner import run_alone
from qwenmock.pytest_plugin.options import ADMIN_TOKEN, GivenOptions, Options, read_options
from qwenmock.pytest_plugin.plugin import CONTRACT, OPTIONS

SHOWN_FAILURES = 5
SHORT_FAILURES = 10
"""Failures that are printed in one line, after those that are printed whole."""


def examine(given: GivenOptions) -> int:
    """Examine what the options name, print the results, and return the exit code.

    Raises:
        OptionError: An option has a value that is not accepted.
        CouldNotRun: Nothing can be examined.

    """
    options = _with_control(read_options(given))
    contract = ContractSession(options)
    watcher = _Watcher(contract, options)
    try:
        contract.preflight()
        contract.open()
        run_alone([], [watcher])
    finally:
        contract.finish()
    return _conclude(contract, options, watcher)


def _with_control(options: Options) -> Options:
    """Return the options with the control API of a double that they name.

    Who gives a budget, a ledger or a folder for exchanges means to try what a target gets that costs money.
    """
    if not options.url or options.control or options.ledger or options.record or options.budget is not None:
        return options
    try:
        control = find_control(options.url, os.environ.get(ADMIN_TOKEN))
    except NotExaminable as reason:
        errors = Console(stderr=True, highlight=False, soft_wrap=True)
        errors.print(f"qwenmock: {reason}; set {ADMIN_TOKEN} to have it used", markup=False)
        return options
    return options if control is None else options._replace(control=control)


def _conclude(contract: ContractSession, options: Options, watcher: "_Watcher") -> int:
    console, errors = Console(highlight=False, soft_wrap=True), Console(stderr=True, highlight=False, soft_wrap=True)
    reports = contract.reports()
    _summary(console, reports, options)
    for path in options.reports if not contract.unwritten else ():
        console.print(f"report: {path}", markup=False)
    for problem in contract.unwritten:
        errors.print(f"qwenmock: no report: {problem}", markup=False)
    for line in contract.error_lines():
        errors.print(line if line.startswith(" ") else f"qwenmock: {line}", markup=False)
    for name, text in (*watcher.broken, *watcher.failed):
        errors.print(f"qwenmock: {name}: {text}", markup=False)
    if watcher.broken:
        return INTERNAL_ERROR
    if contract.is_interrupted:
        raise KeyboardInterrupt
    code = max(
        exit_code(reports, options.required),
        COULD_NOT_RUN if contract.unwritten else CONFORMS,
        VIOLATED if watcher.failed else CONFORMS,
    )
    if code == CONFORMS and not any(each["summary"]["pass"] for each in reports):
        raise CouldNotRun("nothing could be examined")
    return code


class _Watcher:
    """A plugin of pytest that gives the session its options, and shows its progress.

    Attributes:
        broken: What could not be collected, and why.
        failed: Tests that failed and belong to no provider, and why.

    """

    def __init__(self, contract: ContractSession, options: Options) -> None:
        self.broken: list[tuple[str, str]] = []
        self.failed: list[tuple[str, str]] = []
        self._contract = contract
        self._options = options
        self._others: set[str] = set()
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        errors = Console(stderr=True)
        self._progress = Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal)

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        """Give the session its options, and the examiners that are connected already."""
        config.stash[OPTIONS] = self._options
        config.stash[CONTRACT] = self._contract

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Keep what could not be collected."""
        if report.failed:
            self.broken.append((report.nodeid, str(report.longrepr)))

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Show how much there is to do."""
        self._others = {item.nodeid for item in session.items if not is_contract_test(item)}
        self._progress.start()
        self._progress.add_task("checks", total=len(session.items))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Show the progress, and keep failures that no provider's report has."""
        if report.when == "teardown":
            self._progress.advance(self._progress.task_ids[0])
        if report.failed and report.nodeid in self._others:
            self.failed.append((report.nodeid, str(report.longrepr)))

    def pytest_unconfigure(self) -> None:
        """Remove the progress bar."""
        self._progress.stop()


def _summary(console: Console, reports: list[Report], options: Options) -> None:
    for each in reports:
        groups = alike(each["failures"])
        for group in groups[:SHOWN_FAILURES]:
            console.rule(Text(f"{group[0]['severity']}: {title(group[0])}"), align="left")
            console.print(group[0]["text"], markup=False)
            console.print(f"({found_by(group)})", markup=False)
        for group in groups[SHOWN_FAILURES:][:SHORT_FAILURES]:
            console.print(short(group), markup=False)
        more = len(groups) - SHOWN_FAILURES - SHORT_FAILURES
        if more > 0:
            console.print(f"… and {more} more", markup=False)
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("provider")
    # What is not a terminal counts as 80 columns wide: every heading must stay whole there.
    for heading in ("holds", "violated", "observed", "not examined", "requests", "seconds"):
        table.add_column(heading, justify="right", min_width=max(len(word) for word in heading.split()))
    console.print(f"target: {target_line(reports[0])}", markup=False)
    for each in reports:
        summary = each["summary"]
        numbers = (summary["pass"], summary["fail"], summary["observed"], summary["skipped"])
        table.add_row(
            each["provider"], *(str(number) for number in numbers), str(each["requests"]), f"{each['seconds']:.1f}"
        )
    console.print(table)
    for each in reports:
        for reason, count in sorted(each["skipped"].items(), key=lambda item: -item[1])[:10]:
            console.print(f"{each['provider']}: not examined, {count} x: {reason}", markup=False)
        if each["budget"]:
            console.print(budget_line(each), markup=False)
        if unenforced_line(each):
            console.print(unenforced_line(each), markup=False)
    for line in (line for each in reports for line in baseline_lines(each)):
        console.print(line, markup=False)
    for each in reports:
        console.print(headline(each), style="green" if each["summary"]["conforms"] else "red", markup=False)
        too_few = shortfall(each, options.required)
        if too_few:
            console.print(too_few, style="red", markup=False)
