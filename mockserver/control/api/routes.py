"""The table of all control calls, which the routes and the OpenAPI document are made from."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from qwenmock.mockserver._version import __version__
from qwenmock.mockserver.calls.double import Double
from qwenmock.mockserver.calls.fault_schema import fault_plan_schema
from qwenmock.mockserver.control.api import exports, faults, images, journal, ledger, pictures, service, tasks
from qwenmock.mockserver.control.api.call import JSON_TYPE, ControlCall
from qwenmock.mockserver.control.api.document import control_document
from qwenmock.mockserver.control.api.journal_search import FILTERS as JOURNAL_FILTERS
from qwenmock.mockserver.control.api.journal_search import PAGING
from qwenmock.mockserver.control.api.requests import ControlError
from qwenmock.mockserver.control.api.responses import (
    Accounts,
    ClockState,
    Health,
    Ledger,
    PictureInfo,
    ProviderSummary,
    Resent,
    Reset,
    ScenarioInfo,
    Session,
    Sources,
    TaskInfo,
    UploadedImage,
    Verdict,
)
from qwenmock.mockserver.control.contract import Contract
from qwenmock.mockserver.control.printed_requests import PrintedRequest
from qwenmock.mockserver.errors import StoreError
from qwenmock.mockserver.store.records import JournalEntry
from qwenmock.schemas.catalog import Catalog
from qwenmock.schemas.vocabulary import JSON

FILTERS = ("provider", "key", "status", "limit")
TASK_FILTERS = ("provider", "key", "limit")
CHARGE_FILTERS = ("provider", "key", "request_id", "limit")
PLAN = "FaultPlan"


async def get_control_openapi(double: Double, request: Request) -> Mapping[str, JSON]:
    """Return the control API as an OpenAPI document."""
    root = request.scope.get("root_path", "")
    return control_document(CALLS, double.catalog, f"{request.url.scheme}://{request.url.netloc}{root}")


def _plan_schema(catalog: Catalog) -> Mapping[str, JSON]:
    return fault_plan_schema(catalog.providers)


CALLS: tuple[ControlCall, ...] = (
    ControlCall("GET", "/health", service.get_health, Health, is_open=True),
    ControlCall("GET", "/providers", service.list_providers, Sequence[ProviderSummary]),
    ControlCall("GET", "/examples", service.list_printed_requests, Sequence[PrintedRequest]),
    ControlCall("GET", "/sources", service.list_sources, Sources),
    ControlCall("GET", "/contract/{provider}", service.get_contract, Contract, errors=(404,)),
    # Before the next, whose path it matches too.
    ControlCall("GET", "/openapi/control.json", get_control_openapi, Mapping[str, object]),
    ControlCall("GET", "/openapi/{provider}.json", service.get_openapi, Mapping[str, object], errors=(404,)),
    ControlCall("GET", "/metrics", service.get_metrics, None, media_type="text/plain"),
    ControlCall(
        "GET", "/ca.pem", service.get_ca_certificate, None, media_type=service.PEM_TYPE, errors=(404,), is_open=True
    ),
    ControlCall(
        "POST", "/session", service.open_session, Session, body=service.token_schema, errors=(403,), is_open=True
    ),
    ControlCall(
        "GET",
        "/journal",
        journal.list_journal,
        Sequence[JournalEntry],
        query=(*JOURNAL_FILTERS, *PAGING),
        headers=("X-Total-Count", "Link"),
        errors=(400, 404),
    ),
    *(
        ControlCall(
            "GET",
            f"/journal.{suffix}",
            handler,
            response,
            media_type=media_type,
            query=(*JOURNAL_FILTERS, *PAGING),
            errors=(400, 404),
        )
        for suffix, handler, response, media_type in (
            ("har", exports.get_journal_har, Mapping[str, object], JSON_TYPE),
            ("sh", exports.get_journal_script, None, exports.SCRIPT_TYPE),
            ("py", exports.get_journal_test, None, exports.PYTHON_TYPE),
        )
    ),
    ControlCall(
        "GET",
        "/events",
        journal.stream_journal,
        None,
        media_type="text/event-stream",
        query=JOURNAL_FILTERS,
        errors=(400, 404, 503),
    ),
    ControlCall("GET", "/verdict", journal.get_verdict, Verdict, query=FILTERS, errors=(400, 404)),
    ControlCall(
        "GET", "/pictures", pictures.list_pictures, Sequence[PictureInfo], query=TASK_FILTERS, errors=(400, 404)
    ),
    ControlCall("GET", "/ledger", ledger.get_ledger, Ledger, query=CHARGE_FILTERS, errors=(400, 404)),
    ControlCall(
        "GET",
        "/ledger.csv",
        ledger.get_ledger_csv,
        None,
        media_type="text/csv",
        query=CHARGE_FILTERS,
        errors=(400, 404),
    ),
    ControlCall(
        "PATCH",
        "/accounts/{key}",
        ledger.change_account,
        Accounts,
        body=ledger.account_change_schema,
        errors=(400, 404, 413),
    ),
    ControlCall("GET", "/faults", faults.list_faults, PLAN),
    ControlCall("PUT", "/faults", faults.set_faults, PLAN, body=_plan_schema, errors=(400, 413)),
    ControlCall("DELETE", "/faults", faults.clear_faults, PLAN),
    ControlCall("GET", "/scenarios", faults.list_scenarios, Sequence[ScenarioInfo]),
    ControlCall(
        "PUT", "/scenario", faults.set_scenario, ScenarioInfo, body=faults.scenario_choice_schema, errors=(400, 413)
    ),
    ControlCall("POST", "/clock", faults.move_clock, ClockState, body=faults.clock_move_schema, errors=(400, 413)),
    ControlCall("POST", "/reset", faults.reset_all, Reset),
    ControlCall("POST", "/reset/{part}", faults.reset_part, Reset, errors=(404,)),
    ControlCall(
        "POST", "/images", images.upload_image, UploadedImage, body_type="image/*", query=("suffix",), errors=(400, 413)
    ),
    ControlCall("GET", "/tasks", tasks.list_tasks, Sequence[TaskInfo], query=TASK_FILTERS, errors=(400, 404)),
    ControlCall("GET", "/tasks/{task_id}", tasks.get_task, TaskInfo, errors=(404,)),
    ControlCall("POST", "/tasks/{task_id}/cancel", tasks.cancel_task, TaskInfo, errors=(404, 409)),
    ControlCall("POST", "/callbacks/{id}/resend", tasks.resend_callback, Resent, errors=(404,)),
)


def control_routes(double: Double) -> list[Route]:
    """Return the routes below `/__mock__`, pages aside."""
    return [Route(call.path, _endpoint(double, call), methods=[call.method]) for call in CALLS]


def _endpoint(double: Double, call: ControlCall) -> Callable[[Request], Awaitable[Response]]:
    """Return what answers a call: its failures become `{"error": …}`."""

    async def endpoint(request: Request) -> Response:
        try:
            result = await call.handler(double, request)
            response = result if isinstance(result, Response) else _json_response(result)
        except ControlError as error:
            response = JSONResponse({"error": str(error)}, error.status)
        except StoreError as error:
            response = JSONResponse({"error": f"the store failed: {error}"}, 500)
        response.headers["X-Qwenmock"] = __version__
        return response

    return endpoint


def _json_response(content: object) -> Response:
    return Response(orjson.dumps(content), media_type="application/json")
