"""The record of an examination: how often each rule was tried and held, and the text of each failure."""

import json
from collections.abc import Iterator

from qwenmock.pytest_plugin.examiner.boundaries.edit import Edit, describe
from qwenmock.pytest_plugin.examiner.connection.credentials import Credentials
from qwenmock.pytest_plugin.examiner.connection.sending import Sender
from qwenmock.pytest_plugin.examiner.findings import OF_KEYS, Finding, Mistake, Request, Subject, grouped, shortened
from qwenmock.pytest_plugin.examiner.json_values import is_array, is_object
from qwenmock.pytest_plugin.examiner.results import ContractViolation, Side, Tally, UnreadableAnswer
from qwenmock.pytest_plugin.examiner.target import Reply
from qwenmock.schemas.models import Certainty, Document, Rule
from qwenmock.schemas.vocabulary import JSON

SHOWN_HEADERS = ("content-type", "retry-after", "location", "x-request-id")
"""Headers of an answer that a failure shows."""
SHOWN_BODY = 500
"""Characters of an answer's body that a failure shows."""
SHOWN_MISTAKE = 1000
"""Characters of one mistake, which may repeat what the server says."""
SHOWN_STRING = 60
"""Characters of a string in it."""


class ResultLog:
    """Counts results and writes failure texts.

    Attributes:
        tallies: By rule id.
        request_ids: The ids that answers have stated: none may come twice.

    """

    def __init__(self, sender: Sender, credentials: Credentials, *, live: bool, assume_limits: bool = False) -> None:
        self.tallies: dict[str, Tally] = {}
        self.request_ids: set[str] = set()
        self._sender = sender
        self._credentials = credentials
        self._live = live
        self._assume_limits = assume_limits

    def asserted(self, rule: Rule, side: Side, *, assumed: bool = False) -> bool:
        """Return whether a broken rule is a violation: an assumed rule is only observed on a live target."""
        return not self._live or not (assumed or self._certainty(rule, side) == "assumed")

    def _certainty(self, rule: Rule, side: Side) -> Certainty:
        """Return how certain one side of a rule is; a limit may be taken for a refusal."""
        is_as_stated = side == "accept" or (self._assume_limits and rule.is_only_a_limit)
        return rule.certainty if is_as_stated else rule.reject_certainty

    def tally(self, rule: Rule, side: Side, *, held: bool, assumed: bool = False, detail: str = "") -> None:
        """Count one try of a rule."""
        asserted = self.asserted(rule, side, assumed=assumed)
        self.tallies.setdefault(rule.id, Tally()).count(side, held=held, asserted=asserted, detail=detail)

    def tally_answer(self, document: Document, broken: set[Rule]) -> None:
        """Count one answer for each rule of its document."""
        for rule in document.rules:
            known = self.tallies.get(rule.id)
            if known is None or (broken and rule in broken):
                self.tally(rule, "accept", held=rule not in broken, detail="broken by an answer")
            else:
                # As `count` does, in a fifth of the time: a document has 30 rules.
                known.tried["accept"] += 1
                known.passed["accept"] += 1

    def observe(self, rule: Rule, side: Side, *, held: bool, detail: str) -> None:
        """Count one try of a rule that is never violated, and keep what was seen."""
        tally = self.tallies.setdefault(rule.id, Tally())
        tally.count(side, held=held, asserted=False, detail=detail)
        tally.detail = tally.detail or detail

    def note(self, rule: Rule, reason: str) -> None:
        """Note why a rule cannot be tried."""
        self.tallies.setdefault(rule.id, Tally()).reason = reason

    def conclude(
        self, edit: Edit, mistakes: list[str], content: bytes, promise: str, reply: Reply | None = None
    ) -> None:
        """Count a try of an edit's rule, and fail if anything is wrong and the rule is asserted.

        A mistake with a subject of its own, such as the bill, says nothing about the edit's rule.

        Args:
            mistakes: What is wrong with the answer; empty if the rule held.
            content: The body that was sent.
            promise: The answer that was expected.
            reply: The answer.

        Raises:
            ContractViolation: The rule did not hold.

        """
        own = [each for each in mistakes if not isinstance(each, Mistake)]
        self.tally(edit.rule, edit.side, held=not own, assumed=edit.assumed, detail="; ".join(own))
        if mistakes and self.asserted(edit.rule, edit.side, assumed=edit.assumed):
            raise self.violation(mistakes, content, promise, edit, reply)

    def require(
        self,
        mistakes: list[str],
        content: bytes,
        promise: str,
        reply: Reply | None = None,
        subject: Subject = "promise",
    ) -> None:
        """Fail if there are mistakes; counts nothing.

        Raises:
            ContractViolation: There are.

        """
        if mistakes:
            raise self.violation(mistakes, content, promise, reply=reply, subject=subject)

    def violation(
        self,
        mistakes: list[str],
        content: bytes,
        promise: str,
        edit: Edit | None = None,
        reply: Reply | None = None,
        subject: Subject = "promise",
    ) -> ContractViolation:
        """Return a violation with the rule, what was sent, promised and received, and the request.

        Args:
            mistakes: What is wrong.
            content: The body that was sent; empty for the request that `reply` answers.
            promise: The answer that was expected.
            edit: The change to the body that was tried.
            reply: The answer; None for the last one, if it answers this body.
            subject: What mistakes without a subject are about.

        """
        if reply is None and self._sender.last is not None and self._sender.last[0] == content:
            reply = self._sender.last[1]
        has_own_request = not content and reply is not None and reply.request is not None
        request = reply.request if has_own_request and reply is not None else self._sender.request_of(content)
        if edit is not None:
            subject = "key" if edit.rule.error in OF_KEYS else "request"
        answer = () if reply is None else tuple(map(self._credentials.mask, _shown(reply, request)))
        groups = grouped(mistakes, subject, edit.rule if edit is not None else None)
        found = tuple(
            self._finding(about, rule, texts, promise, edit, answer) for (about, rule), texts in groups.items()
        )
        return ContractViolation(found, request)

    def _finding(
        self,
        subject: Subject,
        rule: Rule | None,
        mistakes: list[str],
        promise: str,
        edit: Edit | None,
        answer: tuple[str, ...],
    ) -> Finding:
        mask = self._credentials.mask
        return Finding(
            subject=subject,
            rule="" if rule is None else rule.id,
            value="" if rule is None else _limit(rule),
            source="" if rule is None else rule.source,
            certainty="" if rule is None else self._tried_certainty(rule, edit),
            sent="" if edit is None else mask(_sent(edit, rule)),
            promised=mask(promise),
            got=tuple(shortened(mask(each), SHOWN_MISTAKE) for each in mistakes),
            answer=answer,
        )

    def _tried_certainty(self, rule: Rule, edit: Edit | None) -> Certainty:
        """Return how certain the side of a rule is that was tried."""
        if edit is None or rule is not edit.rule:
            return rule.certainty
        return "assumed" if edit.assumed else self._certainty(rule, edit.side)


