"""What an account has left and has used, before a task, while it runs, and after each kind of end."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

import orjson

from qwenmock.pytest_plugin.examiner.answer_judge import json_of, values_in
from qwenmock.pytest_plugin.examiner.bodies import example, put
from qwenmock.pytest_plugin.examiner.checks.task_progress import create, follow, query
from qwenmock.pytest_plugin.examiner.checks.tasks import cancel
from qwenmock.pytest_plugin.examiner.expected_cost import amount_of, charge_of
from qwenmock.pytest_plugin.examiner.results import NotExaminable, UnreadableAnswer
from qwenmock.pytest_plugin.examiner.session import Examiner
from qwenmock.pytest_plugin.examiner.target import Reply
from qwenmock.schemas.models import Endpoint, Variant
from qwenmock.schemas.vocabulary import JSON

OTHERS_END_SECONDS = 120
"""After which tasks that were created before have ended."""


@dataclass(frozen=True, slots=True)
class Credits:
    """A statement of an account.

    Attributes:
        remaining: What may still be spent.
        used: What was spent; None if that is not stated.
        reserved: What is reserved for tasks that have not ended; None if that is not stated.

    """

    remaining: Decimal
    used: Decimal | None = None
    reserved: Decimal | None = None

    def __str__(self) -> str:
        values = {"used": self.used, "reserved": self.reserved}
        rest = [f"{value} {name}" for name, value in values.items() if value is not None]
        return ", ".join([f"{self.remaining} left", *rest])

    def after(self, *, spent: Decimal = Decimal(0), held: Decimal = Decimal(0)) -> "Credits":
        """Return the statement after something was spent, and something else reserved."""
        return Credits(
            remaining=self.remaining - spent - held,
            used=None if self.used is None else self.used + spent,
            reserved=None if self.reserved is None else self.reserved + held,
        )


def credits_reply(examiner: Examiner) -> Reply | None:
    """Return the provider's statement of credits; None if it makes none."""
    endpoint = examiner.provider.endpoint_for("credits")
    if endpoint is None or endpoint.answer is None:
        return None
    return ask_credits(examiner, endpoint)


def ask_credits(examiner: Examiner, endpoint: Endpoint) -> Reply:
    """Ask the provider for the credits of the key that pays."""
    headers = {"Authorization": f"Bearer {examiner.credentials.paying_key()}"}
    return examiner.target.send("GET", examiner.target.base_url + endpoint.path, headers)


def used_credits(examiner: Examiner, reply: Reply | None = None) -> Decimal | None:
    """Return the credits that were used, by an answer or by a new one; None if the provider does not state them."""
    reply = reply or credits_reply(examiner)
    endpoint = examiner.provider.endpoint_for("credits")
    if reply is None or endpoint is None or endpoint.answer is None:
        return None
    stated = values_in(endpoint.answer, "used", reply)
    return amount_of(stated[0]) if stated else None


def stated_credits(examiner: Examiner) -> Credits:
    """Return the account of the key that pays, by the provider's own statement or else by the target's control API.

    Raises:
        NotExaminable: The target states neither.

    """
    reply = credits_reply(examiner)
    if reply is None:
        account = examiner.control.account()
        return Credits(remaining=account.balance, reserved=account.reserved)
    endpoint = examiner.provider.endpoint_for("credits")
    document = None if endpoint is None else endpoint.answer
    remaining = [] if document is None else values_in(document, "remaining", reply)
    if not remaining:
        raise UnreadableAnswer(f"no remaining credits in {reply.excerpt}")
    return Credits(remaining=amount_of(remaining[0]), used=used_credits(examiner, reply))


def follow_credits(examiner: Examiner, variant: Variant) -> None:
    """Read the account before, while and after a task succeeds: its price is reserved, then spent, once."""
    price = charge_of(examiner.provider, variant.models[0], 1)
    _follow(examiner, variant, example(variant), spent=price)


def follow_credits_of_failure(examiner: Examiner, variant: Variant) -> None:
    """Read the account before, while and after a task fails: what was reserved is released.

    Raises:
        NotExaminable: No request makes this target's tasks fail.

    """
    if not examiner.control.is_available:
        raise NotExaminable("no client can make a task fail")
    schema, path = variant.request.schema, variant.request.roles["prompt"][0]
    _follow(examiner, variant, put(schema, example(variant), path, "a cat [[qwenmock: refuse]]"))


def follow_credits_of_cancellation(examiner: Examiner, variant: Variant) -> None:
    """Read the account before, while and after a task is cancelled: what was reserved is released.

    Raises:
        NotExaminable: A task of this target cannot be cancelled.

    """
    if not examiner.control.is_available:
        raise NotExaminable("a task of this target cannot be cancelled in time")
    _follow(examiner, variant, example(variant), end=lambda task_id: cancel(examiner, task_id))


def _follow(
    examiner: Examiner,
    variant: Variant,
    body: JSON,
    *,
    spent: Decimal = Decimal(0),
    end: Callable[[str], object] = lambda _: None,
) -> None:
    price = charge_of(examiner.provider, variant.models[0], 1)
    if examiner.control.is_available:
        # Tasks of other checks would end meanwhile, and release what they have reserved.
        examiner.control.advance(OTHERS_END_SECONDS)
    before = stated_credits(examiner)
    task_id = create(examiner, variant, body)
    state = examiner.provider.task_state(json_of(query(examiner, task_id)))
    during = stated_credits(examiner)
    mistakes: list[str] = []
    # No document says what is stated before the end, so it is not asserted on a live target.
    if state in {"pending", "running"} and not examiner.live and during != before.after(held=price):
        mistakes.append(f"{during} while it is {state}, expected {before.after(held=price)}")
    end(task_id)
    follow(examiner, task_id, variant)
    after = stated_credits(examiner)
    if after != before.after(spent=spent):
        mistakes.append(f"{after} after its end, expected {before.after(spent=spent)}")
    mistakes = [f"{before} before the task", *mistakes] if mistakes else []
    promise = f"an account from which the task takes {spent}"
    examiner.results.require(mistakes, orjson.dumps(body), promise, subject="bill")
