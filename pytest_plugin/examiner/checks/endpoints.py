"""Every endpoint of a provider: its key, its method, its headers, and the ids it is called with."""

from collections.abc import Iterator, Sequence

import orjson

from qwenmock.pytest_plugin.examiner.answer_judge import json_of, refusal_mistakes
from qwenmock.pytest_plugin.examiner.bodies import example
from qwenmock.pytest_plugin.examiner.checks.task_progress import create, follow, query, tasks_of
from qwenmock.pytest_plugin.examiner.findings import OF_KEYS
from qwenmock.pytest_plugin.examiner.results import NotExaminable
from qwenmock.pytest_plugin.examiner.session import Examiner
from qwenmock.pytest_plugin.examiner.target import Reply
from qwenmock.schemas.models import Endpoint, ErrorKind, Variant

TASK_ID = "{task_id}"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def task_variant(examiner: Examiner) -> Variant:
    """Return a variant whose requests create tasks.

    Raises:
        NotExaminable: The provider has none.

    """
    for endpoint in examiner.provider.endpoints.values():
        if endpoint.created_response is not None:
            return endpoint.variants[0]
    raise NotExaminable("this provider has no tasks")


def unknown_id(examiner: Examiner) -> str:
    """Return an id in the provider's format that no task has."""
    return f"{tasks_of(examiner.provider).prefix}0000000000-00000000"


def call(
    examiner: Examiner,
    endpoint: Endpoint,
    headers: dict[str, str],
    *,
    task_id: str = "",
    with_required_header: bool = True,
) -> Reply:
    """Call an endpoint with the smallest valid body, and with these headers."""
    if endpoint.variants:
        variant = endpoint.variants[0]
        body = example(variant)
        worst = examiner.payments.worst_case(variant, body)
        return examiner.sender.call(
            orjson.dumps(body),
            worst,
            headers=headers,
            endpoint=endpoint,
            with_required_header=with_required_header,
        )
    url = examiner.target.base_url + endpoint.path.replace(TASK_ID, task_id)
    return examiner.target.send(endpoint.method, url, headers, b"{}" if endpoint.method == "POST" else b"")


def refuse_authorization_everywhere(examiner: Examiner, forms: Sequence[str | None]) -> None:
    """Call each endpoint with Authorization headers that must be refused.

    Args:
        forms: The headers: `{key}` is the key that pays. None for no header.

    """
    task_id = _some_task(examiner)
    for endpoint in examiner.provider.endpoints.values():
        error = examiner.provider.error_for(endpoint, "unauthorized")
        for form in forms:
            headers = {"Content-Type": "application/json"}
            if form is not None:
                key = examiner.credentials.paying_key() if "{key}" in form else ""
                headers["Authorization"] = form.format(key=key)
            reply = call(examiner, endpoint, headers, task_id=task_id)
            _require(examiner, error, reply, endpoint, f"Authorization: {form}")


def refuse_key_everywhere(examiner: Examiner, purpose: str, error_name: str) -> None:
    """Call each endpoint with a key that causes an error: it must be that error."""
    key = examiner.credentials.key_for(purpose)
    task_id = _some_task(examiner)
    for endpoint in examiner.provider.endpoints.values():
        error = examiner.provider.error_for(endpoint, error_name)
        reply = call(examiner, endpoint, examiner.credentials.headers(key), task_id=task_id)
        _require(examiner, error, reply, endpoint, f"a key that is {purpose}")


def _some_task(examiner: Examiner) -> str:
    """Return the id of a task of the key that pays; on a live target one that does not exist, which costs nothing."""
    if examiner.provider.tasks is None:
        return ""
    if examiner.live:
        return unknown_id(examiner)
    variant = task_variant(examiner)
    return create(examiner, variant, example(variant))


def _require(examiner: Examiner, error: ErrorKind, reply: Reply, endpoint: Endpoint, sent: str) -> None:
    mistakes = refusal_mistakes(examiner, error, reply)
    if mistakes and (not examiner.live or error.certainty != "assumed"):
        promise = f"a {error.status} from {endpoint.method} {endpoint.path} for {sent}"
        subject = "key" if error.name in OF_KEYS else "refusal"
        raise examiner.results.violation(mistakes, b"", promise, reply=reply, subject=subject)


def refuse_other_methods(examiner: Examiner) -> None:
    """Call each path with the methods it does not have: it must be refused, and nothing made.

    Raises:
        NotExaminable: The target is live: no document says how another method is answered.

    """
    if examiner.live:
        raise NotExaminable("no document says how another method is answered: not tried on a live target")
    task_id = _some_task(examiner)
    headers = examiner.credentials.headers()
    endpoints = examiner.provider.endpoints.values()
    for endpoint in endpoints:
        known = {other.method for other in endpoints if other.path == endpoint.path}
        content = orjson.dumps(example(endpoint.variants[0])) if endpoint.variants else b"{}"
        for method in METHODS:
            if method in known:
                continue
            url = examiner.target.base_url + endpoint.path.replace(TASK_ID, task_id)
            reply = examiner.target.send(method, url, headers, content)
            if not 400 <= reply.status < 500:
                promise = f"a refusal of {method} {endpoint.path}, which only has {', '.join(sorted(known))}"
                got = [f"status {reply.status}"]
                raise examiner.results.violation(got, b"", promise, reply=reply, subject="refusal")


