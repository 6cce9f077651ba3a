"""Recordings as HAR 1.2 files, which browsers and other proxies read and write."""

import base64
import binascii
import json
import math
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NotRequired, TypedDict
from urllib.parse import urlsplit

from qwenmock.mockserver._version import __version__
from qwenmock.pytest_plugin.examiner.target import Reply
from qwenmock.pytest_plugin.recording.recorder import endpoint_at, recording_of
from qwenmock.schemas.catalog import Catalog
from qwenmock.schemas.errors import RecordingError
from qwenmock.schemas.recordings import Recording
from qwenmock.schemas.vocabulary import JSON

UNKNOWN_BASE_URL = "https://example.com"
"""Base URL for recordings of a provider that the catalogue does not have."""


class HarHeader(TypedDict):
    """A header of a request or a response."""

    name: str
    value: str


class HarContent(TypedDict, total=False):
    """A body. `encoding` is `base64` or absent; `size` is in bytes and stands only in responses."""

    mimeType: str
    text: str
    encoding: str
    size: int


class HarRequest(TypedDict):
    """A request; `headersSize` and `bodySize` are -1 for unknown."""

    method: str
    url: str
    httpVersion: str
    headers: list[HarHeader]
    queryString: list[JSON]
    cookies: list[JSON]
    headersSize: int
    bodySize: int
    postData: NotRequired[HarContent]


class HarResponse(TypedDict):
    """A response; `headersSize` and `bodySize` are -1 for unknown."""

    status: int
    statusText: str
    httpVersion: str
    headers: list[HarHeader]
    cookies: list[JSON]
    content: HarContent
    redirectURL: str
    headersSize: int
    bodySize: int


class HarEntry(TypedDict):
    """An exchange; `time` and `timings` are in milliseconds."""

    startedDateTime: str
    time: float
    request: HarRequest
    response: HarResponse
    cache: dict[str, JSON]
    timings: dict[str, float]


class HarLog(TypedDict):
    """The content of a HAR file below `log`."""

    version: str
    creator: dict[str, str]
    entries: list[HarEntry]


class HarDocument(TypedDict):
    """A HAR file."""

    log: HarLog


def as_har(recordings: Iterable[Recording], catalog: Catalog) -> HarDocument:
    """Return recordings as a HAR document."""
    entries = [_to_entry(recording, catalog) for recording in recordings]
    return {"log": {"version": "1.2", "creator": {"name": "qwenmock", "version": __version__}, "entries": entries}}


def _to_entry(recording: Recording, catalog: Catalog) -> HarEntry:
    is_known = recording.provider in catalog.providers
    base_url = catalog[recording.provider].base_url if is_known else UNKNOWN_BASE_URL
    milliseconds = recording.seconds * 1000
    started = datetime.fromtimestamp(max(0.0, recording.at - recording.seconds), UTC)
    return {
        "startedDateTime": started.isoformat(timespec="milliseconds"),
        "time": milliseconds,
        "request": _to_request(recording, base_url),
        "response": _to_response(recording),
        "cache": {},
        "timings": {"send": 0, "wait": milliseconds, "receive": 0},
    }


def _to_request(recording: Recording, base_url: str) -> HarRequest:
    request: HarRequest = {
        "method": recording.method,
        "url": base_url + recording.path,
        "httpVersion": "HTTP/1.1",
        "headers": [],
        "queryString": [],
        "cookies": [],
        "headersSize": -1,
        "bodySize": -1,
    }
    if recording.request is not None:
        text = json.dumps(recording.request, ensure_ascii=False)
        request["postData"] = {"mimeType": "application/json", "text": text}
    return request


def _to_response(recording: Recording) -> HarResponse:
    text = json.dumps(recording.answer, ensure_ascii=False)
    return {
        "status": recording.status,
        "statusText": "",
        "httpVersion": "HTTP/1.1",
        "headers": [{"name": name, "value": value} for name, value in recording.headers.items()],
        "cookies": [],
        "content": {"size": len(text.encode()), "mimeType": "application/json", "text": text},
        "redirectURL": "",
        "headersSize": -1,
        "bodySize": -1,
    }


def from_har(path: Path, catalog: Catalog) -> tuple[list[Recording], list[str]]:
    """Read a HAR file.

    Args:
        path: The file.
        catalog: The providers whose exchanges are of interest; others are left out.

    Returns:
        The exchanges with providers, and the API keys that their requests were sent with.

    Raises:
        RecordingError: The file is not a valid HAR file.

    """
    try:
        document: HarDocument = json.loads(path.read_text("utf-8-sig"))
        entries = list(document["log"]["entries"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise RecordingError(f"{path}: not a HAR file: {type(error).__name__}: {error}") from error
    recordings: list[Recording] = []
    secrets: list[str] = []
    for index, entry in enumerate(entries):
        # A file from elsewhere may lack any member, or have it of another type.
        try:
            recording = _from_entry(entry, catalog)
            if recording is not None:
                recordings.append(recording)
                secrets += _keys(entry["request"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise RecordingError(f"{path}: entry {index}: {type(error).__name__}: {error}") from error
    return recordings, secrets


def _from_entry(entry: HarEntry, catalog: Catalog) -> Recording | None:
    """Return the recording of an entry; None if it is not a request to a provider's API."""
    request, response = entry["request"], entry["response"]
    url = urlsplit(str(request["url"]))
    provider = next((provider for provider in catalog if provider.serves(url.hostname or "")), None)
    endpoint = None if provider is None else endpoint_at(provider, request["method"], url.path)
    if provider is None or endpoint is None:
        return None
    reply = Reply(
        status=int(response["status"]),
        headers={header["name"].lower(): header["value"] for header in response["headers"]},
        body=_body(response["content"]),
        seconds=round(max(0.0, _finite(entry.get("time", 0))) / 1000, 3),
    )
    recording = recording_of(provider, endpoint, url.path, _body(request.get("postData", {})), reply)
    return replace(recording, at=_ended_at(entry.get("startedDateTime", ""), reply.seconds))


def _keys(request: HarRequest) -> list[str]:
    credentials = [h["value"] for h in request["headers"] if h["name"].lower() == "authorization"]
    return [value.partition(" ")[2] or value for value in credentials]


def _finite(value: float) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"expected a number, got {number}")  # Python's JSON reader takes NaN and Infinity
    return number


def _ended_at(started: str, seconds: float) -> float:
    """Return when an exchange ended, as Unix time; 0 if its start is unknown."""
    if not started:
        return 0.0
    moment = datetime.fromisoformat(started)
    # HAR requires an offset. A time without one is read as UTC, so that the result does not depend on the machine.
    at = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return round(at + seconds, 3) if at > 0 else 0.0


def _body(content: HarContent) -> bytes:
    text = content.get("text") or ""
    if content.get("encoding") != "base64":
        return text.encode()
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"the body is not valid base64: {error}") from error
