"""What is examined of tasks: how they go, who sees them, how they end, what they cost."""

import time
from decimal import Decimal

import orjson

from qwenmock.pytest_plugin.examiner.answer_judge import checked, refusal_mistakes, values_in
from qwenmock.pytest_plugin.examiner.bodies import example, put
from qwenmock.pytest_plugin.examiner.expected_cost import amount_of, charge_of
from qwenmock.pytest_plugin.examiner.invariants import Success, image_counts, role_values
from qwenmock.pytest_plugin.examiner.results import ContractViolation, NotExaminable
from qwenmock.pytest_plugin.examiner.session import Examiner, shown
from qwenmock.pytest_plugin.examiner.target import Reply
from qwenmock.schemas.models import Document, Variant
from qwenmock.schemas.vocabulary import JSON

TASK_STEP = 0.15
"""Seconds that a movable clock is moved between two looks at a task: all its states are seen."""
POLL_SECONDS = (0.3, 0.5, 1.0, 2.0, 3.0)
LONGEST_TASK = 200
"""Looks at a task before it is given up."""


def completed(examiner: Examiner, created: Success) -> tuple[Success, list[str]]:
    """Wait for a task and return its last answer as the success that it is, and what was wrong on the way."""
    variant, provider = created.variant, examiner.provider
    document = provider.endpoint_of(variant).created_response
    assert document is not None, "only called for tasks"
    mistakes = [f"{rule.id} is broken: {shown(created.reply)}" for rule in checked(examiner, document, created.body)]
    ids = role_values(document, "task_id", created.body)
    if mistakes or not ids:
        return created, mistakes
    price = charge_of(provider, created.asked["model"], 1)
    reserved = role_values(document, "reserved", created.body)
    mistakes += [f"{value} reserved, {price} are due" for value in reserved if amount_of(value) != price]
    seen = follow(examiner, ids[0], variant)
    mistakes += progress_mistakes(examiner, variant, [body for _, body in seen])
    reply, body = seen[-1]
    success = Success(provider, variant, created.asked, reply, body, examiner.now(), created.request_id)
    answered = values_in(variant.answer, "task_id", reply)
    mistakes += [f"the task {answered[0]} in an answer about {ids[0]}"] if answered and answered[0] != ids[0] else []
    return success, mistakes


def query(examiner: Examiner, task_id: str, key: str | None = None) -> Reply:
    """Ask for a task; this costs nothing."""
    endpoint = examiner.provider.endpoint_for("task")
    assert endpoint is not None, "the loader checks it: the provider creates tasks"
    path = endpoint.path.replace("{task_id}", task_id)
    headers = {"Authorization": f"Bearer {key or examiner.paying_key()}"}
    return examiner.target.send("GET", examiner.target.base_url + path, headers)


def follow(examiner: Examiner, task_id: str, variant: Variant) -> list[tuple[Reply, JSON]]:
    """Ask for a task until it has ended, and return all answers.

    Raises:
        NotExaminable: It did not end in time.

    """
    tasks = examiner.provider.tasks
    assert tasks is not None, "only called for providers with tasks"
    seen: list[tuple[Reply, JSON]] = []
    for turn in range(LONGEST_TASK):
        reply = query(examiner, task_id)
        try:
            body = reply.json() if reply.status == 200 else None
        except ValueError:
            body = None
        seen.append((reply, body))
        status = next(iter(role_values(variant.answer, "task_status", body)), None)
        if reply.status != 200 or tasks.state_called(status) not in {"pending", "running"}:
            return seen
        if examiner.control is not None:
            examiner.advance(TASK_STEP)
        else:
            time.sleep(POLL_SECONDS[min(turn, len(POLL_SECONDS) - 1)])
    raise NotExaminable(f"the task had not ended after {LONGEST_TASK} looks")


def progress_mistakes(examiner: Examiner, variant: Variant, answers: list[JSON]) -> list[str]:
    """Return what is wrong with the answers that a task gave on its way, in order."""
    tasks = examiner.provider.tasks
    assert tasks is not None, "only called for providers with tasks"
    mistakes: list[str] = []
    progress = [value for body in answers for value in role_values(variant.answer, "progress", body)]
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
        if document is not None:
            mistakes += [f"{rule.id} is broken" for rule in checked(examiner, document, body)]
    return mistakes


def create(examiner: Examiner, variant: Variant, body: JSON) -> str:
    """Create a task and return its id.

    Raises:
        ContractViolation: None is created.

    """
    document = examiner.provider.endpoint_of(variant).created_response
    assert document is not None, "only called for tasks"
    reply = examiner.settled(body, variant)
    ids = values_in(document, "task_id", reply)
    if reply.status != 200 or not ids:
        raise ContractViolation(examiner.report(None, [shown(reply)], orjson.dumps(body), "a task"))
    return ids[0]


def runs_its_course(examiner: Examiner, variant: Variant) -> None:
    """Follow a task to its end and beyond: it goes forward, and then does not change."""
    body = example(variant)
    task_id = create(examiner, variant, body)
    seen = follow(examiner, task_id, variant)
    mistakes = progress_mistakes(examiner, variant, [answer for _, answer in seen])
    later = query(examiner, task_id)
    ended, unchanged = (_without_request_id(variant.answer, reply) for reply in (seen[-1][0], later))
    if ended != unchanged:
        mistakes.append(f"an ended task that changes: {shown(later)}")
    if mistakes:
        raise ContractViolation(
            examiner.report(None, mistakes, orjson.dumps(body), "a task that goes forward, and stays ended")
        )


def _without_request_id(document: Document, reply: Reply) -> JSON:
    """Return an answer without the id of the request that it answers, which is another each time."""
    return [values_in(document, role, reply) for role in sorted(document.roles) if role != "request_id"]


