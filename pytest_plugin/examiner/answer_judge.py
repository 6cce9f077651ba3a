"""What an answer must be: its shape, how its values hang together, its pictures, and the bill."""

from typing import cast
from urllib.parse import quote

from qwenmock.pytest_plugin.examiner.expected_cost import amount_of, charge_of, log_mistakes
from qwenmock.pytest_plugin.examiner.invariants import (
    Success,
    broken_invariants,
    broken_pictures,
    image_counts,
    role_values,
)
from qwenmock.pytest_plugin.examiner.results import NotExaminable
from qwenmock.pytest_plugin.examiner.schema_judge import broken_rules
from qwenmock.pytest_plugin.examiner.session import Examiner, shown
from qwenmock.pytest_plugin.examiner.target import Reply, TargetError
from qwenmock.schemas.models import Document, ErrorKind, Rule
from qwenmock.schemas.vocabulary import JSON


def success_mistakes(examiner: Examiner, success: Success, most: int | None) -> list[str]:
    """Return what is wrong with a success, in sentences that begin with the rule.

    Args:
        most: How many of its pictures are looked at; None for all.

    """
    broken = checked(examiner, success.variant.answer, success.body)
    if broken:
        return [f"{rule.id} is broken: {shown(success.reply)}" for rule in broken] + billing_mistakes(examiner, success)
    known = success.variant.invariants
    found = dict(broken_invariants(success)) | _repeated(examiner, success.variant.answer, success.body)
    looked = most != 0
    try:
        found |= dict(broken_pictures(success, pictures(examiner, success, most))) if looked else {}
    except TargetError as error:
        if not examiner.is_answering(with_key=False):
            raise NotExaminable(f"no verdict on the pictures: {error}") from error
        found["picture-format"] = str(error)
    for name, invariant in known.items():
        if looked or not invariant.needs_images:
            examiner.tally(invariant.rule, "accept", held=name not in found, detail=found.get(name, ""))
    told = [
        f"{known[name].rule.id} ({known[name].rule.value}): {got}"
        for name, got in found.items()
        if name in known and examiner.asserted(known[name].rule, "accept")
    ]
    return told + billing_mistakes(examiner, success)


def checked(examiner: Examiner, document: Document, body: JSON) -> list[Rule]:
    """Count a document's rules for an answer, and return those that it breaks and that count."""
    broken = broken_rules(document, body)
    for rule in document.rules:
        examiner.tally(rule, "accept", held=rule not in broken, detail="broken by an answer")
    return sorted((rule for rule in broken if examiner.asserted(rule, "accept")), key=lambda rule: rule.id)


def _repeated(examiner: Examiner, document: Document, body: JSON) -> dict[str, str]:
    ids = {value for value in role_values(document, "request_id", body) if isinstance(value, str)}
    again = ids & examiner.request_ids
    examiner.request_ids |= ids
    return {"request-id": f"{sorted(again)[0]} again"} if again else {}


def pictures(examiner: Examiner, success: Success, most: int | None) -> list[Reply]:
    """Fetch the pictures of an answer, or the first ones of them; they cost nothing, and need no key."""
    urls = [url for group in success.groups("image_url")[:1] for url in group]
    return [examiner.target.send("GET", url, {}) for url in urls[:most]]


def refusal_mistakes(examiner: Examiner, kind: ErrorKind, reply: Reply) -> list[str]:
    """Return what is wrong with a refusal, in sentences."""
    if examiner.live and kind.certainty == "assumed" and 400 <= reply.status < 500:
        # How this is refused nobody says; that it is, counts.
        return unbilled_mistakes(examiner, kind.document, reply)
    if reply.status != kind.status:
        return [f"status {reply.status}: {shown(reply)}", *unbilled_mistakes(examiner, kind.document, reply)]
    mistakes = error_mistakes(examiner, kind.document, reply)
    message = next(iter(values_in(kind.document, "message", reply)), None)
    begin, placeholder, _ = kind.message.partition("{detail}")
    as_documented = isinstance(message, str) and (message.startswith(begin) if placeholder else message == begin)
    told = kind.message_certainty == "documented" or (kind.message_certainty == "published" and not examiner.live)
    if not mistakes and told and message is not None and not as_documented:
        mistakes.append(f"the message {message!r}, documented is {kind.message!r}")
    code = kind.fields.get("code")
    stated = next(iter(values_in(kind.document, "error_code", reply)), code)
    if code is not None and kind.certainty != "assumed" and stated != code:
        mistakes.append(f"the code {stated!r}, {kind.certainty} is {code!r}")
    return mistakes + unbilled_mistakes(examiner, kind.document, reply)


