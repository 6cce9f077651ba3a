"""One provider's examination against one target: sends requests, pays for them, keeps the tally."""

import base64
import re
import shlex
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import cast

import orjson
from hypothesis import HealthCheck, Phase, settings

from qwenmock.pytest_plugin.examiner.bodies import example
from qwenmock.pytest_plugin.examiner.boundaries import Edit
from qwenmock.pytest_plugin.examiner.budget import Budget
from qwenmock.pytest_plugin.examiner.expected_cost import worst_case
from qwenmock.pytest_plugin.examiner.invariants import Success
from qwenmock.pytest_plugin.examiner.results import ContractViolation, CouldNotRun, NotExaminable, Side, Tally
from qwenmock.pytest_plugin.examiner.sample_images import HOSTED, SAMPLES
from qwenmock.pytest_plugin.examiner.target import Reply, Target, TargetError
from qwenmock.pytest_plugin.options import PICTURE, key_variable
from qwenmock.schemas.models import Endpoint, Provider, Rule, Variant
from qwenmock.schemas.vocabulary import JSON

TRIES = 3
LONGEST_WAIT = 60.0
LONGEST_CURL = 100_000
"""Bytes of a body that are printed as a command; a shell takes not much more."""
HOSTED_SECONDS = 3600
"""A step of the clock after which hosted pictures are put up anew: their links may have ended."""
HOSTED_ADDRESS = re.compile(rb"https://pictures\.example\.com/[0-9a-f]{24}\.png")
PROFILES: Mapping[str, tuple[int, int]] = {"smoke": (3, 10), "ci": (1000, 50), "deep": (1000, 1000)}
"""For each profile: witnesses of a rule on each side, and random examples of a test."""


