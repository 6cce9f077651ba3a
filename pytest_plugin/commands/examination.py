"""What `qwenmock check` does: examine providers, and print and write the results."""

import os

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from qwenmock.pytest_plugin.examiner.defaults import key_variable
from qwenmock.pytest_plugin.examiner.report.content import Report, budget_line, report_of
from qwenmock.pytest_plugin.examiner.report.files import write
from qwenmock.pytest_plugin.examiner.report.run import Run, begin
from qwenmock.pytest_plugin.examiner.results import CouldNotRun
from qwenmock.pytest_plugin.examiner.runner import checks_of, run_checks
from qwenmock.pytest_plugin.examiner.session import Examiner
from qwenmock.pytest_plugin.examiner_factory import choose_providers, create_examiner
from qwenmock.pytest_plugin.options import GivenOptions, OptionError, Options, keys_of, read_options
from qwenmock.schemas.models import Provider

CONFORMS, VIOLATIONS = 0, 1
SHOWN_FAILURES = 5


def examine(given: GivenOptions) -> int:
    """Examine what the options name, print the results, and return the exit code.

    Raises:
        OptionError: An option has a value that is not accepted.
        CouldNotRun: Nothing can be examined.

    """
    options = read_options(given)
    if options.live and not options.providers:
        raise OptionError("missing --provider SLUG: the contract to examine the endpoint for")
    providers = choose_providers(options)
    for provider in providers if options.live else ():
        if keys_of(provider.slug, os.environ)[0] is None:
            raise CouldNotRun(f"a live endpoint needs a key: set {key_variable(provider.slug)}")
    console = Console(highlight=False, soft_wrap=True)
    reports = [_examine(provider, options) for provider in providers]
    _summary(console, reports)
    for path in options.reports:
        write(path, reports)
        console.print(f"report: {path}", markup=False)
    if any(not each["summary"]["conforms"] for each in reports):
        return VIOLATIONS
    if not any(each["summary"]["pass"] for each in reports):
        raise CouldNotRun("nothing could be examined")
    return CONFORMS


def _examine(provider: Provider, options: Options) -> Report:
    examiner = create_examiner(provider, options)
    try:
        examiner.preflight()
        return report_of(_run(examiner), provider)
    finally:
        examiner.close()


def _run(examiner: Examiner) -> Run:
    run = begin(examiner)
    checks = checks_of(examiner.provider)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    errors = Console(stderr=True)
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as progress:
        bar = progress.add_task(examiner.provider.slug, total=len(checks))
        for outcome in run_checks(examiner, checks):
            run.count(outcome.check.name, outcome.result, outcome.text)
            progress.advance(bar)
    run.finish(examiner)
    return run


def _summary(console: Console, reports: list[Report]) -> None:
    for each in reports:
        for failure in each["failures"][:SHOWN_FAILURES]:
            console.rule(failure["check"], align="left")
            console.print(failure["text"], markup=False)
        more = len(each["failures"]) - SHOWN_FAILURES
        if more > 0:
            console.print(f"… and {more} more", markup=False)
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("provider")
    # What is not a terminal counts as 80 columns wide: every heading must stay whole there.
    for heading in ("holds", "violated", "observed", "not examined", "requests", "seconds"):
        table.add_column(heading, justify="right", min_width=max(len(word) for word in heading.split()))
    table.add_column("verdict", no_wrap=True)
    console.print(f"target: {reports[0]['target']}", markup=False)
    for each in reports:
        summary = each["summary"]
        numbers = (summary["pass"], summary["fail"], summary["observed"], summary["skipped"])
        verdict = "[green]conforms" if summary["conforms"] else f"[red]{summary['violations']} failed"
        table.add_row(
            each["provider"],
            *(str(number) for number in numbers),
            str(each["requests"]),
            f"{each['seconds']:.1f}",
            verdict,
        )
    console.print(table)
    for each in reports:
        for reason, count in sorted(each["skipped"].items(), key=lambda item: -item[1])[:10]:
            console.print(f"{each['provider']}: not examined, {count} x: {reason}", markup=False)
        if each["budget"]:
            console.print(budget_line(each), markup=False)
