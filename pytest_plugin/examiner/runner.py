"""The contract tests as pytest collects them: their arguments and order, and a list of them to run one by one.

`qwenmock check` and pytest run them in a pytest session. `checks_of` and `run_checks` run them without one, to examine
many servers in one process.
"""

import inspect
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import CodeType, FunctionType
from typing import NotRequired, TypedDict
from unittest.mock import patch

import pytest

from qwenmock.pytest_plugin.examiner.findings import Finding
from qwenmock.pytest_plugin.examiner.results import CheckResult
from qwenmock.pytest_plugin.examiner.session import Examiner
from qwenmock.pytest_plugin.examiner.verdicts import CAUGHT, Verdict, verdict_of
from qwenmock.schemas.models import Provider, Rule, Variant

CONTRACT_TESTS = "qwenmock.contract_tests"
"""Loaded by name: they import the examiner."""
TASKS = "contract_tasks"
CALLBACKS = "contract_callbacks"
COSTLY = "contract_costly"
FIRST = ("examples",)
COSTLY_ORDER = ("billing", "pictures", "boundaries", "generated", "models")
SINGLE = frozenset({"required", "not", "const", "minimum", "maximum", "oneOf", "encoding", "minItems", "text.minItems"})
"""Keywords that only one value keeps just so; for the others there are several values to try."""
PROVIDERS = pytest.StashKey[list[Provider]]()
"""The providers of a pytest session that is given them, and does not choose them by its options."""
CONFIGURATION = Path(__file__).parents[1] / "contract.ini"
"""pytest's configuration for the contract tests alone, so that no project's own applies to them."""
PLUGIN = "qwenmock.pytest_plugin.plugin"
QUIET = ("-s", *(part for name in ("terminal", "cacheprovider", "faulthandler") for part in ("-p", f"no:{name}")))

UNWATCHED = ("-p", "no:unraisableexception", "-p", "no:threadexception")
"""pytest's arguments where no test runs: these plugins collect the garbage of the process when they end, 100 ms."""


class Arguments(TypedDict):
    """The arguments of a contract test."""

    contract_provider: Provider
    contract_variant: NotRequired[Variant]
    contract_rule: NotRequired[Rule]


@dataclass(frozen=True, slots=True)
class Check:
    """A contract test with its arguments.

    Attributes:
        name: In pytest's notation.
        module: Where it is defined.
        costly: Whether it runs after all others, because it costs most and proves least.
        code: Of the test.

    """

    name: str
    module: str
    costly: bool
    run: Callable[[Examiner], None]
    code: CodeType


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a check, why it failed or was skipped, and what it found."""

    check: Check
    result: CheckResult
    text: str
    trace: str = ""
    findings: tuple[Finding, ...] = ()


def arguments(provider: Provider, names: Iterable[str], marks: Iterable[str]) -> list[Arguments]:
    """Return the arguments of each run of a contract test.

    Args:
        provider: The provider to examine.
        names: The test's parameters.
        marks: The names of its marks.

    """
    tasks_only, callbacks_only, costly = TASKS in marks, CALLBACKS in marks, COSTLY in marks
    if tasks_only and provider.tasks is None:
        return []
    variants = [
        variant
        for variant in provider.variants.values()
        if (not tasks_only or provider.endpoint_of(variant).created_response is not None)
        and (not callbacks_only or "callback_url" in variant.request.roles)
    ]
    if "contract_rule" in names:
        return [
            {"contract_provider": provider, "contract_variant": variant, "contract_rule": rule}
            for variant in variants
            for rule in variant.request.rules
            if not costly or rule.keyword not in SINGLE
        ]
    if "contract_variant" in names:
        return [{"contract_provider": provider, "contract_variant": variant} for variant in variants]
    return [{"contract_provider": provider}]


def label(values: Arguments) -> str:
    """Return what identifies one run of a test: the rule, the variant or the provider."""
    if "contract_rule" in values:
        return values["contract_rule"].id
    slug = values["contract_provider"].slug
    return f"{slug}/{values['contract_variant'].name}" if "contract_variant" in values else slug


def place(item: pytest.Function) -> tuple[bool, int, Path, int, tuple[int, ...]]:
    """Return where a test comes in the order: cheap and broad ones first, then those that prove most for their money.

    Tests in the same place come as they are written, whatever order other plugins gave them.
    """
    name = item.path.stem.removeprefix("test_")
    costly = item.get_closest_marker(COSTLY) is not None or name in COSTLY_ORDER[-1:]
    order = COSTLY_ORDER if costly else FIRST
    rank = order.index(name) if name in order else len(order)
    return costly, rank, item.path, item.location[1] or 0, tuple(item.callspec.indices.values())


@contextmanager
def undisturbed() -> Generator[None]:
    """Let no environment variable change what a pytest session in this process does."""
    with patch.dict("os.environ", {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": "", "PYTEST_PLUGINS": ""}):
        yield


def alone() -> list[str]:
    """Return pytest's arguments that run the contract tests, with nothing of the project in this directory."""
    root = Path(next(iter(import_module(CONTRACT_TESTS).__path__))).parent
    cache = f"cache_dir={Path.cwd() / '.pytest_cache'}"
    own = ["-c", str(CONFIGURATION), "--rootdir", str(root), "--noconftest", "-o", cache]
    return [*own, "--pyargs", CONTRACT_TESTS]


