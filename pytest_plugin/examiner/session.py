"""One provider's examination against one target."""

import contextlib
from collections.abc import Callable

from qwenmock.pytest_plugin.examiner.boundaries.edit import Edit
from qwenmock.pytest_plugin.examiner.boundaries.rule_edits import edits_of
from qwenmock.pytest_plugin.examiner.budget import Budget
from qwenmock.pytest_plugin.examiner.connection.callbacks import CallbackInbox
from qwenmock.pytest_plugin.examiner.connection.control import TargetControl
from qwenmock.pytest_plugin.examiner.connection.credentials import Credentials
from qwenmock.pytest_plugin.examiner.connection.hosting import PictureHost
from qwenmock.pytest_plugin.examiner.connection.preflight import Preflight
from qwenmock.pytest_plugin.examiner.connection.reproduction import Reproductions
from qwenmock.pytest_plugin.examiner.connection.sending import Sender
from qwenmock.pytest_plugin.examiner.invariants import Success
from qwenmock.pytest_plugin.examiner.payments import Payments
from qwenmock.pytest_plugin.examiner.result_log import ResultLog
from qwenmock.pytest_plugin.examiner.results import NotExaminable, UnreadableAnswer
from qwenmock.pytest_plugin.examiner.retries import RetryingSender
from qwenmock.pytest_plugin.examiner.settings import DEFAULTS, PROFILES, SessionSettings
from qwenmock.pytest_plugin.examiner.target import Target, TargetError
from qwenmock.schemas.models import Provider, Rule, Variant
from qwenmock.schemas.vocabulary import JSON

Tried = list[tuple[Edit, JSON]]
"""Edits and the bodies that they make."""


class Examiner:
    """The parts of one examination.

    Args:
        budget: What may be spent.
        now: The target's clock, in Unix seconds; by default what its control API states, or else the time here.
        inbox: Receives the target's callbacks; None if it cannot reach a receiver.

    Attributes:
        credentials: Keys, and masking of keys.
        payments: Budget, worst cases, ledger.
        sender: Sends one request.
        retries: Sends a request until its answer is certain.
        control: The target's clock, balances and faults.
        results: Tallies and failure texts.
        reproductions: Commands that send a request again.
        successes: Successes by request, so that a paid request is sent once.
        witnesses: What keeps and what breaks a rule, by the rule's id.

    """

    def __init__(
        self,
        provider: Provider,
        target: Target,
        credentials: Credentials,
        budget: Budget,
        settings: SessionSettings = DEFAULTS,
        now: Callable[[], float] | None = None,
        inbox: CallbackInbox | None = None,
    ) -> None:
        self.provider = provider
        self.target = target
        self.credentials = credentials
        self.settings = settings
        self.inbox = inbox
        self.profile = PROFILES[settings.profile]
        self.live = settings.live
        self.successes: dict[bytes, Success] = {}
        self.witnesses: dict[str, tuple[Tried, Tried]] = {}
        self._edits: dict[str, list[Edit]] = {}
        pictures = PictureHost(target, settings)
        self.payments = Payments(provider, target, budget, settings.ledger)
        self.sender = Sender(provider, target, credentials, self.payments, pictures, settings)
        self.reproductions = Reproductions(credentials, settings.bodies)
        self.results = ResultLog(self.sender, credentials, live=self.live, assume_limits=settings.assume_limits)
        self.retries = RetryingSender(provider, self.sender, self.payments, self.results, live=self.live)
        self.control = TargetControl(settings.control, self.sender, pictures, credentials)
        self.now = now or self.control.now

    def edits_of(self, provider: Provider, variant: Variant, rule: Rule) -> list[Edit]:
        """Return the edits for a rule of the provider's. They are made once: several checks try each rule."""
        found = self._edits.get(rule.id)
        if found is None:
            found = self._edits[rule.id] = edits_of(provider, variant, rule)
        return found

    def preflight(self) -> None:
        """Find out whether the target can be examined.

        Raises:
            CouldNotRun: It cannot.

        """
        Preflight(self.provider, self.sender, self.payments, self.credentials).run()
        self.control.require()

    def close(self) -> None:
        """Leave the target's clock as it was, close the connection, and stop receiving callbacks."""
        with contextlib.suppress(TargetError, NotExaminable, UnreadableAnswer):
            self.control.restore()
        if self.inbox is not None:
            self.inbox.close()
        self.target.close()
