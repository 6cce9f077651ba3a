"""The documented requests that are short enough to be copied into a terminal."""

from collections.abc import Sequence
from typing import TypedDict

import orjson

from qwenmock.fixtures import exchanges
from qwenmock.schemas.catalog import Catalog
from qwenmock.schemas.vocabulary import JSON, Path

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
    """Return them, the shortest first, without callbacks: the servers that documents make up may belong to somebody."""
    found: list[tuple[int, PrintedRequest]] = []
    for provider in catalog:
        for exchange in exchanges(provider.slug):
            variant = provider.variants[exchange.variant]
            endpoint = provider.endpoint_of(variant)
            request = exchange.request
            for path in variant.request.roles.get("callback_url", ()):
                request = _without(request, path)
            printed: PrintedRequest = {
                "provider": provider.slug,
                "variant": exchange.variant,
                "makes_task": endpoint.created_response is not None,
                "method": endpoint.method,
                "path": endpoint.path,
                "required_header": endpoint.required_header,
                "request": request,
            }
            found.append((len(orjson.dumps(request)), printed))
    return [printed for length, printed in sorted(found, key=lambda each: each[0]) if length <= LONGEST]


def _without(body: dict[str, JSON], path: Path) -> dict[str, JSON]:
    """Return a body without the member at a path, which leads through objects."""
    name, *rest = path
    if not rest:
        return {key: value for key, value in body.items() if key != name}
    member = body.get(name)
    return {**body, name: _without(member, tuple(rest))} if isinstance(member, dict) else body
