"""The pytest plugin: hooks and fixtures only. What it does is in the modules beside it, and works without pytest."""

import json
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from qwenmock.pytest_plugin.fixtures import (
    USAGE,
    qwenmock,
    qwenmock_intercept,
    qwenmock_session,
    qwenmock_settings,
)
from qwenmock.pytest_plugin.options import GivenOptions, OptionError, Options, add_pytest_options, read_options

if TYPE_CHECKING:
    from qwenmock.pytest_plugin.examiner.report import Run
    from qwenmock.pytest_plugin.examiner.session import Examiner
    from qwenmock.pytest_plugin.testkit.offline import OfflineGuard
    from qwenmock.schemas.models import Provider, Rule, Variant

__all__ = ["qwenmock", "qwenmock_intercept", "qwenmock_session", "qwenmock_settings"]
OFFLINE: "pytest.StashKey[OfflineGuard]" = pytest.StashKey()
OPTIONS = pytest.StashKey[Options]()
PROVIDERS = pytest.StashKey["list[Provider]"]()
RUNS: "pytest.StashKey[dict[str, Run]]" = pytest.StashKey()
BUDGET = pytest.StashKey[str]()
ARGUMENTS = ("contract_provider", "contract_variant", "contract_rule")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options."""
    add_pytest_options(
        parser.getgroup("qwenmock", "contract tests of the Qwen image APIs, and tests against their double")
    )


def pytest_configure(config: pytest.Config) -> None:
    """Read the options; what is wrong with them ends the run before it begins."""
    for marker in ("contract_tasks: for providers and variants with tasks", "contract_costly: run after the others"):
        config.addinivalue_line("markers", marker)
    try:
        config.stash[OPTIONS] = read_options(GivenOptions.from_namespace(config.option))
    except OptionError as error:
        raise pytest.UsageError(str(error)) from error
    config.stash[RUNS] = {}
    if config.stash[OPTIONS].offline:
        from qwenmock.pytest_plugin.testkit.offline import OfflineGuard

        config.stash[OFFLINE] = OfflineGuard()
        config.stash[OFFLINE].start()
    if config.stash[OPTIONS].providers:
        _providers(config)


def _providers(config: pytest.Config) -> "list[Provider]":
    if PROVIDERS not in config.stash:
        from qwenmock.pytest_plugin.examiner_factory import choose_providers
        from qwenmock.schemas.errors import CatalogError

        try:
            config.stash[PROVIDERS] = choose_providers(config.stash[OPTIONS])
        except (OptionError, CatalogError) as error:
            raise pytest.UsageError(str(error)) from error
    return config.stash[PROVIDERS]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test for each provider, variant or rule where a test asks for one."""
    if not {"contract_examiner", *ARGUMENTS} & set(metafunc.fixturenames):
        return
    from qwenmock.pytest_plugin.examiner.runner import arguments, label

    marks = [mark.name for mark in metafunc.definition.iter_markers()]
    rows = [row for p in _providers(metafunc.config) for row in arguments(p, metafunc.fixturenames, marks)]
    asked = [name for name in ARGUMENTS if name in metafunc.fixturenames or name == "contract_provider"]
    values = [[row[name] for name in asked] for row in rows]
    metafunc.parametrize(asked, values, ids=[label(row) for row in rows], scope="session")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what the chosen providers have not, and put what costs most and says least after the others."""
    # pytest makes one item, to be skipped, of a test that there is nothing to run with.
    idle = [item for item in items if item.get_closest_marker("contract_tasks") and "NOTSET" in item.name]
    if idle:
        config.hook.pytest_deselected(items=idle)
        items[:] = [item for item in items if item not in idle]
    if not any(item.get_closest_marker("contract_costly") for item in items):
        return
    from qwenmock.pytest_plugin.examiner.runner import rank

    def turn(item: pytest.Item) -> tuple[bool, int]:
        costly = item.get_closest_marker("contract_costly") is not None
        return costly, rank(item.path.stem) if costly else 0

    items.sort(key=turn)


@pytest.fixture(scope="session")
def contract_provider(request: pytest.FixtureRequest) -> "Provider":
    """Return the provider of a contract test."""
    return request.param


@pytest.fixture(scope="session")
def contract_variant(request: pytest.FixtureRequest) -> "Variant":
    """Return the variant of a contract test."""
    return request.param


@pytest.fixture(scope="session")
def contract_rule(request: pytest.FixtureRequest) -> "Rule":
    """Return the rule of a contract test."""
    return request.param


@pytest.fixture(scope="session")
def contract_examiners(pytestconfig: pytest.Config) -> "Generator[dict[str, Examiner]]":
    """Return the examiners of the run, by slug.

    A target that cannot be examined at all ends the run here, with exit code 2.
    """
    from qwenmock.pytest_plugin.examiner import report
    from qwenmock.pytest_plugin.examiner.results import CouldNotRun
    from qwenmock.pytest_plugin.examiner_factory import create_examiner

    options = pytestconfig.stash[OPTIONS]
    shared = getattr(pytestconfig, "workerinput", {}).get("qwenmock_budget")
    examiners = {p.slug: create_examiner(p, options, shared) for p in _providers(pytestconfig)}
    try:
        for examiner in examiners.values() if options.live else ():
            examiner.preflight()
    except CouldNotRun as reason:
        pytest.exit(f"qwenmock: {reason}", returncode=2)
    runs = pytestconfig.stash[RUNS]
    runs |= {slug: report.begin(examiner) for slug, examiner in examiners.items()}
    yield examiners
    for slug, examiner in examiners.items():
        runs[slug].finish(examiner)
        examiner.target.close()


@pytest.fixture
def contract_examiner(contract_examiners: "dict[str, Examiner]", contract_provider: "Provider") -> "Examiner":
    """Return what sends a contract test's requests and judges the answers."""
    return contract_examiners[contract_provider.slug]


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, Any, Any]:
    """Turn what an examiner finds into pytest's outcomes: a failure without a trace of our own code, or a skip."""
    if "contract_examiner" not in pyfuncitem.fixturenames:
        return (yield)
    from qwenmock.pytest_plugin.examiner.budget import OverBudget
    from qwenmock.pytest_plugin.examiner.results import UNREADABLE, ContractViolation, NotExaminable, unreadable
    from qwenmock.pytest_plugin.examiner.target import TargetError

    try:
        return (yield)
    except ContractViolation as violation:
        failure = pytest.fail.Exception(str(violation), pytrace=False)
        result = "failed"
    except (NotExaminable, OverBudget, TargetError) as reason:
        failure = pytest.skip.Exception(str(reason))
        result = "skipped"
    except UNREADABLE as error:
        failure = pytest.skip.Exception(unreadable(error))
        result = "skipped"
    provider = cast("Provider", pyfuncitem.callspec.params["contract_provider"])
    pyfuncitem.config.stash[RUNS][provider.slug].count(pyfuncitem.name, result, str(failure))
    raise failure


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> "Generator[None, pytest.TestReport, pytest.TestReport]":
    """Show beside a failing test what its double was asked."""
    report = yield
    mock = getattr(item, "funcargs", {}).get("qwenmock")
    if report.when == "call" and report.failed and mock is not None:
        from qwenmock.pytest_plugin.testkit.mock import listed

        report.sections.append(("qwenmock journal", listed(mock.exchanges) or "the double was not called"))
    return report


