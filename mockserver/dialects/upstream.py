"""The bodies of Model Studio's synchronous answers, which its resellers pass on or wrap."""

from qwenmock.mockserver.models import Refused, Result
from qwenmock.schemas.models import Variant
from qwenmock.schemas.vocabulary import JSON


def body(result: Result) -> dict[str, JSON]:
    """Return `output`, `usage` and `request_id` for a result; text to image also counts its sub-tasks."""
    output: dict[str, JSON] = {"choices": choices(result.urls)}
    if "total_count" in result.job.variant.answer.roles and not result.job.images:
        succeeded = len(result.urls)
        total = succeeded + result.failed
        output["task_metric"] = {"FAILED": result.failed, "SUCCEEDED": succeeded, "TOTAL": total}
    return {
        "output": output,
        "usage": {"width": result.width, "height": result.height, "image_count": len(result.urls)},
        "request_id": result.request_id,
    }


def usage(result: Result) -> dict[str, JSON]:
    """Return what a result used, by the names that its variant's answer has for it."""
    return named_usage(result.job.variant, result.width, result.height, len(result.urls), len(result.job.images))


def named_usage(variant: Variant, width: int, height: int, images: int, inputs: int) -> dict[str, JSON]:
    """Return size and numbers of images under the names of the variant's answer, as far as it has them."""
    values = {"width": width, "height": height, "image_count": images, "input_count": inputs}
    roles = variant.answer.roles
    return {path[-1]: value for role, value in values.items() for path in roles.get(role, ()) if path[0] == "usage"}


def choices(urls: tuple[str, ...]) -> list[JSON]:
    """Return the images as the one message of an assistant."""
    return [{"finish_reason": "stop", "message": {"role": "assistant", "content": [{"image": url} for url in urls]}}]


def data(result: Result) -> list[JSON]:
    """Return the list of images in the form that OpenAI-like gateways use."""
    return [{"url": url, "b64_json": "", "revised_prompt": ""} for url in result.urls]


def refusal(refused: Refused) -> dict[str, JSON]:
    """Return the upstream's error."""
    return {"code": refused.kind.fields["code"], "message": refused.message, "request_id": refused.request_id}
