"""Errors that a valid body can get too: rate limits, content types, lengths, and which error comes first."""

from qwenmock.pytest_plugin.examiner.answer_judge import refusal_mistakes
from qwenmock.pytest_plugin.examiner.checks.authentication import refuse_key
from qwenmock.pytest_plugin.examiner.checks.single_request import control_request, http_edit, refuse
from qwenmock.pytest_plugin.examiner.results import NotExaminable
from qwenmock.pytest_plugin.examiner.session import Examiner

LIMIT_MAX = 30
"""Requests after which a limited key must be refused."""


def exhaust_limit(examiner: Examiner, purpose: str) -> None:
    """Send valid bodies with a limited key until one is refused: the first must succeed, a later one be limited."""
    key = examiner.credentials.key_for(purpose)
    content, worst = control_request(examiner)
    replies = [examiner.sender.call(content, worst, key)]
    while replies[-1].status == 200 and len(replies) < LIMIT_MAX:
        replies.append(examiner.sender.call(content, worst, key))
    error = examiner.provider.errors["rate_limited"]
    is_refused = replies[-1].status != 200
    mistakes = refusal_mistakes(examiner, error, replies[-1]) if is_refused else [f"{LIMIT_MAX} successes"]
    mistakes += ["the very first request was refused"] if len(replies) == 1 else []
    if not examiner.live or error.certainty != "assumed":
        examiner.results.require(mistakes, content, f"a {error.status} after some requests", replies[-1], "refusal")


def refuse_in_order(examiner: Examiner, purpose: str, error_name: str, content: bytes) -> None:
    """Send a wrong body with a key that causes an error too: the error depends on the order of the checks.

    Raises:
        NotExaminable: The target is live: no document states the order of its checks.

    """
    if examiner.live:
        raise NotExaminable("no document states the order of the checks: not tried on a live target")
    refuse_key(examiner, purpose, error_name, content)


def refuse_content_type(examiner: Examiner, content_type: str) -> None:
    """Send a valid body with another content type: it must get the documented error."""
    rule = examiner.provider.http_rule("content-type/const")
    content, worst = control_request(examiner)
    headers = {**examiner.credentials.headers(), "Content-Type": content_type}
    refuse(examiner, http_edit(rule, content_type), content, headers=headers, worst=worst)


def refuse_huge_body(examiner: Examiner) -> None:
    """Send more bytes than are accepted: they must get the documented error.

    Raises:
        NotExaminable: The target is live: no megabytes are sent to it for an assumption.

    """
    if examiner.live:
        raise NotExaminable("no document states how large a body may be: not tried on a live target")
    rule = examiner.provider.http_rule("body/maxBytes")
    content = b" " * (examiner.provider.max_body_bytes + 1)
    refuse(examiner, http_edit(rule, f"{len(content)} bytes"), content)
