"""Input images that are uploaded."""

from starlette.requests import Request

from qwenmock.mockserver.calls.double import Double
from qwenmock.mockserver.control.api.requests import ControlError, read_body
from qwenmock.mockserver.control.api.responses import UploadedImage
from qwenmock.mockserver.images.headers import NotAnImage
from qwenmock.mockserver.schema_errors import format_json

MAX_SUFFIX = 9


async def upload_image(double: Double, request: Request) -> UploadedImage:
    """Store an image and return a URL that the providers accept as an input image."""
    data = await read_body(request)
    origin = f"{request.url.scheme}://{request.url.netloc}"
    suffix = request.query_params.get("suffix")
    if suffix is not None and not (suffix.isalnum() and suffix.isascii() and len(suffix) <= MAX_SUFFIX):
        raise ControlError(400, f"suffix: expected 1 to {MAX_SUFFIX} letters or digits, got {format_json(suffix)}")
    try:
        url, header = await double.files.upload(data, origin, suffix)
    except NotAnImage as error:
        raise ControlError(400, f"expected the bytes of an image: {error.reason}") from error
    return {"url": url, "media_type": header.media_type, "width": header.width, "height": header.height}
