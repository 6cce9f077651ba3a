"""Relations between the answers about one task: its times, and what is equal in its creation and every query."""

from collections.abc import Iterator, Sequence
from datetime import datetime

import orjson

from qwenmock.pytest_plugin.examiner.answer_judge import json_of
from qwenmock.pytest_plugin.examiner.bodies import example
from qwenmock.pytest_plugin.examiner.checks.task_progress import created_document, follow, query
from qwenmock.pytest_plugin.examiner.invariants import role_values
from qwenmock.pytest_plugin.examiner.json_values import texts
from qwenmock.pytest_plugin.examiner.session import Examiner
from qwenmock.schemas.models import Document, Variant
from qwenmock.schemas.vocabulary import JSON

CLOCK_SLACK = 5.0
"""Seconds by which a task may have taken longer than the examiner waited for it: clocks differ."""
TIMES = ("submit_time", "scheduled_time", "end_time")
"""The roles of a task's times, in the order in which they pass. They are written so that they sort as text."""
SAME = ("task_id", "model", "created", *TIMES)
"""The roles whose values an answer about a task repeats."""


def relate_answers(examiner: Examiner, variant: Variant) -> None:
    """Create a task, follow it and query it once more: times must be in order, and what is repeated must be equal."""
    body = example(variant)
    began = examiner.now()
    reply = examiner.retries.send_with_retry(body, variant)
    content = orjson.dumps(body)
    created = created_document(examiner.provider, variant)
    answer = json_of(reply) if reply.status == 200 else None
    ids = texts(role_values(created, "task_id", answer))
    if not ids:
        got = [f"status {reply.status}" if reply.status != 200 else "no id of a task"]
        raise examiner.results.violation(got, content, "a task", reply=reply, subject="task")
    answers: list[tuple[Document, JSON]] = [(created, answer)]
    replies = [*(seen for seen, _ in follow(examiner, ids[0], variant)), query(examiner, ids[0])]
    answers += [
        (_document(examiner, variant, seen), seen) for seen in (json_of(each) for each in replies if each.status == 200)
    ]
    mistakes = [*_differences(answers), *_disorder(answers), *_excess(answers, examiner.now() - began)]
    models = {model for document, seen in answers for model in texts(role_values(document, "model", seen))}
    mistakes += [f"the model {model}, asked for {body['model']}" for model in models if model != body["model"]]
    examiner.results.require(mistakes, content, "answers about one task that agree", replies[-1], "task")


def _document(examiner: Examiner, variant: Variant, body: JSON) -> Document:
    """Return the document of the state that an answer is about."""
    tasks, state = examiner.provider.tasks, examiner.provider.task_state(body)
    document = tasks.states[state].document if tasks is not None and state is not None else None
    return document or variant.answer


def _differences(answers: Sequence[tuple[Document, JSON]]) -> Iterator[str]:
    for role in SAME:
        values = [value for document, body in answers for value in role_values(document, role, body)]
        distinct = list(dict.fromkeys(map(str, values)))
        if len(distinct) > 1:
            yield f"{role} changes: {', '.join(distinct)}"


def _disorder(answers: Sequence[tuple[Document, JSON]]) -> Iterator[str]:
    for document, body in answers:
        times = [value for role in TIMES for value in texts(role_values(document, role, body))]
        if times != sorted(times):
            yield f"times go back: {', '.join(map(str, times))}"
            return


def _excess(answers: Sequence[tuple[Document, JSON]], waited: float) -> Iterator[str]:
    """Yield the first statement of times that lie further apart than the examiner waited."""
    for document, body in answers:
        times = [value for role in TIMES for value in texts(role_values(document, role, body))]
        try:
            moments = [datetime.fromisoformat(value) for value in times]
        except ValueError:
            continue  # their form is a rule of the schema
        if len(moments) > 1 and (moments[-1] - moments[0]).total_seconds() > waited + CLOCK_SLACK:
            yield f"a task from {times[0]} to {times[-1]}, which was there for {waited:.1f} s"
            return
