"""Journal entries as an HTTP archive, HAR 1.2, as browsers read them."""

from collections.abc import Iterable, Mapping

import orjson

from qwenmock.mockserver._version import __version__
from qwenmock.mockserver.control.exports.calls import is_json, moment
from qwenmock.mockserver.store.records import JournalEntry
from qwenmock.schemas.vocabulary import JSON

HTTP = "HTTP/1.1"
JSON_TYPE = "application/json"
NO_VALUES: list[JSON] = []


def har(newest_first: Iterable[JournalEntry], origin: str) -> bytes:
    """Return the archive, oldest first.

    Args:
        newest_first: The entries.
        origin: What the addresses of requests begin with.

    """
    entries: list[JSON] = [_entry(entry, origin) for entry in newest_first]
    entries.reverse()
    creator: dict[str, JSON] = {"name": "qwenmock", "version": __version__}
    log: dict[str, JSON] = {"version": "1.2", "creator": creator, "entries": entries}
    return orjson.dumps({"log": log}, option=orjson.OPT_INDENT_2)


def _entry(entry: JournalEntry, origin: str) -> dict[str, JSON]:
    request, answer = _sent(entry), _text(entry["answer"])
    is_callback = entry["endpoint"] == "callback"
    sent: dict[str, JSON] = {
        "method": entry["method"],
        "url": entry["path"] if is_callback else origin + entry["path"],
        "httpVersion": HTTP,
        "cookies": NO_VALUES,
        "headers": _headers(entry.get("request_headers", {})),
        "queryString": NO_VALUES,
        "headersSize": -1,
        "bodySize": len(request.encode()),
    }
    if request:
        sent["postData"] = {"mimeType": JSON_TYPE, "text": request}
    return {
        "startedDateTime": moment(entry),
        "time": entry["milliseconds"],
        "request": sent,
        "response": {
            "status": entry["status"],
            "statusText": "",
            "httpVersion": HTTP,
            "cookies": NO_VALUES,
            "headers": _headers(entry.get("answer_headers", {})),
            "content": {"size": len(answer.encode()), "mimeType": JSON_TYPE, "text": answer},
            "redirectURL": "",
            "headersSize": -1,
            "bodySize": len(answer.encode()),
        },
        "cache": {},
        "timings": {"send": 0, "wait": entry["milliseconds"], "receive": 0},
    }


def _headers(headers: Mapping[str, str]) -> list[JSON]:
    return [{"name": name, "value": value} for name, value in headers.items()]


def _sent(entry: JournalEntry) -> str:
    body = entry["request"]
    return body if isinstance(body, str) and not is_json(entry) else _text(body)


def _text(body: JSON) -> str:
    return "" if body is None else orjson.dumps(body).decode()
