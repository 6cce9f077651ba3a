"""Tasks whose callbacks come to the examiner: creating them, and waiting for their end and their callbacks."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from decimal import Decimal

import orjson

from qwenmock.pytest_plugin.examiner.answer_judge import json_of, values_in
from qwenmock.pytest_plugin.examiner.bodies import example, put
from qwenmock.pytest_plugin.examiner.boundaries.edit import Edit
from qwenmock.pytest_plugin.examiner.checks.single_request import request_id_of
from qwenmock.pytest_plugin.examiner.checks.task_credits import used_credits
from qwenmock.pytest_plugin.examiner.checks.task_progress import (
    POLL_SECONDS,
    QUERIES_MAX,
    TASK_STEP,
    created_document,
    query,
)
from qwenmock.pytest_plugin.examiner.connection.callbacks import (
    PUBLIC,
    Answer,
    CallbackInbox,
    Hook,
    ReceivedCallback,
)
from qwenmock.pytest_plugin.examiner.json_values import as_text, read_array, read_member, read_string
from qwenmock.pytest_plugin.examiner.results import NotExaminable, UnreadableAnswer
from qwenmock.pytest_plugin.examiner.schema_judge import broken_rules
from qwenmock.pytest_plugin.examiner.session import Examiner
from qwenmock.pytest_plugin.examiner.target import Reply
from qwenmock.schemas.models import Callbacks, Variant
from qwenmock.schemas.vocabulary import JSON

REACH_SECONDS = 3.0
"""Seconds after which it is asked whether a callback could not be sent."""
NO_RECEIVER = (
    "the target cannot reach this machine: --callback-url and --callback-poll name a receiver that it can reach"
)
REFUSED = (
    "the target refuses callback URLs on this machine, as its document asks: --callback-url and --callback-poll name "
    "a receiver that it can reach"
)


@dataclass(frozen=True, slots=True)
class Call:
    """A task that was created with a callback URL.

    Attributes:
        content: The body that created it.
        used: The credits that were used before it; None if the provider does not state them.

    """

    variant: Variant
    hook: Hook
    task_id: str
    content: bytes
    model: str
    request_id: str | None
    used: Decimal | None


def inbox_of(examiner: Examiner, variant: Variant) -> CallbackInbox:
    """Return what receives callbacks.

    Raises:
        NotExaminable: Nothing does, or the provider sends none.

    """
    if "callback_url" not in variant.request.roles or examiner.provider.callbacks is None:
        raise NotExaminable("no request of this variant names a callback URL")
    if examiner.inbox is None or examiner.inbox.is_out_of_reach:
        raise _unexaminable(examiner, NO_RECEIVER)
    return examiner.inbox


def terms_of(examiner: Examiner) -> Callbacks:
    """Return the provider's terms of callbacks; only called for providers that send some."""
    assert examiner.provider.callbacks is not None, "only called for providers that send callbacks"
    return examiner.provider.callbacks


def _unexaminable(examiner: Examiner, reason: str) -> NotExaminable:
    """Note for each rule of callbacks why it cannot be examined."""
    for rule in examiner.provider.rules:
        if rule.variant == "callback":
            examiner.results.note(rule, reason)
    return NotExaminable(reason)


def begin(examiner: Examiner, variant: Variant, answers: Sequence[Answer] = (), prompt: str | None = None) -> Call:
    """Create a task whose callbacks come to the examiner.

    Raises:
        NotExaminable: The target refuses the address, and its document forbids it.
        ContractViolation: No task is created.

    """
    inbox = inbox_of(examiner, variant)
    hook = inbox.open(answers)
    body: JSON = example(variant)
    if prompt is not None:
        body = put(variant.request.schema, body, variant.request.roles["prompt"][0], prompt)
    used = used_credits(examiner)
    with callbacks_sent_here(examiner, inbox) as is_sent_here:
        if is_sent_here:
            hook.url = f"{PUBLIC}/{hook.name}"
        body = with_callback(variant, body, hook.url)
        reply = examiner.retries.send_with_retry(body, variant)
    if reply.status != 200 and broken_rules(variant.request, body):
        raise _unexaminable(examiner, REFUSED)
    return called(examiner, variant, hook, body, reply, used)


def with_callback(variant: Variant, body: JSON, url: str) -> JSON:
    """Return the body with a callback URL."""
    return put(variant.request.schema, body, variant.request.roles["callback_url"][0], url)


