"""How each provider writes its answers: one small module a provider, found by its name. No rule stands in them."""

import importlib
from collections.abc import Mapping
from typing import Protocol, cast

from qwenmock.mockserver.job import Result
from qwenmock.schemas.catalog import ErrorKind, Provider
from qwenmock.schemas.vocabulary import JSON


class Dialect(Protocol):
    """What a dialect's module offers."""

    def success(self, result: Result) -> Mapping[str, JSON]:
        """Return the body that answers a synchronous request."""
        ...

    def refusal(self, error: ErrorKind, message: str, request_id: str) -> Mapping[str, JSON]:
        """Return the body of a refusal or failure."""
        ...


def dialect_of(provider: Provider) -> Dialect:
    """Return the module that speaks for a provider.

    Raises:
        ModuleNotFoundError: There is none for it.

    """
    name = f"{__name__}.{provider.dialect.replace('-', '_')}"
    return cast(Dialect, importlib.import_module(name))