def refuse_wrong_headers(examiner: Examiner) -> None:
    """Call endpoints without the header they must be called with, and others with it: each must be refused.

    Raises:
        NotExaminable: No endpoint has such a header.

    """
    provider = examiner.provider
    if not provider.has_required_header:
        raise NotExaminable("no endpoint of this provider needs a header of its own")
    needed = {e.required_header for e in provider.endpoints.values() if e.required_header is not None}
    for endpoint in provider.endpoints.values():
        if endpoint.kind != "create":
            continue
        usual = examiner.credentials.headers()
        if endpoint.required_header is not None:
            name, value = endpoint.required_header
            wrong = [usual] if examiner.live else [usual, {**usual, name: f"{value}d"}]
            error, sent = provider.error_for(endpoint, "not_synchronous"), f"no {name}: {value}"
        else:
            wrong = [{**usual, name: value} for name, value in sorted(needed)]
            error, sent = provider.error_for(endpoint, "not_asynchronous"), "the header of another endpoint"
        for headers in wrong:
            reply = call(examiner, endpoint, headers, with_required_header=False)
            _require(examiner, error, reply, endpoint, sent)


def refuse_unknown_ids(examiner: Examiner) -> None:
    """Call each endpoint that takes a task's id with ids that no task has: each must get its documented error."""
    ids = [(unknown_id(examiner), "task_not_found"), ("nonsense", "task_id_invalid")]
    ids += [(task_id, "task_not_found") for task_id in _nearly_known(examiner)]
    for endpoint in examiner.provider.endpoints.values():
        if TASK_ID not in endpoint.path:
            continue
        for task_id, error_name in ids:
            reply = call(examiner, endpoint, examiner.credentials.headers(), task_id=task_id)
            require_hidden(examiner, endpoint, reply, error_name)


def _nearly_known(examiner: Examiner) -> Iterator[str]:
    """Yield ids that are nearly a task's; none for a live target, where no document says how exactly they are read."""
    if not examiner.live:
        task_id = _some_task(examiner)
        yield from (task_id + "0", task_id[:-1])


def require_hidden(examiner: Examiner, endpoint: Endpoint, reply: Reply, error_name: str) -> None:
    """Check that an answer shows nothing of a task, and is the documented error if there is one.

    Args:
        error_name: Of the error; a provider without it answers a query with a state that shows nothing.

    """
    errors = examiner.provider.errors
    names = [error_name, "task_not_found", "task_not_cancellable"] if endpoint.kind == "cancel" else [error_name]
    error = next((errors[name] for name in names if name in errors), None)
    if error is not None:
        mistakes = refusal_mistakes(examiner, error, reply)
        mistakes = [] if examiner.live and error.certainty == "assumed" else mistakes
    else:
        shown = [examiner.provider.task_state(json_of(reply))] if reply.status == 200 else [reply.status]
        mistakes = [f"status {reply.status}, and a task"] if shown != [None] else []
    promise = f"{error_name} from {endpoint.method} {endpoint.path} for a task that this key must not see"
    examiner.results.require(mistakes, b"", promise, reply, "key" if error_name in OF_KEYS else "refusal")


def hide_from_other_keys(examiner: Examiner, variant: Variant) -> None:
    """Call each endpoint of tasks with another key, before and after the task's end: it must not show the task."""
    other = examiner.credentials.key_for("other")
    body = example(variant)
    content = orjson.dumps(body)
    task_id = create(examiner, variant, body)
    _require_hidden_everywhere(examiner, task_id, other)
    state = examiner.provider.task_state(json_of(query(examiner, task_id)))
    if state == "cancelled":
        promise = "a task of its own key only"
        raise examiner.results.violation(["another key has cancelled it"], content, promise, subject="key")
    follow(examiner, task_id, variant)
    _require_hidden_everywhere(examiner, task_id, other)


def _require_hidden_everywhere(examiner: Examiner, task_id: str, key: str) -> None:
    for endpoint in examiner.provider.endpoints.values():
        if endpoint.kind in {"task", "cancel"}:
            reply = call(examiner, endpoint, examiner.credentials.headers(key), task_id=task_id)
            require_hidden(examiner, endpoint, reply, "task_forbidden")
        elif endpoint.kind == "list":
            reply = call(examiner, endpoint, examiner.credentials.headers(key))
            if task_id.encode() in reply.body:
                promise = "a list of the key's own tasks"
                got = [f"{task_id} is listed for another key"]
                raise examiner.results.violation(got, b"", promise, reply=reply, subject="key")


def list_own_tasks(examiner: Examiner, variant: Variant) -> None:
    """Create a task and list the key's tasks: it must be there, before and after its end.

    Raises:
        NotExaminable: The provider does not list tasks.

    """
    endpoint = examiner.provider.endpoint_for("list")
    if endpoint is None:
        raise NotExaminable("this provider does not list tasks")
    body = example(variant)
    task_id = create(examiner, variant, body)
    listed = [call(examiner, endpoint, examiner.credentials.headers())]
    follow(examiner, task_id, variant)
    listed.append(call(examiner, endpoint, examiner.credentials.headers()))
    missing = [reply for reply in listed if reply.status != 200 or task_id.encode() not in reply.body]
    mistakes = [f"status {reply.status}, without {task_id}" for reply in missing]
    last = (missing or listed)[-1]
    examiner.results.require(mistakes, b"", "a list with the key's newest task", last, "task")
