"""Recorded exchanges with a real endpoint: one readable JSON file each, without secrets and without image data.

Every recording is scrubbed before it is written: keys, signatures in links, cookies, e-mail addresses and phone
numbers are removed, and images are replaced by their digests. A file in which part of a known secret remains is not
written. `recording.schema.json` describes the file format.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NotRequired, TypedDict

import orjson

from qwenmock.schemas.errors import RecordingError
from qwenmock.schemas.vocabulary import JSON

SCHEMA = Path(__file__).with_name("recording.schema.json")
FORMAT_VERSION = 1
KEPT_HEADERS = {"content-type", "retry-after", "x-request-id", "x-dashscope-async", "prefer"}
SECRET_PARAMETER = re.compile(
    r"(?i)((?:signature|x-(?:oss|amz)-[a-z-]+|security-token|osaccesskeyid|ossaccesskeyid|accesskeyid|token|api[-_]?key"
    r"|key|policy|sig|credential)=)[^&\s\"'<>]+"
)
BEARER = re.compile(r"(?i)\b(bearer\s+)[A-Za-z0-9._~+/=-]{6,}")
KEY_LIKE = re.compile(r"\bsk-[A-Za-z0-9_-]{8,}")
MAIL = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
PHONE = re.compile(r"(?<![\d.*x])(?:\+\d{1,3}[ -]?)?1[3-9]\d{9}(?![\d.*x])")
DATA_URL = re.compile(r"data:([a-z]+/[a-z0-9.+-]+);base64,([A-Za-z0-9+/=_-]*)", re.IGNORECASE)
REMOVED = "removed"
LEAK_LENGTH = 8
"""Number of consecutive characters of a secret that must not appear in a file."""


class RecordingFile(TypedDict):
    """The content of a recording's file. See `Recording` for the members."""

    version: int
    provider: str
    method: str
    path: str
    request: JSON
    status: int
    answer: JSON
    headers: NotRequired[dict[str, str]]
    seconds: NotRequired[float]
    violations: NotRequired[list[str]]
    at: NotRequired[float]


@dataclass(frozen=True)
class Recording:
    """One recorded exchange.

    Attributes:
        provider: The provider's slug.
        method: HTTP method.
        path: Path below the provider's base URL.
        request: Request body, scrubbed; None if there was none.
        status: HTTP status of the answer.
        answer: Response body, scrubbed.
        headers: The response headers in `KEPT_HEADERS`.
        seconds: Time from request to answer.
        violations: Contract violations of the exchange, each as `rule: description`.
        at: Unix time in seconds; 0 if unknown.

    """

    provider: str
    method: str
    path: str
    request: JSON
    status: int
    answer: JSON
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    seconds: float = 0.0
    violations: tuple[str, ...] = ()
    at: float = 0.0


def scrub_text(text: str, secrets: Iterable[str] = ()) -> str:
    """Remove everything from a text that identifies an account or a person; replace images by their digests."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, REMOVED)
    text = DATA_URL.sub(lambda match: f"data:{match[1]};sha256={_digest(match[2])}", text)
    text = BEARER.sub(rf"\1{REMOVED}", text)
    text = KEY_LIKE.sub(REMOVED, text)
    text = SECRET_PARAMETER.sub(rf"\1{REMOVED}", text)
    text = MAIL.sub("person@example.com", text)
    return PHONE.sub("13800000000", text)


def scrub(value: JSON, secrets: Iterable[str] = ()) -> JSON:
    """Scrub every text in a JSON value, including member names."""
    if isinstance(value, str):
        return scrub_text(value, secrets)
    if isinstance(value, dict):
        members = value.items()
        return {scrub_text(name, secrets): scrub(member, secrets) for name, member in members}
    if isinstance(value, list):
        return [scrub(item, secrets) for item in value]
    return value


def fingerprint(provider: str, path: str, request: JSON) -> str:
    """Return a digest that is equal for equivalent requests: member order and spacing do not matter, images do."""
    text = orjson.dumps([provider, path, scrub(request)], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(text).hexdigest()


def save(folder: Path, recording: Recording, secrets: Iterable[str] = ()) -> Path:
    """Scrub a recording, write it to a file and return the file's path.

    Raises:
        RecordingError: The folder is not writable, or the scrubbed text still contains part of a secret.

    """
    known = [secret for secret in secrets if secret]
    content = _scrubbed(recording, known)
    text = json.dumps(content, ensure_ascii=False, indent=2) + "\n"
    if any(_is_leaked(secret, text) for secret in known):
        raise RecordingError("an exchange still contains part of the key after scrubbing, and was not written")
    request = fingerprint(recording.provider, recording.path, content["request"])[:12]
    # The answer is part of the name because a task is queried several times with the same request.
    answer = _digest(json.dumps(content["answer"], sort_keys=True))[:6]
    path = folder / f"{recording.provider}-{recording.status}-{request}-{answer}.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    except OSError as error:
        raise RecordingError(f"{path}: {error.strerror}") from error
    return path


def _scrubbed(recording: Recording, secrets: list[str]) -> RecordingFile:
    headers = {
        name: scrub_text(value, secrets) for name, value in recording.headers.items() if name.lower() in KEPT_HEADERS
    }
    return RecordingFile(
        provider=recording.provider,
        method=recording.method,
        path=scrub_text(recording.path, secrets),
        request=scrub(recording.request, secrets),
        status=recording.status,
        answer=scrub(recording.answer, secrets),
        headers=headers,
        seconds=recording.seconds,
        violations=[scrub_text(text, secrets) for text in recording.violations],
        at=recording.at,
        version=FORMAT_VERSION,
    )


def load_recordings(folder: Path, provider: str | None = None) -> list[Recording]:
    """Load the recordings in a folder, oldest first.

    Args:
        folder: Folder of `*.json` files.
        provider: Slug to select by; None for all providers.

    Raises:
        RecordingError: The folder does not exist, or a file is not a valid recording.

    """
    if not folder.is_dir():
        raise RecordingError(f"{folder}: folder not found")
    schema = json.loads(SCHEMA.read_text("utf-8"))
    recordings = [_load(path, schema) for path in sorted(folder.glob("*.json"))]
    selected = [recording for recording in recordings if provider in {None, recording.provider}]
    return sorted(selected, key=lambda recording: recording.at)


def _load(path: Path, schema: Mapping[str, JSON]) -> Recording:
    import jsonschema  # takes a tenth of the start of a server, which needs no recordings

    try:
        content: RecordingFile = orjson.loads(path.read_bytes())  # strict: all of it can be written again
        jsonschema.validate(content, schema)
    except (OSError, ValueError) as error:
        raise RecordingError(f"{path}: {error}") from error
    except jsonschema.ValidationError as error:
        raise RecordingError(f"{path}: {error.json_path}: {error.message[:300]}") from error
    return Recording(
        provider=content["provider"],
        method=content["method"],
        path=content["path"],
        request=content["request"],
        status=content["status"],
        answer=content["answer"],
        headers=content.get("headers", {}),
        seconds=content.get("seconds", 0.0),
        violations=tuple(content.get("violations", ())),
        at=content.get("at", 0.0),
    )


def _digest(data: str) -> str:
    return hashlib.sha256(data.encode()).hexdigest()[:32]


def _is_leaked(secret: str, text: str) -> bool:
    """Check whether any part of a secret is in a text; the common prefix of all keys does not count."""
    body = secret.removeprefix("sk-")
    parts = [body[at : at + LEAK_LENGTH] for at in range(len(body) - LEAK_LENGTH + 1)] or [secret]
    return any(part in text for part in parts)
