"""A state machine that does anything in any order, and what must stay true: creates, queries, failures, time."""

from dataclasses import dataclass, field
from decimal import Decimal
from itertools import takewhile

import orjson
from hypothesis import seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from qwenmock.pytest_plugin.examiner.answer_judge import values_in
from qwenmock.pytest_plugin.examiner.bodies import example, put
from qwenmock.pytest_plugin.examiner.checks.generated import hypothesis_settings
from qwenmock.pytest_plugin.examiner.checks.task_progress import query, tasks_of
from qwenmock.pytest_plugin.examiner.connection.control import accounts_of
from qwenmock.pytest_plugin.examiner.expected_cost import amount_of, charge_of
from qwenmock.pytest_plugin.examiner.findings import Finding, Subject
from qwenmock.pytest_plugin.examiner.json_values import (
    read_first,
    read_integer,
    read_number,
    read_stated,
    read_string,
)
from qwenmock.pytest_plugin.examiner.payments import Charge, charges_of
from qwenmock.pytest_plugin.examiner.results import ContractViolation, NotExaminable
from qwenmock.pytest_plugin.examiner.session import Examiner
from qwenmock.pytest_plugin.examiner.target import EmbeddedTarget, Reply
from qwenmock.schemas.models import Variant
from qwenmock.schemas.vocabulary import JSON, subschema
from qwenmock.schemas.wording import counted

STEPS = 15
LINK_SLACK = 5
"""Seconds around the end of a link's lifetime in which it may work or not."""
ENDED = frozenset({"succeeded", "failed", "cancelled"})
DIRECTIVES = ("", "refuse", "status=500", "status=429", "fail-images=1", "fail-images=9")
"""What the double does with a request whose prompt names it: nothing of its fault plan is changed."""
NEWEST = 1000
"""Charges that are read: more than one run of the machine makes."""


@dataclass(frozen=True, slots=True)
class TaskLook:
    """What one query of a task showed."""

    state: str | None
    progress: float
    content: list[list[JSON]]


@dataclass(slots=True)
class CreatedTask:
    """A task and its last look."""

    variant: Variant
    last: TaskLook | None = None


@dataclass(frozen=True, slots=True)
class CreatedLink:
    """A link and the moment of its creation, in seconds of the machine's clock."""

    url: str
    created: float


@dataclass(slots=True)
class Known:
    """What a machine knows of its target.

    Attributes:
        time: Seconds since the machine began.
        money: Balance and reservations when it began.
        last_charge: The request of the newest charge when it began.
        steps: The calls that it has made.

    """

    time: float = 0.0
    money: Decimal = Decimal(0)
    last_charge: JSON = None
    steps: list[str] = field(default_factory=list[str])
    tasks: dict[str, CreatedTask] = field(default_factory=dict[str, CreatedTask])
    links: list[CreatedLink] = field(default_factory=list[CreatedLink])


def examine_any_order(examiner: Examiner) -> None:
    """Run the state machine against a target that can be controlled.

    Raises:
        ContractViolation: Something that must stay true does not.
        NotExaminable: The target cannot be controlled.

    """
    if not examiner.control.is_available:
        raise NotExaminable("only a target whose clock can be moved is taken through every state")
    if examiner.payments.budget.limit is not None:
        raise NotExaminable("a target is taken through every state only if its images cost nothing")
    examples = examiner.profile.examples // 5 or 1
    how = settings(hypothesis_settings(examiner), max_examples=examples, stateful_step_count=STEPS)
    machine: type[RuleBasedStateMachine] = type("Machine", (TargetMachine,), {"examiner": examiner})
    try:
        run_state_machine_as_test(seed(examiner.settings.seed)(machine), settings=how)
    finally:
        del machine.examiner  # Hypothesis keeps the class, which would keep the examined server in this process


def _variants(machine: "TargetMachine") -> st.SearchStrategy[Variant]:
    return st.sampled_from(
        [variant for endpoint in machine.examiner.provider.endpoints.values() for variant in endpoint.variants]
    )


