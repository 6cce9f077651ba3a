"""Model Studio: the upstream's own answers, and its tasks in their two handlers."""

from datetime import UTC, datetime, timedelta, timezone

from qwenmock.mockserver.dialects import upstream
from qwenmock.mockserver.models import Refused, Result, Task
from qwenmock.mockserver.tasks.lifecycle import TaskStatus
from qwenmock.schemas.models import Provider
from qwenmock.schemas.vocabulary import JSON

BEIJING = timezone(timedelta(hours=8))
WITH_CHOICES = "generate"
"""The endpoint whose tasks answer with choices, as the synchronous call does, and not with results."""


def success(result: Result) -> dict[str, JSON]:
    """Return the body of a synchronous success."""
    return upstream.body(result)


def refusal(refused: Refused) -> dict[str, JSON]:
    """Return the error."""
    return upstream.refusal(refused)


def created(provider: Provider, task: Task) -> dict[str, JSON]:
    """Return what the creation of a task answers."""
    return {"output": _output(provider, task, TaskStatus("pending", 0)), "request_id": task.request_id}


def task(provider: Provider, task: Task, seen: TaskStatus, request_id: str) -> dict[str, JSON]:
    """Return what a query of a task answers."""
    output = _output(provider, task, seen)
    body: dict[str, JSON] = {"request_id": request_id, "output": output}
    if seen.state in {"running", "succeeded", "failed", "cancelled"}:
        output["submit_time"] = _stamp(task.created)
        output["scheduled_time"] = _stamp(task.starts)
    if seen.ended:
        output["end_time"] = _stamp(task.cancelled or task.ends)
    if seen.state == "failed" and provider.tasks is not None:
        output |= {"code": task.failure, "message": provider.tasks.failures.get(task.failure or "", "")}
    if seen.state == "succeeded":
        body["usage"] = {"image_count": len(task.urls)}
        if task.endpoint == WITH_CHOICES:
            content = {"role": "assistant", "content": [{"image": url} for url in task.urls]}
            output["choices"] = [{"finish_reason": "stop", "message": content}]
            body["usage"] |= {"width": task.width, "height": task.height}
        else:
            output["results"] = [_result(task, url) for url in task.urls]
    if seen.state != "pending" and seen.state != "cancelled" and task.endpoint != WITH_CHOICES:
        done = len(task.urls) if seen.state == "succeeded" else 0
        failed = task.failed + (len(task.urls) if seen.state == "failed" else 0)
        output["task_metrics"] = {"TOTAL": len(task.urls) + task.failed, "SUCCEEDED": done, "FAILED": failed}
    return body


def _output(provider: Provider, task: Task, seen: TaskStatus) -> dict[str, JSON]:
    assert provider.tasks is not None, "only called for providers with tasks"
    return {"task_id": task.id, "task_status": provider.tasks.states[seen.state].name}


def _result(task: Task, url: str) -> dict[str, JSON]:
    prompts = {"orig_prompt": task.prompt} | ({"actual_prompt": task.prompt} if task.prompt_extend else {})
    return {**prompts, "url": url}


def _stamp(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, UTC).astimezone(BEIJING)
    return moment.strftime("%Y-%m-%d %H:%M:%S.") + f"{moment.microsecond // 1000:03d}"


def unknown_task(task_id: str, request_id: str) -> dict[str, JSON]:
    """Return what a query answers for a task that is not there."""
    return {"request_id": request_id, "output": {"task_id": task_id, "task_status": "UNKNOWN"}}


def cancelled(request_id: str) -> dict[str, JSON]:
    """Return what a cancellation answers."""
    return {"request_id": request_id}
