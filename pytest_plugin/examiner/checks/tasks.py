"""Tasks: how they progress, which keys see them, and what they cost when they fail or are cancelled."""

from decimal import Decimal

import orjson

from qwenmock.pytest_plugin.examiner.answer_judge import values_in
from qwenmock.pytest_plugin.examiner.bodies import example, put
from qwenmock.pytest_plugin.examiner.checks.task_progress import (
    broken,
    create,
    follow,
    progress_mistakes,
    query,
    tasks_of,
)
from qwenmock.pytest_plugin.examiner.findings import about
from qwenmock.pytest_plugin.examiner.results import NotExaminable
from qwenmock.pytest_plugin.examiner.session import Examiner
from qwenmock.pytest_plugin.examiner.target import Reply
from qwenmock.schemas.models import Document, Variant
from qwenmock.schemas.vocabulary import JSON


def examine_progress(examiner: Examiner, variant: Variant) -> None:
    """Follow a task to its end and query it again: it must progress, and then not change."""
    body = example(variant)
    task_id = create(examiner, variant, body)
    seen = follow(examiner, task_id, variant)
    mistakes = progress_mistakes(examiner, variant, [answer for _, answer in seen])
    later = query(examiner, task_id)
    ended, unchanged = (_without_request_id(variant.answer, reply) for reply in (seen[-1][0], later))
    if ended != unchanged:
        mistakes.append(f"an ended task that changes: {later.excerpt}")
    examiner.results.require(
        mistakes, orjson.dumps(body), "a task that goes forward, and stays ended", seen[-1][0], "task"
    )


def _without_request_id(document: Document, reply: Reply) -> JSON:
    """Return an answer's values without the id of the request, which is another each time."""
    return [values_in(document, role, reply) for role in sorted(document.roles) if role != "request_id"]


def bill_nothing_for_failure(examiner: Examiner, variant: Variant) -> None:
    """Make a task fail: it must state the reason, show no image, and cost nothing.

    Raises:
        NotExaminable: No request makes this target's tasks fail.

    """
    if not examiner.control.is_available:
        raise NotExaminable("no client can make a task fail")
    before = examiner.control.balance()
    schema = variant.request.schema
    body = put(schema, example(variant), variant.request.roles["prompt"][0], "a cat [[qwenmock: refuse]]")
    reply, last = follow(examiner, create(examiner, variant, body), variant)[-1]
    mistakes = broken(examiner, tasks_of(examiner.provider).states["failed"].document, last)
    mistakes += _balance_mistakes(examiner, before)
    _require(examiner, mistakes, reply, body, "a failed task, unbilled")


def bill_nothing_for_cancellation(examiner: Examiner, variant: Variant) -> None:
    """Cancel a task, by the provider's own call if it has one: the task must state it, and cost nothing.

    Raises:
        NotExaminable: A task of this target cannot be cancelled.

    """
    if not examiner.control.is_available:
        raise NotExaminable("a task of this target cannot be cancelled in time, nor its balance read")
    before = examiner.control.balance()
    body = example(variant)
    task_id = create(examiner, variant, body)
    answered = cancel(examiner, task_id)
    reply = query(examiner, task_id)
    cancelled = tasks_of(examiner.provider).states["cancelled"]
    state = next(iter(values_in(variant.answer, "task_status", reply)), None)
    mistakes = [] if answered.status == 200 else [f"status {answered.status}: {answered.excerpt}"]
    if state != cancelled.name:
        mistakes.append(f"the task is {state}")
    if not mistakes and cancelled.document is not None:
        mistakes += broken(examiner, cancelled.document, reply.json())
    mistakes += _balance_mistakes(examiner, before)
    _require(examiner, mistakes, reply, body, "a cancelled task, unbilled")


def cancel(examiner: Examiner, task_id: str) -> Reply:
    """Cancel a task, by the provider's own call if it has one."""
    endpoint = examiner.provider.endpoint_for("cancel")
    if endpoint is None:
        return examiner.control.send("POST", f"/tasks/{task_id}/cancel")
    address = examiner.target.base_url + endpoint.path.replace("{task_id}", task_id)
    return examiner.target.send("POST", address, examiner.credentials.headers(), b"{}")


def _balance_mistakes(examiner: Examiner, before: Decimal) -> list[str]:
    after = examiner.control.balance()
    return about("bill", [f"a balance of {after} after {before}"]) if after != before else []


def _require(examiner: Examiner, mistakes: list[str], reply: Reply, body: JSON, promise: str) -> None:
    if mistakes:
        raise examiner.results.violation(mistakes, orjson.dumps(body), promise, reply=reply, subject="task")
