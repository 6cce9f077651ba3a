"""The pytest plugin: hooks and fixtures only. What they do is in the modules beside it.

Every pytest run imports this module: it imports the examiner, the double and the catalogue only where a hook needs
them.
"""

import tempfile
from collections.abc import Generator
from copy import copy
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import pytest

from qwenmock.pytest_plugin.fixtures import (
    USAGE,
    qwenmock,
    qwenmock_async,
    qwenmock_intercept,
    qwenmock_scenario,
    qwenmock_session,
    qwenmock_settings,
)
from qwenmock.pytest_plugin.options import Options, add_pytest_options, is_live_without_paths, read_config

if TYPE_CHECKING:  # for the import time of every pytest run
    from qwenmock.pytest_plugin.contract_session import ContractSession
    from qwenmock.pytest_plugin.examiner.session import Examiner
    from qwenmock.pytest_plugin.testkit.offline import OfflineGuard
    from qwenmock.schemas.models import Provider, Rule, Variant

__all__ = [
    "qwenmock",
    "qwenmock_async",
    "qwenmock_intercept",
    "qwenmock_scenario",
    "qwenmock_session",
    "qwenmock_settings",
]
OFFLINE: "pytest.StashKey[OfflineGuard]" = pytest.StashKey()
OPTIONS = pytest.StashKey[Options]()
CONTRACT: "pytest.StashKey[ContractSession]" = pytest.StashKey()
BUDGET = pytest.StashKey[str]()
ALONE = pytest.StashKey[bool]()
"""Set in a run with `--live` or `--live-url` and without paths: it runs the contract tests and nothing else."""
ARGUMENTS = ("contract_provider", "contract_variant", "contract_rule")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options."""
    add_pytest_options(
        parser.getgroup("qwenmock", "contract tests of the Qwen image APIs, and tests against their double")
    )


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, parser: pytest.Parser, args: list[str]
) -> Generator[None, None, None]:
    """Go offline before any conftest is imported, and leave the project out of a live run without paths."""
    known = early_config.known_args_namespace
    if known.qwenmock_offline or known.qwenmock_offline_watch:
        from qwenmock.pytest_plugin.testkit.offline import OfflineGuard

        early_config.stash[OFFLINE] = OfflineGuard()
        early_config.stash[OFFLINE].start(isolate=not known.qwenmock_offline_watch)
    given = [str(each) for each in early_config.invocation_params.args]
    if is_live_without_paths(parser.parse_known_args(given, copy(early_config.option))):
        early_config.stash[ALONE] = True
        early_config.known_args_namespace.noconftest = True
        args[:] = given
    return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> "int | pytest.ExitCode | None":
    """Run the contract tests in a session that has nothing of the project in this directory, if only they are meant.

    A live run that can examine nothing ends here: with one line and exit code 2.
    """
    option = config.option
    is_live = option.live or option.live_url is not None
    if not is_live or option.help or option.version or hasattr(config, "workerinput"):
        return None
    if ALONE in config.stash:
        from qwenmock.pytest_plugin.examiner.runner import alone

        given = config.invocation_params
        return pytest.main([*map(str, given.args), *alone()], plugins=given.plugins)
    options = config.stash[OPTIONS] = read_config(config)
    if CONTRACT in config.stash or option.collectonly:
        return None
    from qwenmock.pytest_plugin.contract_session import open_live

    return open_live(config, CONTRACT, options)


def pytest_configure(config: pytest.Config) -> None:
    """Read the options; an error in them ends the run before it begins."""
    for marker in (
        "contract_tasks: for providers and variants with tasks",
        "contract_callbacks: for variants with a callback URL",
        "contract_costly: run after the others",
        "qwenmock_allow(kind, ...): do not report findings of these kinds on the client's behaviour",
        "qwenmock_scenarios: run once under each scenario that --qwenmock-scenarios names",
    ):
        config.addinivalue_line("markers", marker)
    options = config.stash.get(OPTIONS, None) or config.stash.setdefault(OPTIONS, read_config(config))
    if options.providers:
        from qwenmock.pytest_plugin.contract_session import ContractSession

        ContractSession.of(config, CONTRACT, options)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Allow connections again."""
    if OFFLINE in config.stash:
        config.stash[OFFLINE].stop()


# Collection


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test for each provider, variant or rule, by its parameters, or for each scenario, by its marker."""
    if metafunc.definition.get_closest_marker("qwenmock_scenarios") and metafunc.config.stash[OPTIONS].scenarios:
        from qwenmock.pytest_plugin.usage_summary import scenarios_of

        metafunc.parametrize("qwenmock_scenario", scenarios_of(metafunc.config.stash[OPTIONS]), indirect=True)
    if not {"contract_examiner", *ARGUMENTS} & set(metafunc.fixturenames):
        return
    from qwenmock.pytest_plugin.contract_session import ContractSession
    from qwenmock.pytest_plugin.examiner.runner import label

    contract = ContractSession.of(metafunc.config, CONTRACT, metafunc.config.stash[OPTIONS])
    marks = [mark.name for mark in metafunc.definition.iter_markers()]
    rows = contract.arguments(metafunc.fixturenames, marks)
    names = [name for name in ARGUMENTS if name in metafunc.fixturenames or name == "contract_provider"]
    values = [[dict(row)[name] for name in names] for row in rows]
    metafunc.parametrize(names, values, ids=[label(row) for row in rows], scope="function")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the tests of what the chosen providers do not have, and put the cheap and broad ones first."""
    if CONTRACT not in config.stash:
        return
    from qwenmock.pytest_plugin.contract_session import deselect_idle, sort

    idle = deselect_idle(items)
    if idle:
        config.hook.pytest_deselected(items=idle)
    sort(items)


