"""Cancelling tasks by the provider's own call: in time, and too late."""

import orjson

from qwenmock.pytest_plugin.examiner.answer_judge import json_of, refusal_mistakes, values_in
from qwenmock.pytest_plugin.examiner.bodies import example
from qwenmock.pytest_plugin.examiner.checks.single_request import request_id_of
from qwenmock.pytest_plugin.examiner.checks.task_progress import broken, created_document, follow, query, tasks_of
from qwenmock.pytest_plugin.examiner.checks.tasks import cancel
from qwenmock.pytest_plugin.examiner.findings import about
from qwenmock.pytest_plugin.examiner.json_values import read_string
from qwenmock.pytest_plugin.examiner.results import NotExaminable
from qwenmock.pytest_plugin.examiner.session import Examiner
from qwenmock.pytest_plugin.examiner.target import Reply
from qwenmock.schemas.models import Variant


def cancel_at_once(examiner: Examiner, variant: Variant) -> None:
    """Create a task and cancel it: it must then be cancelled and cost nothing, or the call be refused in its form.

    A task that has started meanwhile may be too late to cancel.
    """
    _require_endpoint(examiner)
    task_id, request_id, content = _create(examiner, variant)
    answered = cancel(examiner, task_id)
    if answered.status != 200:
        state = examiner.provider.task_state(json_of(query(examiner, task_id)))
        mistakes = _refusal_mistakes(examiner, answered)
        mistakes += [f"refused, and the task is {state}"] if state in {"pending", "cancelled"} else []
        examiner.results.require(
            mistakes, content, "a cancelled task, or the refusal of a cancellation", answered, "task"
        )
        return
    replies = [query(examiner, task_id), follow(examiner, task_id, variant)[-1][0]]
    document = tasks_of(examiner.provider).states["cancelled"].document
    mistakes: list[str] = []
    for reply in replies:
        state = examiner.provider.task_state(json_of(reply))
        mistakes += [f"the task is {state}"] if state != "cancelled" else broken(examiner, document, json_of(reply))
    charges = examiner.payments.charges(request_id)
    mistakes = about("task", mistakes) + about("bill", ["a charge for it"] if charges else [])
    examiner.results.require(mistakes, content, "a cancelled task, unbilled", replies[-1])


def refuse_cancellation_of_ended(examiner: Examiner, variant: Variant) -> None:
    """Cancel a task that has succeeded: the call must be refused, and the task stay as it is.

    On a live target a task that was paid for is taken, if there is one.
    """
    _require_endpoint(examiner)
    content = b""
    task_id = _known(examiner, variant) if examiner.live else None
    if task_id is None:
        task_id, _, content = _create(examiner, variant)
        follow(examiner, task_id, variant)
    refused = cancel(examiner, task_id)
    mistakes = _refusal_mistakes(examiner, refused)
    state = examiner.provider.task_state(json_of(query(examiner, task_id)))
    mistakes += [f"the task is then {state}"] if state != "succeeded" else []
    examiner.results.require(mistakes, content, "the refusal to cancel a task that has ended", refused, "task")


def _require_endpoint(examiner: Examiner) -> None:
    if examiner.provider.endpoint_for("cancel") is None:
        raise NotExaminable("this provider documents no call that cancels a task")


def _create(examiner: Examiner, variant: Variant) -> tuple[str, str | None, bytes]:
    """Create a task; return its id, its request's id and the body."""
    body = example(variant)
    reply = examiner.retries.send_with_retry(body, variant)
    ids = values_in(created_document(examiner.provider, variant), "task_id", reply)
    content = orjson.dumps(body)
    if reply.status != 200 or not ids:
        raise examiner.results.violation([reply.excerpt], content, "a task")
    return read_string(ids[0], "task_id"), request_id_of(examiner.provider, variant, reply), content


def _known(examiner: Examiner, variant: Variant) -> str | None:
    """Return the id of a task that has succeeded in this examination."""
    for success in examiner.successes.values():
        ids = success.values("task_id") if success.variant.name == variant.name else []
        if ids and isinstance(ids[0], str):
            return ids[0]
    return None


def _refusal_mistakes(examiner: Examiner, reply: Reply) -> list[str]:
    """Return what is wrong with a refusal; on a live target nothing if no document says how it is refused."""
    error = examiner.provider.errors.get("task_not_cancellable")
    if error is not None and not (examiner.live and error.certainty == "assumed"):
        return refusal_mistakes(examiner, error, reply)
    return [f"status {reply.status}: {reply.excerpt}"] if reply.status >= 500 else []
