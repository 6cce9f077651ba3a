"""Paying for requests: the worst case before each one, the budget, and the target's ledger."""

from collections.abc import Callable
from decimal import Decimal
from typing import NotRequired, TypedDict, cast
from urllib.parse import quote

from qwenmock.pytest_plugin.examiner.budget import Budget
from qwenmock.pytest_plugin.examiner.expected_cost import amount_of, worst_case
from qwenmock.pytest_plugin.examiner.json_values import read_array, read_member, read_object
from qwenmock.pytest_plugin.examiner.results import NotExaminable, UnreadableAnswer
from qwenmock.pytest_plugin.examiner.target import Reply, Target, TargetError
from qwenmock.schemas.models import Provider, Variant
from qwenmock.schemas.vocabulary import JSON


class Charge(TypedDict):
    """A charge in a target's ledger. The target states it: nothing about it is certain.

    Attributes:
        log: The provider's own billing record, where it has one.

    """

    amount: NotRequired[JSON]
    currency: NotRequired[JSON]
    images: NotRequired[JSON]
    log: NotRequired[JSON]
    model: NotRequired[JSON]
    request_id: NotRequired[JSON]
    unit_price: NotRequired[JSON]


def charges_of(ledger: JSON) -> list[Charge]:
    """Return the charges in a ledger, or raise UnreadableAnswer."""
    charges = read_array(read_member(ledger, "charges"), "charges")
    return [cast(Charge, read_object(charge, "a charge")) for charge in charges]


class Payments:
    """Pays for requests to one provider.

    Args:
        budget: What may be spent.
        ledger: URL of a request's billing record, with `{request_id}` in it; None if the target has none.

    """

    def __init__(self, provider: Provider, target: Target, budget: Budget, ledger: str | None) -> None:
        self.budget = budget
        self._provider = provider
        self._target = target
        self._ledger = ledger

    def worst_case(self, variant: Variant | None, body: JSON) -> Decimal:
        """Return the most that a request may cost if the server accepts it."""
        return worst_case(self._provider, variant, body)

    def can_afford(self, worst: Decimal) -> bool:
        """Return whether the budget covers an amount."""
        return self.budget.limit is None or worst <= self.budget.left

    def pay(self, worst: Decimal, send: Callable[[], Reply]) -> Reply:
        """Send a request with its worst case reserved, and release that if the request was refused.

        Raises:
            OverBudget: The worst case exceeds what is left; nothing was sent.
            TargetError: No answer came.

        """
        self.budget.reserve(worst)
        spent = worst  # also if no answer comes: the request may have been billed
        try:
            reply = send()
            if reply.status >= 300:
                spent = Decimal(0)
            return reply
        finally:
            self.budget.settle(worst, spent)

    def bill_url(self, request_id: str | None) -> str | None:
        """Return where the billing record of a request is; None if the target has no ledger."""
        if self._ledger is None or request_id is None:
            return None
        return self._ledger.replace("{request_id}", quote(request_id, safe=""))

    def charges(self, request_id: str | None) -> list[Charge] | None:
        """Return the ledger's charges for a request; None if the target has no ledger.

        Raises:
            NotExaminable: The ledger does not answer.

        """
        url = self.bill_url(request_id)
        if url is None:
            return None
        try:
            return self.read_charges(self._target.send("GET", url, {}), request_id)
        except TargetError as error:
            raise NotExaminable(f"the ledger cannot be read: {error}") from error

    def balances(self, key: str) -> list[Decimal]:
        """Return the balance of a key's account in the ledger; nothing if there is no ledger, or it states none.

        Raises:
            NotExaminable: The ledger does not answer.

        """
        url = self.bill_url("none")
        if url is None:
            return []
        try:
            reply = self._target.send("GET", url, {})
            stated = read_object(reply.json(), "the ledger").get("accounts", [])
            accounts = [read_object(account, "an account") for account in read_array(stated, "accounts")]
        except (TargetError, UnreadableAnswer) as error:
            raise NotExaminable(f"the ledger cannot be read: {error}") from error
        own = [account for account in accounts if account.get("provider", self._provider.slug) == self._provider.slug]
        named = [account for account in own if account.get("key") == key]
        found = named or (own if len(own) == 1 and "key" not in own[0] else [])
        return [amount_of(account["balance"]) for account in found if "balance" in account]

    def read_charges(self, reply: Reply, request_id: str | None) -> list[Charge]:
        """Return the charges for a request in the ledger's answer.

        Raises:
            NotExaminable: It is not a ledger.

        """
        if reply.status != 200:
            raise NotExaminable(f"the ledger cannot be read: status {reply.status}")
        try:
            charges = charges_of(reply.json())
        except UnreadableAnswer as error:
            raise NotExaminable(f"the ledger cannot be read: {error}") from error
        # A ledger that does not support the filter answers with all its charges.
        return [charge for charge in charges if charge.get("request_id", request_id) == request_id]
