"""The record of an examination: how often each rule was tried and held, and the text of each failure."""

from qwenmock.pytest_plugin.examiner.boundaries.edit import Edit
from qwenmock.pytest_plugin.examiner.connection.credentials import Credentials
from qwenmock.pytest_plugin.examiner.connection.sending import Sender
from qwenmock.pytest_plugin.examiner.results import ContractViolation, Side, Tally
from qwenmock.schemas.models import Rule


class ResultLog:
    """Counts results and writes failure texts.

    Attributes:
        tallies: By rule id.
        request_ids: The ids that answers have stated: none may come twice.

    """

    def __init__(self, sender: Sender, credentials: Credentials, *, live: bool) -> None:
        self.tallies: dict[str, Tally] = {}
        self.request_ids: set[str] = set()
        self._sender = sender
        self._credentials = credentials
        self._live = live

    def asserted(self, rule: Rule, side: Side, *, assumed: bool = False) -> bool:
        """Return whether a broken rule is a violation: an assumed rule is only observed on a live target."""
        certainty = rule.certainty if side == "accept" else rule.reject_certainty
        return not self._live or not (assumed or certainty == "assumed")

    def tally(self, rule: Rule, side: Side, *, held: bool, assumed: bool = False, detail: str = "") -> None:
        """Count one try of a rule."""
        asserted = self.asserted(rule, side, assumed=assumed)
        self.tallies.setdefault(rule.id, Tally()).count(side, held=held, asserted=asserted, detail=detail)

    def note(self, rule: Rule, reason: str) -> None:
        """Note why a rule cannot be tried."""
        self.tallies.setdefault(rule.id, Tally()).reason = reason

    def conclude(self, edit: Edit, mistakes: list[str], content: bytes, promise: str) -> None:
        """Count a try of an edit's rule, and fail if it did not hold and the rule is asserted.

        Args:
            mistakes: What is wrong with the answer; empty if the rule held.
            content: The body that was sent.
            promise: The answer that was expected.

        Raises:
            ContractViolation: The rule did not hold.

        """
        self.tally(edit.rule, edit.side, held=not mistakes, assumed=edit.assumed, detail="; ".join(mistakes))
        if mistakes and self.asserted(edit.rule, edit.side, assumed=edit.assumed):
            raise self.violation(mistakes, content, promise, edit)

    def require(self, mistakes: list[str], content: bytes, promise: str) -> None:
        """Fail if there are mistakes; counts nothing.

        Raises:
            ContractViolation: There are.

        """
        if mistakes:
            raise self.violation(mistakes, content, promise)

    def violation(
        self, mistakes: list[str], content: bytes, promise: str, edit: Edit | None = None
    ) -> ContractViolation:
        """Return a violation that prints the rule, what was sent, promised and received, and a curl command."""
        lines: list[str] = []
        if edit is not None:
            lines += [f"rule:     {edit.rule.id}", f"source:   {edit.rule.source} ({edit.rule.certainty})"]
            lines += [f"sent:     {edit.note}"]
        lines += [f"promised: {promise}", *(f"got:      {mistake}" for mistake in mistakes)]
        return ContractViolation(self._credentials.mask("\n".join([*lines, "", self._sender.curl(content)])))