def _sent(edit: Edit, rule: Rule | None) -> str:
    """Return what was changed, and for which rule if another one is broken."""
    return edit.note if rule is edit.rule else f"{edit.note} (tries {edit.rule.id})"


def _limit(rule: Rule) -> str:
    """Return what a rule limits to, if its keyword does not say it all."""
    if isinstance(rule.value, bool) or not rule.value:
        return ""
    return describe(rule.value) if isinstance(rule.value, str) else describe(rule.value).replace("'", '"')


def _shown(reply: Reply, request: Request | None) -> Iterator[str]:
    """Yield the lines about an answer: what it answers if that is another request, status, headers, body."""
    if reply.request is not None and request is not None and reply.request.url != request.url:
        yield f"to {reply.request.method} {reply.request.url}"
    yield ", ".join([str(reply.status), *(f"{n}: {reply.headers[n]}" for n in SHOWN_HEADERS if n in reply.headers)])
    try:
        text = json.dumps(_shortened(reply.json()), ensure_ascii=False)
    except UnreadableAnswer:
        text = " ".join(reply.excerpt.split())
    if text:
        yield shortened(text, SHOWN_BODY)


def _shortened(body: JSON) -> JSON:
    """Return a body with its long strings cut off: signed links would hide all else."""
    if is_object(body):
        return {name: _shortened(value) for name, value in body.items()}
    if is_array(body):
        return [_shortened(value) for value in body]
    return shortened(body, SHOWN_STRING) if isinstance(body, str) else body
