"""Sends requests and judges the answers: status, body, pictures, billing."""

import base64
import re
import shlex
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, TypeAlias, cast
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import orjson
from hypothesis import HealthCheck, Phase, settings

from qwenmock.pytest_plugin.bodies import example, put
from qwenmock.pytest_plugin.boundaries import Edit, describe, edits_of
from qwenmock.pytest_plugin.budget import Budget
from qwenmock.pytest_plugin.images import HOSTED
from qwenmock.pytest_plugin.judge import broken_rules
from qwenmock.pytest_plugin.money import charge_of, log_mistakes, worst_case
from qwenmock.pytest_plugin.relations import (
    OF_PICTURES,
    Finding,
    Success,
    broken_pictures,
    broken_relations,
    image_counts,
    relations,
    role_values,
)
from qwenmock.pytest_plugin.target import Reply, Target, TargetError
from qwenmock.schemas.catalog import Document, Endpoint, ErrorKind, Provider, Rule, Variant
from qwenmock.schemas.vocabulary import JSON, subschema

Verdict: TypeAlias = Literal["holds", "violated", "no verdict"]
UNSETTLED = frozenset({408, 425, 429, 502, 503, 504})
"""Statuses that say something of the moment, not of the request."""
TRIES = 3
LONGEST_WAIT = 60.0
TASK_STEP = 0.15
"""Seconds that a movable clock is moved between two looks at a task: its states are all seen."""
POLL_SECONDS = 3.0
LONGEST_TASK = 200
"""Looks at a task before it is given up."""
HOSTED_ADDRESS = re.compile(rb"https://pictures\.example\.com/[0-9a-f]{24}\.png")
PROFILES: Mapping[str, tuple[int, int]] = {"smoke": (2, 10), "ci": (100, 50), "deep": (100, 1000)}
"""For each profile: edits of a rule on each side, and random examples of a test."""


class NotExaminable(Exception):  # noqa: N818, a reason to skip, no failure
    """Something cannot be examined with this target; the text is the reason."""


class ContractViolation(AssertionError):  # noqa: N818, named for what was found
    """A server breaks a promise; the text names it, the request, and what came back."""


@dataclass
class Tally:
    """How often a rule was tried on each side, and how often it held."""

    tried: dict[str, int] = field(default_factory=lambda: {"accept": 0, "reject": 0})
    passed: dict[str, int] = field(default_factory=lambda: {"accept": 0, "reject": 0})

    def count(self, side: str, *, held: bool) -> None:
        """Count one try."""
        self.tried[side] += 1
        self.passed[side] += held