def refuse_foreign_task(examiner: Examiner, variant: Variant) -> None:
    """Ask for a task with another key: it must not be seen."""
    other = examiner.key_for("other")
    body = example(variant)
    reply = query(examiner, create(examiner, variant, body), other)
    _hidden(examiner, reply, "task_forbidden", orjson.dumps(body))


def refuse_unknown_tasks(examiner: Examiner) -> None:
    """Ask for tasks that are not there."""
    tasks = examiner.provider.tasks
    assert tasks is not None, "only called for providers with tasks"
    _hidden(examiner, query(examiner, f"{tasks.prefix}0000000000-00000000"), "task_not_found", b"")
    if tasks.prefix:
        _hidden(examiner, query(examiner, "nonsense"), "task_id_invalid", b"")


def _hidden(examiner: Examiner, reply: Reply, name: str, content: bytes) -> None:
    kind = examiner.provider.errors.get(name)
    if kind is not None:
        mistakes = refusal_mistakes(examiner, kind, reply)
    else:
        # Where there is no error for it, the answer is a state that has nothing to show.
        urls = [url for v in examiner.provider.variants.values() for url in values_in(v.answer, "image_url", reply)]
        mistakes = [] if reply.status == 200 and not urls else [f"status {reply.status}: {shown(reply)}"]
    if mistakes:
        raise ContractViolation(examiner.report(None, mistakes, content, f"{name} for a task of no concern"))


def give_back_on_failure(examiner: Examiner, variant: Variant) -> None:
    """Have a task fail: it says why, shows no image, and costs nothing.

    Raises:
        NotExaminable: No request makes this target's tasks fail.

    """
    if examiner.control is None:
        raise NotExaminable("no client can make a task fail")
    before = examiner.balance()
    schema = variant.request.schema
    body = put(schema, example(variant), variant.request.roles["prompt"][0], "a cat [[qwenmock: refuse]]")
    reply, last = follow(examiner, create(examiner, variant, body), variant)[-1]
    tasks = examiner.provider.tasks
    document = tasks.states["failed"].document if tasks else None
    mistakes = [] if document is None else [f"{rule.id} is broken" for rule in checked(examiner, document, last)]
    after = examiner.balance()
    if after != before:
        mistakes.append(f"a balance of {after} after {before}")
    if mistakes:
        raise ContractViolation(
            examiner.report(None, [*mistakes, shown(reply)], orjson.dumps(body), "a failed task, unbilled")
        )


def give_back_on_cancellation(examiner: Examiner, variant: Variant) -> None:
    """Cancel a task, by the provider's own call where it has one: it says so, and costs nothing.

    Raises:
        NotExaminable: Nobody can cancel a task of this target.

    """
    if examiner.control is None:
        raise NotExaminable("a task of this target cannot be cancelled in time, nor its balance read")
    before = examiner.balance()
    body = example(variant)
    task_id = create(examiner, variant, body)
    own = examiner.provider.endpoint_for("cancel")
    path = own.path.replace("{task_id}", task_id) if own else ""
    address = examiner.target.base_url + path if own else f"{examiner.control}/tasks/{task_id}/cancel"
    headers = {"Authorization": f"Bearer {examiner.paying_key()}", "Content-Type": "application/json"}
    answered = examiner.target.send("POST", address, headers, b"{}")
    tasks = examiner.provider.tasks
    reply = query(examiner, task_id)
    document = tasks.states["cancelled"].document if tasks else None
    state = next(iter(values_in(variant.answer, "task_status", reply)), None)
    mistakes = [] if answered.status == 200 else [f"status {answered.status}: {shown(answered)}"]
    if tasks is not None and state != tasks.states["cancelled"].name:
        mistakes.append(f"the task is {state}")
    if document is not None and not mistakes:
        mistakes += [f"{rule.id} is broken" for rule in checked(examiner, document, reply.json())]
    after = examiner.balance()
    mistakes += [f"a balance of {after} after {before}"] if after != before else []
    if mistakes:
        promise = "a cancelled task, unbilled"
        raise ContractViolation(examiner.report(None, [*mistakes, shown(reply)], orjson.dumps(body), promise))


def credits_follow(examiner: Examiner, variant: Variant) -> None:
    """Compare what the provider says is left: a refusal takes nothing, a task that succeeds its price.

    Raises:
        NotExaminable: The provider does not tell.

    """
    endpoint = examiner.provider.endpoint_for("credits")
    if endpoint is None or endpoint.answer is None:
        raise NotExaminable("this provider does not tell what is left")
    document = endpoint.answer
    content = orjson.dumps(example(variant))

    def left() -> Decimal:
        headers = {"Authorization": f"Bearer {examiner.paying_key()}"}
        reply = examiner.target.send("GET", examiner.target.base_url + endpoint.path, headers)
        try:
            body = reply.json()
        except ValueError:
            body = None
        if reply.status != 200 or checked(examiner, document, body):
            raise ContractViolation(examiner.report(None, [shown(reply)], b"", "what is left, as documented"))
        return amount_of(role_values(document, "remaining", body)[0])

    before = left()
    examiner.call(b"{", Decimal(0))
    refused = left()
    task_id = create(examiner, variant, example(variant))
    reply, body = follow(examiner, task_id, variant)[-1]
    success = Success(examiner.provider, variant, example(variant), reply, body, examiner.now(), None)
    price = charge_of(examiner.provider, example(variant)["model"], sum(image_counts(success)[:1]))
    after = left()
    if refused != before or before - after != price:
        got = f"{before} before, {refused} after a refusal, {after} after a task that made its image"
        raise ContractViolation(examiner.report(None, [got], content, f"{price} less, after the task only"))
