"""What an account has left, by everything that states it, before and after each kind of refusal."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from functools import partial

import orjson

from qwenmock.pytest_plugin.examiner.answer_judge import unbilled_mistakes, values_in
from qwenmock.pytest_plugin.examiner.bodies import example, put
from qwenmock.pytest_plugin.examiner.boundaries.edit import Edit
from qwenmock.pytest_plugin.examiner.checks.boundaries import witnesses
from qwenmock.pytest_plugin.examiner.checks.endpoints import METHODS, TASK_ID, call, unknown_id
from qwenmock.pytest_plugin.examiner.checks.single_request import control_request
from qwenmock.pytest_plugin.examiner.expected_cost import amount_of
from qwenmock.pytest_plugin.examiner.findings import about
from qwenmock.pytest_plugin.examiner.results import NotExaminable
from qwenmock.pytest_plugin.examiner.session import Examiner
from qwenmock.pytest_plugin.examiner.target import Reply
from qwenmock.schemas.models import Endpoint, Variant

UNKNOWN_MODEL = "no-such-model"
Balances = dict[str, Decimal]
"""By what states them."""


def balances(examiner: Examiner, key: str | None = None) -> Balances:
    """Return what the account of a key has left, by everything that states it; the key that pays by default.

    A key that was never accepted may have no account.

    Raises:
        NotExaminable: The target states no balances.

    """
    key = key or examiner.credentials.paying_key()
    found: dict[str, list[Decimal]] = {}
    if examiner.control.is_available:
        found["the control API"] = examiner.control.balances(key)
    elif examiner.payments.bill_url("none") is not None:
        found["the ledger"] = examiner.payments.balances(key)
    endpoint = examiner.provider.endpoint_for("credits")
    if endpoint is not None and endpoint.answer is not None:
        reply = call(examiner, endpoint, {"Authorization": f"Bearer {key}"})
        stated = values_in(endpoint.answer, "remaining", reply) if reply.status == 200 else []
        found["the provider"] = [amount_of(value) for value in stated]
    known = {name: values[0] for name, values in found.items() if values}
    if not known and not examiner.control.is_available:
        raise NotExaminable("the target states no balance")
    return known


def bill_no_refusal(examiner: Examiner, variant: Variant) -> None:
    """Break each rule of a request once, and look at the balance after each refusal: none may change it."""
    _open_account(examiner)
    before = balances(examiner)
    for rule in variant.request.rules:
        _, refused = witnesses(examiner, variant, rule)
        for edit, body in refused[:1]:
            error = examiner.provider.error_for(examiner.provider.endpoint_of(variant), rule.error)
            reply = examiner.retries.send_with_retry(body, variant, error.status)
            before = _require_unchanged(examiner, before, reply, orjson.dumps(body), edit=edit)


def bill_no_refused_key(examiner: Examiner, purpose: str) -> None:
    """Send a valid body with a key that is refused: the balance of its account must stay as it is."""
    key = examiner.credentials.key_for(purpose)
    content, worst = control_request(examiner)
    examiner.sender.call(b"{", Decimal(0), key)  # opens the account
    before = balances(examiner, key)
    reply = examiner.sender.call(content, worst, key)
    _require_unchanged(examiner, before, reply, content, key=key)


def bill_no_other_refusal(examiner: Examiner) -> None:
    """Have requests refused for what is no rule of a body: nothing may be billed for any of them."""
    _open_account(examiner)
    before = balances(examiner)
    for content, send in _refusals(examiner):
        before = _require_unchanged(examiner, before, send(), content)


def _open_account(examiner: Examiner) -> None:
    """Send a request that costs nothing: an account of the double opens with the first one."""
    examiner.sender.call(b"{", Decimal(0))


def _require_unchanged(
    examiner: Examiner,
    before: Balances,
    reply: Reply,
    content: bytes,
    *,
    key: str | None = None,
    edit: Edit | None = None,
) -> Balances:
    """Compare the balances after an answer, and return them."""
    after = balances(examiner, key)
    if reply.status < 400 and content:
        return after  # it was not refused; a query, which has no content, is never billed
    mistakes = [
        f"a balance of {before.get(name)} before a {reply.status} and {after.get(name)} after it, by {name}"
        for name in dict.fromkeys((*before, *after))
        if before.get(name) != after.get(name)
    ]
    mistakes += unbilled_mistakes(examiner, examiner.provider.error, reply)
    if mistakes:
        raise examiner.results.violation(about("bill", mistakes), content, "no charge for a refusal", edit, reply)
    return after


def _refusals(examiner: Examiner) -> Iterator[tuple[bytes, Callable[[], Reply]]]:
    """Yield requests that must be refused, each as its body and what sends it."""
    for content in (b"{", b"", b"[]", b'{"model": null}'):
        yield content, lambda content=content: examiner.sender.call(content, Decimal(0))
    for endpoint in examiner.provider.endpoints.values():
        if endpoint.variants:
            yield from _refused_creations(examiner, endpoint)
        elif TASK_ID in endpoint.path:
            for task_id in (unknown_id(examiner), "nonsense"):
                yield b"", partial(call, examiner, endpoint, examiner.credentials.headers(), task_id=task_id)
    if examiner.control.is_available:
        yield from _forced_refusals(examiner)


def _refused_creations(examiner: Examiner, endpoint: Endpoint) -> Iterator[tuple[bytes, Callable[[], Reply]]]:
    body = example(endpoint.variants[0])
    worst = examiner.payments.worst_case(endpoint.variants[0], body)
    unknown = orjson.dumps({**body, "model": UNKNOWN_MODEL})
    yield unknown, lambda: examiner.sender.call(unknown, worst, endpoint=endpoint)
    content = orjson.dumps(body)
    unauthorized = {"Content-Type": "application/json", "Authorization": "Bearer sk-mock-unknown-key"}
    yield content, lambda: examiner.sender.call(content, worst, headers=unauthorized, endpoint=endpoint)
    if examiner.provider.has_required_header:
        other = {} if endpoint.required_header is not None else _header_of_another(examiner)
        headers = {**examiner.credentials.headers(), **other}
        yield content, lambda: call(examiner, endpoint, headers, with_required_header=False)
    if examiner.live:
        return  # no document says how the others are answered
    text = {**examiner.credentials.headers(), "Content-Type": "text/plain"}
    yield content, lambda: examiner.sender.call(content, worst, headers=text, endpoint=endpoint)
    for method in METHODS:
        if all(method != other.method for other in examiner.provider.endpoints.values() if other.path == endpoint.path):
            changed = replace(endpoint, method=method)
            yield content, lambda e=changed: examiner.sender.call(content, worst, endpoint=e)


def _header_of_another(examiner: Examiner) -> dict[str, str]:
    return dict([e.required_header for e in examiner.provider.endpoints.values() if e.required_header is not None][:1])


def _forced_refusals(examiner: Examiner) -> Iterator[tuple[bytes, Callable[[], Reply]]]:
    """Yield requests that a double refuses because they ask for it."""
    variant = examiner.sender.create.variants[0]
    content, worst = control_request(examiner)
    for status in sorted(examiner.provider.statuses - {200}):
        headers = {**examiner.credentials.headers(), "Prefer": f"code={status}"}
        yield content, lambda headers=headers: examiner.sender.call(content, worst, headers=headers)
    path = variant.request.roles["prompt"][0]
    refused = orjson.dumps(put(variant.request.schema, example(variant), path, "a cat [[qwenmock: refuse]]"))
    if examiner.sender.create.created_response is None:
        yield refused, lambda: examiner.sender.call(refused, worst)
