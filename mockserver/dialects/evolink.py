"""EvoLink answers with tasks; the body of a query is the body of a callback."""

from qwenmock.mockserver.dialects.base import Dialect
from qwenmock.mockserver.models import Account, Refused, Task, TaskStatus
from qwenmock.schemas.models import Provider
from qwenmock.schemas.vocabulary import JSON


class EvolinkDialect(Dialect):
    """EvoLink's task objects."""

    def created(self, provider: Provider, task: Task) -> dict[str, JSON]:
        """Return the new task, and what was reserved for it."""
        assert provider.tasks is not None, "only called for providers with tasks"
        pending = TaskStatus("pending", 0)
        usage: JSON = {"billing_rule": "per_call", "credits_reserved": float(task.reserved), "user_group": "default"}
        return {
            **_task_object(provider, task, pending),
            "task_info": {**_task_info(pending), "estimated_time": provider.tasks.estimated_seconds},
            "usage": usage,
        }

    def task(self, provider: Provider, task: Task, seen: TaskStatus, request_id: str) -> dict[str, JSON]:  # noqa: ARG002, not in this body
        """Return the task, with its results or its error once it has ended."""
        body = _task_object(provider, task, seen)
        if seen.state == "succeeded":
            body["results"] = list(task.urls)
        if seen.state == "failed" and provider.tasks is not None:
            code = task.failure or ""
            body["error"] = {"code": code, "message": provider.tasks.failures.get(code, code), "type": "task_error"}
        return body

    def remaining(self, account: Account, used: float) -> dict[str, JSON]:
        """Return the credits of the token and of its user."""
        left = float(account.balance)
        return {
            "success": True,
            "data": {
                "token": {"remaining_credits": left, "used_credits": used, "unlimited_credits": False},
                "user": {"remaining_credits": left, "used_credits": used},
            },
        }

    def refusal(self, refused: Refused) -> dict[str, JSON]:
        """Return the error."""
        param: dict[str, JSON] = {"param": refused.param} if refused.param else {}
        return {"error": {"message": refused.message, **param, **refused.kind.fields}}


def _task_object(provider: Provider, task: Task, seen: TaskStatus) -> dict[str, JSON]:
    assert provider.tasks is not None, "only called for providers with tasks"
    return {
        "created": int(task.created),
        "id": task.id,
        "model": task.model,
        "object": "image.generation.task",
        "progress": seen.progress,
        "status": provider.tasks.states[seen.state].name,
        "task_info": _task_info(seen),
        "type": "image",
    }


def _task_info(seen: TaskStatus) -> dict[str, JSON]:
    return {"can_cancel": not seen.ended}
