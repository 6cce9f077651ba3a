"""The request before all others: whether a target can be examined at all."""

from decimal import Decimal

import orjson

from qwenmock.pytest_plugin.examiner.bodies import example
from qwenmock.pytest_plugin.examiner.connection.credentials import Credentials
from qwenmock.pytest_plugin.examiner.connection.sending import Sender
from qwenmock.pytest_plugin.examiner.defaults import key_variable
from qwenmock.pytest_plugin.examiner.payments import Payments
from qwenmock.pytest_plugin.examiner.results import CouldNotRun
from qwenmock.pytest_plugin.examiner.target import Reply, TargetError

NO_KEY = {"Content-Type": "application/json"}


class Preflight:
    """Finds out, before anything is judged, whether a target can be examined."""

    def __init__(self, sender: Sender, payments: Payments, credentials: Credentials) -> None:
        self._sender = sender
        self._payments = payments
        self._credentials = credentials

    def run(self) -> None:
        """Send a request and look at the answer.

        Raises:
            CouldNotRun: The target does not answer in HTTP, redirects, or does not accept the key.

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
            raise CouldNotRun(f"{name} does not have this API: status {reply.status}, {reply.excerpt[:100]!r}")

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
    except ValueError:
        return False
