"""Requests without a valid key, and with keys that cause an error."""

from qwenmock.pytest_plugin.examiner.answer_judge import refusal_mistakes
from qwenmock.pytest_plugin.examiner.boundaries.edit import Edit
from qwenmock.pytest_plugin.examiner.checks.single_request import control_request, http_edit, refuse
from qwenmock.pytest_plugin.examiner.findings import OF_KEYS
from qwenmock.pytest_plugin.examiner.results import NotExaminable
from qwenmock.pytest_plugin.examiner.session import Examiner
from qwenmock.pytest_plugin.examiner.target import Reply
from qwenmock.schemas.models import Rule


def refuse_authorization(examiner: Examiner, rule: Rule, form: str | None) -> None:
    """Send a valid body with an Authorization header that must be refused.

    Args:
        form: The header: `{key}` is the key, `{upper}` the key in capitals, `{shorter}` the key without its first
            letter. None for no header.

    Raises:
        NotExaminable: There is no key, or the form is not another key.

    """
    content, worst = control_request(examiner)
    headers = {"Content-Type": "application/json"}
    if form is not None:
        key = examiner.credentials.paying_key() if "{" in form else ""
        if "{upper}" in form and key == key.upper():
            raise NotExaminable("the key has no lower-case letters")
        headers["Authorization"] = form.format(key=key, upper=key.upper(), shorter=key[1:])
    refuse(examiner, http_edit(rule, f"Authorization: {form}"), content, headers=headers, worst=worst)


def refuse_key(examiner: Examiner, purpose: str, error_name: str, content: bytes | None = None) -> None:
    """Send a body, the smallest valid one by default, with a key that causes an error: it must be that error.

    Args:
        purpose: Of the key.
        error_name: Of the provider's error.

    """
    key = examiner.credentials.key_for(purpose)
    control, worst = control_request(examiner)
    error = examiner.provider.errors[error_name]
    reply = examiner.sender.call(content or control, worst, key)
    mistakes = refusal_mistakes(examiner, error, reply)
    if error_name == "rate_limited" and not mistakes:
        require_retry_after(examiner, reply, content or control)
    if not examiner.live or error.certainty != "assumed":
        subject = "key" if error_name in OF_KEYS else "refusal"
        promise = f"a {error.status} for a key that is {purpose}"
        examiner.results.require(mistakes, content or control, promise, reply, subject)


def require_retry_after(examiner: Examiner, reply: Reply, content: bytes) -> None:
    """Check that a refusal for too many requests says how long to wait.

    Raises:
        ContractViolation: It does not, and the rule is asserted.

    """
    rule = examiner.provider.http_rule("retry-after/required")
    stated = reply.headers.get("retry-after", "")
    mistakes = [] if stated else [f"a {reply.status} without the header Retry-After"]
    edit = Edit(rule, "accept", "too many requests", lambda body: body)
    examiner.results.conclude(edit, mistakes, content, "a Retry-After with the seconds to wait", reply)
