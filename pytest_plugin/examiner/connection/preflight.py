"""The request before all others: whether a target can be examined at all."""

from decimal import Decimal
from urllib.parse import urlsplit

import orjson

from qwenmock.pytest_plugin.examiner.bodies import example
from qwenmock.pytest_plugin.examiner.connection.credentials import Credentials
from qwenmock.pytest_plugin.examiner.connection.sending import Sender
from qwenmock.pytest_plugin.examiner.defaults import key_variable
from qwenmock.pytest_plugin.examiner.payments import Payments
from qwenmock.pytest_plugin.examiner.results import CouldNotRun, UnreadableAnswer
from qwenmock.pytest_plugin.examiner.target import Reply, TargetError
from qwenmock.schemas.models import Provider

NO_KEY = {"Content-Type": "application/json"}
ELSEWHERE = frozenset({403, 404, 405, 410, 421, 429})
"""Statuses of a server that has something else under a URL, or nothing, or answers nobody for now."""


class Preflight:
    """Finds out, before anything is judged, whether a target can be examined."""

    def __init__(self, provider: Provider, sender: Sender, payments: Payments, credentials: Credentials) -> None:
        self._provider = provider
        self._sender = sender
        self._payments = payments
        self._credentials = credentials

    def run(self) -> None:
        """Send a request and look at the answer.

        Raises:
            CouldNotRun: The target does not answer in HTTP, redirects, does not accept the key, or answers
                everything with the same error.

        """
        name = self._sender.target.name
        try:
            reply = self._send_control()
        except TargetError as error:
            if not self._answers_in_json():
                raise CouldNotRun(f"{name} cannot be examined: {error}") from error
            return
        if 300 <= reply.status < 400:
            location = reply.headers.get("location", "nowhere")
            raise CouldNotRun(f"{name} redirects to {location}: give that URL as the target")
        if reply.status in {401, 403} and self._credentials.key is not None and _is_json_object(reply):
            variable = key_variable(self._credentials.slug)
            raise CouldNotRun(f"{name} does not accept the key in {variable}: status {reply.status}")
        if not _is_json_object(reply) and not self._answers_in_json():
            got = f"status {reply.status}, {reply.excerpt[:100]!r}"
            raise CouldNotRun(f"{name} does not have this API: {got}; {self._hint()}")
        if reply.status >= 400 and self._answers_always(reply):
            raise CouldNotRun(f"{name} answers every request with a {reply.status}; {self._hint()}")

    def _answers_always(self, reply: Reply) -> bool:
        """Return whether requests that must get different errors all get this one.

        A server that examines nobody's key may refuse all of them for their bodies: then its words differ.
        """
        try:
            others = [
                self._sender.call(b"{}", Decimal(0), headers=NO_KEY),
                self._sender.call(b"{", Decimal(0)),
                self._sender.call(b"{}", Decimal(0)),
            ]
        except TargetError:
            return False
        if reply.status < 500 and reply.status not in ELSEWHERE:
            return all(other.status == reply.status and other.body == reply.body for other in others)
        return all(other.status == reply.status for other in others)

    def _hint(self) -> str:
        """Return what may be wrong with the URL: the double has its providers under their slugs."""
        target, slug = self._sender.target, self._credentials.slug
        origin = urlsplit(target.base_url)._replace(path="", query="", fragment="").geturl()
        try:
            headers = target.send("GET", f"{origin}/__mock__/health", {}).headers
        except TargetError:
            headers = dict[str, str]()
        if "x-qwenmock" in headers and target.base_url != f"{origin}/{slug}":
            return f"did you mean {origin}/{slug}?"
        return f"expected the base URL of {slug}, to which {self._sender.create.path} is added"

    def _send_control(self) -> Reply:
        """Send the request that must be accepted if the budget covers it, or else one that costs nothing."""
        if self._credentials.key is None:
            return self._sender.call(b"{}", Decimal(0), headers=NO_KEY)
        variant = self._sender.create.variants[0]
        body = example(variant)
        worst = self._payments.worst_case(variant, body)
        if not self._payments.can_afford(worst):
            return self._sender.call(b"{}", Decimal(0))
        return self._sender.call(orjson.dumps(body), worst)

    def _answers_in_json(self) -> bool:
        """Return whether a request without a key gets an answer in JSON."""
        try:
            return _is_json_object(self._sender.call(b"{}", Decimal(0), headers=NO_KEY))
        except TargetError:
            return False


def _is_json_object(reply: Reply) -> bool:
    try:
        return isinstance(reply.json(), dict)
    except UnreadableAnswer:
        return False
