"""The credits of an account while a task goes on, by the provider's own statement."""

from decimal import Decimal

from qwenmock.pytest_plugin.examiner.answer_judge import values_in
from qwenmock.pytest_plugin.examiner.expected_cost import amount_of
from qwenmock.pytest_plugin.examiner.session import Examiner
from qwenmock.pytest_plugin.examiner.target import Reply


def used_credits(examiner: Examiner, reply: Reply | None = None) -> Decimal | None:
    """Return the credits that were used, by an answer or by a new one; None if the provider does not state them."""
    endpoint = examiner.provider.endpoint_for("credits")
    if endpoint is None or endpoint.answer is None:
        return None
    if reply is None:
        headers = {"Authorization": f"Bearer {examiner.credentials.paying_key()}"}
        reply = examiner.target.send("GET", examiner.target.base_url + endpoint.path, headers)
    stated = values_in(endpoint.answer, "used", reply)
    return amount_of(stated[0]) if stated else None