def called(examiner: Examiner, variant: Variant, hook: Hook, body: JSON, reply: Reply, used: Decimal | None) -> Call:
    """Return the task that was created, and have its bill read when its callback comes."""
    ids = values_in(created_document(examiner.provider, variant), "task_id", reply)
    content = orjson.dumps(body)
    if reply.status != 200 or not ids:
        raise examiner.results.violation([reply.excerpt], content, "a task", reply=reply, subject="task")
    request_id = request_id_of(examiner.provider, variant, reply)
    hook.bill_url = examiner.payments.bill_url(request_id)
    if hook.bill_url is None:
        endpoint = examiner.provider.endpoint_for("credits")
        hook.bill_url = None if endpoint is None else examiner.target.base_url + endpoint.path
        hook.bill_headers = examiner.credentials.headers()
    return Call(
        variant=variant,
        hook=hook,
        task_id=read_string(ids[0], "task_id"),
        content=content,
        model=as_text(example(variant)["model"]),
        request_id=request_id,
        used=used,
    )


def callbacks_sent_here(examiner: Examiner, inbox: CallbackInbox) -> AbstractContextManager[bool]:
    """Return what has a double that can be controlled send the next task's callback to this machine, if it must."""
    if inbox.origin is None or not examiner.control.is_available:
        return nullcontext(False)
    return examiner.control.callbacks_sent_to(inbox.origin)


def until_end(examiner: Examiner, call: Call) -> Reply:
    """Query a task until it has ended and return the last answer; no callback may come before that.

    Raises:
        NotExaminable: It did not end in time.

    """
    inbox = inbox_of(examiner, call.variant)
    for turn in range(QUERIES_MAX):
        came = len(inbox.callbacks(call.hook))
        reply = query(examiner, call.task_id)
        state = examiner.provider.task_state(json_of(reply))
        if state not in {"pending", "running"}:
            return reply
        if came:
            conclude(examiner, call, "sent", [f"a callback, and a query then answers that the task is {state}"])
        _let_task_pass(examiner, inbox, turn)
    raise NotExaminable(f"the task had not ended after {QUERIES_MAX} queries")


def _let_task_pass(examiner: Examiner, inbox: CallbackInbox, turn: int) -> None:
    """Let time pass between two queries."""
    if inbox.is_instant:
        inbox.wait(TASK_STEP)
    elif examiner.control.is_available:
        examiner.control.advance(TASK_STEP)
        inbox.wait(inbox.step / 10)
    else:
        inbox.wait(POLL_SECONDS[min(turn, len(POLL_SECONDS) - 1)])


def require_one(examiner: Examiner, call: Call) -> list[ReceivedCallback]:
    """Wait for the callback of a task that has ended.

    Raises:
        ContractViolation: None comes.
        NotExaminable: The target could not send it to this machine, because it runs in a container.

    """
    inbox = inbox_of(examiner, call.variant)
    callbacks = await_callbacks(inbox, call.hook, 1, REACH_SECONDS)
    if not callbacks and inbox.origin is not None and _has_failed(examiner, call):
        inbox.is_out_of_reach = True
        raise _unexaminable(examiner, NO_RECEIVER)
    callbacks = callbacks or await_callbacks(inbox, call.hook, 1, inbox.patience - REACH_SECONDS)
    missing = [] if callbacks else [f"no callback within {inbox.patience:g} s of the task's end"]
    conclude(examiner, call, "sent", missing)
    if not callbacks:
        raise NotExaminable("no callback came")
    return callbacks


def _has_failed(examiner: Examiner, call: Call) -> bool:
    """Return whether a target that can be controlled states that it could not connect to send a callback."""
    if not examiner.control.is_available:
        return False
    try:
        task = examiner.control.send("GET", f"/tasks/{call.task_id}").json()
        callbacks = read_array(read_member(task, "callbacks"), "callbacks")
        attempts = [a for c in callbacks for a in read_array(read_member(c, "attempts"), "attempts")]
        return any(read_member(attempt, "status") == 0 for attempt in attempts)
    except UnreadableAnswer:
        return False


def await_callbacks(inbox: CallbackInbox, hook: Hook, count: int, idle: float) -> list[ReceivedCallback]:
    """Wait until so many callbacks have come, or none has for some seconds."""
    waited, known = 0.0, 0
    while True:
        callbacks = inbox.callbacks(hook)
        if len(callbacks) > known:
            waited, known = 0.0, len(callbacks)
        if known >= count or waited >= idle:
            return callbacks
        inbox.wait(inbox.step)
        waited += inbox.step


def let_pass(inbox: CallbackInbox, seconds: float) -> None:
    """Let time pass on the target, in the steps in which callbacks are sent."""
    waited = 0.0
    while waited < seconds:
        inbox.wait(inbox.step)
        waited += inbox.step


def conclude(examiner: Examiner, call: Call, name: str, mistakes: list[str]) -> None:
    """Count a rule of callbacks, and fail if it did not hold and is asserted."""
    rule = examiner.provider.callback_rule(name)
    edit = Edit(rule, "accept", f"callback_url: {call.hook.url}", lambda body: body)
    examiner.results.conclude(edit, mistakes, call.content, f"a callback that {rule.value}")