@dataclass
class Examiner:
    """One provider's examination against one target.

    Attributes:
        key: The key that pays.
        keys: Keys that run into something, by what: `expired`, `empty`, `forbidden`, `limited`, `broken`.
        ledger: Address of a request's billing record, with `{request_id}` in it; None where there is none.
        control: Address of the double's control API; None for a target that has none.
        live: Whether requests cost real money.
        pace: Seconds between requests.

    """

    provider: Provider
    target: Target
    key: str | None
    keys: Mapping[str, str]
    budget: Budget
    ledger: str | None = None
    control: str | None = None
    live: bool = False
    pace: float = 0.0
    profile: str = "ci"
    tallies: dict[str, Tally] = field(default_factory=dict[str, Tally])
    statuses: dict[int, int] = field(default_factory=dict[int, int])
    request_ids: set[str] = field(default_factory=set[str])
    hosted: dict[bytes, bytes] = field(default_factory=dict[bytes, bytes])
    sent: int = 0
    now: Callable[[], float] = time.time

    @property
    def create(self) -> Endpoint:
        """The endpoint that is called where no variant says which."""
        return self.provider.endpoints["create"]

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
            NotExaminable: There is no key.
            OverBudget: The worst case does not fit.
            TargetError: There was no answer.

        """
        if headers is None:
            headers = {"Authorization": f"Bearer {key or self.paying_key()}", "Content-Type": "application/json"}
        endpoint = endpoint or self.create
        if endpoint.switch is not None:
            headers = {**headers, endpoint.switch[0]: endpoint.switch[1]}
        content = self._hosted(content)
        self.budget.reserve(worst)
        spent = worst
        try:
            if self.pace:
                time.sleep(self.pace)
            reply = self.target.send(endpoint.method, self.target.base_url + endpoint.path, headers, content)
            if reply.status != 200:
                spent = Decimal(0)
        finally:
            self.budget.settle(worst, spent)
        self.sent += 1
        self.statuses[reply.status] = self.statuses.get(reply.status, 0) + 1
        return reply

    def _hosted(self, content: bytes) -> bytes:
        """Put real addresses in the place of those that stand for pictures.

        Raises:
            NotExaminable: The target cannot be given pictures to host.

        """
        for address in set(HOSTED_ADDRESS.findall(content)):
            url = HOSTED.get(address.decode(), "")
            if self.control is None:
                raise NotExaminable("the target takes pictures by address only, and hosts none itself")
            if address not in self.hosted:
                data = base64.b64decode(url.partition(",")[2])
                reply = self.target.send("POST", f"{self.control}/images", {"Content-Type": "image/png"}, data)
                if reply.status != 200:
                    raise NotExaminable(f"the target does not host this picture: {_shown(reply)}")
                self.hosted[address] = reply.json()["url"].encode()
            content = content.replace(address, self.hosted[address])
        return content

    def paying_key(self) -> str:
        """Return the key.

        Raises:
            NotExaminable: There is none.

        """
        if self.key is None:
            raise NotExaminable(f"QWENMOCK_{self.provider.slug.upper()}_KEY is not set")
        return self.key

    def key_for(self, purpose: str) -> str:
        """Return the key that runs into something.

        Raises:
            NotExaminable: There is none.

        """
        if purpose not in self.keys:
            variable = f"QWENMOCK_{self.provider.slug.upper()}_KEY_{purpose.upper()}"
            raise NotExaminable(f"no client can provoke this without a key made for it: {variable} is not set")
        return self.keys[purpose]

    def tally(self, rule: Rule, side: str, *, held: bool) -> None:
        """Count one try of a rule."""
        self.tallies.setdefault(rule.id, Tally()).count(side, held=held)

    def asserted(self, rule: Rule, side: str) -> bool:
        """Tell whether breaking a rule counts here: what is only assumed is never asserted live."""
        certainty = rule.certainty if side == "accept" else rule.beyond
        return not self.live or certainty != "assumed"

    # What is sent

    def examine(self, variant: Variant, rule: Rule) -> None:
        """Try a rule of a request on both sides of its boundary.

        Raises:
            ContractViolation: It does not hold.
            NotExaminable: No request breaks or keeps only this rule, or none could be sent.

        """
        base = example(variant)
        most, _ = PROFILES[self.profile]
        witnesses: dict[str, list[tuple[Edit, JSON]]] = {"accept": [], "reject": []}
        for edit in edits_of(variant, rule):
            if len(witnesses[edit.side]) < most:
                body = edit.change(base)
                expected: set[Rule] = {rule} if edit.side == "reject" else set()
                if broken_rules(variant.request, body) == expected:
                    witnesses[edit.side].append((edit, body))
        if not witnesses["accept"] and not witnesses["reject"]:
            raise NotExaminable("no request keeps or breaks only this rule")
        for edit, body in witnesses["accept"]:
            self.accept(variant, body, edit)
        for edit, body in witnesses["reject"]:
            self.reject(variant, body, edit)

    def accept(self, variant: Variant, body: JSON, edit: Edit | None = None) -> Success:
        """Send a valid body: it must succeed, as documented, and be billed exactly.

        Raises:
            ContractViolation: It is not so.

        """
        reply = self.settled(body, variant)
        if reply.status != 200:
            self._judge(edit, "accept", [f"status {reply.status}: {_shown(reply)}"], body, "a 200")
            raise NotExaminable(f"status {reply.status} where 200 was due, by a rule that is only assumed")
        success = self._success(variant, body, reply)
        if self.provider.endpoint_of(variant).created is not None:
            success, mistakes = self._completed(success)
        else:
            mistakes = []
        mistakes += self.mistakes(success)
        self._judge(edit, "accept", mistakes, body, "a 200 as documented, billed once")
        return success

    def reject(self, variant: Variant, body: JSON, edit: Edit) -> Reply:
        """Send a body that breaks one rule: it must get the documented refusal, and must not be billed.

        Raises:
            ContractViolation: It is not so.

        """
        kind = self.provider.errors[edit.rule.error]
        reply = self.settled(body, variant, kind.status)
        self._judge(edit, "reject", self.refusal_mistakes(kind, reply), body, f"a {kind.status}: {kind.message}")
        return reply

    def settled(self, body: JSON, variant: Variant | None, due: int = 200) -> Reply:
        """Send a body, again where the answer says only that this was not the moment.

        Raises:
            NotExaminable: It stayed so.

        """
        worst = worst_case(self.provider, variant, body)
        content = orjson.dumps(body)
        endpoint = None if variant is None else self.provider.endpoint_of(variant)
        failure = ""
        for turn in range(TRIES):
            try:
                reply = self.call(content, worst, endpoint=endpoint)
            except TargetError as error:
                failure, wait = str(error), float(turn)
            else:
                if reply.status == due or reply.status not in UNSETTLED:
                    return reply
                failure, wait = f"status {reply.status}", _retry_after(reply, float(turn))
            if turn < TRIES - 1:
                time.sleep(min(wait, LONGEST_WAIT))
        raise NotExaminable(f"no verdict after {TRIES} tries: {failure}")

    def refuse_content(self, content: bytes) -> None:
        """Send a body that is no JSON: it must get the documented refusal.

        Raises:
            ContractViolation: It does not.

        """
        rule = self.provider.rule(f"{self.provider.slug}/http/body/syntax")
        self._refused(rule, self.call(content, Decimal(0)), content, describe(content[:200].decode("latin-1")))

    def refuse_content_type(self, content_type: str) -> None:
        """Send a valid body under another name: it must get the documented refusal."""
        rule = self.provider.rule(f"{self.provider.slug}/http/content-type/const")
        content, worst = self._control()
        headers = {"Authorization": f"Bearer {self.paying_key()}", "Content-Type": content_type}
        self._refused(rule, self.call(content, worst, headers=headers), content, content_type)

    def refuse_authorization(self, rule: Rule, form: str | None) -> None:
        """Send a valid body with an Authorization header (`{key}` in it is the key) that must be refused."""
        content, worst = self._control()
        headers = {"Content-Type": "application/json"}
        if form is not None:
            headers["Authorization"] = form.replace("{key}", self.paying_key()) if "{key}" in form else form
        self._refused(rule, self.call(content, worst, headers=headers), content, f"Authorization: {form}")

    def refuse_key(self, purpose: str, kind: str, content: bytes | None = None) -> None:
        """Send a valid body with a key that runs into something: it must get that kind of error."""
        key = self.key_for(purpose)
        control, _ = self._control()
        reply = self.call(content or control, Decimal(0), key)
        mistakes = self.refusal_mistakes(self.provider.errors[kind], reply)
        error = self.provider.errors[kind]
        if mistakes and (not self.live or error.certainty != "assumed"):
            raise ContractViolation(
                self.report(None, mistakes, control, f"a {error.status} for a key that is {purpose}")
            )

    def exhaust(self, purpose: str, most: int = 30) -> None:
        """Send valid bodies with a limited key until it is refused: the first must succeed, a later one be limited."""
        key = self.key_for(purpose)
        content, worst = self._control()
        error = self.provider.errors["rate_limited"]
        replies = [self.call(content, worst, key)]
        while replies[-1].status == 200 and len(replies) < most:
            replies.append(self.call(content, worst, key))
        refused = replies[-1].status != 200
        mistakes = self.refusal_mistakes(error, replies[-1]) if refused else [f"{most} successes"]
        mistakes += ["the very first request was refused"] if len(replies) == 1 else []
        if mistakes:
            raise ContractViolation(self.report(None, mistakes, content, f"a {error.status} after some requests"))

    def _control(self) -> tuple[bytes, Decimal]:
        """Return the smallest valid body of the first variant, and what it may cost."""
        variant = self.create.variants[0]
        body = example(variant)
        return orjson.dumps(body), worst_case(self.provider, variant, body)

    def _refused(self, rule: Rule, reply: Reply, content: bytes, note: str) -> None:
        kind = self.provider.errors[rule.error]
        mistakes = self.refusal_mistakes(kind, reply)
        self.tally(rule, "reject", held=not mistakes)
        if mistakes and self.asserted(rule, "reject"):
            edit = Edit(rule, "reject", note, lambda body: body)
            raise ContractViolation(self.report(edit, mistakes, content, f"a {kind.status}: {kind.message}"))

    # Bodies to try

    def example(self, variant: Variant, model: str | None = None) -> dict[str, JSON]:
        """Return the smallest valid body of a variant."""
        return example(variant, model)

    def bodies_by_count(self, variant: Variant) -> Iterator[dict[str, JSON]]:
        """Yield a valid body for each number of images that may be asked for."""
        schema = variant.request.schema
        for path in variant.request.roles.get("n", ()):
            owner = subschema(schema, path)
            for count in range(owner["minimum"], owner["maximum"] + 1):
                yield put(schema, example(variant), path, count)

    def bodies_by_size(self, variant: Variant) -> Iterator[dict[str, JSON]]:
        """Yield a valid body for each size that is listed, or for the corners of what may be asked for."""
        schema = variant.request.schema
        for path in variant.request.roles.get("size", ()):
            owner = subschema(schema, path)
            sizes: list[str] = owner.get("enum", [])
            if "x-size" in owner:
                least, most = owner["x-size"]["minSide"], owner["x-size"]["maxSide"]
                sizes = [f"{w}*{h}" for w in (least, most) for h in (least, most)]
            for size in sizes:
                yield put(schema, example(variant), path, size)

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

    # Links and money over time

    def refuse_changed_links(self, variant: Variant) -> None:
        """Change signature and expiry of an answer's link: neither may be served."""
        success = self.accept(variant, example(variant))
        for url in cast(list[str], success.values("image_url"))[:1]:
            parts = urlsplit(url)
            query = dict(parse_qsl(parts.query))
            if not {"Signature", "Expires"} <= query.keys():
                raise NotExaminable("the link carries no Signature and Expires that could be changed")
            later = str(int(query["Expires"]) + 1)
            for change in ({"Signature": query["Signature"][::-1]}, {"Expires": later}, {"Signature": ""}):
                changed = parts._replace(query=urlencode({**query, **change})).geturl()
                reply = self.target.send("GET", changed, {})
                if reply.status == 200:
                    content = orjson.dumps(success.asked)
                    raise ContractViolation(
                        self.report(None, [f"a 200 with {change}"], content, "a refusal of a changed link")
                    )

    def outlive_link(self, variant: Variant) -> None:
        """Move the target's clock to the end of a link's life: until then it works, and not after."""
        success = self.accept(variant, example(variant))
        url = cast(str, success.values("image_url")[0])
        lifetime = self.provider.link_lifetime
        statuses: list[int] = []
        for seconds in (lifetime - 10, 20):
            self.advance(seconds)
            statuses.append(self.target.send("GET", url, {}).status)
        if statuses[0] != 200 or statuses[1] == 200:
            got = [f"{statuses[0]} 10 s before its end, {statuses[1]} 10 s after"]
            raise ContractViolation(
                self.report(None, got, orjson.dumps(success.asked), f"a link that lives {lifetime} s")
            )

    def advance(self, seconds: float) -> None:
        """Move the target's clock.

        Raises:
            NotExaminable: It has none that can be moved.

        """
        if self.control is None:
            raise NotExaminable("the target's clock cannot be moved")
        headers = {"Content-Type": "application/json"}
        self.target.send("POST", f"{self.control}/clock", headers, orjson.dumps({"advance_seconds": seconds}))

    def balance(self) -> Decimal:
        """Return what the paying key has left.

        Raises:
            NotExaminable: The target does not tell.

        """
        if self.control is None:
            raise NotExaminable("the target does not tell balances")
        reply = self.target.send("GET", f"{self.control}/ledger?key={self.paying_key()}&limit=0", {})
        accounts = [a for a in reply.json()["accounts"] if a["provider"] == self.provider.slug]
        return Decimal(accounts[0]["balance"]) if accounts else Decimal(0)

    def spent_on(self, success: Success) -> Decimal | None:
        """Return what the ledger has for a success; None where there is no ledger."""
        charges = None if success.request_id is None else self.charges(success.request_id)
        return None if charges is None else sum((Decimal(charge["amount"]) for charge in charges), Decimal(0))

    # What comes back

    def _success(self, variant: Variant, asked: JSON, reply: Reply) -> Success:
        try:
            body = reply.json()
        except ValueError:
            body = None
        return Success(self.provider, variant, asked, reply, body, self.now(), self._request_id(reply, body))

    def _request_id(self, reply: Reply, body: JSON) -> str | None:
        """Return what a request is called in the ledger: what the answer says, or its header."""
        stated = [
            value
            for endpoint in self.provider.endpoints.values()
            for document in (endpoint.created, *(variant.answer for variant in endpoint.variants))
            if document is not None
            for value in role_values(document, "request_id", body)
        ]
        return stated[0] if stated else reply.headers.get("x-request-id")

    # Tasks

    def _completed(self, created: Success) -> tuple[Success, list[str]]:
        """Wait for a task and return its last answer as the success that it is, and what was wrong on the way."""
        endpoint = self.provider.endpoint_of(created.variant)
        assert endpoint.created is not None, "only called for tasks"
        mistakes = [f"{rule.id} broken" for rule in self._checked(endpoint.created, created.body)]
        ids = role_values(endpoint.created, "task_id", created.body)
        if mistakes or not ids:
            return created, mistakes
        seen = self.follow(ids[0], created.variant)
        mistakes += progress_mistakes(self.provider, created.variant, [body for _, body in seen])
        reply, body = seen[-1]
        success = Success(self.provider, created.variant, created.asked, reply, body, self.now(), created.request_id)
        return success, mistakes

    def _checked(self, document: Document, body: JSON) -> set[Rule]:
        """Count a document's rules for an answer, and return those that it breaks."""
        broken = broken_rules(document, body)
        for rule in document.rules:
            self.tally(rule, "accept", held=rule not in broken)
        return {rule for rule in broken if self.asserted(rule, "accept")}

    def _create_task(self, variant: Variant, body: JSON) -> tuple[str, Reply]:
        """Create a task and return its id.

        Raises:
            NotExaminable: The variant makes its images at once.

        """
        document = self.provider.endpoint_of(variant).created
        if document is None:
            raise NotExaminable("this variant makes its images at once")
        reply = self.settled(body, variant)
        ids = _values_in(document, "task_id", reply)
        if reply.status != 200 or not ids:
            raise ContractViolation(self.report(None, [_shown(reply)], orjson.dumps(body), "a task"))
        return ids[0], reply

    def task_runs_its_course(self, variant: Variant) -> None:
        """Follow a task to its end and beyond: it goes forward, and then does not change."""
        body = example(variant)
        task_id, _ = self._create_task(variant, body)
        seen = self.follow(task_id, variant)
        mistakes = progress_mistakes(self.provider, variant, [answer for _, answer in seen])
        later = self.query(task_id)
        ended, unchanged = (_without_ids(variant.answer, answer) for answer in (seen[-1][1], later.json()))
        if ended != unchanged:
            mistakes.append(f"an ended task that changes: {_shown(later)}")
        if mistakes:
            raise ContractViolation(
                self.report(None, mistakes, orjson.dumps(body), "a task that goes forward and ends")
            )

    def refuse_foreign_task(self, variant: Variant) -> None:
        """Ask for a task with another key: it must not be seen."""
        other = self.key_for("other")
        body = example(variant)
        task_id, _ = self._create_task(variant, body)
        reply = self.query(task_id, other)
        self._hidden(reply, "task_forbidden", orjson.dumps(body))

    def refuse_unknown_tasks(self) -> None:
        """Ask for tasks that are not there."""
        tasks = self.provider.tasks
        if tasks is None:
            raise NotExaminable("this provider has no tasks")
        self._hidden(self.query(f"{tasks.prefix}0000000000-00000000"), "task_not_found", b"")
        if tasks.prefix:
            self._hidden(self.query("nonsense"), "task_id_invalid", b"")

    def _hidden(self, reply: Reply, kind: str, content: bytes) -> None:
        error = self.provider.errors.get(kind)
        if error is not None:
            mistakes = self.refusal_mistakes(error, reply)
        else:
            # Where there is no error for it, the task's state is one that has nothing to show.
            found = reply.json() if reply.status == 200 else None
            urls = [url for v in self.provider.variants.values() for url in role_values(v.answer, "image_url", found)]
            mistakes = [] if reply.status == 200 and not urls else [f"status {reply.status}: {_shown(reply)}"]
        if mistakes:
            raise ContractViolation(self.report(None, mistakes, content, f"{kind} for a task of no concern"))

    def fail_task(self, variant: Variant) -> None:
        """Have a task fail: it says why, shows no image, and costs nothing.

        Raises:
            NotExaminable: No request makes this target's tasks fail.

        """
        if self.control is None:
            raise NotExaminable("no client can make a task fail")
        before = self.balance()
        schema = variant.request.schema
        body = put(schema, example(variant), variant.request.roles["prompt"][0], "a cat [[qwenmock: refuse]]")
        task_id, _ = self._create_task(variant, body)
        reply, last = self.follow(task_id, variant)[-1]
        tasks = self.provider.tasks
        document = tasks.states["failed"].document if tasks else None
        mistakes = [] if document is None else [f"{rule.id} broken" for rule in self._checked(document, last)]
        if self.balance() != before:
            mistakes.append(f"a balance of {self.balance()} after {before}")
        if mistakes:
            raise ContractViolation(
                self.report(None, [*mistakes, _shown(reply)], orjson.dumps(body), "a failed task, unbilled")
            )

    def query(self, task_id: str, key: str | None = None) -> Reply:
        """Ask for a task; this costs nothing."""
        path = self.provider.endpoints["task"].path.replace("{task_id}", task_id)
        headers = {"Authorization": f"Bearer {key or self.paying_key()}"}
        return self.target.send("GET", self.target.base_url + path, headers)

    def follow(self, task_id: str, variant: Variant) -> list[tuple[Reply, JSON]]:
        """Ask for a task until it has ended, and return all answers.

        Raises:
            NotExaminable: It did not end in time.

        """
        tasks = self.provider.tasks
        assert tasks is not None, "only called for providers with tasks"
        seen: list[tuple[Reply, JSON]] = []
        for _ in range(LONGEST_TASK):
            reply = self.query(task_id)
            body = reply.json() if reply.status == 200 else None
            seen.append((reply, body))
            status = next(iter(role_values(variant.answer, "task_status", body)), None)
            if reply.status != 200 or tasks.state_called(status) not in {"pending", "running"}:
                return seen
            if self.control is not None:
                self.advance(TASK_STEP)
            else:
                time.sleep(POLL_SECONDS)
        raise NotExaminable(f"the task had not ended after {LONGEST_TASK} looks")

    def mistakes(self, success: Success, *, pictures: bool = True) -> list[str]:
        """Return what is wrong with a success, in sentences that begin with the rule."""
        findings = [Finding(rule, "broken") for rule in self._checked(success.variant.answer, success.body)]
        if not findings:
            known = relations(self.provider, success.variant)
            names = dict(broken_relations(success))
            names |= dict(self._repeated(success))
            if pictures:
                names |= dict(broken_pictures(success, self.pictures(success)))
            for name, rule in known.items():
                if pictures or name not in OF_PICTURES:
                    self.tally(rule, "accept", held=name not in names)
            findings = [Finding(known[name], got) for name, got in names.items()]
        told = [f"{f.rule.id} ({f.rule.value}): {f.got}" for f in findings if self.asserted(f.rule, "accept")]
        return told + self.billing_mistakes(success)

    def _repeated(self, success: Success) -> list[tuple[str, str]]:
        ids = set(success.values("request_id"))
        again = ids & self.request_ids
        self.request_ids |= ids
        return [("request-id", f"{sorted(again)[0]} again")] if again else []

    def pictures(self, success: Success) -> list[Reply]:
        """Fetch the pictures of an answer; they cost nothing, and need no key."""
        urls = cast(list[str], [url for group in success.groups("image_url")[:1] for url in group])
        return [self.target.send("GET", url, {}) for url in urls]

    def refusal_mistakes(self, kind: ErrorKind, reply: Reply) -> list[str]:
        """Return what is wrong with a refusal, in sentences."""
        if reply.status != kind.status:
            return [f"status {reply.status}: {_shown(reply)}"]
        mistakes = self.error_mistakes(kind.document, reply)
        message = next(iter(_values_in(kind.document, "message", reply)), None)
        begin, placeholder, _ = kind.message.partition("{detail}")
        as_documented = isinstance(message, str) and (message.startswith(begin) if placeholder else message == begin)
        if not mistakes and kind.text == "documented" and message is not None and not as_documented:
            mistakes.append(f"the message {message!r}, documented is {kind.message!r}")
        return mistakes + self.unbilled_mistakes(reply)

    def error_mistakes(self, document: Document, reply: Reply) -> list[str]:
        """Return what is wrong with an error's body, whatever its status."""
        try:
            body = reply.json()
        except ValueError:
            return [f"a body that is no JSON: {_shown(reply)}"]
        mistakes = [f"{rule.id} broken: {_shown(reply)}" for rule in self._checked(document, body)]
        stated = role_values(document, "http_status", body)
        mistakes += [f"{status} in the body of a {reply.status}" for status in stated if status != reply.status]
        content_type = reply.headers.get("content-type", "").partition(";")[0].strip()
        return mistakes + ([f"Content-Type: {content_type}"] if content_type != "application/json" else [])

    # Billing

    def charges(self, request_id: str) -> list[dict[str, JSON]] | None:
        """Return the billing records of a request; None where the target has no ledger to read."""
        if self.ledger is None:
            return None
        reply = self.target.send("GET", self.ledger.replace("{request_id}", quote(request_id, safe="")), {})
        if reply.status != 200:
            raise NotExaminable(f"the ledger answers {reply.status}")
        return reply.json()["charges"]

    def billing_mistakes(self, success: Success) -> list[str]:
        """Return what is wrong with the bill of a success."""
        charges = None if success.request_id is None else self.charges(success.request_id)
        if charges is None:
            return []
        if len(charges) != 1:
            return [f"{len(charges)} charges for one success"]
        charge = charges[0]
        counts = image_counts(success)
        images = counts[0] if counts else 0
        model = success.asked["model"]
        amount = charge_of(self.provider, model, images)
        mistakes: list[str] = []
        if charge["images"] != images:
            mistakes.append(f"{charge['images']} images billed, {images} made")
        if Decimal(charge["amount"]) != amount:
            mistakes.append(f"{charge['amount']} {charge['currency']} billed, {amount} are due for {images} images")
        if charge["currency"] != self.provider.currency:
            mistakes.append(f"billed in {charge['currency']}, not {self.provider.currency}")
        if self.provider.billing_log is not None:
            mistakes += [f"{rule.id} broken" for rule in broken_rules(self.provider.billing_log, charge["log"])]
            mistakes += log_mistakes(self.provider, model, images, charge["log"])
        return mistakes

    def unbilled_mistakes(self, reply: Reply) -> list[str]:
        """Return what is wrong with the bill of a refusal: that there is one."""
        request_id = reply.headers.get("x-request-id")
        charges = self.charges(request_id) if request_id else None
        return [f"billed although refused: {charges[0]['amount']} {charges[0]['currency']}"] if charges else []

    # What is told

    def _judge(self, edit: Edit | None, side: str, mistakes: list[str], body: JSON, promise: str) -> None:
        if edit is not None:
            self.tally(edit.rule, side, held=not mistakes)
            if not self.asserted(edit.rule, side):
                return
        if mistakes:
            raise ContractViolation(self.report(edit, mistakes, orjson.dumps(body), promise))

    def report(self, edit: Edit | None, mistakes: list[str], content: bytes, promise: str) -> str:
        """Return what a failing check prints."""
        lines: list[str] = []
        if edit is not None:
            lines += [f"rule:     {edit.rule.id}", f"source:   {edit.rule.source} ({edit.rule.certainty})"]
            lines += [f"sent:     {edit.note}"]
        lines += [f"promised: {promise}", *(f"got:      {mistake}" for mistake in mistakes)]
        return "\n".join([*lines, "", self.curl(content)])

    def curl(self, content: bytes) -> str:
        """Return a request as a curl command, without the key."""
        endpoint = self.create
        variable = f"$QWENMOCK_{self.provider.slug.upper()}_KEY"
        text = content.decode("utf-8", "replace")
        return (
            f"curl -sS -X {endpoint.method} {shlex.quote(self.target.base_url + endpoint.path)} "
            f"-H 'Content-Type: application/json' -H \"Authorization: Bearer {variable}\" "
            f"--data-binary {shlex.quote(text)}"
        )