@dataclass
class Examiner:
    """What a run against one target needs and remembers.

    Attributes:
        key: The key that pays; None where there is none.
        keys: Keys that run into something, by what: `expired`, `empty`, `forbidden`, `limited`, `broken`.
        ledger: Address of a request's billing record, with `{request_id}` in it; None where there is none.
        control: Address of the double's control API; None for a target that has none.
        live: Whether requests cost real money.
        allow: What may be done that could disturb an account: `rate-limit`.
        pace: Seconds between requests.
        image: Address of a picture that a live target can fetch.
        deadline: When to stop, on the monotonic clock; None for never.
        persistent_statuses: Doubtful statuses that were seen to stay, and are answers from then on.
        stopped_because: Why no more requests are sent; "" as long as they are.
        answers: Successes by request, so that a paid one is asked for once.
        sent_with: Where a body went last, and under which headers, by the body's hash.

    """

    provider: Provider
    target: Target
    key: str | None
    keys: Mapping[str, str]
    budget: Budget
    ledger: str | None = None
    control: str | None = None
    live: bool = False
    allow: frozenset[str] = frozenset()
    pace: float = 0.0
    image: str = PICTURE
    profile: str = "ci"
    deadline: float | None = None
    tallies: dict[str, Tally] = field(default_factory=dict[str, Tally])
    statuses: dict[str, int] = field(default_factory=dict[str, int])
    request_ids: set[str] = field(default_factory=set[str])
    hosted: dict[bytes, bytes] = field(default_factory=dict[bytes, bytes])
    answers: dict[bytes, Success] = field(default_factory=dict[bytes, Success])
    sent_with: dict[int, tuple[Endpoint, Mapping[str, str]]] = field(
        default_factory=dict[int, tuple[Endpoint, Mapping[str, str]]]
    )
    sent: int = 0
    persistent_statuses: set[int] = field(default_factory=set[int])
    stopped_because: str = ""
    now: Callable[[], float] = time.time

    @property
    def create(self) -> Endpoint:
        """The endpoint that is called where no variant says which."""
        return self.provider.create_endpoint

    # Sending

    def call(
        self,
        content: bytes,
        worst: Decimal,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
        endpoint: Endpoint | None = None,
    ) -> Reply:
        """Send a body to an endpoint that makes images.

        Args:
            content: The body.
            worst: What it may cost.
            key: Instead of the key that pays.
            headers: Instead of authorization and content type.
            endpoint: Instead of `create`.

        Raises:
            NotExaminable: There is no key, or no time left.
            OverBudget: The worst case does not fit.
            TargetError: There was no answer.

        """
        if self.deadline is not None and time.monotonic() > self.deadline:
            raise NotExaminable("the time that --contract-seconds gives is over")
        if self.stopped_because:
            raise NotExaminable(self.stopped_because)
        if headers is None:
            headers = {"Authorization": f"Bearer {key or self.paying_key()}", "Content-Type": "application/json"}
        endpoint = endpoint or self.create
        if endpoint.required_header is not None:
            headers = {**headers, endpoint.required_header[0]: endpoint.required_header[1]}
        self.sent_with[hash(content)] = endpoint, headers
        content = self._addressed(content)
        self.budget.reserve(worst)
        spent = worst  # also where no answer comes: it may have been billed
        try:
            if self.pace:
                time.sleep(self.pace)
            reply = self.target.send(endpoint.method, self.target.base_url + endpoint.path, headers, content)
            if reply.status >= 300:
                spent = Decimal(0)
        finally:
            self.budget.settle(worst, spent)
            self.sent += 1
        status = str(reply.status)
        self.statuses[status] = self.statuses.get(status, 0) + 1
        return reply

    def _addressed(self, content: bytes) -> bytes:
        """Put real addresses in the place of those that stand for pictures.

        Raises:
            NotExaminable: The target cannot be given pictures to host.

        """
        if self.live:
            for sample in SAMPLES:
                real = f"{sample.partition(':')[0]}:{self.image.partition(':')[2]}"
                content = content.replace(orjson.dumps(sample), orjson.dumps(real))
        for address in set(HOSTED_ADDRESS.findall(content)):
            url = HOSTED.get(address.decode(), "")
            if self.control is None:
                raise NotExaminable("the target takes pictures by address only, and hosts none itself")
            if address not in self.hosted:
                data = base64.b64decode(url.partition(",")[2])
                reply = self.target.send(
                    "POST", f"{self.control}/images?suffix=png", {"Content-Type": "image/png"}, data
                )
                if reply.status != 200:
                    raise NotExaminable(f"the target does not host this picture: {shown(reply)}")
                self.hosted[address] = reply.json()["url"].encode()
            content = content.replace(address, self.hosted[address])
        return content

    def settled(self, body: JSON, variant: Variant | None, due: int = 200) -> Reply:
        """Send a body and return an answer that says something about it.

        An answer that speaks of the moment (429, 5xx, 401 with a key that was right) is asked for again. Where it
        stays, and the target answers other requests as it should, it is the answer.

        Raises:
            NotExaminable: There is no verdict.
            ContractViolation: There is no answer, to this request only.

        """
        worst = worst_case(self.provider, variant, body)
        content = orjson.dumps(body)
        endpoint = None if variant is None else self.provider.endpoint_of(variant)
        reply: Reply | None = None
        failure = ""
        for turn in range(TRIES if self.live else 1):
            try:
                reply = self.call(content, worst, endpoint=endpoint)
            except TargetError as error:
                reply, failure, wait = None, str(error), float(turn)
                if turn == 1:
                    break
            else:
                if reply.status in {due, *self.persistent_statuses} or not _is_doubtful(reply.status):
                    return reply
                wait = _retry_after(reply, float(turn))
            if self.live and turn < TRIES - 1:
                time.sleep(min(wait, LONGEST_WAIT))
        return self._after_doubt(reply, failure, content)

    def _after_doubt(self, reply: Reply | None, failure: str, content: bytes) -> Reply:
        if reply is not None and not self.live:
            return reply
        if reply is not None and reply.status == 429:
            raise NotExaminable("no verdict: the target limits the rate")
        if not self.is_answering(with_key=reply is not None and reply.status == 401):
            raise NotExaminable(f"no verdict: {failure or f'status {reply.status if reply else 0}'}, also elsewhere")
        if reply is not None:
            self.persistent_statuses.add(reply.status)
            return reply
        raise self.left_without_answer(failure, content)

    def left_without_answer(self, failure: str, content: bytes) -> ContractViolation:
        """Return what is told of a target that leaves a request without an answer, and send it no more."""
        if self.live:
            self.stopped_because = "the target left a request without an answer, which is told; no more are sent"
        return ContractViolation(self.report(None, [f"no answer: {failure}"], content, "an answer that arrives whole"))

    def is_answering(self, *, with_key: bool) -> bool:
        """Tell, at no cost, whether the target answers other requests: one without a key, or one without a body."""
        headers = {"Content-Type": "application/json"}
        if with_key:
            headers["Authorization"] = f"Bearer {self.paying_key()}"
        try:
            reply = self.call(b"{}", Decimal(0), headers=headers)
        except TargetError:
            return False
        return reply.status < 500 and reply.status not in {429, 401 if with_key else 0}

    def preflight(self) -> None:
        """Find out, before anything is judged, whether the target can be examined.

        Raises:
            CouldNotRun: It does not answer in HTTP, redirects, or does not take the key.

        """
        name = self.target.name
        try:
            control = self._preflight_control()
        except TargetError as error:
            if not self._answers_at_all():
                raise CouldNotRun(f"{name} cannot be examined: {error}") from error
            return
        if 300 <= control.status < 400:
            where = control.headers.get("location", "nowhere")
            raise CouldNotRun(f"{name} redirects to {where}: give that address as the target")
        if control.status in {401, 403} and self.key is not None and self._is_json(control):
            variable = key_variable(self.provider.slug)
            raise CouldNotRun(f"{name} does not take the key in {variable}: status {control.status}")
        if not self._is_json(control) and not self._answers_at_all():
            raise CouldNotRun(f"{name} does not speak this API: status {control.status}, {shown(control)[:100]!r}")

    def _preflight_control(self) -> Reply:
        """Send the request that must be accepted, if it may be paid for, else one that costs nothing."""
        if self.key is None:
            return self.call(b"{}", Decimal(0), headers={"Content-Type": "application/json"})
        variant = self.create.variants[0]
        body = example(variant)
        worst = worst_case(self.provider, variant, body)
        if self.budget.limit is not None and worst > self.budget.left:
            return self.call(b"{}", Decimal(0))
        return self.call(orjson.dumps(body), worst)

    def _answers_at_all(self) -> bool:
        """Tell whether a request without a key gets an answer in JSON."""
        try:
            return self._is_json(self.call(b"{}", Decimal(0), headers={"Content-Type": "application/json"}))
        except TargetError:
            return False

    @staticmethod
    def _is_json(reply: Reply) -> bool:
        try:
            return isinstance(reply.json(), dict)
        except ValueError:
            return False

    # Keys

    def paying_key(self) -> str:
        """Return the key.

        Raises:
            NotExaminable: There is none.

        """
        if self.key is None:
            raise NotExaminable(f"{key_variable(self.provider.slug)} is not set")
        return self.key

    def key_for(self, purpose: str) -> str:
        """Return the key that runs into something.

        Raises:
            NotExaminable: There is none, or using it needs leave.

        """
        if purpose not in self.keys:
            variable = key_variable(self.provider.slug, purpose)
            raise NotExaminable(f"no client can provoke this without a key made for it: {variable} is not set")
        if self.live and purpose in {"limited", "throttled"} and "rate-limit" not in self.allow:
            raise NotExaminable("a rate limit is only provoked with --live-allow rate-limit")
        return self.keys[purpose]

    # The target's own controls

    def advance(self, seconds: float) -> None:
        """Move the target's clock.

        Raises:
            NotExaminable: It has none that can be moved.

        """
        if self.control is None:
            raise NotExaminable("the target's clock cannot be moved")
        headers = {"Content-Type": "application/json"}
        self.target.send("POST", f"{self.control}/clock", headers, orjson.dumps({"advance_seconds": seconds}))
        if seconds > HOSTED_SECONDS:
            self.hosted.clear()

    def balance(self) -> Decimal:
        """Return what the paying key has left.

        Raises:
            NotExaminable: The target does not tell.

        """
        if self.control is None:
            raise NotExaminable("the target does not tell balances")
        balances = self._balances()
        if not balances:
            # An account opens with its key's first request; one that is refused takes nothing from it.
            self.call(b"{", Decimal(0))
            balances = self._balances()
        if not balances:
            raise NotExaminable("the target tells no balance of the key that pays")
        return balances[0]

    def _balances(self) -> list[Decimal]:
        reply = self.target.send("GET", f"{self.control}/ledger?key={self.paying_key()}&limit=0", {})
        return [Decimal(a["balance"]) for a in reply.json()["accounts"] if a["provider"] == self.provider.slug]

    # The tally

    def asserted(self, rule: Rule, side: Side, *, assumed: bool = False) -> bool:
        """Tell whether breaking a rule counts here: what is only assumed is never asserted live."""
        certainty = rule.certainty if side == "accept" else rule.reject_certainty
        return not self.live or not (assumed or certainty == "assumed")

    def tally(self, rule: Rule, side: Side, *, held: bool, assumed: bool = False, detail: str = "") -> None:
        """Count one try of a rule."""
        asserted = self.asserted(rule, side, assumed=assumed)
        self.tallies.setdefault(rule.id, Tally()).count(side, held=held, asserted=asserted, detail=detail)

    def conclude(self, edit: Edit | None, side: Side, mistakes: list[str], content: bytes, promise: str) -> None:
        """Count a try and, where it did not hold and that counts, say so.

        Raises:
            ContractViolation: It did not.

        """
        if edit is not None:
            self.tally(edit.rule, side, held=not mistakes, assumed=edit.assumed, detail="; ".join(mistakes))
            if not self.asserted(edit.rule, side, assumed=edit.assumed):
                return
        if mistakes:
            raise ContractViolation(self.report(edit, mistakes, content, promise))

    def report(self, edit: Edit | None, mistakes: list[str], content: bytes, promise: str) -> str:
        """Return what a failing check prints."""
        lines: list[str] = []
        if edit is not None:
            lines += [f"rule:     {edit.rule.id}", f"source:   {edit.rule.source} ({edit.rule.certainty})"]
            lines += [f"sent:     {edit.note}"]
        lines += [f"promised: {promise}", *(f"got:      {mistake}" for mistake in mistakes)]
        return self.masked("\n".join([*lines, "", self.curl(content)]))

    def masked(self, text: str) -> str:
        """Return a text with the names of their environment variables, as a shell reads them, instead of keys."""
        names = {key: key_variable(self.provider.slug, purpose) for purpose, key in self.keys.items()}
        names |= {self.key: key_variable(self.provider.slug)} if self.key else {}
        for key in sorted(names, key=len, reverse=True):
            text = re.sub(rf"{re.escape(key)}(?=\w)", f"${{{names[key]}}}", text).replace(key, f"${names[key]}")
        for key, name in names.items():
            # The other handlers in which wrong keys are tried.
            for form, told in ((key.upper(), f"${{{name}^^}}"), (key[1:], f"${{{name}#?}}")):
                text = text.replace(form, told) if len(form) > 3 else text
        return text

    def curl(self, content: bytes) -> str:
        """Return a request as the curl command that sends it again, without the key."""
        usual = {"Authorization": f"Bearer {self.key or ''}", "Content-Type": "application/json"}
        endpoint, headers = self.sent_with.get(hash(content), (self.create, usual))
        content = self._addressed(content)
        text = content[:LONGEST_CURL].decode("utf-8", "replace")
        if len(content) > LONGEST_CURL:
            return f"(the request has {len(content)} bytes, too many for a command line; it begins {text[:300]!r})"
        lines = [f"{name}: {headers[name]}" for name in sorted(headers, key=lambda name: name != "Content-Type")]
        # Double quotes where a shell is to put the key in.
        told = [(line, self.masked(line)) for line in lines]
        quoted = [shlex.quote(line) if masked == line else f'"{masked}"' for line, masked in told]
        return (
            f"curl -sS -X {endpoint.method} {shlex.quote(self.target.base_url + endpoint.path)} "
            f"{' '.join(f'-H {line}' for line in quoted)} --data-binary {shlex.quote(text)}"
        )

    def hypothesis_settings(self) -> settings:
        """Return how random tests run: never shrinking, and remembering nothing, where requests cost money."""
        _, examples = PROFILES[self.profile]
        phases = (Phase.explicit, Phase.generate) if self.live else tuple(Phase)
        return settings(
            max_examples=examples,
            deadline=None,
            database=None,
            phases=phases,
            suppress_health_check=cast(list[HealthCheck], list(HealthCheck)),
        )


def _is_doubtful(status: int) -> bool:
    """Tell whether a status may say something of the moment, and not of the request."""
    return status in {401, 408, 425, 429} or status >= 500


def _retry_after(reply: Reply, otherwise: float) -> float:
    value = reply.headers.get("retry-after", "")
    return float(value) if value.isascii() and value.isdecimal() else otherwise


def shown(reply: Reply) -> str:
    """Return the beginning of an answer's body."""
    return reply.body[:500].decode("utf-8", "replace")
