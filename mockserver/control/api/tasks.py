"""Tasks and their callbacks."""

from collections.abc import Mapping
from dataclasses import replace

from starlette.requests import Request

from qwenmock.mockserver.calls.double import Double
from qwenmock.mockserver.control.api.requests import ControlError, selection
from qwenmock.mockserver.control.api.responses import Resent
from qwenmock.mockserver.models import Task
from qwenmock.mockserver.schema_errors import format_json
from qwenmock.mockserver.tasks.lifecycle import cancel, settle_finished
from qwenmock.mockserver.tasks.lifecycle import describe as describe_task
from qwenmock.schemas.vocabulary import JSON

DEFAULT_LIMIT = 1000


async def list_tasks(double: Double, request: Request) -> list[Mapping[str, JSON]]:
    """Return tasks, the newest first."""
    found = await double.store.tasks(selection(double, request, DEFAULT_LIMIT))
    return [await _describe(double, task) for task in found]


async def get_task(double: Double, request: Request) -> Mapping[str, JSON]:
    """Return a task and its callbacks."""
    return await _describe(double, await _task(double, request.path_params["task_id"]))


async def cancel_task(double: Double, request: Request) -> Mapping[str, JSON]:
    """Cancel a task that has not ended, also where its provider has no call for that."""
    task = await _task(double, request.path_params["task_id"])
    cancelled = await cancel(double, task)
    if cancelled is None:
        raise ControlError(409, f"task {task.id} has ended")
    double.wake()
    return await _describe(double, cancelled)


async def resend_callback(double: Double, request: Request) -> Resent:
    """Make a callback again, by its own id or its task's."""
    asked = request.path_params["id"]
    known = await double.store.deliveries(None)
    found = next((delivery for delivery in reversed(known) if asked in {delivery.id, delivery.task_id}), None)
    if found is None:
        raise ControlError(404, f"no callback {format_json(asked)}, and no task with one")
    again = replace(found, id=double.new_id(), due=double.clock.now(), state="waiting", attempts=())
    await double.store.set_delivery(again)
    double.wake()
    return {"id": again.id, "task_id": again.task_id, "url": again.url}


async def _task(double: Double, task_id: str) -> Task:
    await settle_finished(double)
    task = await double.store.task(task_id)
    if task is None:
        raise ControlError(404, f"unknown task {format_json(task_id)}")
    return task


async def _describe(double: Double, task: Task) -> Mapping[str, JSON]:
    described = describe_task(task, double.clock.now(), await double.store.deliveries(task.id))
    return {**described, "prompt": task.prompt}
