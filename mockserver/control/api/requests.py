"""Reading the requests of the control API."""

from collections.abc import Mapping
from typing import Any

import orjson
from starlette.requests import Request

from qwenmock.mockserver.calls.double import Double
from qwenmock.mockserver.schema_errors import first_error, format_json
from qwenmock.mockserver.store.protocols import Selection
from qwenmock.schemas.catalog import Catalog
from qwenmock.schemas.models import Provider
from qwenmock.schemas.vocabulary import JSON

MAX_BODY_BYTES = 16 * 2**20
MAX_JSON_BYTES = 2**20
"""Of JSON, which is parsed in the event loop: 1 MB takes some milliseconds."""
MAX_DIGITS = 9


class ControlError(Exception):
    """A control call that fails; the message says what would be accepted.

    Attributes:
        status: The HTTP status of the answer.

    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


async def read_body(request: Request, most: int = MAX_BODY_BYTES) -> bytes:
    """Return the body.

    Raises:
        ControlError: 413, it is larger than `most` bytes.

    """
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > most:
            raise ControlError(413, f"expected a body of at most {most} bytes")
        chunks.append(chunk)
    return b"".join(chunks)


async def read_json(request: Request) -> JSON:
    """Return the body, parsed.

    Raises:
        ControlError: 400, it is not JSON; 413, it is too large.

    """
    try:
        return orjson.loads(await read_body(request, MAX_JSON_BYTES))
    except orjson.JSONDecodeError as error:
        raise ControlError(400, f"invalid JSON: {str(error)[:200]}") from error


async def read_object(request: Request, schema: Mapping[str, JSON]) -> dict[str, Any]:
    """Return the body, which matches a schema of objects.

    Raises:
        ControlError: 400, it is not JSON or does not match; 413, it is too large.

    """
    body = await read_json(request)
    message = first_error(schema, body)
    if message is not None:
        raise ControlError(400, message)
    assert isinstance(body, dict), "the schema is one of objects"
    return body


def provider_named(catalog: Catalog, slug: str) -> Provider:
    """Return a provider by its slug.

    Raises:
        ControlError: 404, there is none.

    """
    if slug not in catalog.providers:
        raise ControlError(404, f"unknown provider {format_json(slug)}; expected one of {', '.join(catalog.providers)}")
    return catalog[slug]


def selection(double: Double, request: Request, default_limit: int) -> Selection:
    """Read the filters in the query: `provider`, `key`, `request_id`, `status` and `limit`.

    Raises:
        ControlError: 400, a number is expected; 404, the provider does not exist.

    """
    query = request.query_params
    if "provider" in query:
        provider_named(double.catalog, query["provider"])
    limit = integer(query.get("limit"), "limit")
    return Selection(
        provider=query.get("provider"),
        key=query.get("key"),
        request_id=query.get("request_id"),
        status=integer(query.get("status"), "status"),
        limit=default_limit if limit is None else limit,
    )


def integer(text: str | None, name: str) -> int | None:
    """Read an integer of at least 0.

    Raises:
        ControlError: 400, it is none.

    """
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal()) or len(text) > MAX_DIGITS:
        raise ControlError(400, f"{name}: expected an integer of at least 0, got {format_json(text)}")
    return int(text)