def progress_mistakes(provider: Provider, variant: Variant, answers: list[JSON]) -> list[str]:
    """Return what is wrong with the answers that a task gave on its way, in order."""
    tasks = provider.tasks
    assert tasks is not None, "only called for providers with tasks"
    mistakes: list[str] = []
    progress = [value for body in answers for value in role_values(variant.answer, "progress", body)]
    if progress != sorted(progress):
        mistakes.append(f"progress falls: {progress}")
    states = [
        tasks.state_called(value) for body in answers for value in role_values(variant.answer, "task_status", body)
    ]
    order = ["pending", "running", "succeeded"]
    places = [order.index(state) if state in order else len(order) for state in states]
    if places != sorted(places):
        mistakes.append(f"states go back: {states}")
    if not states or states[-1] != "succeeded":
        mistakes.append(f"the task ends as {states[-1:] or 'nothing'}, not as {tasks.states['succeeded'].name}")
    for body, state in zip(answers, states, strict=False):
        document = tasks.states[state].document if state is not None else None
        if document is not None:
            mistakes += [f"{rule.id} broken" for rule in broken_rules(document, body)]
    return mistakes


def _without_ids(document: Document, body: JSON) -> JSON:
    """Return an answer without the id of the request that it answers, which is another each time."""
    return [role_values(document, role, body) for role in sorted(document.roles) if role != "request_id"]


def _values_in(document: Document, role: str, reply: Reply) -> list[JSON]:
    try:
        return role_values(document, role, reply.json())
    except ValueError:
        return []


def _shown(reply: Reply) -> str:
    return reply.body[:500].decode("utf-8", "replace")


def _retry_after(reply: Reply, otherwise: float) -> float:
    value = reply.headers.get("retry-after", "")
    return float(value) if value.isdecimal() else otherwise
