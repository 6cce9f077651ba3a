"""What is examined: requests on both sides of every rule, keys, errors, bills, links."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import TypeVar, cast
from urllib.parse import parse_qsl, urlencode, urlsplit

import orjson
from hypothesis import given
from hypothesis.strategies import SearchStrategy

from qwenmock.pytest_plugin.examiner.answer_judge import charges, refusal_mistakes, success_mistakes, values_in
from qwenmock.pytest_plugin.examiner.bodies import example, put, smallest
from qwenmock.pytest_plugin.examiner.boundaries import Edit, describe, edits_of
from qwenmock.pytest_plugin.examiner.budget import OverBudget
from qwenmock.pytest_plugin.examiner.checks import tasks as task_checks
from qwenmock.pytest_plugin.examiner.expected_cost import amount_of, charge_of, worst_case
from qwenmock.pytest_plugin.examiner.invariants import Success, image_counts, requested_count, role_values
from qwenmock.pytest_plugin.examiner.results import ContractViolation, NotExaminable
from qwenmock.pytest_plugin.examiner.sample_images import SAMPLES
from qwenmock.pytest_plugin.examiner.schema_judge import broken_rules
from qwenmock.pytest_plugin.examiner.session import PROFILES, Examiner, shown
from qwenmock.pytest_plugin.examiner.strategies import nearly_json
from qwenmock.pytest_plugin.examiner.target import Reply, TargetError
from qwenmock.schemas.models import Document, Provider, Rule, Variant
from qwenmock.schemas.vocabulary import JSON, select, subschema, walk

UNDOCUMENTED = "undocumented"
"""A member that no document names."""


def examine(examiner: Examiner, variant: Variant, rule: Rule) -> None:
    """Try a rule of a request on both sides of its boundary: one witness accepted, then all that must be refused.

    A refusal counts only beside an accepted twin, so that a server which refuses for another reason is not taken
    for right.

    Raises:
        ContractViolation: It does not hold.
        NotExaminable: No request breaks or keeps only this rule, or none could be sent.

    """
    accepted, refused = witnesses(examiner, variant, rule)
    if not accepted and not refused:
        raise NotExaminable("no request keeps or breaks only this rule")
    unaffordable: OverBudget | None = None
    undecided: NotExaminable | None = None
    tried = False
    for edit, body in accepted[:1]:
        try:
            accept(examiner, variant, body, edit)
            tried = True
        except OverBudget as error:
            unaffordable = error
        except NotExaminable as error:
            # Without its twin a refusal proves nothing; that a wrong body is taken is wrong all the same.
            undecided = error
    for edit, body in refused:
        try:
            reject(examiner, variant, body, edit)
            tried = True
        except OverBudget as error:
            unaffordable = error
    if undecided is not None:
        raise undecided
    if unaffordable is not None and not tried:
        raise unaffordable


def examine_more(examiner: Examiner, variant: Variant, rule: Rule) -> None:
    """Try the other values that keep a rule: each format, each listed value, each script.

    Raises:
        ContractViolation: One of them is not accepted.

    """
    accepted, _ = witnesses(examiner, variant, rule)
    for edit, body in accepted[1:]:
        accept(examiner, variant, body, edit)


def witnesses(
    examiner: Examiner, variant: Variant, rule: Rule
) -> tuple[list[tuple[Edit, JSON]], list[tuple[Edit, JSON]]]:
    """Return the bodies that keep a rule, and those that break it and no other."""
    base = example(variant)
    most, _ = PROFILES[examiner.profile]
    found: dict[str, list[tuple[Edit, JSON]]] = {"accept": [], "reject": []}
    for edit in edits_of(examiner.provider, variant, rule):
        if len(found[edit.side]) < most and not (edit.possibly_billable and examiner.live):
            body = edit.change(base)
            if _as_meant(edit, broken_rules(variant.request, body)):
                found[edit.side].append((edit, body))
    return found["accept"], found["reject"]


def _as_meant(edit: Edit, broken: set[Rule]) -> bool:
    """Tell whether a body breaks what an edit was to break, and nothing that would be answered otherwise."""
    if edit.may_break_others:
        return edit.rule in broken and {rule.error for rule in broken} == {edit.rule.error}
    return broken == ({edit.rule} if edit.side == "reject" else set())


def accept(
    examiner: Examiner, variant: Variant, body: JSON, edit: Edit | None = None, *, pictures: int | None = None
) -> Success:
    """Send a valid body: it must succeed, as documented, and be billed exactly.

    Args:
        pictures: How many of the answer's pictures are looked at; None for all.

    Raises:
        ContractViolation: It is not so.

    """
    content = orjson.dumps(body)
    if examiner.live:
        require_fetchable(role_values(variant.request, "image", body))
    promise = "a 200 as documented, billed once"
    known = examiner.answers.get(content) if examiner.live else None
    if known is not None:
        examiner.conclude(edit, "accept", [], content, promise)
        return known
    reply = examiner.settled(body, variant)
    if reply.status != 200:
        examiner.conclude(edit, "accept", [f"status {reply.status}: {shown(reply)}"], content, promise)
        raise NotExaminable(f"status {reply.status} where 200 was due, by a rule that is only assumed")
    success = _success(examiner, variant, body, reply)
    mistakes: list[str] = []
    if examiner.provider.endpoint_of(variant).created_response is not None:
        success, mistakes = task_checks.completed(examiner, success)
    mistakes += success_mistakes(examiner, success, pictures)
    examiner.conclude(edit, "accept", mistakes, content, promise)
    if mistakes:
        raise NotExaminable("an answer that breaks a rule which is only assumed")
    examiner.answers[content] = success
    return success


def require_fetchable(addresses: list[JSON]) -> None:
    """Let no address go to a live target that a real provider could not fetch.

    Raises:
        NotExaminable: There is one.

    """
    for address in cast(list[str], addresses):
        if urlsplit(address).hostname == "example.com" and address not in SAMPLES:
            raise NotExaminable(f"a live target would fetch {address}, and nothing is there")


def reject(examiner: Examiner, variant: Variant, body: JSON, edit: Edit) -> Reply:
    """Send a body that breaks one rule: it must get the documented refusal, and must not be billed.

    Raises:
        ContractViolation: It is not so.

    """
    kind = examiner.provider.errors[edit.rule.error]
    reply = examiner.settled(body, variant, kind.status)
    mistakes = refusal_mistakes(examiner, kind, reply)
    examiner.conclude(edit, "reject", mistakes, orjson.dumps(body), f"a {kind.status}: {kind.message}")
    return reply


def _success(examiner: Examiner, variant: Variant, asked: JSON, reply: Reply) -> Success:
    try:
        body = reply.json()
    except ValueError:
        body = None
    provider = examiner.provider
    return Success(provider, variant, asked, reply, body, examiner.now(), _request_id(provider, variant, reply))


def _request_id(provider: Provider, variant: Variant, reply: Reply) -> str | None:
    """Return what a request is called in the ledger: what the answer says, or its header."""
    document: Document = provider.endpoint_of(variant).created_response or variant.answer
    stated = values_in(document, "request_id", reply)
    return stated[0] if stated and isinstance(stated[0], str) else reply.headers.get("x-request-id")


Drawn = TypeVar("Drawn")


def for_all(examiner: Examiner, strategy: SearchStrategy[Drawn], attempt: Callable[[Drawn], object]) -> None:
    """Try what a strategy draws, until something is found or nothing more can be said.

    A missing verdict is kept from Hypothesis, which would ask again and call it flaky; so is a violation on a live
    target, where asking again costs money.

    Raises:
        ContractViolation: One of the values shows it.
        NotExaminable: There was no verdict.

    """
    stopped: list[Exception] = []

    @examiner.hypothesis_settings()
    @given(strategy)
    def check(value: Drawn) -> None:
        if stopped:
            return
        try:
            attempt(value)
        except (NotExaminable, OverBudget, TargetError) as reason:
            stopped.append(reason)
        except ContractViolation as violation:
            if not examiner.live:
                raise
            stopped.append(violation)

    check()
    if stopped:
        raise stopped[0]


# Bodies that are none, and keys


def refuse_content(examiner: Examiner, content: bytes) -> None:
    """Send a body that is no JSON: it must get the documented refusal."""
    rule = examiner.provider.http_rule("body/syntax")
    note = describe(content[:200].decode("latin-1"))
    _refused(examiner, rule, content, note, key=examiner.paying_key())


def refuse_slips(examiner: Examiner) -> None:
    """Send valid bodies with a slip that makes them no JSON: each must get the documented refusal."""
    rule = examiner.provider.http_rule("body/syntax")
    control, worst = _control(examiner)
    for content, passes in nearly_json(control):
        note = describe(content.decode("latin-1"))
        _refused(examiner, rule, content, note, key=examiner.paying_key(), worst=worst, assumed=passes)


def refuse_huge_body(examiner: Examiner) -> None:
    """Send more than is taken: it must get the documented refusal.

    Raises:
        NotExaminable: The target is a live one, which nobody sends megabytes to for an assumption.

    """
    if examiner.live:
        raise NotExaminable("how large a body may be no document says, and it is not tried on a live target")
    rule = examiner.provider.http_rule("body/maxBytes")
    content = b" " * (examiner.provider.max_body_bytes + 1)
    _refused(examiner, rule, content, f"{len(content)} bytes", key=examiner.paying_key())


def accept_undocumented(examiner: Examiner, variant: Variant) -> None:
    """Add a member that no document names to each object of a body: it must succeed as it would without.

    Raises:
        NotExaminable: The target is a live one, where nobody pays for an assumption.

    """
    if examiner.live:
        raise NotExaminable("no document says that undocumented members are ignored: not tried on a live target")
    rule = examiner.provider.http_rule("body/additionalProperties")
    schema, base = variant.request.schema, example(variant)
    for path, owner in walk(schema):
        if "properties" in owner:
            whole = next(iter(select(base, path)), None) or smallest(owner)
            body = put(schema, base, path, {**whole, UNDOCUMENTED: "x"})
            note = f"{'.'.join((*path, UNDOCUMENTED))}: x"
            accept(examiner, variant, body, Edit(rule, "accept", note, lambda body: body), pictures=0)


def refuse_content_type(examiner: Examiner, content_type: str) -> None:
    """Send a valid body under another name: it must get the documented refusal."""
    rule = examiner.provider.http_rule("content-type/const")
    content, worst = _control(examiner)
    headers = {"Authorization": f"Bearer {examiner.paying_key()}", "Content-Type": content_type}
    _refused(examiner, rule, content, content_type, headers=headers, worst=worst)


def refuse_authorization(examiner: Examiner, rule: Rule, form: str | None) -> None:
    """Send a valid body with an Authorization header that must be refused.

    Args:
        form: The header; `{key}` in it is the key, `{upper}` the key in capitals, `{shorter}` without its first letter.

    Raises:
        NotExaminable: There is no key, or none of which the form is another.

    """
    content, worst = _control(examiner)
    headers = {"Content-Type": "application/json"}
    if form is not None:
        key = examiner.paying_key() if "{" in form else ""
        if "{upper}" in form and key == key.upper():
            raise NotExaminable("the key has no small letters")
        headers["Authorization"] = form.format(key=key, upper=key.upper(), shorter=key[1:])
    _refused(examiner, rule, content, f"Authorization: {form}", headers=headers, worst=worst)


def _refused(
    examiner: Examiner,
    rule: Rule,
    content: bytes,
    note: str,
    *,
    headers: dict[str, str] | None = None,
    key: str | None = None,
    worst: Decimal = Decimal(0),
    assumed: bool = False,
) -> None:
    kind = examiner.provider.errors[rule.error]
    edit = Edit(rule, "reject", note, lambda body: body, assumed)
    try:
        reply = examiner.call(content, worst, key, headers)
        mistakes = refusal_mistakes(examiner, kind, reply)
    except TargetError as error:
        if not examiner.is_answering(with_key=False):
            raise NotExaminable(f"no verdict: {error}") from error
        raise examiner.left_without_answer(str(error), content) from error
    examiner.conclude(edit, "reject", mistakes, content, f"a {kind.status}: {kind.message}")


def refuse_key(examiner: Examiner, purpose: str, name: str, content: bytes | None = None) -> None:
    """Send a valid body with a key that runs into something: it must get that kind of error."""
    key = examiner.key_for(purpose)
    control, worst = _control(examiner)
    kind = examiner.provider.errors[name]
    reply = examiner.call(content or control, worst, key)
    mistakes = refusal_mistakes(examiner, kind, reply)
    if name == "rate_limited" and not mistakes:
        require_retry_after(examiner, reply, content or control)
    if mistakes and (not examiner.live or kind.certainty != "assumed"):
        promise = f"a {kind.status} for a key that is {purpose}"
        raise ContractViolation(examiner.report(None, mistakes, content or control, promise))


def require_retry_after(examiner: Examiner, reply: Reply, content: bytes) -> None:
    """Check that a refusal for too many requests says how long to wait.

    Raises:
        ContractViolation: It does not, and that counts.

    """
    rule = examiner.provider.http_rule("retry-after/required")
    stated = reply.headers.get("retry-after", "")
    mistakes = [] if stated else [f"a {reply.status} without the header Retry-After"]
    edit = Edit(rule, "accept", "too many requests", lambda body: body)
    examiner.conclude(edit, "accept", mistakes, content, "a Retry-After with the seconds to wait")


def refuse_in_order(examiner: Examiner, purpose: str, name: str, content: bytes) -> None:
    """Send a wrong body with a key that runs into something too: which of the two is told follows the order of checks.

    Raises:
        NotExaminable: The target is a live one; in which order it checks, no document says.

    """
    if examiner.live:
        raise NotExaminable("in which order a server checks no document says: not tried on a live target")
    refuse_key(examiner, purpose, name, content)


def exhaust(examiner: Examiner, purpose: str, most: int = 30) -> None:
    """Send valid bodies with a limited key until it is refused: the first must succeed, a later one be limited."""
    key = examiner.key_for(purpose)
    content, worst = _control(examiner)
    replies = [examiner.call(content, worst, key)]
    while replies[-1].status == 200 and len(replies) < most:
        replies.append(examiner.call(content, worst, key))
    kind = examiner.provider.errors["rate_limited"]
    refused = replies[-1].status != 200
    mistakes = refusal_mistakes(examiner, kind, replies[-1]) if refused else [f"{most} successes"]
    mistakes += ["the very first request was refused"] if len(replies) == 1 else []
    if mistakes and (not examiner.live or kind.certainty != "assumed"):
        raise ContractViolation(examiner.report(None, mistakes, content, f"a {kind.status} after some requests"))


def _control(examiner: Examiner) -> tuple[bytes, Decimal]:
    """Return the smallest valid body of the first variant, and what it may cost."""
    variant = examiner.create.variants[0]
    body = example(variant)
    return orjson.dumps(body), worst_case(examiner.provider, variant, body)


# Counts, sizes, money


def bodies_by_count(variant: Variant) -> Iterator[dict[str, JSON]]:
    """Yield a valid body for each number of images that may be asked for."""
    schema = variant.request.schema
    for path in variant.request.roles.get("n", ()):
        owner = subschema(schema, path)
        for count in range(owner["minimum"], owner["maximum"] + 1):
            yield put(schema, example(variant), path, count)


def bodies_by_size(variant: Variant) -> Iterator[dict[str, JSON]]:
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


def bill_every_count(examiner: Examiner, variant: Variant) -> None:
    """Ask for each number of images: what is made is billed exactly; and somewhere, more than one is made.

    Fewer than were asked for is no violation by itself, since images can fail; always fewer is.
    """
    fell_short: list[bool] = []
    body: dict[str, JSON] = {}
    unaffordable: OverBudget | None = None
    for body in bodies_by_count(variant):
        try:
            success = accept(examiner, variant, body)
        except OverBudget as error:
            unaffordable = error
            break
        made = image_counts(success)[0]
        spent = spent_on(examiner, success)
        due = charge_of(examiner.provider, body["model"], made)
        if spent not in {None, due}:
            mistake = f"{spent} billed for {made} images, {due} are due"
            raise ContractViolation(examiner.report(None, [mistake], orjson.dumps(body), "an exact bill"))
        if requested_count(success) > 1:
            fell_short.append(made < requested_count(success))
    if len(fell_short) > 1 and all(fell_short):
        promise = "as many images as were asked for"
        raise ContractViolation(examiner.report(None, ["fewer, each time"], orjson.dumps(body), promise))
    if unaffordable is not None:
        raise unaffordable


def spent_on(examiner: Examiner, success: Success) -> Decimal | None:
    """Return what the ledger has for a success; None where there is no ledger."""
    found = charges(examiner, success.request_id)
    return None if found is None else sum((amount_of(charge["amount"]) for charge in found), Decimal(0))


def bill_nothing_for_refusals(examiner: Examiner, variant: Variant) -> None:
    """Compare balances: a refusal leaves it as it was, a success takes its price off."""
    body = example(variant)
    before = examiner.balance()
    refuse_content(examiner, b"{")
    between = examiner.balance()
    success = accept(examiner, variant, body)
    price = charge_of(examiner.provider, body["model"], image_counts(success)[0])
    after = examiner.balance()
    if (between, before - after) != (before, price):
        got = f"a balance of {before}, {between} after a refusal, {after} after a success"
        raise ContractViolation(
            examiner.report(None, [got], orjson.dumps(body), f"{price} less after the success only")
        )


# Links


def refuse_changed_links(examiner: Examiner, variant: Variant) -> None:
    """Open an answer's link again, which works, and then with signature or expiry changed: neither may be served."""
    success = accept(examiner, variant, example(variant))
    for url in cast(list[str], success.values("image_url"))[:1]:
        again = examiner.target.send("GET", url, {}).status
        if again != 200:
            got = [f"a {again} when it is opened again"]
            promise = f"a link that lives {examiner.provider.link_lifetime} s"
            raise ContractViolation(examiner.report(None, got, orjson.dumps(success.asked), promise))
        parts = urlsplit(url)
        query = dict(parse_qsl(parts.query))
        if not {"Signature", "Expires"} <= query.keys():
            raise NotExaminable("the link carries no Signature and Expires that could be changed")
        if not query["Expires"].isdecimal():
            raise NotExaminable("the link's Expires is no number that could be changed")
        later = str(int(query["Expires"]) + 1)
        for change in ({"Signature": query["Signature"][::-1]}, {"Expires": later}, {"Signature": ""}):
            changed = parts._replace(query=urlencode({**query, **change})).geturl()
            if examiner.target.send("GET", changed, {}).status == 200:
                content = orjson.dumps(success.asked)
                got = [f"a 200 with {sorted(change)[0]} changed"]
                raise ContractViolation(examiner.report(None, got, content, "a refusal of a changed link"))


def outlive_link(examiner: Examiner, variant: Variant) -> None:
    """Move the target's clock to the end of a link's life: until then it works, and not after."""
    success = accept(examiner, variant, example(variant))
    url = cast(str, success.values("image_url")[0])
    lifetime = examiner.provider.link_lifetime
    statuses: list[int] = []
    for seconds in (lifetime - 10, 20):
        examiner.advance(seconds)
        statuses.append(examiner.target.send("GET", url, {}).status)
    if statuses[0] != 200 or statuses[1] == 200:
        got = [f"{statuses[0]} 10 s before its end, {statuses[1]} 10 s after"]
        promise = f"a link that lives {lifetime} s"
        raise ContractViolation(examiner.report(None, got, orjson.dumps(success.asked), promise))
