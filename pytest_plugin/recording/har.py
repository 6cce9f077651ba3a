"""Recordings to HAR 1.2, which browsers and other proxies read and write, and back."""

import base64
import binascii
import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from qwenmock.mockserver._version import __version__
from qwenmock.mockserver.errors import SettingsError
from qwenmock.pytest_plugin.examiner.target import Reply
from qwenmock.pytest_plugin.recording.recorder import endpoint_at, recording_of
from qwenmock.schemas.catalog import Catalog
from qwenmock.schemas.recordings import Recording
from qwenmock.schemas.vocabulary import JSON


def as_har(recordings: Iterable[Recording], catalog: Catalog) -> dict[str, JSON]:
    """Return recordings as a HAR document."""
    entries = [_entry(recording, catalog) for recording in recordings]
    return {"log": {"version": "1.2", "creator": {"name": "qwenmock", "version": __version__}, "entries": entries}}


def _entry(recording: Recording, catalog: Catalog) -> dict[str, JSON]:
    base = catalog[recording.provider].base_url if recording.provider in catalog.providers else "https://example.com"
    request: dict[str, JSON] = {
        "method": recording.method,
        "url": base + recording.path,
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
    text = json.dumps(recording.answer, ensure_ascii=False)
    milliseconds = recording.seconds * 1000
    began = datetime.fromtimestamp(max(0.0, recording.at - recording.seconds), UTC)
    return {
        "startedDateTime": began.isoformat(timespec="milliseconds"),
        "time": milliseconds,
        "request": request,
        "response": {
            "status": recording.status,
            "statusText": "",
            "httpVersion": "HTTP/1.1",
            "headers": [{"name": name, "value": value} for name, value in recording.headers.items()],
            "cookies": [],
            "content": {"size": len(text.encode()), "mimeType": "application/json", "text": text},
            "redirectURL": "",
            "headersSize": -1,
            "bodySize": -1,
        },
        "cache": {},
        "timings": {"send": 0, "wait": milliseconds, "receive": 0},
    }


def from_har(path: Path, catalog: Catalog) -> tuple[list[Recording], list[str]]:
    """Return a HAR file's exchanges with providers, and the secrets that its requests were sent with.

    Raises:
        SettingsError: The file is no HAR.

    """
    try:
        entries: list[Any] = json.loads(path.read_text("utf-8-sig"))["log"]["entries"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SettingsError(f"{path}: it is no HAR file: {type(error).__name__}: {error}") from error
    found: list[Recording] = []
    secrets: list[str] = []
    by_host = {provider.host: provider for provider in catalog}
    for at, entry in enumerate(entries):
        try:
            request: Any = entry["request"]
            response: Any = entry["response"]
            url = urlsplit(str(request["url"]))
            provider = by_host.get(url.hostname or "")
            endpoint = None if provider is None else endpoint_at(provider, request["method"], url.path)
            if provider is None or endpoint is None:
                continue
            secrets += [_bare(h["value"]) for h in request["headers"] if h["name"].lower() == "authorization"]
            reply = Reply(
                int(response["status"]),
                {header["name"].lower(): header["value"] for header in response["headers"]},
                _body(response["content"]),
                round(max(0.0, float(entry.get("time", 0))) / 1000, 3),
            )
            recording = recording_of(provider, endpoint, url.path, _body(request.get("postData", {})), reply)
            found.append(replace(recording, at=_ended(entry.get("startedDateTime", ""), reply.seconds)))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise SettingsError(f"{path}: entry {at}: {type(error).__name__}: {error}") from error
    return found, secrets


def _bare(authorization: str) -> str:
    return authorization.partition(" ")[2] or authorization


def _ended(began: str, seconds: float) -> float:
    """Return when an exchange had ended, in unix seconds; 0 where its beginning is not known."""
    if not began:
        return 0.0
    moment = datetime.fromisoformat(began)
    # HAR demands an offset; what has none anyway is taken for UTC, wherever it is read.
    at = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return round(at + seconds, 3) if at > 0 else 0.0


def _body(content: dict[str, Any]) -> bytes:
    text: str = content.get("text") or ""
    if content.get("encoding") != "base64":
        return text.encode()
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"a body is no base64: {error}") from error
