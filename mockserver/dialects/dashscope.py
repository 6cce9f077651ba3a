"""Model Studio (DashScope): the upstream's own answers, its tasks, their list, and its upload policy."""

from datetime import UTC, datetime, timedelta, timezone

from qwenmock.mockserver.dialects import upstream
from qwenmock.mockserver.dialects.base import Dialect, ListParameters, TaskPage
from qwenmock.mockserver.models import Refused, Result, Task, TaskStatus, UploadPolicy
from qwenmock.schemas.models import Provider
from qwenmock.schemas.vocabulary import JSON

BEIJING = timezone(timedelta(hours=8))


class DashscopeDialect(Dialect):
    """Model Studio's answers."""

    resolve_header = "x-dashscope-ossresourceresolve"
    upload_folder = "dashscope-instant"
    list_parameters = ListParameters(page="page_no", size="page_size", model="model_name", status="status")

    def success(self, result: Result) -> dict[str, JSON]:
        """Return the body of a synchronous success."""
        return {**upstream.body(result), "usage": upstream.usage(result)}

    def refusal(self, refused: Refused) -> dict[str, JSON]:
        """Return the error."""
        return upstream.refusal(refused)

    def created(self, provider: Provider, task: Task) -> dict[str, JSON]:
        """Return the new task's id and status."""
        return {"output": _id_and_status(provider, task, TaskStatus("pending", 0)), "request_id": task.request_id}

    def task(self, provider: Provider, task: Task, seen: TaskStatus, request_id: str) -> dict[str, JSON]:
        """Return the task, with its images or its error once it has ended."""
        body: dict[str, JSON] = {"request_id": request_id, "output": _output(provider, task, seen)}
        if seen.state == "succeeded":
            variant = provider.variants[task.variant]
            body["usage"] = upstream.named_usage(variant, task.width, task.height, len(task.urls), task.input_images)
        return body

    def task_list(self, provider: Provider, page: TaskPage, request_id: str) -> dict[str, JSON]:
        """Return a page of tasks, under both names that the documents use for them."""
        listed: list[JSON] = [
            {"model_name": task.model, "request_id": task.request_id, **_output(provider, task, seen)}
            for task, seen in page.tasks
        ]
        return {
            "request_id": request_id,
            "page_no": page.number,
            "page_size": page.size,
            "total_page": -(-page.total // page.size),
            "total": page.total,
            "data": listed,
            "tasks": listed,
        }

    def unknown_task(self, task_id: str, request_id: str) -> dict[str, JSON]:
        """Return the answer for a task that does not exist."""
        return {"request_id": request_id, "output": {"task_id": task_id, "task_status": "UNKNOWN"}}

    def cancelled(self, request_id: str) -> dict[str, JSON]:
        """Return the body that answers a cancellation."""
        return {"request_id": request_id}

    def upload_policy(self, policy: UploadPolicy, request_id: str) -> dict[str, JSON]:
        """Return the policy with the fields that the SDK reads and sends on."""
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


def _id_and_status(provider: Provider, task: Task, seen: TaskStatus) -> dict[str, JSON]:
    assert provider.tasks is not None, "only called for providers with tasks"
    return {"task_id": task.id, "task_status": provider.tasks.states[seen.state].name}


def _output(provider: Provider, task: Task, seen: TaskStatus) -> dict[str, JSON]:
    """Return the members that describe a task in a query and in a list."""
    output = _id_and_status(provider, task, seen)
    has_choices = _has_choices(provider, task)
    if seen.state in {"running", "succeeded", "failed", "cancelled"}:
        output["submit_time"] = _timestamp(task.created)
        output["scheduled_time"] = _timestamp(task.starts)
    if seen.ended:
        output["end_time"] = _timestamp(task.cancelled or task.ends)
    if seen.state == "failed" and provider.tasks is not None:
        output |= {"code": task.failure, "message": provider.tasks.failures.get(task.failure or "", "")}
    if seen.state == "succeeded" and has_choices:
        output["choices"] = upstream.choices(task.urls)
    elif seen.state == "succeeded":
        output["results"] = [_result(task, url) for url in task.urls]
    if seen.state not in {"pending", "cancelled"} and not has_choices:
        succeeded = len(task.urls) if seen.state == "succeeded" else 0
        failed = task.failed + (len(task.urls) if seen.state == "failed" else 0)
        output["task_metrics"] = {"TOTAL": len(task.urls) + task.failed, "SUCCEEDED": succeeded, "FAILED": failed}
    return output


def _has_choices(provider: Provider, task: Task) -> bool:
    """Tell whether a success holds choices, as the synchronous answer does, or results: the variant's schema says."""
    paths = provider.variants[task.variant].answer.roles["image_url"]
    return any("choices" in path for path in paths)


def _result(task: Task, url: str) -> dict[str, JSON]:
    result: dict[str, JSON] = {"orig_prompt": task.prompt}
    if task.prompt_extend:
        result["actual_prompt"] = task.prompt
    return {**result, "url": url}


def _timestamp(seconds: float) -> str:
    """Write unix seconds in Beijing's time, to the millisecond."""
    moment = datetime.fromtimestamp(seconds, UTC).astimezone(BEIJING)
    return moment.strftime("%Y-%m-%d %H:%M:%S.") + f"{moment.microsecond // 1000:03d}"
