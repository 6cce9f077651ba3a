"""302.AI passes the upstream's answers on, and has errors of its own for what its gateway refuses."""

from qwenmock.mockserver.dialects import upstream
from qwenmock.mockserver.models import Refused, Result
from qwenmock.schemas.vocabulary import JSON


def success(result: Result) -> dict[str, JSON]:
    """Return the upstream's body."""
    return upstream.body(result)


def refusal(refused: Refused) -> dict[str, JSON]:
    """Return the gateway's error where the kind has its numbers, else the upstream's."""
    if "err_code" in refused.kind.fields:
        return {"error": {**refused.kind.fields, "message": refused.message, "type": "api_error"}}
    return upstream.refusal(refused)
