"""Runs the contract tests without pytest: for `qwenmock check`, and for examining many servers in one process."""

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any, cast

from hypothesis.errors import HypothesisException

from qwenmock import contract_tests
from qwenmock.pytest_plugin.examiner.budget import OverBudget
from qwenmock.pytest_plugin.examiner.results import UNREADABLE, ContractViolation, NotExaminable, unreadable
from qwenmock.pytest_plugin.examiner.session import Examiner
from qwenmock.pytest_plugin.examiner.target import TargetError
from qwenmock.schemas.catalog import Provider, Rule, Variant

TASKS = "contract_tasks"
COSTLY = "contract_costly"
COSTLY_ORDER = ("billing", "pictures", "boundaries", "generated")
SINGLE = frozenset({"required", "not", "const", "minimum", "maximum", "oneOf", "encoding", "minItems", "text.minItems"})
"""Keywords that one value keeps; of the others there are several to try."""


@dataclass(frozen=True, slots=True)
class Check:
    """One contract test with its arguments.

    Attributes:
        name: As pytest would call it.
        module: Where it stands.
        costly: Whether it comes after all others: it costs most and says least.

    """

    name: str
    module: str
    costly: bool
    run: Callable[[Examiner], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a check: `passed`, `failed` or `skipped`, and why."""

    check: Check
    result: str
    text: str


def arguments(provider: Provider, names: Iterable[str], marks: Iterable[str]) -> list[dict[str, Any]]:
    """Return the arguments that a contract test is to be run with.

    Args:
        provider: Whose contract.
        names: The test's parameters.
        marks: Its marks.

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


def label(values: dict[str, Any]) -> str:
    """Return what tells one run of a test from the others: the rule, the variant or the provider."""
    rule: Rule | None = values.get("contract_rule")
    variant: Variant | None = values.get("contract_variant")
    if rule is not None:
        return rule.id
    slug = values["contract_provider"].slug
    return slug if variant is None else f"{slug}/{variant.name}"


def checks_of(provider: Provider) -> list[Check]:
    """Return every check of a provider's contract, the cheap ones first."""
    modules = [
        importlib.import_module(f"{contract_tests.__name__}.{m.name}")
        for m in pkgutil.iter_modules(contract_tests.__path__)
    ]
    found = [
        check
        for module in sorted(modules, key=lambda m: "examples" not in m.__name__)
        for check in _checks_in(module, provider)
    ]
    return sorted(found, key=lambda check: (check.costly, rank(check.module)))


def rank(module: str) -> int:
    """Return when a module's costly tests have their turn: what says most for its money comes first."""
    name = module.rpartition("test_")[2]
    return COSTLY_ORDER.index(name) if name in COSTLY_ORDER else len(COSTLY_ORDER)


def _checks_in(module: ModuleType, provider: Provider) -> Iterator[Check]:
    for name, function in vars(module).items():
        if not name.startswith("test_"):
            continue
        marks = _marks(function) + _marks(module)
        named = [mark.name for mark in marks]
        names = list(inspect.signature(function).parameters)
        rows = [(mark.args[0], value) for mark in marks if mark.name == "parametrize" for value in mark.args[1]]
        for values in arguments(provider, names, named):
            for parameter, value in rows or [("", None)]:
                yield _check(name, function, names, {**values, parameter: value}, COSTLY in named)


def _marks(marked: object) -> list[Any]:
    found: Any = getattr(marked, "pytestmark", [])
    return list(cast(list[Any], found)) if isinstance(found, list) else [found]


def _check(name: str, function: Callable[..., None], names: list[str], values: dict[str, Any], costly: bool) -> Check:
    def run(examiner: Examiner) -> None:
        given = {**values, "contract_examiner": examiner}
        function(**{parameter: given[parameter] for parameter in names})

    return Check(f"{name}[{label(values)}]", function.__module__, costly, run)


def run_checks(examiner: Examiner, checks: Iterable[Check]) -> Iterator[Outcome]:
    """Run checks one after another and yield what comes of each."""
    for check in checks:
        try:
            check.run(examiner)
        except ContractViolation as violation:
            yield Outcome(check, "failed", str(violation))
        except (NotExaminable, OverBudget) as reason:
            yield Outcome(check, "skipped", examiner.credentials.mask(str(reason)))
        except TargetError as error:
            yield Outcome(check, "skipped", examiner.credentials.mask(f"no verdict: {error}"))
        except UNREADABLE as error:
            yield Outcome(check, "skipped", examiner.credentials.mask(unreadable(error)))
        except (AssertionError, HypothesisException) as failure:
            yield Outcome(check, "failed", examiner.credentials.mask(str(failure)))
        else:
            yield Outcome(check, "passed", "")
