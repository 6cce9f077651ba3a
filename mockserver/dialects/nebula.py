"""Nebula wraps the upstream's answer in `{code, msg, data}`."""

from qwenmock.mockserver.dialects import upstream
from qwenmock.mockserver.job import Result
from qwenmock.schemas.catalog import ErrorKind
from qwenmock.schemas.vocabulary import JSON


def success(result: Result) -> dict[str, JSON]:
    """Return the success envelope."""
    data = {"data": upstream.data(result), "created": result.created, "metadata": upstream.body(result)}
    return {"code": 200, "msg": "Operation successful", "data": data}


def refusal(error: ErrorKind, message: str, request_id: str) -> dict[str, JSON]:  # noqa: ARG001, not in this body
    """Return the error envelope; its code is the HTTP status."""
    return {"code": error.status, "msg": message, "data": None}
