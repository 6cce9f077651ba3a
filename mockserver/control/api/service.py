"""The server itself: health, providers and their contracts, metrics, and the session of a browser."""

import hmac
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from qwenmock.mockserver._version import __version__
from qwenmock.mockserver.calls.double import Double
from qwenmock.mockserver.control.api.requests import ControlError, provider_named, read_object
from qwenmock.mockserver.control.api.responses import Health, ProviderSummary, Session, Sources
from qwenmock.mockserver.control.contract import Contract, contract
from qwenmock.mockserver.control.openapi import openapi
from qwenmock.mockserver.control.printed_requests import PrintedRequest, printed_requests
from qwenmock.mockserver.control.session import COOKIE, session_of
from qwenmock.mockserver.metrics import CONTENT_TYPE as METRICS_TYPE
from qwenmock.mockserver.store.protocols import Selection
from qwenmock.mockserver.tasks.lifecycle import settle_finished
from qwenmock.schemas.catalog import Catalog
from qwenmock.schemas.sources import known_documents, known_pages
from qwenmock.schemas.vocabulary import JSON

PEM_TYPE = "application/x-pem-file"


async def get_health(double: Double, _request: Request) -> Health:
    """Return that the server runs, its version and its time."""
    return {"status": "ok", "version": __version__, "now": double.clock.now(), "offset": double.clock.offset}


async def list_providers(double: Double, _request: Request) -> list[ProviderSummary]:
    """Return the providers and what they offer."""
    return [
        {
            "slug": provider.slug,
            "name": provider.name,
            "base_url": provider.base_url,
            "currency": provider.currency,
            "models": sorted(provider.models),
            "endpoints": [f"{e.method} {e.path}" for e in provider.endpoints.values()],
            "variants": list(provider.variants),
        }
        for provider in double.catalog
    ]


async def list_printed_requests(double: Double, _request: Request) -> list[PrintedRequest]:
    """Return short requests that the documents print, the shortest first."""
    return printed_requests(double.catalog)


async def list_sources(_double: Double, _request: Request) -> Sources:
    """Return the documents and pages that rules cite."""
    return {
        "documents": [
            {"name": entry.name, "title": entry.title, "file": entry.file} for entry in known_documents().values()
        ],
        "pages": [
            {"name": entry.name, "addresses": entry.addresses, "read": entry.read.isoformat()}
            for entry in known_pages()
        ],
    }


async def get_contract(double: Double, request: Request) -> Contract:
    """Return the contract of a provider as the reference page shows it."""
    return contract(provider_named(double.catalog, request.path_params["provider"]))


async def get_openapi(double: Double, request: Request) -> Mapping[str, JSON]:
    """Return the contract of a provider as an OpenAPI document."""
    provider = provider_named(double.catalog, request.path_params["provider"])
    return openapi(provider, f"{request.url.scheme}://{request.url.netloc}/{provider.slug}")


async def get_metrics(double: Double, _request: Request) -> Response:
    """Return the counters in the text format of Prometheus."""
    await settle_finished(double)
    now = double.clock.now()
    running = sum(not task.status_at(now).ended for task in await double.store.tasks(Selection()))
    text = double.metrics.exposition(await double.store.deliveries(None), running)
    return Response(text, media_type=METRICS_TYPE)


async def get_ca_certificate(double: Double, _request: Request) -> Response:
    """Return the certificate that clients of the proxy must trust."""
    if double.ca_certificate is None:
        raise ControlError(404, "there is no proxy: start the double with --proxy")
    return Response(double.ca_certificate, media_type=PEM_TYPE)


def token_schema(_catalog: Catalog) -> dict[str, JSON]:
    """Return the schema of the admin token."""
    return {
        "title": "Token",
        "description": "The admin token.",
        "type": "object",
        "required": ["token"],
        "properties": {"token": {"type": "string"}},
    }


async def open_session(double: Double, request: Request) -> Response:
    """Exchange the admin token for the session cookie of a browser."""
    token = double.settings.admin_token
    try:
        offered: str = (await read_object(request, token_schema(double.catalog)))["token"]
    except ControlError:
        offered = ""
    if token is None or not hmac.compare_digest(offered.encode(), token.encode()):
        raise ControlError(403, "that is not the admin token")
    content: Session = {"session": "open"}
    response = JSONResponse(content)
    is_secure = request.headers.get("x-forwarded-proto", request.url.scheme) == "https"
    response.set_cookie(COOKIE, session_of(token), path="/__mock__", httponly=True, samesite="strict", secure=is_secure)
    return response
