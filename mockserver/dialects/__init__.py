"""How each provider writes its answers: one module a provider, found by name. Rules stand in the catalogue, not here.

May import `models`. Start reading in `base`; `dialect_of` finds a provider's dialect and checks that it is complete.
"""

import importlib
from collections.abc import Iterator
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType

from qwenmock.mockserver.dialects.base import Dialect
from qwenmock.schemas.catalog import Catalog
from qwenmock.schemas.errors import CatalogError
from qwenmock.schemas.models import Endpoint, Provider

_NO_DIALECTS = frozenset({"base", "upstream"})
"""Modules of this package that dialects are built from."""


def dialects_of(catalog: Catalog) -> dict[str, Dialect]:
    """Return every provider's dialect by slug.

    Raises:
        CatalogError: As `dialect_of`.

    """
    return {provider.slug: dialect_of(provider) for provider in catalog}


def dialect_of(provider: Provider) -> Dialect:
    """Return the dialect that a provider names.

    Raises:
        CatalogError: The module does not exist, does not define exactly one subclass of `Dialect`, or its class lacks
            a method that the provider's endpoints need.

    """
    module = _module_of(provider)
    classes = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Dialect) and value.__module__ == module.__name__
    ]
    if len(classes) != 1:
        raise _error(provider, f"expected one subclass of Dialect, got {len(classes)}, in {module.__file__}")
    dialect = classes[0]
    for name, reason in _needed(provider):
        if getattr(dialect, name) is getattr(Dialect, name):
            raise _error(provider, f"{dialect.__name__}.{name} is missing, needed for {reason}, in {module.__file__}")
    return dialect()


def _module_of(provider: Provider) -> ModuleType:
    stem = provider.dialect.replace("-", "_")
    name = f"{__name__}.{stem}"
    known = [each.name for each in iter_modules(__path__) if each.name not in _NO_DIALECTS]
    if stem not in known:
        file = Path(__path__[0]) / f"{stem}.py"
        raise _error(
            provider,
            f"unknown dialect {provider.dialect!r}, expected one of {', '.join(known)}; a new one is a module {file}",
        )
    return importlib.import_module(name)


def _needed(provider: Provider) -> Iterator[tuple[str, str]]:
    """Return the methods and attributes that a provider's answers need, each with what needs it."""
    yield "refusal", "every refusal"
    for endpoint in provider.endpoints.values():
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
