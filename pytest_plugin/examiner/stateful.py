"""A machine that does anything in any order: creates, looks, faults, time; and what must be true all along."""

from decimal import Decimal
from typing import Any

import orjson
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from qwenmock.pytest_plugin.examiner.answer_judge import values_in
from qwenmock.pytest_plugin.examiner.bodies import example, put
from qwenmock.pytest_plugin.examiner.checks.tasks import query
from qwenmock.pytest_plugin.examiner.expected_cost import charge_of
from qwenmock.pytest_plugin.examiner.results import ContractViolation
from qwenmock.pytest_plugin.examiner.session import Examiner
from qwenmock.schemas.models import Variant
from qwenmock.schemas.vocabulary import JSON, subschema

JSON_HEADERS = {"Content-Type": "application/json"}


def machine_for(examiner: Examiner) -> type[RuleBasedStateMachine]:
    """Return a machine for an examiner whose target can be controlled."""
    provider, control = examiner.provider, examiner.control
    variants = [variant for endpoint in provider.endpoints.values() for variant in endpoint.variants]

    class Machine(RuleBasedStateMachine):
        """Invariants: the balance is the start less charges and reservations; nothing is charged without images;
        progress never falls; what has ended does not change; a link works until its hour, and not after.
        """

        @initialize()
        def begin(self) -> None:
            self.send("POST", "/reset", {})
            self.time = 0.0
            self.images = 0
            self.spent = Decimal(0)
            self.tasks: dict[str, tuple[Variant, list[Any]]] = {}
            self.links: list[tuple[str, float]] = []

        def teardown(self) -> None:
            """Leave nothing armed, and nothing that the moved clock has outlived."""
            self.send("POST", "/reset", {})
            examiner.hosted.clear()

        def send(self, method: str, path: str, body: JSON = None) -> JSON:
            content = b"" if body is None else orjson.dumps(body)
            reply = examiner.target.send(method, f"{control}{path}", JSON_HEADERS, content)
            if reply.status != 200:
                raise ContractViolation(f"{method} {path}: {reply.status}")
            return reply.json()

        @rule(
            variant=st.sampled_from(variants),
            count=st.integers(1, 6),
            directive=st.sampled_from(["", "refuse", "status=500"]),
        )
        def create(self, variant: Variant, count: int, directive: str) -> None:
            """Ask for images, now and then in a way that must fail."""
            schema = variant.request.schema
            body = example(variant)
            for path in variant.request.roles.get("n", ()):
                body = put(schema, body, path, min(count, subschema(schema, path)["maximum"]))
            for path in variant.request.roles["prompt"][:1] if directive else ():
                body = put(schema, body, path, f"a cat [[qwenmock: {directive}]]")
            endpoint = provider.endpoint_of(variant)
            reply = examiner.call(orjson.dumps(body), Decimal(0), endpoint=endpoint)
            if endpoint.created_response is not None and reply.status == 200:
                self.tasks[values_in(endpoint.created_response, "task_id", reply)[0]] = (variant, [])
            elif reply.status == 200:
                urls = list(dict.fromkeys(values_in(variant.answer, "image_url", reply)))
                self.links += [(url, self.time) for url in urls]

        @rule(seconds=st.sampled_from([0.1, 0.3, 0.9, 30.0, 3600.0, 90000.0]))
        def wait(self, seconds: float) -> None:
            """Let time pass."""
            self.send("POST", "/clock", {"advance_seconds": seconds})
            self.time += seconds

        @rule(fault=st.sampled_from([{"status": 500}, {"status": 429}, {"fail_images": 1}, {"fail_images": 9}]))
        def arm(self, fault: dict[str, int]) -> None:
            """Have the next request run into something."""
            self.send("PUT", "/faults", [{**fault, "times": 1}])

        @rule()
        def look_at_tasks(self) -> None:
            """Look at every task: it goes forward, and does not change once it has ended."""
            for task_id, (variant, seen) in self.tasks.items():
                reply = query(examiner, task_id)
                state = (
                    provider.tasks.state_called(next(iter(values_in(variant.answer, "task_status", reply)), None))
                    if provider.tasks
                    else None
                )
                progress = next(iter(values_in(variant.answer, "progress", reply)), 0)
                content = [values_in(variant.answer, role, reply) for role in ("task_status", "image_url", "progress")]
                if seen:
                    before, passed, shown = seen[-1]
                    if progress < passed or (before in {"succeeded", "failed", "cancelled"} and shown != content):
                        raise ContractViolation(
                            f"task {task_id} was {before} at {passed}, and is {state} at {progress}"
                        )
                seen.append((state, progress, content))

        @rule()
        def look_at_links(self) -> None:
            """Open every link: it works until its hour."""
            for url, made in self.links[-3:]:
                age = self.time - made
                due = age < provider.link_lifetime - 5
                if (
                    abs(age - provider.link_lifetime) > 5
                    and (examiner.target.send("GET", url, {}).status == 200) != due
                ):
                    raise ContractViolation(f"a link that {'is dead' if due else 'lives'} after {age:.0f} s")

        @invariant()
        def money_adds_up(self) -> None:
            """Balance, reservations and charges make what the account began with."""
            ledger = self.send("GET", f"/ledger?provider={provider.slug}&key={examiner.paying_key()}&limit=100000")
            charges = ledger["charges"]
            spent = sum((Decimal(charge["amount"]) for charge in charges), Decimal(0))
            for account in ledger["accounts"]:
                total = Decimal(account["balance"]) + Decimal(account["reserved"]) + spent
                if total != Decimal(1000000):
                    raise ContractViolation(
                        f"{account['balance']} left, {account['reserved']} reserved, {spent} charged: {total}"
                    )
            for charge in charges:
                due = charge_of(provider, charge["model"], charge["images"])
                if charge["images"] < 1 or Decimal(charge["amount"]) != due:
                    raise ContractViolation(f"{charge['amount']} charged for {charge['images']} images, {due} are due")
            if len({charge["request_id"] for charge in charges}) != len(charges):
                raise ContractViolation("a request that was charged twice")

    return Machine
