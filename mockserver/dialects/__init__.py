"""How each provider writes its answers: one module a provider, found by name. Rules stand in the catalogue, not here.

May import `models`. Start reading in `base`; `dialect_of` finds a provider's dialect and checks that it is complete.
"""

import importlib
from collections.abc import Iterator
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType

from qwenmock.mockserver.dialects.base import Dialect
from qwenmock.schemas.catalog import Catalog
from qwenmock.schemas.errors import CatalogError
from qwenmock.schemas.models import Endpoint, Protocol, Provider

OWN_MODULE = "dialect.py"
"""Name of a dialect's module in a provider's folder."""
_NO_DIALECTS = frozenset({"base", "upstream"})
"""Modules of this package that dialects are built from."""


def dialects_of(catalog: Catalog) -> dict[str, Dialect]:
    """Return every provider's dialect by slug, and those of its protocols by slug and name.

    Raises:
        CatalogError: As `dialect_of`.

    """
    return {
        key: dialect
        for provider in catalog
        for key, dialect in (
            (provider.slug, dialect_of(provider)),
            *((dialect_key(provider, each), dialect_of(provider, each.protocol)) for each in _others(provider)),
        )
    }


def dialect_key(provider: Provider, endpoint: Endpoint) -> str:
    """Return the key in `dialects_of` of the dialect that an endpoint's answers are written in."""
    return provider.slug if endpoint.protocol is None else f"{provider.slug}/{endpoint.protocol.name}"


def _others(provider: Provider) -> list[Endpoint]:
    """Return the endpoints that do not speak the provider's usual protocol."""
    return [endpoint for endpoint in provider.endpoints.values() if endpoint.protocol is not None]


def dialect_of(provider: Provider, protocol: Protocol | None = None) -> Dialect:
    """Return the dialect that a provider names, or one of its protocols; without a name that in the provider's folder.

    Raises:
        CatalogError: The module does not exist, does not define exactly one subclass of `Dialect`, or its class lacks
            a method that the provider's endpoints need.

    """
    module = _module_of(provider, provider.dialect if protocol is None else protocol.dialect)
    classes = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Dialect) and value.__module__ == module.__name__
    ]
    if len(classes) != 1:
        raise _error(provider, f"expected one subclass of Dialect, got {len(classes)}, in {module.__file__}")
    dialect = classes[0]
    for name, reason in _needed(provider, protocol):
        if getattr(dialect, name) is getattr(Dialect, name):
            raise _error(provider, f"{dialect.__name__}.{name} is missing, needed for {reason}, in {module.__file__}")
    return dialect.for_provider(provider)


def _module_of(provider: Provider, slug: str) -> ModuleType:
    own = provider.file.with_name(OWN_MODULE)
    if slug == provider.slug and own.is_file():
        return _own_module(provider, own)
    stem = slug.replace("-", "_")
    name = f"{__name__}.{stem}"
    known = _known(tuple(__path__))
    if stem not in known:
        file = Path(__path__[0]) / f"{stem}.py"
        raise _error(
            provider,
            f"unknown dialect {slug!r}, expected one of {', '.join(known)}; a new one is a module {file}, "
            f"or, where provider.toml names none, {own}",
        )
    return importlib.import_module(name)


@cache
def _known(folders: tuple[str, ...]) -> list[str]:
    """Return the names of the modules in this package's folders that are dialects."""
    return [each.name for each in iter_modules(folders) if each.name not in _NO_DIALECTS]


@cache
def _module_in(file: Path) -> ModuleType:
    spec = spec_from_file_location(f"{__name__}.in_{file.parent.name}", file)
    assert spec is not None, "the name of the file ends in .py"
    assert spec.loader is not None, "a file has a loader"
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _own_module(provider: Provider, file: Path) -> ModuleType:
    """Return the module in the provider's own folder."""
    try:
        return _module_in(file.absolute())
    except (Exception, SystemExit) as error:
        reason = f"{file.name} cannot be imported: {type(error).__name__}: {error}"
        raise _error(provider, reason) from error


def _needed(provider: Provider, protocol: Protocol | None) -> Iterator[tuple[str, str]]:
    """Return the methods and attributes that the answers of a protocol need, each with what needs it."""
    yield "refusal", "every refusal"
    for endpoint in (each for each in provider.endpoints.values() if each.protocol is protocol):
        for name in _needed_by(provider, endpoint):
            yield name, f"endpoint {endpoint.name!r}"


def _needed_by(provider: Provider, endpoint: Endpoint) -> tuple[str, ...]:
    match endpoint.kind:
        case "create":
            return ("success",) if endpoint.created_response is None else ("created", "task")
        case "task":
            has_errors = {"task_not_found", "task_forbidden"} <= provider.errors.keys()
            return ("task",) if has_errors else ("task", "unknown_task")
        case "list":
            return "list_parameters", "task_list"
        case "cancel":
            return ("cancelled",)
        case "credits":
            return ("remaining",)
        case "upload":
            return "upload_folder", "upload_policy"


def _error(provider: Provider, reason: str) -> CatalogError:
    return CatalogError(provider.file, "/dialect", reason, provider.slug)
