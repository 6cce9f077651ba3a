"""Callbacks of tasks: that they come, when, with which body, how often they are repeated, and where they never go."""

from itertools import pairwise
from urllib.parse import urlsplit

import orjson

from qwenmock.pytest_plugin.examiner.answer_judge import json_of
from qwenmock.pytest_plugin.examiner.bodies import example
from qwenmock.pytest_plugin.examiner.boundaries.edit import Edit
from qwenmock.pytest_plugin.examiner.boundaries.strings import INTERNAL
from qwenmock.pytest_plugin.examiner.budget import OverBudget
from qwenmock.pytest_plugin.examiner.checks.callback_tasks import (
    Call,
    await_callbacks,
    begin,
    callbacks_sent_here,
    called,
    conclude,
    inbox_of,
    let_pass,
    require_one,
    terms_of,
    until_end,
    with_callback,
)
from qwenmock.pytest_plugin.examiner.checks.task_credits import used_credits
from qwenmock.pytest_plugin.examiner.checks.task_progress import broken
from qwenmock.pytest_plugin.examiner.checks.tasks import cancel
from qwenmock.pytest_plugin.examiner.connection.callbacks import (
    ELSEWHERE,
    PUBLIC,
    CallbackInbox,
    Hook,
    ReceivedCallback,
)
from qwenmock.pytest_plugin.examiner.expected_cost import charge_of
from qwenmock.pytest_plugin.examiner.invariants import role_values
from qwenmock.pytest_plugin.examiner.results import NotExaminable
from qwenmock.pytest_plugin.examiner.session import Examiner
from qwenmock.pytest_plugin.examiner.target import Reply
from qwenmock.schemas.models import Callbacks, Document, Variant
from qwenmock.schemas.vocabulary import JSON

QUIET = (20.0, 2.0)
"""Seconds in which no other callback may come: of a clock that can be moved, and of real time."""
FAILURE = 500
REDIRECT = 307


def examine_callback(examiner: Examiner, variant: Variant) -> None:
    """Create a task with a callback URL: its callback must come once, after its end and its bill, with its body."""
    call = begin(examiner, variant)
    inbox = inbox_of(examiner, variant)
    ended = until_end(examiner, call)
    callbacks = require_one(examiner, call)
    _conclude_billing(examiner, call, callbacks[0])
    conclude(examiner, call, "body", _body_mistakes(examiner, call, callbacks[0], ended))
    if callbacks[0].answered != 200:
        raise NotExaminable(f"the receiver answers {callbacks[0].answered}, expected 200")
    let_pass(inbox, QUIET[0] if inbox.is_instant else QUIET[1])
    more = len(inbox.callbacks(call.hook)) - 1
    conclude(examiner, call, "once", [f"{more} more after a 200"] if more else [])


def examine_callback_of_failure(examiner: Examiner, variant: Variant) -> None:
    """Make a task fail: its callback must come with the failure.

    Raises:
        NotExaminable: No request makes this target's tasks fail.

    """
    if not examiner.control.is_available:
        raise NotExaminable("no client can make a task fail")
    call = begin(examiner, variant, prompt="a cat [[qwenmock: refuse]]")
    ended = until_end(examiner, call)
    conclude(examiner, call, "body", _body_mistakes(examiner, call, require_one(examiner, call)[0], ended))


def examine_callback_of_cancellation(examiner: Examiner, variant: Variant) -> None:
    """Cancel a task: its callback must state it.

    Raises:
        NotExaminable: A task of this target cannot be cancelled.

    """
    if not examiner.control.is_available and examiner.provider.endpoint_for("cancel") is None:
        raise NotExaminable("a task of this target cannot be cancelled")
    call = begin(examiner, variant)
    cancel(examiner, call.task_id)
    ended = until_end(examiner, call)
    conclude(examiner, call, "body", _body_mistakes(examiner, call, require_one(examiner, call)[0], ended))


