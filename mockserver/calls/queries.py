"""Calls that make no image: task status, cancellation and list, remaining credits, upload policy."""

from collections.abc import Awaitable, Callable

from qwenmock.mockserver.accounts.keys import Caller
from qwenmock.mockserver.api_error import ApiError
from qwenmock.mockserver.calls.call import Call, Trace
from qwenmock.mockserver.calls.double import Double
from qwenmock.mockserver.dialects.base import TaskPage
from qwenmock.mockserver.models import Task
from qwenmock.mockserver.store.protocols import Selection
from qwenmock.mockserver.tasks.lifecycle import cancel, settle_finished
from qwenmock.schemas.vocabulary import JSON

LONGEST_PAGE = 100


async def answer_query(double: Double, call: Call, trace: Trace) -> JSON:
    """Return the body that answers a query.

    Raises:
        ApiError: The key is refused, or the task id is wrong or belongs to another key.

    """
    caller = double.caller(call.provider.slug, call.header("authorization"))
    trace.key, trace.task_id = caller.key, call.task_id
    profile = caller.profile
    if profile.always in {"rate_limited", "internal"}:
        raise ApiError(profile.always, f"this key always fails with {profile.always}")
    return await query_body(double, call, caller)


async def query_body(double: Double, call: Call, caller: Caller) -> JSON:
    """Return the body that answers the query of a caller who may ask; raise as `answer_query` does."""
    await settle_finished(double)
    return await _HANDLERS[call.endpoint.kind](double, call, caller)


async def _task(double: Double, call: Call, caller: Caller) -> JSON:
    task = await _own_task(double, call, caller.key)
    dialect = double.dialects[call.provider.slug]
    if task is None:
        return dialect.unknown_task(call.task_id, call.request_id)
    return dialect.task(call.provider, task, task.status_at(double.clock.now()), call.request_id)


async def _own_task(double: Double, call: Call, key: str) -> Task | None:
    """Return the task of a call; None if the caller has no such task and the provider has no error for that."""
    errors = call.provider.errors
    prefix = call.provider.tasks.prefix if call.provider.tasks else ""
    if not call.task_id.startswith(prefix):
        raise ApiError("task_id_invalid", f"expected a task id that begins with {prefix!r}, got {call.task_id[:100]!r}")
    task = await double.store.task(call.task_id)
    if task is None or task.provider != call.provider.slug:
        if "task_not_found" in errors:
            raise ApiError("task_not_found", f"unknown task {call.task_id[:100]!r}")
        return None
    if task.key != key:
        if "task_forbidden" in errors:
            raise ApiError("task_forbidden", "the task belongs to another key")
        return None
    return task


async def _cancel(double: Double, call: Call, caller: Caller) -> JSON:
    task = await _own_task(double, call, caller.key)
    if task is None or task.status_at(double.clock.now()).state != "pending" or await cancel(double, task) is None:
        raise ApiError("task_not_cancellable", "only a pending task can be cancelled")
    return double.dialects[call.provider.slug].cancelled(call.request_id)


async def _tasks(double: Double, call: Call, caller: Caller) -> JSON:
    """Return one page of the key's tasks."""
    provider, dialect, now = call.provider, double.dialects[call.provider.slug], double.clock.now()
    names = dialect.list_parameters
    assert names is not None, "checked when the dialect was loaded"
    assert provider.tasks is not None, "a provider that lists tasks describes them"
    number, size = _whole(call.query.get(names.page), 1), _whole(call.query.get(names.size), 10)
    model, status = call.query.get(names.model), call.query.get(names.status)
    found = [
        (task, seen)
        for task in await double.store.tasks(Selection(provider.slug, caller.key))
        if model in {None, task.model}
        for seen in (task.status_at(now),)
        if status in {None, provider.tasks.states[seen.state].name}
    ]
    tasks = tuple(found[(number - 1) * size : number * size])
    return dialect.task_list(provider, TaskPage(number, size, len(found), tasks), call.request_id)


def _whole(text: str | None, default: int) -> int:
    is_number = text is not None and text.isascii() and text.isdecimal() and len(text) < 7
    return min(max(int(text), 1), LONGEST_PAGE) if text is not None and is_number else default


async def _credits(double: Double, call: Call, caller: Caller) -> JSON:
    account = await double.store.account(caller.defaults)
    return double.dialects[call.provider.slug].remaining(account, float(account.spent))


async def _uploads(double: Double, call: Call, _caller: Caller) -> JSON:
    dialect = double.dialects[call.provider.slug]
    return dialect.upload_policy(double.uploads.grant(dialect.upload_folder, call.base_url), call.request_id)


_HANDLERS: dict[str, Callable[[Double, Call, Caller], Awaitable[JSON]]] = {
    "task": _task,
    "list": _tasks,
    "cancel": _cancel,
    "credits": _credits,
    "upload": _uploads,
}
"""The function for an endpoint without variants, by its kind."""
