"""Sending requests to a target: paid for, paced, within the time limit, and remembered for failure reports."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from qwenmock.pytest_plugin.examiner.connection.credentials import Credentials
from qwenmock.pytest_plugin.examiner.connection.hosting import PictureHost
from qwenmock.pytest_plugin.examiner.findings import Request
from qwenmock.pytest_plugin.examiner.payments import Payments
from qwenmock.pytest_plugin.examiner.results import NotExaminable
from qwenmock.pytest_plugin.examiner.settings import SessionSettings
from qwenmock.pytest_plugin.examiner.target import Reply, Target, TargetError
from qwenmock.schemas.models import Endpoint, Provider


@dataclass(frozen=True, slots=True)
class SentTo:
    """Where a body was sent, and with which headers."""

    endpoint: Endpoint
    headers: Mapping[str, str]


class Sender:
    """Sends requests to the endpoints that make images.

    Attributes:
        create: The endpoint that is called unless another is given.
        sent: Number of requests.
        statuses: Number of answers by status.
        last: The last body and its answer.
        stopped_because: Why no more requests are sent; "" while they are.

    """

    def __init__(
        self,
        provider: Provider,
        target: Target,
        credentials: Credentials,
        payments: Payments,
        pictures: PictureHost,
        settings: SessionSettings,
    ) -> None:
        self.target = target
        self.create = provider.create_endpoint
        self.sent = 0
        self.statuses: dict[str, int] = {}
        self.stopped_because = ""
        self.last: tuple[bytes, Reply] | None = None
        self._credentials = credentials
        self._payments = payments
        self._pictures = pictures
        self._pace = settings.pace
        self._deadline = settings.deadline
        self._sent_to: dict[int, SentTo] = {}

    def call(
        self,
        content: bytes,
        worst: Decimal,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
        endpoint: Endpoint | None = None,
        *,
        with_required_header: bool = True,
    ) -> Reply:
        """Send a body and return the answer.

        Args:
            content: The body.
            worst: The most that it may cost.
            key: Replaces the key that pays.
            headers: Replace authorization and content type.
            endpoint: Replaces `create`.
            with_required_header: Whether the header is added that the endpoint must be called with.

        Raises:
            NotExaminable: There is no key, or no time left.
            OverBudget: The worst case exceeds what is left.
            TargetError: No answer came.

        """
        self._require_running()
        if headers is None:
            headers = self._credentials.headers(key)
        endpoint = endpoint or self.create
        if endpoint.required_header is not None and with_required_header:
            headers = {**headers, endpoint.required_header[0]: endpoint.required_header[1]}
        sent_to = SentTo(endpoint, headers)
        self._sent_to[hash(content)] = sent_to
        self.last = None
        sent = self._pictures.with_real_addresses(content)
        reply = self._payments.pay(worst, lambda: self._transmit(sent_to, sent))
        self.last = content, reply
        status = str(reply.status)
        self.statuses[status] = self.statuses.get(status, 0) + 1
        return reply

    def _require_running(self) -> None:
        if self._deadline is not None and time.monotonic() > self._deadline:
            raise NotExaminable("the time given by --contract-seconds has run out")
        if self.stopped_because:
            raise NotExaminable(self.stopped_because)

    def _transmit(self, sent_to: SentTo, content: bytes) -> Reply:
        try:
            if self._pace:
                time.sleep(self._pace)
            url = self.target.base_url + sent_to.endpoint.path
            return self.target.send(sent_to.endpoint.method, url, sent_to.headers, content)
        finally:
            self.sent += 1

    def is_answering(self, *, with_key: bool) -> bool:
        """Return whether the target answers another request, at no cost: one without a key or without a body."""
        headers = self._credentials.headers() if with_key else {"Content-Type": "application/json"}
        try:
            reply = self.call(b"{}", Decimal(0), headers=headers)
        except TargetError:
            return False
        return reply.status < 500 and reply.status not in {429, 401 if with_key else 0}

    def request_of(self, content: bytes) -> Request:
        """Return the last request with a body, to send it again."""
        usual = {"Authorization": f"Bearer {self._credentials.key or ''}", "Content-Type": "application/json"}
        sent_to = self._sent_to.get(hash(content), SentTo(self.create, usual))
        url = self.target.base_url + sent_to.endpoint.path
        return Request(sent_to.endpoint.method, url, sent_to.headers, self._pictures.with_real_addresses(content))
