"""Nebula wraps the upstream's answer in `{code, msg, data}`."""

from qwenmock.mockserver.dialects import upstream
from qwenmock.mockserver.dialects.base import Dialect
from qwenmock.mockserver.models import Refused, Result
from qwenmock.schemas.vocabulary import JSON


class NebulaDialect(Dialect):
    """Nebula's envelope."""

    def success(self, result: Result) -> dict[str, JSON]:
        """Return the success envelope."""
        data: JSON = {"data": upstream.data(result), "created": result.created, "metadata": upstream.body(result)}
        return {"code": 200, "msg": "Operation successful", "data": data}

    def refusal(self, refused: Refused) -> dict[str, JSON]:
        """Return the error envelope; its code is the HTTP status."""
        return {"code": refused.kind.status, "msg": refused.message, "data": None}
