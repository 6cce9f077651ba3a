"""How a call's answer is written: error bodies in the provider's form, and the headers of every answer."""

import logging
from collections.abc import Mapping
from urllib.parse import quote

import orjson

from qwenmock.mockserver.api_error import ApiError
from qwenmock.mockserver.calls.call import Answer, Call, Trace
from qwenmock.mockserver.dialects import Dialect
from qwenmock.mockserver.errors import StoreError
from qwenmock.mockserver.models import Refused
from qwenmock.mockserver.store.protocols import InsufficientBalance

logger = logging.getLogger("qwenmock")
LONGEST_HEADER = 500


def to_api_error(failure: Exception) -> ApiError:
    """Return the documented error for any exception that a call ended in."""
    if isinstance(failure, ApiError):
        return failure
    if isinstance(failure, InsufficientBalance):
        # The balance was enough when it was checked: another request was faster.
        return ApiError("insufficient_balance", "the balance does not cover the cost")
    if isinstance(failure, StoreError):
        return ApiError("internal", f"the store failed: {failure}")
    # A bug of the server: the client gets the documented 500, and the log has the traceback.
    logger.error("the mock server failed", exc_info=failure)
    return ApiError("internal", f"the mock server failed: {type(failure).__name__}: {failure}")


def refusal(dialect: Dialect, call: Call, error: ApiError, trace: Trace) -> Answer:
    """Return the answer that refuses a call, as the provider writes it."""
    status, body = refusal_body(dialect, call, error, trace.job.model if trace.job else "")
    return Answer(status, body, headers(trace, error))


def refusal_body(dialect: Dialect, call: Call, error: ApiError, model: str) -> tuple[int, bytes]:
    """Return status and body of the answer that refuses a call; `model` is "" if it was not read."""
    kind = call.provider.error_for(call.endpoint, error.kind)
    message = kind.message.replace("{detail}", error.detail).replace("{model}", model)
    return kind.status, orjson.dumps(dialect.refusal(Refused(kind, message, call.request_id, _param(error))))


def _param(error: ApiError) -> str:
    """Return the member of the body that was wrong, as `parameters.n`; "" if there is none."""
    if error.rule is None or error.rule.variant == "http":
        return ""
    return ".".join(step for step in error.rule.path if step != "*")


def headers(trace: Trace, error: ApiError | None = None, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the headers of an answer, by lower-case name.

    Args:
        trace: What is known about the call.
        error: Why it is refused; None if it is not.
        more: Additional headers; None for none.

    """
    found = {"x-request-id": trace.request_id}
    if trace.applied:
        found["preference-applied"] = ", ".join(trace.applied)
    if trace.advisories:
        found["x-qwenmock-advisory"] = to_header("; ".join(trace.advisories)[:LONGEST_HEADER])
    if error is not None:
        found |= error_headers(error)
    if more is not None:
        found |= more
    return found


def error_headers(error: ApiError) -> dict[str, str]:
    """Return the headers that only a refusal has, by lower-case name."""
    found = {name.lower(): value for name, value in error.headers.items()}
    found["x-qwenmock-detail"] = to_header(error.detail.replace("\n", " ")[:LONGEST_HEADER])
    if error.rule is not None:
        found["x-qwenmock-rule"] = to_header(error.rule.id)
        found["x-qwenmock-source"] = to_header(error.rule.source)
    return found


def to_header(text: str) -> str:
    """Return a text as a header can carry it: everything but printable ASCII is percent-encoded."""
    if text.isascii() and text.isprintable() and "%" not in text:  # as most are: a tenth of the time
        return text
    return quote(text, safe=" !\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~")
