"""The answer to `GET /`: a browser is sent to the pages, other clients are told where everything is."""

import shlex

import orjson
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from qwenmock.fixtures import exchanges
from qwenmock.mockserver._version import __version__
from qwenmock.schemas.catalog import Catalog

PAGES = "/__mock__/"
HEADERS = {"X-Qwenmock": __version__, "Vary": "Accept"}
LONGEST_SAMPLE = 600
"""Characters of a request that still reads well in a terminal: one without images."""


def welcome(catalog: Catalog, accept: str, origin: str) -> Response:
    """Return where everything is, or a redirection to the pages for who can show them.

    Args:
        catalog: The providers.
        accept: The Accept header of the request.
        origin: The scheme and host that it was sent to.

    """
    if "text/html" in accept:
        return RedirectResponse(PAGES, 307, HEADERS)
    return PlainTextResponse(_directory(catalog, origin), 200, HEADERS)


def _directory(catalog: Catalog, origin: str) -> str:
    width = max(len(provider.name) for provider in catalog)
    lines = [
        f"qwenmock {__version__}: an offline double of the Qwen image APIs",
        "",
        f"Pages for a browser    {origin}{PAGES}",
        f"Control API, OpenAPI   {origin}{PAGES}openapi/control.json",
        f"Journal                {origin}{PAGES}journal",
        f"Health                 {origin}/health",
        "",
        "Providers, with the base URL for a client and the reference:",
        *(
            f"{provider.name:{width}}   {origin}/{provider.slug}   {origin}{PAGES}docs/{provider.slug}"
            for provider in catalog
        ),
    ]
    sample = _sample(catalog, origin)
    return "\n".join([*lines, *(["", "A request that works:", sample] if sample else []), ""])


def _sample(catalog: Catalog, origin: str) -> str:
    """Return the shortest documented request as a command, which fits into a terminal; empty where there is none."""
    printed = ((len(str(each.request)), each) for provider in catalog for each in exchanges(provider.slug))
    length, exchange = min(printed, key=lambda each: each[0], default=(0, None))
    if exchange is None or length > LONGEST_SAMPLE:
        return ""
    provider = catalog[exchange.provider]
    endpoint = provider.endpoint_of(provider.variants[exchange.variant])
    headers = ["Authorization: Bearer sk-mock", "Content-Type: application/json"]
    if endpoint.required_header is not None:
        headers.append(": ".join(endpoint.required_header))
    options = "".join(f" \\\n  -H {shlex.quote(header)}" for header in headers)
    body = shlex.quote(orjson.dumps(exchange.request).decode())
    return f"curl {origin}/{provider.slug}{endpoint.path}{options} \\\n  -d {body}"
