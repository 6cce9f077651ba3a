"""The bill: of each number of images, of refusals, and in the provider's own statement of credits."""

from collections.abc import Iterator
from decimal import Decimal

import orjson

from qwenmock.pytest_plugin.examiner.answer_judge import broken_by, checked
from qwenmock.pytest_plugin.examiner.bodies import example, put
from qwenmock.pytest_plugin.examiner.budget import OverBudget
from qwenmock.pytest_plugin.examiner.checks.generated import refuse_content
from qwenmock.pytest_plugin.examiner.checks.single_request import accept
from qwenmock.pytest_plugin.examiner.checks.task_credits import ask_credits
from qwenmock.pytest_plugin.examiner.checks.task_progress import create, follow
from qwenmock.pytest_plugin.examiner.expected_cost import amount_of, bill_of
from qwenmock.pytest_plugin.examiner.invariants import Success, image_counts, images_made, requested_count, role_values
from qwenmock.pytest_plugin.examiner.json_values import as_object, read_first
from qwenmock.pytest_plugin.examiner.results import NotExaminable, UnreadableAnswer
from qwenmock.pytest_plugin.examiner.session import Examiner
from qwenmock.schemas.models import Document, Endpoint, Variant
from qwenmock.schemas.vocabulary import JSON, subschema


def bodies_by_count(variant: Variant) -> Iterator[dict[str, JSON]]:
    """Yield a valid body for each number of images that may be requested."""
    schema = variant.request.schema
    for path in variant.request.roles.get("n", ()):
        count_schema = subschema(schema, path)
        for count in range(count_schema["minimum"], count_schema["maximum"] + 1):
            yield as_object(put(schema, example(variant), path, count))


def bill_every_count(examiner: Examiner, variant: Variant) -> None:
    """Request each number of images: the images must be billed exactly, and some answer must have more than one.

    Fewer images than requested are no violation, since images can fail; fewer in every answer are.
    """
    fell_short: list[bool] = []
    body: dict[str, JSON] = {}
    unaffordable: OverBudget | None = None
    for body in bodies_by_count(variant):
        try:
            success = accept(examiner, variant, body)
        except OverBudget as error:
            unaffordable = error
            break
        made = images_made(success)
        spent = spent_on(examiner, success)
        expected = bill_of(examiner.provider, success, made)
        if spent not in {None, expected}:
            mistake = f"{spent} billed for {made} images, expected {expected}"
            raise examiner.results.violation([mistake], orjson.dumps(body), "an exact bill", subject="bill")
        if requested_count(success) > 1:
            fell_short.append(made < requested_count(success))
    if len(fell_short) > 1 and all(fell_short):
        promise = "as many images as were requested"
        raise examiner.results.violation(["fewer, each time"], orjson.dumps(body), promise, subject="answer")
    if unaffordable is not None:
        raise unaffordable


def spent_on(examiner: Examiner, success: Success) -> Decimal | None:
    """Return the ledger's sum for a success; None if there is no ledger, or it states no amounts."""
    charges = examiner.payments.charges(success.request_id)
    amounts = None if charges is None else [charge.get("amount") for charge in charges]
    if amounts is None or None in amounts:
        return None
    return sum(map(amount_of, amounts), Decimal(0))


def bill_nothing_for_refusals(examiner: Examiner, variant: Variant) -> None:
    """Compare balances: a refusal must not change it, a success must reduce it by its price."""
    body = example(variant)
    before = examiner.control.balance()
    refuse_content(examiner, b"{")
    between = examiner.control.balance()
    success = accept(examiner, variant, body)
    price = bill_of(examiner.provider, success, images_made(success))
    after = examiner.control.balance()
    if (between, before - after) != (before, price):
        got = f"a balance of {before}, {between} after a refusal, {after} after a success"
        promise = f"{price} less after the success only"
        raise examiner.results.violation([got], orjson.dumps(body), promise, subject="bill")


def credits_follow(examiner: Examiner, variant: Variant) -> None:
    """Compare the provider's statement of credits: a refusal must not change it, a task must reduce it by its price.

    Raises:
        NotExaminable: The provider does not state credits.

    """
    endpoint = examiner.provider.endpoint_for("credits")
    if endpoint is None or endpoint.answer is None:
        raise NotExaminable("this provider does not state the remaining credits")
    body = example(variant)
    before = _remaining_credits(examiner, endpoint, endpoint.answer)
    examiner.sender.call(b"{", Decimal(0))
    refused = _remaining_credits(examiner, endpoint, endpoint.answer)
    reply, answer = follow(examiner, create(examiner, variant, body), variant)[-1]
    success = Success(
        provider=examiner.provider,
        variant=variant,
        asked=body,
        reply=reply,
        body=answer,
        now=examiner.now(),
        request_id=None,
    )
    price = bill_of(examiner.provider, success, sum(image_counts(success)[:1]))
    after = _remaining_credits(examiner, endpoint, endpoint.answer)
    if refused != before or before - after != price:
        got = f"{before} before, {refused} after a refusal, {after} after a task that made its image"
        promise = f"{price} less, after the task only"
        raise examiner.results.violation([got], orjson.dumps(body), promise, reply=reply, subject="bill")


def _remaining_credits(examiner: Examiner, endpoint: Endpoint, document: Document) -> Decimal:
    reply = ask_credits(examiner, endpoint)
    try:
        body = reply.json()
    except UnreadableAnswer:
        body = None
    broken = [broken_by(document, rule, body, "answer") for rule in checked(examiner, document, body)]
    mistakes = [f"status {reply.status}"] if reply.status != 200 else broken
    examiner.results.require(mistakes, b"", "the remaining credits, as documented", reply, "answer")
    return amount_of(read_first(role_values(document, "remaining", body), "remaining credits"))
