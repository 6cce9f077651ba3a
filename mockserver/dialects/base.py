"""The class that every dialect derives from, and the values of a task list."""

from typing import ClassVar, NamedTuple, Self

from qwenmock.mockserver.models import Account, Refused, Result, Task, TaskStatus, UploadPolicy
from qwenmock.schemas.models import Provider
from qwenmock.schemas.vocabulary import JSON


class ListParameters(NamedTuple):
    """Names of the query parameters of a task list: page number, page size, and the two filters."""

    page: str
    size: str
    model: str
    status: str


class TaskPage(NamedTuple):
    """One page of a task list.

    Attributes:
        number: From 1.
        size: Tasks on a full page.
        total: Tasks on all pages.
        tasks: The tasks on this page, newest first, each with its present status.

    """

    number: int
    size: int
    total: int
    tasks: tuple[tuple[Task, TaskStatus], ...]


class Dialect:
    """How a provider writes its answers.

    A subclass overrides the methods that its provider's endpoints need; `dialect_of` checks that. The others raise
    `NotImplementedError`.

    Attributes:
        resolve_header: Name (lower case) of the header that must be `enable` for an uploaded input image; None where
            no header is needed.
        upload_folder: Folder that uploads go to. Only for providers with an upload endpoint.
        list_parameters: Names of the query parameters of the task list. Only for providers with a list endpoint.

    """

    resolve_header: ClassVar[str | None] = None
    upload_folder: ClassVar[str] = ""
    list_parameters: ClassVar[ListParameters | None] = None

    @classmethod
    def for_provider(cls, provider: Provider) -> Self:
        """Return the dialect of a provider."""
        del provider
        return cls()

    def success(self, result: Result) -> dict[str, JSON]:
        """Return the body of a synchronous success."""
        raise NotImplementedError(f"{type(self).__name__}.success")

    def refusal(self, refused: Refused) -> dict[str, JSON]:
        """Return the body of a refusal or failure."""
        raise NotImplementedError(f"{type(self).__name__}.refusal")

    def created(self, provider: Provider, task: Task) -> dict[str, JSON]:
        """Return the body that answers the creation of a task."""
        raise NotImplementedError(f"{type(self).__name__}.created")

    def task(self, provider: Provider, task: Task, seen: TaskStatus, request_id: str) -> dict[str, JSON]:
        """Return the body that answers the query of a task; callbacks carry the same body."""
        raise NotImplementedError(f"{type(self).__name__}.task")

    def unknown_task(self, task_id: str, request_id: str) -> dict[str, JSON]:
        """Return the body for a task that does not exist. Only for providers that have no error for that."""
        raise NotImplementedError(f"{type(self).__name__}.unknown_task")

    def task_list(self, provider: Provider, page: TaskPage, request_id: str) -> dict[str, JSON]:
        """Return the body that lists tasks."""
        raise NotImplementedError(f"{type(self).__name__}.task_list")

    def cancelled(self, request_id: str) -> dict[str, JSON]:
        """Return the body that answers a cancellation."""
        raise NotImplementedError(f"{type(self).__name__}.cancelled")

    def remaining(self, account: Account, used: float) -> dict[str, JSON]:
        """Return the body that answers a query of the balance.

        Args:
            account: The caller's account.
            used: What was spent so far, in the provider's currency.

        """
        raise NotImplementedError(f"{type(self).__name__}.remaining")

    def upload_policy(self, policy: UploadPolicy, request_id: str) -> dict[str, JSON]:
        """Return the body that permits an upload."""
        raise NotImplementedError(f"{type(self).__name__}.upload_policy")
