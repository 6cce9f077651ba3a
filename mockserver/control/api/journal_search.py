"""Reading what the journal is searched for, from the query of a control call."""

import math
import re

from starlette.requests import Request

from qwenmock.mockserver.calls.double import Double
from qwenmock.mockserver.control.api.requests import ControlError, integer, provider_named
from qwenmock.mockserver.schema_errors import format_json
from qwenmock.mockserver.store.search import Cursor, Search

FILTERS = ("id", "provider", "variant", "model", "task", "key", "status", "rule", "text", "since", "until")
PAGING = ("cursor", "limit")
STATUS_CLASS = re.compile(r"[1-5]xx")
CURSOR = re.compile(r"(.{1,200})/(\d{1,12}(?:\.\d{1,17})?)", re.DOTALL)


def read_search(double: Double, request: Request, default_limit: int, *others: str) -> Search:
    """Read the filters in the query, the cursor and the limit.

    Args:
        double: The server.
        request: The control call.
        default_limit: How many entries are returned at most if the query has no limit.
        others: More parameters that the call has.

    Raises:
        ControlError: 400, a parameter is unknown, given twice or wrong; 404, the provider does not exist.

    """
    _check_names(request, (*FILTERS, *PAGING, *others))
    query = request.query_params
    if "provider" in query:
        provider_named(double.catalog, query["provider"])
    limit = integer(query.get("limit"), "limit")
    return Search(
        id=query.get("id"),
        provider=query.get("provider"),
        variant=query.get("variant"),
        model=query.get("model"),
        task=query.get("task"),
        key=query.get("key"),
        statuses=_statuses(query.get("status")),
        rule=query.get("rule"),
        text=query.get("text"),
        since=_seconds(query.get("since"), "since"),
        until=_seconds(query.get("until"), "until"),
        after=_cursor(query.get("cursor")),
        limit=default_limit if limit is None else limit,
    )


def _check_names(request: Request, known: tuple[str, ...]) -> None:
    names = [name for name, _ in request.query_params.multi_items()]
    for name in names:
        if name not in known:
            raise ControlError(400, f"unknown parameter {format_json(name[:100])}; expected {', '.join(known)}")
        if names.count(name) > 1:
            raise ControlError(400, f"{name}: expected one value, got {names.count(name)}")


def _statuses(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    if STATUS_CLASS.fullmatch(text):
        lowest = int(text[0]) * 100
        return lowest, lowest + 99
    try:
        status = integer(text, "status")
    except ControlError:
        status = None
    if status is None:
        raise ControlError(400, f"status: expected a status as 404 or a class as 4xx, got {format_json(text)}")
    return status, status


def _seconds(text: str | None, name: str) -> float | None:
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds):
        raise ControlError(400, f"{name}: expected unix seconds, got {format_json(text)}")
    return seconds


def _cursor(text: str | None) -> Cursor | None:
    if text is None:
        return None
    found = CURSOR.fullmatch(text)
    if found is None:
        raise ControlError(400, f"cursor: expected ID/AT, the id and the time of an entry, got {format_json(text)}")
    return Cursor(found[1], float(found[2]))
