"""The documented requests that are short enough to be copied into a terminal."""

from collections.abc import Sequence
from typing import TypedDict

import orjson

from qwenmock.fixtures import exchanges
from qwenmock.schemas.catalog import Catalog

LONGEST = 600
"""Characters of a request that still reads well: one without the bytes of images."""


class PrintedRequest(TypedDict):
    """A request that a document prints, and how it is sent; `makes_task` where it is answered with a task."""

    provider: str
    variant: str
    makes_task: bool
    method: str
    path: str
    required_header: Sequence[str] | None
    request: object


def printed_requests(catalog: Catalog) -> list[PrintedRequest]:
    """Return them, the shortest first."""
    found: list[tuple[int, PrintedRequest]] = []
    for provider in catalog:
        for exchange in exchanges(provider.slug):
            endpoint = provider.endpoint_of(provider.variants[exchange.variant])
            printed: PrintedRequest = {
                "provider": provider.slug,
                "variant": exchange.variant,
                "makes_task": endpoint.created_response is not None,
                "method": endpoint.method,
                "path": endpoint.path,
                "required_header": endpoint.required_header,
                "request": exchange.request,
            }
            found.append((len(orjson.dumps(exchange.request)), printed))
    return [printed for length, printed in sorted(found, key=lambda each: each[0]) if length <= LONGEST]
