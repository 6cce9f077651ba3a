"""Model Studio's OpenAI-compatible protocol: answers as OpenAI's, errors in its envelope beside the request's id."""

from qwenmock.mockserver.dialects import upstream
from qwenmock.mockserver.dialects.base import Dialect
from qwenmock.mockserver.models import Refused, Result
from qwenmock.schemas.vocabulary import JSON


class OpenaiDialect(Dialect):
    """OpenAI's form of answers, with the upstream's usage."""

    def success(self, result: Result) -> dict[str, JSON]:
        """Return the list of images."""
        return {
            "created": result.created,
            "data": [{"url": url} for url in result.urls],
            "usage": upstream.usage(result),
        }

    def refusal(self, refused: Refused) -> dict[str, JSON]:
        """Return the error."""
        return {
            "error": {"message": refused.message, "param": refused.param or None, **refused.kind.fields},
            "request_id": refused.request_id,
        }
