"""Judgement of an answer: its schema, relations between its values, its images, and the bill."""

import json

from qwenmock.pytest_plugin.examiner.expected_cost import amount_of, bill_of, log_mistakes, unit_price
from qwenmock.pytest_plugin.examiner.findings import Mistake, Subject, about, shortened
from qwenmock.pytest_plugin.examiner.invariants import (
    Success,
    broken_invariants,
    broken_pictures,
    image_counts,
    pixels_of,
    role_values,
)
from qwenmock.pytest_plugin.examiner.payments import Charge
from qwenmock.pytest_plugin.examiner.results import NotExaminable, UnreadableAnswer
from qwenmock.pytest_plugin.examiner.schema_judge import breaches, broken_rules
from qwenmock.pytest_plugin.examiner.session import Examiner
from qwenmock.pytest_plugin.examiner.target import Reply, TargetError
from qwenmock.schemas.models import Document, ErrorKind, Rule
from qwenmock.schemas.vocabulary import JSON, select, subschema

MEMBERS = ("amount", "currency", "images")
"""Members that each charge in the double's ledger has."""
SHOWN_VALUE = 120
"""Characters of a wrong value that a failure shows."""


def success_mistakes(examiner: Examiner, success: Success, max_pictures: int | None) -> list[str]:
    """Return what is wrong with a success: a sentence for each mistake.

    Args:
        max_pictures: How many of its images are fetched; None for all.

    """
    broken = checked(examiner, success.variant.answer, success.body)
    if broken:
        broken_ones = [broken_by(success.variant.answer, rule, success.body, "answer") for rule in broken]
        return broken_ones + billing_mistakes(examiner, success)
    known = success.variant.invariants
    found = dict(broken_invariants(success)) | _repeated(examiner, success.variant.answer, success.body)
    looked = max_pictures != 0
    try:
        found |= dict(broken_pictures(success, pictures(examiner, success, max_pictures))) if looked else {}
    except TargetError as error:
        if not examiner.sender.is_answering(with_key=False):
            raise NotExaminable(f"no verdict on the images: {error}") from error
        found["picture-format"] = str(error)
    for name, invariant in known.items():
        if looked or not invariant.needs_images:
            examiner.results.tally(invariant.rule, "accept", held=name not in found, detail=found.get(name, ""))
    violations: list[str] = [
        Mistake(got, "picture" if known[name].needs_images else "answer", known[name].rule)
        for name, got in found.items()
        if name in known and examiner.results.asserted(known[name].rule, "accept")
    ]
    return violations + billing_mistakes(examiner, success)


def checked(examiner: Examiner, document: Document, body: JSON) -> list[Rule]:
    """Count a document's rules for an answer, and return the asserted ones that it breaks."""
    broken = broken_rules(document, body)
    examiner.results.tally_answer(document, broken)
    return sorted((rule for rule in broken if examiner.results.asserted(rule, "accept")), key=lambda rule: rule.id)


def broken_by(document: Document, rule: Rule, body: JSON, subject: Subject) -> str:
    """Return what a body has where it breaks a rule."""
    place = "".join(f".{part}" for part in rule.path).removeprefix(".") or "the body"
    if rule.keyword == "required":
        return Mistake(f"no {place}", subject, rule)
    member = subschema(document.schema, rule.path)
    values = [value for value in select(body, rule.path) if ((), rule.keyword) in breaches(member, value, ())]
    got = shortened(json.dumps(values[0], ensure_ascii=False), SHOWN_VALUE) if values else "another value"
    return Mistake(f"{place}: {got}, which breaks {rule.keyword}", subject, rule)


def _repeated(examiner: Examiner, document: Document, body: JSON) -> dict[str, str]:
    ids = {value for value in role_values(document, "request_id", body) if isinstance(value, str)}
    again = ids & examiner.results.request_ids
    examiner.results.request_ids |= ids
    return {"request-id": f"{sorted(again)[0]} again"} if again else {}


def pictures(examiner: Examiner, success: Success, max_pictures: int | None) -> list[Reply]:
    """Fetch the images of an answer, or the first of them, which costs nothing and needs no key."""
    urls = [url for group in success.links()[:1] for url in group]
    return [examiner.target.send("GET", url, {}) for url in urls[:max_pictures]]


