"""The pytest plugin: hooks and fixtures only. What it does is in the modules beside it, and works without pytest."""

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest

from qwenmock.pytest_plugin.options import OptionError, Options, add_options, read_options

if TYPE_CHECKING:
    from qwenmock.pytest_plugin.examiner import Examiner
    from qwenmock.schemas.catalog import Provider, Rule, Variant

OPTIONS = pytest.StashKey[Options]()
PROVIDERS = pytest.StashKey["list[Provider]"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options."""
    add_options(parser.getgroup("qwenmock", "contract tests of the Qwen image APIs").addoption)


def pytest_configure(config: pytest.Config) -> None:
    """Read the options; what is wrong with them ends the run before it begins."""
    config.addinivalue_line(
        "markers", "contract_tasks: a contract test of tasks, for providers and variants that have them"
    )
    try:
        config.stash[OPTIONS] = read_options(vars(config.option))
    except OptionError as error:
        raise pytest.UsageError(str(error)) from error
    if config.stash[OPTIONS].providers:
        _providers(config)


def _providers(config: pytest.Config) -> "list[Provider]":
    if PROVIDERS not in config.stash:
        from qwenmock.pytest_plugin.setup import chosen
        from qwenmock.schemas.errors import CatalogError

        try:
            config.stash[PROVIDERS] = chosen(config.stash[OPTIONS])
        except (OptionError, CatalogError) as error:
            raise pytest.UsageError(str(error)) from error
    return config.stash[PROVIDERS]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test for each provider, variant or rule where a test asks for one."""
    names = set(metafunc.fixturenames)
    if "contract_rule" in names:
        entries = [
            (provider, variant, rule)
            for provider in _providers(metafunc.config)
            for variant in provider.variants.values()
            for rule in variant.request.rules
        ]
        metafunc.parametrize(
            ("contract_provider", "contract_variant", "contract_rule"),
            entries,
            ids=[rule.id for _, _, rule in entries],
            scope="session",
        )
    elif "contract_variant" in names:
        pairs = [(p, variant) for p in _providers(metafunc.config) for variant in p.variants.values()]
        if metafunc.definition.get_closest_marker("contract_tasks"):
            pairs = [(p, variant) for p, variant in pairs if p.endpoint_of(variant).created is not None]
        ids = [f"{provider.slug}/{variant.name}" for provider, variant in pairs]
        metafunc.parametrize(("contract_provider", "contract_variant"), pairs, ids=ids, scope="session")
    elif "contract_provider" in names:
        providers = _providers(metafunc.config)
        if metafunc.definition.get_closest_marker("contract_tasks"):
            providers = [provider for provider in providers if provider.tasks is not None]
        metafunc.parametrize("contract_provider", providers, ids=[p.slug for p in providers], scope="session")


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
    """Return the examiners of the run, by slug."""
    from qwenmock.pytest_plugin.setup import create_examiner

    examiners = {p.slug: create_examiner(p, pytestconfig.stash[OPTIONS]) for p in _providers(pytestconfig)}
    yield examiners
    for examiner in examiners.values():
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
    from qwenmock.pytest_plugin.budget import OverBudget
    from qwenmock.pytest_plugin.examiner import ContractViolation, NotExaminable

    try:
        return (yield)
    except ContractViolation as violation:
        failure = pytest.fail.Exception(str(violation), pytrace=False)
    except (NotExaminable, OverBudget) as reason:
        failure = pytest.skip.Exception(str(reason))
    raise failure
