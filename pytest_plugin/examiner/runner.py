"""Runs the contract tests without pytest: for `qwenmock check`, and for examining many servers in one process."""

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import NotRequired, TypedDict

import pytest
from hypothesis.errors import HypothesisException

from qwenmock.pytest_plugin.examiner.budget import OverBudget
from qwenmock.pytest_plugin.examiner.results import (
    UNREADABLE,
    CheckResult,
    ContractViolation,
    NotExaminable,
    unreadable,
)
from qwenmock.pytest_plugin.examiner.session import Examiner
from qwenmock.pytest_plugin.examiner.target import TargetError
from qwenmock.schemas.models import Provider, Rule, Variant

CONTRACT_TESTS = "qwenmock.contract_tests"
"""Loaded by name: they import the examiner."""
TASKS = "contract_tasks"
COSTLY = "contract_costly"
COSTLY_ORDER = ("billing", "pictures", "boundaries", "generated", "models")
LAST = "models"
"""Its tests cost most and say least: what holds for one model mostly holds for the others."""
SINGLE = frozenset({"required", "not", "const", "minimum", "maximum", "oneOf", "encoding", "minItems", "text.minItems"})
"""Keywords that only one value keeps just so; for the others there are several values to try."""


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

    """

    name: str
    module: str
    costly: bool
    run: Callable[[Examiner], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a check, and why it failed or was skipped."""

    check: Check
    result: CheckResult
    text: str


def arguments(provider: Provider, names: Iterable[str], marks: Iterable[str]) -> list[Arguments]:
    """Return the arguments of each run of a contract test.

    Args:
        provider: The provider to examine.
        names: The test's parameters.
        marks: The names of its marks.

    """
    tasks_only, costly = TASKS in marks, COSTLY in marks
    if tasks_only and provider.tasks is None:
        return []
    variants = [
        variant
        for variant in provider.variants.values()
        if not tasks_only or provider.endpoint_of(variant).created_response is not None
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


def checks_of(provider: Provider) -> list[Check]:
    """Return every check of a provider's contract, the cheap ones first."""
    modules = [
        importlib.import_module(f"{CONTRACT_TESTS}.{m.name}")
        for m in pkgutil.iter_modules(importlib.import_module(CONTRACT_TESTS).__path__)
    ]
    found = [
        check
        for module in sorted(modules, key=lambda m: "examples" not in m.__name__)
        for check in _checks_in(module, provider)
    ]
    return sorted(found, key=lambda check: (check.costly or is_last(check.module), rank(check.module)))


def is_last(module: str) -> bool:
    """Return whether a module's tests come among the costly ones whatever their marks."""
    return module.rpartition("test_")[2] == LAST


def rank(module: str) -> int:
    """Return the place of a module's costly tests: those that prove most for their money come first."""
    name = module.rpartition("test_")[2]
    return COSTLY_ORDER.index(name) if name in COSTLY_ORDER else len(COSTLY_ORDER)


def _checks_in(module: ModuleType, provider: Provider) -> Iterator[Check]:
    for name, function in vars(module).items():
        if not name.startswith("test_"):
            continue
        marks = [*_marks(function), *_marks(module)]
        named = [mark.name for mark in marks]
        names = list(inspect.signature(function).parameters)
        for values in arguments(provider, names, named):
            for parameters in _parametrized(marks):
                run = _runner(function, names, {**values, **parameters})
                yield Check(f"{name}[{label(values)}]", function.__module__, COSTLY in named, run)


def _marks(marked: object) -> Sequence[pytest.Mark]:
    found: list[pytest.Mark] | pytest.MarkDecorator = getattr(marked, "pytestmark", [])
    return found if isinstance(found, list) else [found.mark]


def _parametrized(marks: Sequence[pytest.Mark]) -> list[dict[str, object]]:
    """Return the arguments of each run that `parametrize` asks for; one without arguments if there is none."""
    rows: list[dict[str, object]] = [
        {mark.args[0]: value} for mark in marks if mark.name == "parametrize" for value in mark.args[1]
    ]
    return rows or [{}]


def _runner(
    function: Callable[..., None], names: Iterable[str], values: Mapping[str, object]
) -> Callable[[Examiner], None]:
    def run(examiner: Examiner) -> None:
        given = {**values, "contract_examiner": examiner}
        function(**{name: given[name] for name in names})

    return run


def run_checks(examiner: Examiner, checks: Iterable[Check]) -> Iterator[Outcome]:
    """Run checks one after another and yield the outcome of each."""
    for check in checks:
        result, text = _result_of(check, examiner)
        yield Outcome(check, result, text)


def _result_of(check: Check, examiner: Examiner) -> tuple[CheckResult, str]:
    """Run a check and classify what it raises; an error that is not listed here is one of the examiner's own."""
    mask = examiner.credentials.mask
    try:
        check.run(examiner)
    except ContractViolation as violation:
        return "failed", str(violation)
    except (NotExaminable, OverBudget) as reason:
        return "skipped", mask(str(reason))
    except TargetError as error:
        return "skipped", mask(f"no verdict: {error}")
    except UNREADABLE as error:
        return "skipped", mask(unreadable(error))
    except (AssertionError, HypothesisException) as failure:
        return "failed", mask(str(failure))
    return "passed", ""