def error_mistakes(examiner: Examiner, document: Document, reply: Reply) -> list[str]:
    """Return what is wrong with an error's body, whatever its status."""
    try:
        body = reply.json()
    except ValueError:
        return [f"a body that is no JSON: {shown(reply)}"]
    mistakes = [f"{rule.id} is broken: {shown(reply)}" for rule in checked(examiner, document, body)]
    stated = role_values(document, "http_status", body)
    mistakes += [f"{status} in the body of a {reply.status}" for status in stated if status != reply.status]
    mistakes += [f"the request id {got}" for got in _repeated(examiner, document, body).values()]
    content_type = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
    return mistakes + ([f"Content-Type: {content_type}"] if content_type != "application/json" else [])


def values_in(document: Document, role: str, reply: Reply) -> list[JSON]:
    """Return the values of a role in an answer; none where it is no JSON."""
    try:
        return role_values(document, role, reply.json())
    except ValueError:
        return []


def charges(examiner: Examiner, request_id: str | None) -> list[dict[str, JSON]] | None:
    """Return the billing records of a request; None where the target has no ledger to read.

    Raises:
        NotExaminable: The ledger does not answer.

    """
    if examiner.ledger is None or request_id is None:
        return None
    url = examiner.ledger.replace("{request_id}", quote(request_id, safe=""))
    try:
        reply = examiner.target.send("GET", url, {})
        found = reply.json()["charges"] if reply.status == 200 else None
    except (TargetError, ValueError, KeyError, TypeError) as error:
        raise NotExaminable(f"the ledger cannot be read: {type(error).__name__}: {error}") from error
    if not isinstance(found, list):
        raise NotExaminable(f"the ledger cannot be read: status {reply.status}")
    # A ledger that does not know the filter answers with all its charges.
    return [
        charge for charge in cast(list[dict[str, JSON]], found) if charge.get("request_id", request_id) == request_id
    ]


def billing_mistakes(examiner: Examiner, success: Success) -> list[str]:
    """Return what is wrong with the bill of a success."""
    found = charges(examiner, success.request_id)
    if found is None:
        return []
    if len(found) != 1:
        return [f"{len(found)} charges for one success"]
    charge = found[0]
    counts = image_counts(success)
    images = counts[0] if counts else 0
    provider, model = examiner.provider, success.asked["model"]
    amount = charge_of(provider, model, images)
    mistakes: list[str] = []
    if charge["images"] != images:
        mistakes.append(f"{charge['images']} images billed, {images} made")
    if amount_of(charge["amount"]) != amount:
        mistakes.append(f"{charge['amount']} {charge['currency']} billed, {amount} are due for {images} images")
    price = provider.price_of(model).amount
    if price is not None and amount_of(charge.get("unit_price", price)) != price:
        mistakes.append(f"a unit price of {charge['unit_price']}, not {price}")
    if charge["currency"] != provider.currency:
        mistakes.append(f"billed in {charge['currency']}, not {provider.currency}")
    if charge.get("model", model) != model:
        mistakes.append(f"billed as {charge['model']}, not {model}")
    if provider.billing_log is not None:
        mistakes += [f"{rule.id} is broken" for rule in checked(examiner, provider.billing_log.document, charge["log"])]
        # The documents show one image and two; how a sum is rounded from three on, they leave open.
        mistakes += log_mistakes(provider, model, images, charge["log"], with_dollars=images < 3 or not examiner.live)
    return mistakes


def unbilled_mistakes(examiner: Examiner, document: Document, reply: Reply) -> list[str]:
    """Return what is wrong with the bill of a refusal: that there is one."""
    stated = next(iter(values_in(document, "request_id", reply)), reply.headers.get("x-request-id"))
    found = charges(examiner, stated) if isinstance(stated, str) else None
    return [f"billed although refused: {found[0]['amount']} {found[0]['currency']}"] if found else []
