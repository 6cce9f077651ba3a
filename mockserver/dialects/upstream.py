"""The bodies of Model Studio's synchronous answers, which its resellers pass on or wrap."""

from qwenmock.mockserver.models import Refused, Result
from qwenmock.schemas.vocabulary import JSON


def body(result: Result) -> dict[str, JSON]:
    """Return `output`, `usage` and `request_id` for a result; text to image also counts its sub-tasks."""
    output: dict[str, JSON] = {"choices": choices(result.urls)}
    if not result.job.images:
        succeeded = len(result.urls)
        total = succeeded + result.failed
        output["task_metric"] = {"FAILED": result.failed, "SUCCEEDED": succeeded, "TOTAL": total}
    return {
        "output": output,
        "usage": {"width": result.width, "height": result.height, "image_count": len(result.urls)},
        "request_id": result.request_id,
    }


def choices(urls: tuple[str, ...]) -> list[JSON]:
    """Return the images as the one message of an assistant."""
    return [{"finish_reason": "stop", "message": {"role": "assistant", "content": [{"image": url} for url in urls]}}]


def data(result: Result) -> list[JSON]:
    """Return the list of images in the form that OpenAI-like gateways use."""
    return [{"url": url, "b64_json": "", "revised_prompt": ""} for url in result.urls]


def refusal(refused: Refused) -> dict[str, JSON]:
    """Return the upstream's error."""
    return {"code": refused.kind.fields["code"], "message": refused.message, "request_id": refused.request_id}
