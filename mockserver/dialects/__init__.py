"""How each provider writes its answers: one small module a provider, found by its name. No rule stands in them."""

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol, cast

from qwenmock.mockserver.models import Account, Refused, Result, Task
from qwenmock.schemas.models import Provider
from qwenmock.schemas.vocabulary import JSON

if TYPE_CHECKING:
    from qwenmock.mockserver.tasks.lifecycle import TaskStatus


class Dialect(Protocol):
    """What a dialect's module offers."""

    def success(self, result: Result) -> Mapping[str, JSON]:
        """Return the body that answers a synchronous request."""
        ...

    def refusal(self, refused: Refused) -> Mapping[str, JSON]:
        """Return the body of a refusal or failure."""
        ...

    def created(self, provider: Provider, task: Task) -> Mapping[str, JSON]:
        """Return the body that answers the creation of a task. Only for providers with tasks, as all below."""
        ...

    def task(self, provider: Provider, task: Task, seen: "TaskStatus", request_id: str) -> Mapping[str, JSON]:
        """Return the body that answers the query of a task."""
        ...

    def unknown_task(self, task_id: str, request_id: str) -> Mapping[str, JSON]:
        """Return the body for a task that is not there, where that is no error."""
        ...

    def cancelled(self, request_id: str) -> Mapping[str, JSON]:
        """Return the body that answers a cancellation."""
        ...

    def remaining(self, account: Account, used: float) -> Mapping[str, JSON]:
        """Return the body that tells what is left."""
        ...


def dialect_of(provider: Provider) -> Dialect:
    """Return the module that speaks for a provider.

    Raises:
        ModuleNotFoundError: There is none for it.

    """
    name = f"{__name__}.{provider.dialect.replace('-', '_')}"
    return cast(Dialect, importlib.import_module(name))