def run_alone(options: Iterable[str], plugins: list[object]) -> int:
    """Run pytest in this process, with the contract tests and no other plugins, and return its exit code."""
    with undisturbed():
        return pytest.main(["-p", PLUGIN, *QUIET, *options, *alone()], plugins=plugins)


class _Collector:
    """A plugin that keeps what pytest collects for a provider."""

    def __init__(self, provider: Provider) -> None:
        self.items: list[pytest.Item] = []
        self.errors: list[str] = []
        self._provider = provider

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        """Give the session the provider."""
        config.stash[PROVIDERS] = [self._provider]

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Keep what could not be collected."""
        if report.failed:
            self.errors.append(str(report.longrepr))

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Keep the tests in their order."""
        self.items = list(session.items)


def checks_of(provider: Provider) -> list[Check]:
    """Return every check of a provider's contract in the order of `place`, as pytest collects them.

    Raises:
        ImportError: A module of contract tests cannot be imported.

    """
    collector = _Collector(provider)
    run_alone(["--collect-only", *UNWATCHED], [collector])
    if collector.errors:
        raise ImportError(collector.errors[0])
    return [_check(item) for item in collector.items if isinstance(item, pytest.Function)]


def _check(item: pytest.Function) -> Check:
    function = item.obj
    names = list(inspect.signature(function).parameters)
    values: dict[str, object] = item.callspec.params if hasattr(item, "callspec") else {}

    def run(examiner: Examiner) -> None:
        given = {**values, "contract_examiner": examiner}
        missing = [name for name in names if name not in given]
        if missing:
            pytest.skip(f"needs the fixture {missing[0]}, and runs under pytest only")
        function(**{name: given[name] for name in names})

    costly = item.get_closest_marker(COSTLY) is not None
    return Check(item.name, item.path.stem, costly, run, code_of(item))


def code_of(item: pytest.Function) -> CodeType:
    """Return the code of a test."""
    function: object = item.function  # pyright: ignore[reportUnknownVariableType]
    assert isinstance(function, FunctionType), "a test is a function"
    return function.__code__


def run_checks(examiner: Examiner, checks: Iterable[Check]) -> Iterator[Outcome]:
    """Run checks one after another and yield the outcome of each."""
    for check in checks:
        verdict = _run(check, examiner)
        yield Outcome(check, verdict.result, verdict.text, verdict.trace, verdict.findings)


def _run(check: Check, examiner: Examiner) -> Verdict:
    try:
        check.run(examiner)
    except CAUGHT as error:
        return verdict_of(error, examiner, check.code)
    return Verdict("passed")
