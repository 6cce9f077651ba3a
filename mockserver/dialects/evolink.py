"""EvoLink answers with tasks; the body of a query is the body of a callback."""

from qwenmock.mockserver.models import Account, Refused, Task
from qwenmock.mockserver.tasks.lifecycle import TaskStatus
from qwenmock.schemas.models import Provider
from qwenmock.schemas.vocabulary import JSON


def created(provider: Provider, task: Task) -> dict[str, JSON]:
    """Return what the creation of a task answers."""
    body = _object(provider, task, TaskStatus("pending", 0))
    body["task_info"]["estimated_time"] = provider.tasks.estimated_seconds if provider.tasks else 0
    usage = {"billing_rule": "per_call", "credits_reserved": float(task.reserved), "user_group": "default"}
    return {**body, "usage": usage}


def task(provider: Provider, task: Task, seen: TaskStatus, request_id: str) -> dict[str, JSON]:  # noqa: ARG001, not in this body
    """Return what a query of a task answers."""
    body = _object(provider, task, seen)
    if seen.state == "succeeded":
        body["results"] = list(task.urls)
    if seen.state == "failed" and provider.tasks is not None:
        code = task.failure or ""
        body["error"] = {"code": code, "message": provider.tasks.failures.get(code, code), "type": "task_error"}
    return body


def _object(provider: Provider, task: Task, seen: TaskStatus) -> dict[str, JSON]:
    assert provider.tasks is not None, "only called for providers with tasks"
    return {
        "created": int(task.created),
        "id": task.id,
        "model": task.model,
        "object": "image.generation.task",
        "progress": seen.progress,
        "status": provider.tasks.states[seen.state].name,
        "task_info": {"can_cancel": not seen.ended},
        "type": "image",
    }


def remaining(account: Account, used: float) -> dict[str, JSON]:
    """Return what is left of an account."""
    left = float(account.balance)
    return {
        "success": True,
        "data": {
            "token": {"remaining_credits": left, "used_credits": used, "unlimited_credits": False},
            "user": {"remaining_credits": left, "used_credits": used},
        },
    }


def refusal(refused: Refused) -> dict[str, JSON]:
    """Return the error."""
    param = {"param": refused.param} if refused.param else {}
    return {"error": {"message": refused.message, **param, **refused.kind.fields}}
