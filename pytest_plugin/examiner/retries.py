"""Retries of requests whose answers may say something about the moment and not about the request."""

import time

import orjson

from qwenmock.pytest_plugin.examiner.connection.sending import Sender
from qwenmock.pytest_plugin.examiner.payments import Payments
from qwenmock.pytest_plugin.examiner.result_log import ResultLog
from qwenmock.pytest_plugin.examiner.results import ContractViolation, NotExaminable
from qwenmock.pytest_plugin.examiner.target import Reply, TargetError
from qwenmock.schemas.models import Provider, Variant
from qwenmock.schemas.vocabulary import JSON

TRIES = 3
WAIT_MAX = 60.0


class RetryingSender:
    """Sends requests again until an answer is certain.

    Attributes:
        persistent_statuses: Doubtful statuses that stayed after retries; from then on they are answers.

    """

    def __init__(
        self, provider: Provider, sender: Sender, payments: Payments, results: ResultLog, *, live: bool
    ) -> None:
        self.persistent_statuses: set[int] = set()
        self._provider = provider
        self._sender = sender
        self._payments = payments
        self._results = results
        self._live = live

    def send_with_retry(self, body: JSON, variant: Variant, expected: int = 200, content: bytes | None = None) -> Reply:
        """Send a body and return an answer that is about this body.

        A doubtful answer (429, 5xx, 401 with a valid key) is asked for again on a live target. If it stays, and the
        target answers other requests, it is the answer.

        Args:
            body: What is sent.
            variant: What is requested.
            expected: The status that is never doubtful.
            content: The body as bytes; None to make them.

        Raises:
            NotExaminable: There is no verdict.
            ContractViolation: No answer came, to this request only.

        """
        worst = self._payments.worst_case(variant, body)
        content = content or orjson.dumps(body)
        endpoint = self._provider.endpoint_of(variant)
        reply: Reply | None = None
        failure = ""
        for turn in range(TRIES if self._live else 1):
            try:
                reply = self._sender.call(content, worst, endpoint=endpoint)
            except TargetError as error:
                reply, failure, wait = None, str(error), float(turn)
                if turn == 1:
                    break
            else:
                if reply.status in {expected, *self.persistent_statuses} or not _is_doubtful(reply.status):
                    return reply
                wait = _retry_after(reply, float(turn))
            if self._live and turn < TRIES - 1:
                time.sleep(min(wait, WAIT_MAX))
        return self._after_retries(reply, failure, content)

    def _after_retries(self, reply: Reply | None, failure: str, content: bytes) -> Reply:
        if reply is not None and not self._live:
            return reply
        if reply is not None and reply.status == 429:
            raise NotExaminable("no verdict: the target limits the rate of requests")
        if not self._sender.is_answering(with_key=reply is not None and reply.status == 401):
            got = failure if reply is None else f"status {reply.status}"
            raise NotExaminable(f"no verdict: {got}, also for another request")
        if reply is not None:
            self.persistent_statuses.add(reply.status)
            return reply
        raise self.no_answer(failure, content)

    def no_answer(self, failure: str, content: bytes) -> ContractViolation:
        """Return the violation of a target that does not answer a request; a live target gets no more requests."""
        if self._live:
            self._sender.stopped_because = "no more requests are sent: the target did not answer one of them"
        return self._results.violation(
            [f"no answer: {failure}"], content, "an answer that arrives whole", subject="answer"
        )


def _is_doubtful(status: int) -> bool:
    """Return whether a status may say something about the moment and not about the request."""
    return status in {401, 408, 425, 429} or status >= 500


def _retry_after(reply: Reply, otherwise: float) -> float:
    value = reply.headers.get("retry-after", "")
    return float(value) if value.isascii() and value.isdecimal() else otherwise