def refusal_mistakes(examiner: Examiner, error: ErrorKind, reply: Reply) -> list[str]:
    """Return what is wrong with a refusal, in sentences."""
    if examiner.live and error.certainty == "assumed" and 400 <= reply.status < 500:
        # No document says how this is refused, only that it is.
        return unbilled_mistakes(examiner, error.document, reply)
    if reply.status != error.status:
        return [f"status {reply.status}, expected {error.status}", *unbilled_mistakes(examiner, error.document, reply)]
    mistakes = error_mistakes(examiner, error.document, reply)
    message = next(iter(values_in(error.document, "message", reply)), None)
    begin, placeholder, _ = error.message.partition("{detail}")
    as_documented = isinstance(message, str) and (message.startswith(begin) if placeholder else message == begin)
    is_fixed = error.message_certainty == "documented" or (error.message_certainty == "published" and not examiner.live)
    if not mistakes and is_fixed and message is not None and not as_documented:
        mistakes.append(f"the message {message!r}, documented: {error.message!r}")
    code = error.fields.get("code")
    stated = next(iter(values_in(error.document, "error_code", reply)), code)
    if code is not None and error.certainty != "assumed" and stated != code:
        mistakes.append(f"the code {stated!r}, {error.certainty}: {code!r}")
    return mistakes + unbilled_mistakes(examiner, error.document, reply)


def error_mistakes(examiner: Examiner, document: Document, reply: Reply) -> list[str]:
    """Return what is wrong with an error's body, whatever its status."""
    try:
        body = reply.json()
    except UnreadableAnswer:
        text = f"the body is not JSON: {shortened(reply.excerpt, SHOWN_VALUE)}"
        rules = [*checked(examiner, document, None)] or [None]
        return [Mistake(text, "refusal", rule) for rule in rules]
    mistakes = [broken_by(document, rule, body, "refusal") for rule in checked(examiner, document, body)]
    stated = role_values(document, "http_status", body)
    mistakes += [f"{status} in the body of a {reply.status}" for status in stated if status != reply.status]
    mistakes += [f"the request id {got}" for got in _repeated(examiner, document, body).values()]
    content_type = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
    mistakes += [f"Content-Type: {content_type}"] if content_type != "application/json" else []
    return about("refusal", mistakes)


def json_of(reply: Reply) -> JSON:
    """Return an answer's body as JSON; None if it is not JSON."""
    try:
        return reply.json()
    except UnreadableAnswer:
        return None


def values_in(document: Document, role: str, reply: Reply) -> list[JSON]:
    """Return the values of a role in an answer; none if it is not JSON."""
    try:
        return role_values(document, role, reply.json())
    except UnreadableAnswer:
        return []


def billing_mistakes(examiner: Examiner, success: Success) -> list[str]:
    """Return what is wrong with the bill of a success."""
    found = examiner.payments.charges(success.request_id)
    if found is None:
        return []
    if len(found) != 1:
        return about("bill", [f"{len(found)} charges for one success"])
    charge = found[0]
    counts = image_counts(success)
    images = counts[0] if counts else 0
    provider, model = examiner.provider, success.model
    amount = bill_of(provider, success, images)
    mistakes = [] if examiner.live else [f"no {name} in the ledger's charge" for name in MEMBERS if name not in charge]
    if charge.get("images", images) != images:
        mistakes.append(f"{charge.get('images')} images billed, {images} made")
    if amount_of(charge.get("amount", amount)) != amount:
        billed = f"{charge.get('amount')} {charge.get('currency', '')}"
        mistakes.append(f"{billed} billed for {images} images, expected {amount}")
    price = unit_price(provider, model, pixels_of(success))
    if price is not None and amount_of(charge.get("unit_price", price)) != price:
        mistakes.append(f"a unit price of {charge.get('unit_price')}, expected {price}")
    if charge.get("currency", provider.currency) != provider.currency:
        mistakes.append(f"billed in {charge.get('currency')}, expected {provider.currency}")
    if charge.get("model", model) != model:
        mistakes.append(f"billed as {charge.get('model')}, expected {model}")
    return about("bill", mistakes) + _log_mistakes(examiner, success, charge, images)


def _log_mistakes(examiner: Examiner, success: Success, charge: Charge, images: int) -> list[str]:
    """Return what is wrong with the provider's own record of a charge; only the double's ledger must have it."""
    terms = examiner.provider.billing_log
    if terms is None:
        return []
    if "log" not in charge:
        for rule in terms.document.rules:
            examiner.results.note(rule, "the ledger's charges have no log")
        return [] if examiner.live else about("bill", ["no log in the ledger's charge"])
    log = charge["log"]
    broken = [broken_by(terms.document, rule, log, "bill") for rule in checked(examiner, terms.document, log)]
    # The documents show one image and two. They do not say how a sum is rounded from three on.
    with_dollars = images < 3 or not examiner.live
    model = success.model
    return broken + about("bill", log_mistakes(examiner.provider, model, images, log, with_dollars=with_dollars))


def unbilled_mistakes(examiner: Examiner, document: Document, reply: Reply) -> list[str]:
    """Return the mistake that a refusal was billed, if it was."""
    stated = next(iter(values_in(document, "request_id", reply)), reply.headers.get("x-request-id"))
    found = examiner.payments.charges(stated) if isinstance(stated, str) else None
    if not found:
        return []
    billed = f"{found[0].get('amount', 'an unknown amount')} {found[0].get('currency', '')}"
    return about("bill", [f"billed although refused: {billed}"])