class TargetMachine(RuleBasedStateMachine):
    """Invariants: the balance is the start less charges and reservations; nothing is charged without images;
    progress never falls; what has ended does not change; a link works until its lifetime ends, and not after.
    """

    examiner: Examiner

    @initialize()
    def begin(self) -> None:
        """Start with what the target has now.

        The double in this process starts with nothing: Hypothesis tries a failure again, and must find it again.
        """
        self.known = Known()
        if isinstance(self.examiner.target, EmbeddedTarget):
            self.examiner.control.send("POST", "/reset", {})
        self.examiner.control.balance()  # opens the account
        ledger = self._ledger()
        newest = [charge.get("request_id") for charge in charges_of(ledger)[:1]]
        self.known.money, self.known.last_charge = _money(ledger), next(iter(newest), None)

    @rule(
        variant=st.runner().flatmap(_variants),
        count=st.integers(1, 6),
        directive=st.sampled_from(DIRECTIVES),
    )
    def create(self, variant: Variant, count: int, directive: str) -> None:
        """Request images, sometimes in a way that must fail."""
        step = f"create with {variant.name}, {counted(count, 'image')}"
        self.known.steps.append(f"{step}, prompt [[qwenmock: {directive}]]" if directive else step)
        endpoint = self.examiner.provider.endpoint_of(variant)
        content = orjson.dumps(_body(variant, count, directive))
        reply = self.examiner.sender.call(content, Decimal(0), endpoint=endpoint)
        if reply.status != 200:
            return
        if endpoint.created_response is not None:
            task_id = read_first(values_in(endpoint.created_response, "task_id", reply), "task_id")
            self.known.tasks[read_string(task_id, "task_id")] = CreatedTask(variant)
        else:
            found = values_in(variant.answer, "image_url", reply)
            urls = dict.fromkeys(read_string(url, "image_url") for url in found)
            self.known.links += [CreatedLink(url, self.known.time) for url in urls]

    @rule(seconds=st.sampled_from([0.1, 0.3, 0.9, 30.0, 3600.0, 90000.0]))
    def wait(self, seconds: float) -> None:
        """Move the clock."""
        self.known.steps.append(f"move the clock by {seconds:g} s")
        self.examiner.control.advance(seconds)
        self.known.time += seconds

    @rule()
    def look_at_tasks(self) -> None:
        """Query every task: it must progress, and must not change after its end."""
        self.known.steps.append("query every task")
        for task_id, task in self.known.tasks.items():
            now = self._look(query(self.examiner, task_id), task.variant)
            if task.last is not None:
                self._require_progress(task_id, task.last, now)
            task.last = now

    def _look(self, reply: Reply, variant: Variant) -> TaskLook:
        name = next(iter(values_in(variant.answer, "task_status", reply)), None)
        return TaskLook(
            state=tasks_of(self.examiner.provider).state_called(name),
            progress=read_number(next(iter(values_in(variant.answer, "progress", reply)), 0), "progress"),
            content=[values_in(variant.answer, role, reply) for role in ("task_status", "image_url", "progress")],
        )

    @rule()
    def look_at_links(self) -> None:
        """Open the last links: each must work until its lifetime ends."""
        self.known.steps.append("open the last links")
        lifetime = self.examiner.provider.link_lifetime
        for link in self.known.links[-3:]:
            age = self.known.time - link.created
            if abs(age - lifetime) <= LINK_SLACK:
                continue
            should_work = age < lifetime
            works = self.examiner.target.send("GET", link.url, {}).status == 200
            if works != should_work:
                raise self._violation(f"a link that {'works' if works else 'does not work'} after {age:.0f} s")

    @invariant()
    def money_adds_up(self) -> None:
        """Check that balance, reservations and new charges add up to what the account had."""
        ledger = self._ledger()
        charges = list(takewhile(self._is_new, charges_of(ledger)))
        spent = sum((amount_of(read_stated(charge.get("amount"), "amount")) for charge in charges), Decimal(0))
        left = _money(ledger)
        if left + spent != self.known.money:
            amounts = f"{left} left or reserved, {spent} charged"
            raise self._violation(f"{amounts}: {left + spent}, expected {self.known.money}", "bill")
        for charge in charges:
            self._require_exact(charge)
        if len({str(charge.get("request_id")) for charge in charges}) != len(charges):
            raise self._violation("a request that was charged twice", "bill")

    def _is_new(self, charge: Charge) -> bool:
        return charge.get("request_id") != self.known.last_charge

    def _require_exact(self, charge: Charge) -> None:
        images, amount = read_integer(charge.get("images"), "images"), read_stated(charge.get("amount"), "amount")
        model = read_string(charge.get("model"), "model")
        if model not in self.examiner.provider.models:
            raise self._violation(f"a charge for the model {model}, which was not requested", "bill")
        expected = charge_of(self.examiner.provider, model, images)
        if images < 1 or amount_of(amount) != expected:
            got = f"{amount} charged for {images} images"
            raise self._violation(f"{got}, expected {expected}", "bill")

    def _ledger(self) -> JSON:
        slug, key = self.examiner.provider.slug, self.examiner.credentials.paying_key()
        reply = self.examiner.control.send("GET", f"/ledger?provider={slug}&key={key}&limit={NEWEST}")
        if reply.status != 200:
            raise self._violation(f"the ledger answers with {reply.status}")
        return reply.json()

    def _require_progress(self, task_id: str, before: TaskLook, now: TaskLook) -> None:
        changed = before.state in ENDED and before.content != now.content
        if now.progress < before.progress or changed:
            was = f"task {task_id} was {before.state} at {before.progress}"
            raise self._violation(f"{was}, and is {now.state} at {now.progress}", "task")

    def _violation(self, got: str, subject: Subject = "sequence") -> ContractViolation:
        """Return a violation that lists the calls before it; Hypothesis has left out those that are not needed."""
        mask = self.examiner.credentials.mask
        promise = "whatever is called in whatever order, what a task, a link and an account show stays true"
        steps = tuple(map(mask, self.known.steps))
        return ContractViolation((Finding(subject, promised=promise, got=(mask(got),), steps=steps),))


def _money(ledger: JSON) -> Decimal:
    """Return what the accounts in a ledger have left or reserved."""
    return sum((account.balance + account.reserved for account in accounts_of(ledger)), Decimal(0))


def _body(variant: Variant, count: int, directive: str) -> JSON:
    """Return a valid body for some images, with a directive in its prompt."""
    schema = variant.request.schema
    body = example(variant)
    for path in variant.request.roles.get("n", ()):
        body = put(schema, body, path, min(count, subschema(schema, path)["maximum"]))
    for path in variant.request.roles["prompt"][:1] if directive else ():
        body = put(schema, body, path, f"a cat [[qwenmock: {directive}]]")
    return body