def examine_repetition(examiner: Examiner, variant: Variant) -> None:
    """Answer one task's callbacks with errors, and another's not at all: they must be repeated as documented.

    Raises:
        NotExaminable: The receiver does not answer as it was asked to.
        OverBudget: The budget covers no task, or only the first.

    """
    inbox, terms = inbox_of(examiner, variant), terms_of(examiner)
    failing = begin(examiner, variant, [FAILURE] * (2 * len(terms.retry_seconds) + 2))
    silent: Call | None = None
    unaffordable: OverBudget | None = None
    try:
        # In real time both are waited for at once.
        silent = None if inbox.is_instant else begin(examiner, variant, [None])
    except OverBudget as error:
        unaffordable = error
    until_end(examiner, failing)
    _judge_failing(examiner, inbox, failing, terms)
    if unaffordable is not None:
        raise unaffordable
    silent = silent or begin(examiner, variant, [None])
    until_end(examiner, silent)
    _judge_silent(examiner, inbox, silent, terms)


def examine_addresses(examiner: Examiner, variant: Variant) -> None:
    """Name addresses that are forbidden, also by a redirect: nothing may be sent there."""
    inbox = inbox_of(examiner, variant)
    hook = inbox.open()
    accepted: list[Call] = []
    content = b""
    for url in _forbidden(examiner, inbox, hook):
        body = with_callback(variant, example(variant), url)
        content = orjson.dumps(body)
        with callbacks_sent_here(examiner, inbox):
            reply = examiner.retries.send_with_retry(body, variant, examiner.provider.errors["invalid"].status)
        if reply.status == 200:
            accepted.append(called(examiner, variant, hook, body, reply, None))
    # A receiver elsewhere does not redirect, and the double in this process leaves redirects to its HTTP client.
    can_redirect = inbox.origin is not None and examiner.control.is_available
    redirected = begin(examiner, variant, [REDIRECT]) if can_redirect else None
    for call in (*accepted, *([] if redirected is None else [redirected])):
        until_end(examiner, call)
    if redirected is not None:
        await_callbacks(inbox, redirected.hook, 1, inbox.patience)
    let_pass(inbox, QUIET[0] if inbox.is_instant else QUIET[1])
    mistakes = [f"a callback to {received.url}" for received in inbox.callbacks(hook)[:3]]
    rule = examiner.provider.callback_rule("address")
    edit = Edit(rule, "accept", "callback URLs that are forbidden", lambda body: body)
    examiner.results.conclude(edit, mistakes, content, f"a callback that {rule.value}")
    if redirected is not None:
        followed = [each.url for each in inbox.callbacks(redirected.hook) if ELSEWHERE in each.url]
        mistakes = [f"a callback to {url}, where a redirect led" for url in followed[:1]]
        conclude(examiner, redirected, "address", mistakes)


def _conclude_billing(examiner: Examiner, call: Call, received: ReceivedCallback) -> None:
    """Judge whether the task was billed when its callback came."""
    rule = examiner.provider.callback_rule("after-billing")
    bill = received.bill
    if bill is None and call.hook.bill_url is not None:
        bill = examiner.target.send("GET", call.hook.bill_url, call.hook.bill_headers)
    is_billed = None if bill is None else _is_billed(examiner, call, bill)
    if is_billed is None:
        examiner.results.note(rule, "the target states neither charges nor the credits that were used")
    elif is_billed and received.bill is None:
        examiner.results.note(rule, "the bill could only be read after the callback had come")
    else:
        conclude(examiner, call, "after-billing", [] if is_billed else ["no charge at the moment when it came"])


def _is_billed(examiner: Examiner, call: Call, bill: Reply) -> bool | None:
    """Return whether a ledger, or a statement of credits, has a task's price; None if it states nothing of the kind."""
    if examiner.payments.bill_url(call.request_id) is not None:
        return bool(examiner.payments.read_charges(bill, call.request_id))
    used = used_credits(examiner, bill)
    if used is None or call.used is None:
        return None
    return used - call.used >= charge_of(examiner.provider, call.model, 1)


def _body_mistakes(examiner: Examiner, call: Call, received: ReceivedCallback, ended: Reply) -> list[str]:
    """Return what is wrong with a callback, beside what a query answers."""
    mistakes = [] if received.method == "POST" else [f"sent as {received.method}"]
    content_type = received.headers.get("content-type", "").partition(";")[0].strip().lower()
    mistakes += [] if content_type == "application/json" else [f"Content-Type: {content_type}"]
    try:
        body: JSON = orjson.loads(received.body)
    except orjson.JSONDecodeError:
        return [*mistakes, f"the body is not JSON: {received.body[:200]!r}"]
    expected = json_of(ended)
    document = _document(examiner, call.variant, expected)
    mistakes += broken(examiner, document, body)
    for role in sorted(document.roles):
        # A link may be signed anew in each answer.
        if role == "request_id" or (examiner.live and role == "image_url"):
            continue
        got, wanted = (role_values(document, role, each) for each in (body, expected))
        if got != wanted:
            mistakes.append(f"{role}: {_shown(got)}, a query answers {_shown(wanted)}")
    if not mistakes and not examiner.live and body != expected:
        mistakes.append("members that a query does not answer, or not all of them")
    return mistakes


