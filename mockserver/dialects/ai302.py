"""302.AI passes the upstream's answers on, and has its own errors for what its gateway refuses."""

from qwenmock.mockserver.dialects import upstream
from qwenmock.mockserver.dialects.base import Dialect
from qwenmock.mockserver.models import Refused, Result
from qwenmock.schemas.vocabulary import JSON


class Ai302Dialect(Dialect):
    """The upstream's answers and the gateway's errors."""

    def success(self, result: Result) -> dict[str, JSON]:
        """Return the upstream's body."""
        return upstream.body(result)

    def refusal(self, refused: Refused) -> dict[str, JSON]:
        """Return the gateway's error where the kind has an `err_code`, else the upstream's."""
        if "err_code" in refused.kind.fields:
            return {"error": {**refused.kind.fields, "message": refused.message, "type": "api_error"}}
        return upstream.refusal(refused)
