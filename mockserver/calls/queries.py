"""Calls that make no image: task status, cancellation and list, remaining credits, upload policy."""

from collections.abc import Awaitable, Callable

from qwenmock.mockserver.accounts.keys import Caller
from qwenmock.mockserver.api_error import ApiError
from qwenmock.mockserver.calls.call import Call, Trace
from qwenmock.mockserver.calls.double import Double
from qwenmock.mockserver.models import Task, UploadPolicy
from qwenmock.mockserver.store.protocols import Selection
from qwenmock.mockserver.tasks.lifecycle import cancel, settle_finished
from qwenmock.schemas.vocabulary import JSON

LONGEST_PAGE = 100
UPLOAD_FOLDER = "dashscope-instant"


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
    await settle_finished(double)
    return await _HANDLERS[call.endpoint.kind](double, call, trace, caller)


async def _task(double: Double, call: Call, trace: Trace, _caller: Caller) -> JSON:
    task = await _own_task(double, call, trace.key)
    dialect = double.dialects[call.provider.slug]
    if task is None:
        return dialect.unknown_task(call.task_id, trace.request_id)
    return dialect.task(call.provider, task, task.status_at(double.clock.now()), trace.request_id)


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


async def _cancel(double: Double, call: Call, trace: Trace, _caller: Caller) -> JSON:
    task = await _own_task(double, call, trace.key)
    if task is None or task.status_at(double.clock.now()).state != "pending" or await cancel(double, task) is None:
        raise ApiError("task_not_cancellable", "only a pending task can be cancelled")
    return double.dialects[call.provider.slug].cancelled(trace.request_id)


async def _tasks(double: Double, call: Call, trace: Trace, _caller: Caller) -> JSON:
    """Return one page of the key's tasks."""
    page, size = (_whole(call.query.get(name), default) for name, default in (("page_no", 1), ("page_size", 10)))
    asked = {name: call.query[name] for name in ("model_name", "status") if name in call.query}
    dialect, now = double.dialects[call.provider.slug], double.clock.now()
    listed: list[JSON] = []
    for task in await double.store.tasks(Selection(call.provider.slug, trace.key)):
        output = dialect.task(call.provider, task, task.status_at(now), task.request_id)["output"]
        if (
            asked.get("model_name", task.model) == task.model
            and asked.get("status", output["task_status"]) == output["task_status"]
        ):
            listed.append({"model_name": task.model, "request_id": task.request_id, **output})
    shown = listed[(page - 1) * size : page * size]
    pages = -(-len(listed) // size)
    return {
        "request_id": trace.request_id,
        "page_no": page,
        "page_size": size,
        "total_page": pages,
        "total": len(listed),
        "data": shown,
        "tasks": shown,
    }


def _whole(text: str | None, default: int) -> int:
    is_number = text is not None and text.isascii() and text.isdecimal() and len(text) < 7
    return min(max(int(text), 1), LONGEST_PAGE) if text is not None and is_number else default


async def _credits(double: Double, call: Call, _trace: Trace, caller: Caller) -> JSON:
    account = await double.store.account(caller.defaults)
    return double.dialects[call.provider.slug].remaining(account, float(account.spent))


async def _uploads(double: Double, call: Call, trace: Trace, _caller: Caller) -> JSON:
    policy = double.uploads.grant(UPLOAD_FOLDER, call.base_url)
    return _upload_policy(policy, trace.request_id)


def _upload_policy(policy: UploadPolicy, request_id: str) -> JSON:
    return {
        "request_id": request_id,
        "data": {
            "policy": policy.text,
            "signature": policy.signature,
            "upload_dir": policy.folder,
            "upload_host": policy.url,
            "expire_in_seconds": policy.seconds,
            "max_file_size_mb": policy.max_megabytes,
            "capacity_limit_mb": 999999999,
            "oss_access_key_id": "qwenmock",
            "x_oss_object_acl": "private",
            "x_oss_forbid_overwrite": "true",
        },
    }


_HANDLERS: dict[str, Callable[[Double, Call, Trace, Caller], Awaitable[JSON]]] = {
    "task": _task,
    "list": _tasks,
    "cancel": _cancel,
    "credits": _credits,
    "upload": _uploads,
}
"""The function for an endpoint without variants, by its kind."""