def _document(examiner: Examiner, variant: Variant, body: JSON) -> Document:
    """Return the document of the state that a query answered with."""
    tasks, state = examiner.provider.tasks, examiner.provider.task_state(body)
    document = tasks.states[state].document if tasks is not None and state is not None else None
    return document or variant.answer


def _shown(values: list[JSON]) -> str:
    return orjson.dumps(values).decode()[:100]


def _judge_failing(examiner: Examiner, inbox: CallbackInbox, call: Call, terms: Callbacks) -> None:
    """Judge the callbacks of a task that were all answered with a 500."""
    pauses = terms.retry_seconds
    require_one(examiner, call)
    idle = 2 * max(pauses, default=0) + inbox.slack
    await_callbacks(inbox, call.hook, 1 + len(pauses), idle)
    let_pass(inbox, QUIET[0] if inbox.is_instant else max(pauses, default=0))
    callbacks = inbox.callbacks(call.hook)
    if callbacks[0].answered != FAILURE:
        raise NotExaminable(f"the receiver answers {callbacks[0].answered} where it was asked for a {FAILURE}")
    times = [each.at for each in callbacks]
    found = [later - earlier for earlier, later in pairwise(times)]
    shown = ", ".join(f"{pause:.1f}" for pause in found)
    got = f"{len(callbacks)} attempts, expected {1 + len(pauses)}; pauses of {shown or 'no'} s"
    conclude(examiner, call, "attempts", [got] if len(callbacks) != 1 + len(pauses) else [])
    wrong = [pause for pause, term in zip(found, pauses, strict=False) if not _is_about(pause, term, inbox.slack)]
    listed = ", ".join(map(str, pauses))
    conclude(examiner, call, "pauses", [f"pauses of {shown} s, expected {listed} s"] if wrong else [])
    changed = [each for each in callbacks if each.body != callbacks[0].body]
    conclude(examiner, call, "body", ["another body when it is repeated"] if changed else [])


def _judge_silent(examiner: Examiner, inbox: CallbackInbox, call: Call, terms: Callbacks) -> None:
    """Judge the callbacks of a task of which the first got no answer."""
    require_one(examiner, call)
    pause = terms.retry_seconds[0] if terms.retry_seconds else 0
    callbacks = await_callbacks(inbox, call.hook, 2, terms.timeout_seconds + pause + 2 * inbox.slack)
    if callbacks[0].answered is not None:
        raise NotExaminable(f"the receiver answers {callbacks[0].answered} where it was asked for no answer")
    held = callbacks[0].held
    mistakes = (
        [] if held is None or _is_about(held, terms.timeout_seconds, inbox.slack) else [f"gives up after {held:.1f} s"]
    )
    if len(callbacks) < 2:
        mistakes.append(f"no further attempt {terms.timeout_seconds + pause} s after one that was not answered")
    elif not _is_about(callbacks[1].at - callbacks[0].at, terms.timeout_seconds + pause, inbox.slack):
        mistakes.append(f"a further attempt after {callbacks[1].at - callbacks[0].at:.1f} s")
    expected = [f"expected a time-out of {terms.timeout_seconds} s and a pause of {pause} s"]
    conclude(examiner, call, "timeout", mistakes + expected if mistakes else [])


def _is_about(seconds: float, documented: float, slack: float) -> bool:
    return documented - min(slack, 0.9 * documented) <= seconds <= documented + slack


def _forbidden(examiner: Examiner, inbox: CallbackInbox, hook: Hook) -> list[str]:
    """Return addresses that the documents forbid, and whose callbacks would be seen."""
    if inbox.sees_all or (inbox.origin is not None and examiner.control.is_available):
        http = f"{PUBLIC.replace('https', 'http')}/{hook.name}"
        return [http, *(f"https://{host}/{hook.name}" for host in INTERNAL)]
    if inbox.origin is not None:
        return [hook.url]
    return [urlsplit(hook.url)._replace(scheme="http").geturl()]