def pytest_unconfigure(config: pytest.Config) -> None:
    """Let go of what the run held."""
    if OFFLINE in config.stash:
        config.stash[OFFLINE].stop()


# Several processes: one budget, one report


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist where the budget of all is kept."""
    if BUDGET not in node.config.stash:
        folder = Path(tempfile.mkdtemp(prefix="qwenmock-"))
        node.config.stash[BUDGET] = str(folder / "budget.db")
    node.workerinput["qwenmock_budget"] = node.config.stash[BUDGET]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take in what a worker found."""
    from qwenmock.pytest_plugin.examiner.report import Run

    output = getattr(node, "workeroutput", {})
    if "qwenmock_usage" in output:
        from qwenmock.pytest_plugin.testkit.usage import Usage

        node.config.stash.setdefault(USAGE, Usage()).add(Usage.load(output["qwenmock_usage"]))
    runs = node.config.stash[RUNS]
    for values in json.loads(output.get("qwenmock_runs", "[]")):
        run = Run.load(values)
        if run.provider in runs:
            runs[run.provider].add(run)
        else:
            runs[run.provider] = run


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand a worker's part on, or write the reports."""
    config = session.config
    runs = config.stash[RUNS] if RUNS in config.stash else dict[str, Any]()
    if hasattr(config, "workeroutput"):
        if USAGE in config.stash:
            config.workeroutput["qwenmock_usage"] = config.stash[USAGE].dump()  # pyright: ignore
        config.workeroutput["qwenmock_runs"] = json.dumps([run.dump() for run in runs.values()])  # pyright: ignore
        return
    if USAGE in config.stash:
        _close_usage(session)
    if runs and config.stash[OPTIONS].reports:
        from qwenmock.pytest_plugin.examiner import report

        known = {provider.slug: provider for provider in _providers(config)}
        reports = [report.as_json(run, known[slug]) for slug, run in runs.items()]
        for path in config.stash[OPTIONS].reports:
            report.write(path, reports)


def _close_usage(session: pytest.Session) -> None:
    """Write what the tests used, and fail a run that would have cost more than it may."""
    from qwenmock.pytest_plugin.testkit import usage
    from qwenmock.schemas.catalog import load

    used, options = session.config.stash[USAGE], session.config.stash[OPTIONS]
    for path in options.usage_reports:
        usage.write(used, load(), path)
    if options.max_cost is not None and any(amount > options.max_cost for amount in used.total().values()):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _usage_summary(terminalreporter: Any, config: pytest.Config) -> None:
    from qwenmock.pytest_plugin.testkit import usage
    from qwenmock.schemas.catalog import load

    used, options = config.stash[USAGE], config.stash[OPTIONS]
    if not any(use.calls for use in used.uses):
        return
    terminalreporter.section("qwenmock")
    for line in usage.lines(used, load()):
        terminalreporter.write_line(line)
    total = used.total()
    if options.max_cost is not None and any(amount > options.max_cost for amount in total.values()):
        text = f"the run would have cost {usage.money(total)}, more than --qwenmock-max-cost {options.max_cost}"
        terminalreporter.write_line(text, red=True)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say what a contract run came to, and what it spent."""
    if USAGE in config.stash:
        _usage_summary(terminalreporter, config)
    if OFFLINE in config.stash:
        refused = config.stash[OFFLINE].refused
        said = f"connections were refused to {', '.join(sorted(set(refused)))}" if refused else "no outgoing socket"
        terminalreporter.write_line(f"qwenmock: offline: {said}")
    runs = config.stash[RUNS] if RUNS in config.stash else dict[str, Any]()
    if not runs:
        return
    from qwenmock.pytest_plugin.examiner import report

    known = {provider.slug: provider for provider in _providers(config)}
    terminalreporter.section("contract")
    for slug, run in runs.items():
        shown = report.as_json(run, known[slug])
        for line in (report.headline(shown), report.budget_line(shown)):
            if line:
                terminalreporter.write_line(line)
    for path in config.stash[OPTIONS].reports:
        terminalreporter.write_line(f"report: {path}")
