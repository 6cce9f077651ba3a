"""One request that must be accepted, or refused, and everything that its answer must be."""

from decimal import Decimal
from urllib.parse import urlsplit

import orjson

from qwenmock.pytest_plugin.examiner.answer_judge import refusal_mistakes, success_mistakes, values_in
from qwenmock.pytest_plugin.examiner.bodies import example
from qwenmock.pytest_plugin.examiner.boundaries.edit import Edit
from qwenmock.pytest_plugin.examiner.checks.task_progress import completed
from qwenmock.pytest_plugin.examiner.invariants import Success, role_values
from qwenmock.pytest_plugin.examiner.json_values import texts
from qwenmock.pytest_plugin.examiner.results import NotExaminable, UnreadableAnswer
from qwenmock.pytest_plugin.examiner.sample_images import SAMPLES
from qwenmock.pytest_plugin.examiner.session import Examiner
from qwenmock.pytest_plugin.examiner.target import Reply, TargetError
from qwenmock.schemas.models import Document, Provider, Rule, Variant
from qwenmock.schemas.vocabulary import JSON


def accept(
    examiner: Examiner, variant: Variant, body: JSON, edit: Edit | None = None, *, max_pictures: int | None = None
) -> Success:
    """Send a valid body: it must succeed as documented, and be billed exactly.

    Args:
        edit: What was changed; None if no single rule is tried.
        max_pictures: How many of the answer's images are fetched; None for all.

    Raises:
        ContractViolation: It does not.

    """
    content = orjson.dumps(body)
    if examiner.live:
        require_fetchable(texts(role_values(variant.request, "image", body)))
    known = examiner.successes.get(content) if examiner.live else None
    if known is not None:
        _conclude_success(examiner, edit, [], content, known.reply)
        return known
    reply = examiner.retries.send_with_retry(body, variant, content=content)
    if reply.status != 200:
        _conclude_success(examiner, edit, [f"status {reply.status}, expected 200"], content, reply)
        raise NotExaminable(f"status {reply.status}, expected 200 by a rule that is only assumed")
    success = _success(examiner, variant, body, reply)
    mistakes: list[str] = []
    if examiner.provider.endpoint_of(variant).created_response is not None:
        success, mistakes = completed(examiner, success)
    mistakes += success_mistakes(examiner, success, max_pictures)
    _conclude_success(examiner, edit, mistakes, content, success.reply)
    if mistakes:
        raise NotExaminable("the answer breaks a rule that is only assumed")
    examiner.successes[content] = success
    return success


def _conclude_success(examiner: Examiner, edit: Edit | None, mistakes: list[str], content: bytes, reply: Reply) -> None:
    promise = "a 200 as documented, billed once"
    if edit is None:
        examiner.results.require(mistakes, content, promise, reply, "request")
    else:
        examiner.results.conclude(edit, mistakes, content, promise, reply)


def require_fetchable(addresses: list[str]) -> None:
    """Send no URL to a live target that a real provider could not fetch.

    Raises:
        NotExaminable: There is one.

    """
    for address in addresses:
        if urlsplit(address).hostname == "example.com" and address not in SAMPLES:
            raise NotExaminable(f"a live target would fetch {address}, and nothing is there")


def _success(examiner: Examiner, variant: Variant, asked: JSON, reply: Reply) -> Success:
    try:
        body = reply.json()
    except UnreadableAnswer:
        body = None
    return Success(
        provider=examiner.provider,
        variant=variant,
        asked=asked,
        reply=reply,
        body=body,
        now=examiner.now(),
        request_id=request_id_of(examiner.provider, variant, reply),
    )


def request_id_of(provider: Provider, variant: Variant, reply: Reply) -> str | None:
    """Return the id of a request in the ledger, from the answer's body or its header."""
    document: Document = provider.endpoint_of(variant).created_response or variant.answer
    stated = values_in(document, "request_id", reply)
    return stated[0] if stated and isinstance(stated[0], str) else reply.headers.get("x-request-id")


def reject(examiner: Examiner, variant: Variant, body: JSON, edit: Edit) -> Reply:
    """Send a body that breaks one rule: it must get the documented error, and must not be billed.

    Raises:
        ContractViolation: It does not.

    """
    provider = examiner.provider
    error = provider.error_for(provider.endpoint_of(variant), edit.rule.error)
    content = orjson.dumps(body)
    reply = examiner.retries.send_with_retry(body, variant, error.status, content)
    mistakes = refusal_mistakes(examiner, error, reply)
    examiner.results.conclude(edit, mistakes, content, f"a {error.status}: {error.message}", reply)
    return reply


def refuse(
    examiner: Examiner,
    edit: Edit,
    content: bytes,
    *,
    headers: dict[str, str] | None = None,
    worst: Decimal = Decimal(0),
) -> None:
    """Send bytes, or headers, that break a rule of HTTP: they must get the documented error.

    Args:
        headers: Replace authorization and content type.
        worst: The most that the request may cost.

    Raises:
        ContractViolation: They do not.

    """
    error = examiner.provider.errors[edit.rule.error]
    try:
        reply = examiner.sender.call(content, worst, headers=headers)
        mistakes = refusal_mistakes(examiner, error, reply)
    except TargetError as failure:
        if not examiner.sender.is_answering(with_key=False):
            raise NotExaminable(f"no verdict: {failure}") from failure
        raise examiner.retries.no_answer(str(failure), content) from failure
    examiner.results.conclude(edit, mistakes, content, f"a {error.status}: {error.message}", reply)


def http_edit(rule: Rule, note: str, *, assumed: bool = False) -> Edit:
    """Return an edit that stands for a request which breaks a rule of HTTP and not one of its body."""
    return Edit(rule, "reject", note, lambda body: body, assumed)


def control_request(examiner: Examiner) -> tuple[bytes, Decimal]:
    """Return the smallest valid body of the first variant, and the most that it may cost."""
    variant = examiner.sender.create.variants[0]
    body = example(variant)
    return orjson.dumps(body), examiner.payments.worst_case(variant, body)
