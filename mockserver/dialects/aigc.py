"""aigc.it answers as the New API software does: the images in OpenAI's form, the upstream's body beside them."""

from qwenmock.mockserver.dialects import upstream
from qwenmock.mockserver.models import Refused, Result
from qwenmock.schemas.vocabulary import JSON


def success(result: Result) -> dict[str, JSON]:
    """Return the images and the upstream's body."""
    return {"created": result.created, "data": upstream.data(result), "metadata": upstream.body(result)}


def refusal(refused: Refused) -> dict[str, JSON]:
    """Return the error in OpenAI's form; the request's id ends the text, as the software writes it."""
    return {
        "error": {
            "message": f"{refused.message} (request id: {refused.request_id})",
            "param": refused.param,
            **refused.kind.fields,
        }
    }
