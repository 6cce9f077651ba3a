"""The progress of a task, from its creation to its end."""

import time

import orjson

from qwenmock.pytest_plugin.examiner.answer_judge import broken_by, checked, values_in
from qwenmock.pytest_plugin.examiner.expected_cost import amount_of, charge_of
from qwenmock.pytest_plugin.examiner.findings import about
from qwenmock.pytest_plugin.examiner.invariants import Success, role_values
from qwenmock.pytest_plugin.examiner.json_values import read_number, read_string
from qwenmock.pytest_plugin.examiner.results import NotExaminable, UnreadableAnswer
from qwenmock.pytest_plugin.examiner.session import Examiner
from qwenmock.pytest_plugin.examiner.target import Reply
from qwenmock.schemas.models import Document, Provider, Tasks, Variant
from qwenmock.schemas.vocabulary import JSON

TASK_STEP = 0.15
"""Seconds that a movable clock is moved between two queries of a task: all its states are seen."""
POLL_SECONDS = (0.05, 0.1, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0)
QUERIES_MAX = 200
"""Queries of a task after which its end is no longer expected."""


def tasks_of(provider: Provider) -> Tasks:
    """Return how the provider's tasks work; only called for providers with tasks."""
    assert provider.tasks is not None, "only called for providers with tasks"
    return provider.tasks


def created_document(provider: Provider, variant: Variant) -> Document:
    """Return what the creation of a variant's task answers; only called for tasks."""
    document = provider.endpoint_of(variant).created_response
    assert document is not None, "only called for tasks"
    return document


def create(examiner: Examiner, variant: Variant, body: JSON) -> str:
    """Create a task and return its id.

    Raises:
        ContractViolation: No task is created.

    """
    reply = examiner.retries.send_with_retry(body, variant)
    ids = values_in(created_document(examiner.provider, variant), "task_id", reply)
    if reply.status != 200 or not ids:
        got = [f"status {reply.status}" if reply.status != 200 else "no id of a task"]
        raise examiner.results.violation(got, orjson.dumps(body), "a task", reply=reply, subject="task")
    return read_string(ids[0], "task_id")


def query(examiner: Examiner, task_id: str, key: str | None = None) -> Reply:
    """Query a task, which costs nothing."""
    endpoint = examiner.provider.endpoint_for("task")
    assert endpoint is not None, "only called for providers with tasks"
    headers = {"Authorization": f"Bearer {key or examiner.credentials.paying_key()}"}
    return examiner.target.send("GET", examiner.target.base_url + endpoint.path.replace("{task_id}", task_id), headers)


def follow(examiner: Examiner, task_id: str, variant: Variant) -> list[tuple[Reply, JSON]]:
    """Query a task until it has ended, and return all answers.

    Raises:
        NotExaminable: It did not end in time.

    """
    tasks = tasks_of(examiner.provider)
    seen: list[tuple[Reply, JSON]] = []
    for turn in range(QUERIES_MAX):
        reply = query(examiner, task_id)
        try:
            body = reply.json() if reply.status == 200 else None
        except UnreadableAnswer:
            body = None
        seen.append((reply, body))
        status = next(iter(role_values(variant.answer, "task_status", body)), None)
        if reply.status != 200 or tasks.state_called(status) not in {"pending", "running"}:
            return seen
        if examiner.control.is_available:
            examiner.control.advance(TASK_STEP)
        else:
            time.sleep(POLL_SECONDS[min(turn, len(POLL_SECONDS) - 1)])
    raise NotExaminable(f"the task had not ended after {QUERIES_MAX} queries")


def progress_mistakes(examiner: Examiner, variant: Variant, answers: list[JSON]) -> list[str]:
    """Return what is wrong with the answers that a task gave, in order."""
    tasks = tasks_of(examiner.provider)
    mistakes: list[str] = []
    stated = [value for body in answers for value in role_values(variant.answer, "progress", body)]
    progress = [read_number(value, "progress") for value in stated]
    if progress != sorted(progress):
        mistakes.append(f"progress falls: {progress}")
    states = [
        tasks.state_called(value) for body in answers for value in role_values(variant.answer, "task_status", body)
    ]
    order = ["pending", "running", "succeeded"]
    places = [order.index(state) if state in order else len(order) for state in states]
    if places != sorted(places):
        mistakes.append(f"states go back: {states}")
    if not states or states[-1] != "succeeded":
        mistakes.append(f"the task ends as {states[-1:] or 'nothing'}, not as {tasks.states['succeeded'].name}")
    for body, state in zip(answers, states, strict=False):
        document = tasks.states[state].document if state is not None else None
        mistakes += broken(examiner, document, body)
    return about("task", mistakes)


def broken(examiner: Examiner, document: Document | None, body: JSON) -> list[str]:
    """Return a sentence for each rule of a document that a body breaks; none if there is no document."""
    if document is None:
        return []
    return [broken_by(document, rule, body, "task") for rule in checked(examiner, document, body)]


def completed(examiner: Examiner, created: Success) -> tuple[Success, list[str]]:
    """Wait for a task and return its last answer as a success, and what was wrong before it."""
    variant, provider = created.variant, examiner.provider
    document = created_document(provider, variant)
    mistakes = broken(examiner, document, created.body)
    ids = role_values(document, "task_id", created.body)
    if mistakes or not ids:
        return created, mistakes
    price = charge_of(provider, created.model, 1)
    reserved = role_values(document, "reserved", created.body)
    wrong = [f"{value} reserved, expected {price}" for value in reserved if amount_of(value) != price]
    mistakes += about("bill", wrong)
    seen = follow(examiner, read_string(ids[0], "task_id"), variant)
    mistakes += progress_mistakes(examiner, variant, [body for _, body in seen])
    reply, body = seen[-1]
    success = Success(
        provider=provider,
        variant=variant,
        asked=created.asked,
        reply=reply,
        body=body,
        now=examiner.now(),
        request_id=created.request_id,
    )
    answered = values_in(variant.answer, "task_id", reply)
    mistakes += [f"the task {answered[0]} in an answer about {ids[0]}"] if answered and answered[0] != ids[0] else []
    return success, about("task", mistakes)
