"""aigc.it answers as the New API software does: the images in OpenAI's form, the upstream's body beside them."""

from qwenmock.mockserver.dialects import upstream
from qwenmock.mockserver.dialects.base import Dialect
from qwenmock.mockserver.models import Refused, Result
from qwenmock.schemas.vocabulary import JSON


class AigcDialect(Dialect):
    """The answers of the New API software."""

    def success(self, result: Result) -> dict[str, JSON]:
        """Return the images and the upstream's body."""
        return {"created": result.created, "data": upstream.data(result), "metadata": upstream.body(result)}

    def refusal(self, refused: Refused) -> dict[str, JSON]:
        """Return the error in OpenAI's form; the message ends with the request's id, as the software writes it."""
        return {
            "error": {
                "message": f"{refused.message} (request id: {refused.request_id})",
                "param": refused.param,
                **refused.kind.fields,
            }
        }