# Fixtures of contract tests


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


@pytest.fixture
def contract_examiner(pytestconfig: pytest.Config, contract_provider: "Provider") -> "Examiner":
    """Return the examiner of a contract test."""
    shared_budget = getattr(pytestconfig, "workerinput", {}).get("qwenmock_budget")
    return pytestconfig.stash[CONTRACT].open(shared_budget)[contract_provider.slug]


# Results of tests


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Count a contract test, and turn what it finds into a failure without a trace of the examiner's code, or a skip.

    An error of the examiner itself stays what it is.
    """
    if CONTRACT not in pyfuncitem.config.stash or "contract_provider" not in pyfuncitem.fixturenames:
        return (yield)
    contract = pyfuncitem.config.stash[CONTRACT]
    started = perf_counter()
    try:
        result = yield
    except (Exception, pytest.fail.Exception, pytest.skip.Exception) as error:
        outcome = contract.count(pyfuncitem, error, perf_counter() - started)
        if outcome is None:
            raise
    else:
        contract.count(pyfuncitem, None, perf_counter() - started)
        return result
    raise outcome


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> "Generator[None, pytest.TestReport, pytest.TestReport]":
    """Show the double's journal beside a failing test, and count a contract test whose fixtures failed."""
    report = yield
    if report.failed and report.when != "call" and CONTRACT in item.config.stash:
        from qwenmock.pytest_plugin.contract_session import is_contract_test

        if isinstance(item, pytest.Function) and is_contract_test(item):
            item.config.stash[CONTRACT].count_broken(item, str(report.longrepr))
    mock = getattr(item, "funcargs", {}).get("qwenmock")
    if report.when == "call" and report.failed and mock is not None:
        report.sections.append(("qwenmock journal", mock.table()))
    return report


# Several processes: one budget, one report


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Give a worker of pytest-xdist the file of the common budget."""
    if BUDGET not in node.config.stash:
        folder = Path(tempfile.mkdtemp(prefix="qwenmock-"))
        node.config.stash[BUDGET] = str(folder / "budget.db")
    node.workerinput["qwenmock_budget"] = node.config.stash[BUDGET]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Add what a worker found."""
    config: pytest.Config = node.config
    output: dict[str, Any] = getattr(node, "workeroutput", {})
    if OFFLINE in config.stash:
        if "qwenmock_offline" in output:
            config.stash[OFFLINE].findings.add(output["qwenmock_offline"])
        else:
            config.stash[OFFLINE].findings.lost += 1
    if "qwenmock_usage" in output:
        from qwenmock.pytest_plugin.testkit.usage import Usage

        config.stash.setdefault(USAGE, Usage()).add(Usage.load(output["qwenmock_usage"]))
    if "qwenmock_runs" in output:
        from qwenmock.pytest_plugin.contract_session import ContractSession

        ContractSession.of(config, CONTRACT, config.stash[OPTIONS]).load(output["qwenmock_runs"])


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand over a worker's part, or write the reports and set the exit code that they ask for."""
    stash = session.config.stash
    if CONTRACT in stash:
        stash[CONTRACT].finish()
        if session.exitstatus == pytest.ExitCode.INTERRUPTED:
            stash[CONTRACT].interrupt()
    output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        if OFFLINE in stash:
            output["qwenmock_offline"] = stash[OFFLINE].findings.dump()
        if USAGE in stash:
            output["qwenmock_usage"] = stash[USAGE].dump()
        if CONTRACT in stash:
            output["qwenmock_runs"] = stash[CONTRACT].dump()
        return
    if USAGE in stash:
        from qwenmock.pytest_plugin.usage_summary import overspent, write_usage

        write_usage(stash[USAGE], stash[OPTIONS])
        if overspent(stash[USAGE], stash[OPTIONS]):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
    if CONTRACT in stash:
        stash[CONTRACT].write_reports()
        code = stash[CONTRACT].exit_code()
        if code > session.exitstatus and session.exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}:
            session.exitstatus = code


def pytest_terminal_summary(terminalreporter: "pytest.TerminalReporter", config: pytest.Config) -> None:
    """Print what tests used of the double, and what a contract run found and spent."""
    if USAGE in config.stash:
        from qwenmock.pytest_plugin.usage_summary import overspent, usage_lines

        lines = usage_lines(config.stash[USAGE])
        if lines:
            terminalreporter.section("qwenmock")
            for line in lines:
                terminalreporter.write_line(line)
            excess = overspent(config.stash[USAGE], config.stash[OPTIONS])
            if excess:
                terminalreporter.write_line(excess, red=True)
    if OFFLINE in config.stash:
        for line in config.stash[OFFLINE].findings.lines():
            terminalreporter.write_line(f"qwenmock: offline: {line}")
    lines = config.stash[CONTRACT].summary() if CONTRACT in config.stash else []
    if lines:
        terminalreporter.section("contract")
        for line in lines:
            terminalreporter.write_line(line)
