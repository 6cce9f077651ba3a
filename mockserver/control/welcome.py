"""The answer to `GET /`: a browser is sent to the pages, other clients are told where everything is."""

import shlex

import orjson
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from qwenmock.mockserver._version import __version__
from qwenmock.mockserver.control.printed_requests import printed_requests
from qwenmock.schemas.catalog import Catalog

PAGES = "/__mock__/"
HEADERS = {"X-Qwenmock": __version__, "Vary": "Accept"}


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
    """Return the shortest documented request that is answered with images, as a command; empty where there is none."""
    printed = next((each for each in printed_requests(catalog) if not each["makes_task"]), None)
    if printed is None:
        return ""
    headers = ["Authorization: Bearer sk-mock", "Content-Type: application/json"]
    if printed["required_header"] is not None:
        headers.append(": ".join(printed["required_header"]))
    options = "".join(f" \\\n  -H {shlex.quote(header)}" for header in headers)
    body = shlex.quote(orjson.dumps(printed["request"]).decode())
    return f"curl {origin}/{printed['provider']}{printed['path']}{options} \\\n  -d {body}"
