"""Exchanges with a real endpoint on disk: one readable JSON file each, without a secret and without a picture.

What is kept is scrubbed before it is written: keys, signatures of links, cookies, addresses of people; pictures are
named by their digest. A file in which a known secret is still found is not written at all.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

import jsonschema
import orjson

from qwenmock.schemas.errors import SettingsError
from qwenmock.schemas.vocabulary import JSON

SCHEMA = Path(__file__).with_name("recording.schema.json")
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
PART = 8
"""Characters of a secret that must not be found in a file, in a row."""


@dataclass(frozen=True)
class Recording:
    """One exchange.

    Attributes:
        request: The body, scrubbed.
        answer: The answer's body, scrubbed.
        headers: Of the answer, the few that mean something.
        seconds: From request to answer.
        violations: What the exchange broke of the contract, each as `rule: what`.
        at: When it was, in unix seconds; 0 where that is not known.

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
    version: int = 1


def scrub_text(text: str, secrets: Iterable[str] = ()) -> str:
    """Return a text without what identifies an account or a person; pictures become their digests."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, REMOVED)
    text = DATA_URL.sub(lambda found: f"data:{found[1]};sha256={_digest(found[2])}", text)
    text = BEARER.sub(rf"\1{REMOVED}", text)
    text = KEY_LIKE.sub(REMOVED, text)
    text = SECRET_PARAMETER.sub(rf"\1{REMOVED}", text)
    text = MAIL.sub("person@example.com", text)
    return PHONE.sub("13800000000", text)


def scrub(value: JSON, secrets: Iterable[str] = ()) -> JSON:
    """Return a value with every text in it scrubbed, names of members too."""
    if isinstance(value, str):
        return scrub_text(value, secrets)
    if isinstance(value, dict):
        members = cast(dict[str, JSON], value).items()
        return {scrub_text(name, secrets): scrub(member, secrets) for name, member in members}
    if isinstance(value, list):
        return [scrub(item, secrets) for item in cast(list[JSON], value)]
    return value


def fingerprint(provider: str, path: str, request: JSON) -> str:
    """Return what two requests share that mean the same: order and spacing do not count, pictures do."""
    text = orjson.dumps([provider, path, scrub(request)], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(text).hexdigest()


def save(folder: Path, recording: Recording, secrets: Iterable[str] = ()) -> Path:
    """Write an exchange and return its file.

    Raises:
        SettingsError: The folder cannot be written, or a secret is still in what would be written.

    """
    known = [secret for secret in secrets if secret]
    values = asdict(recording)
    values |= {
        "request": scrub(recording.request, known),
        "answer": scrub(recording.answer, known),
        "path": scrub_text(recording.path, known),
        "headers": {
            name: scrub_text(value, known) for name, value in recording.headers.items() if name.lower() in KEPT_HEADERS
        },
        "violations": [scrub_text(text, known) for text in recording.violations],
    }
    text = json.dumps(values, ensure_ascii=False, indent=2) + "\n"
    left = next((secret for secret in known if _is_leaked(secret, text)), None)
    if left is not None:
        raise SettingsError("an exchange still holds a part of the key after scrubbing, and was not written")
    request = fingerprint(recording.provider, recording.path, values["request"])[:12]
    answer = _digest(json.dumps(values["answer"], sort_keys=True))[:6]  # a task is asked for more than once
    path = folder / f"{recording.provider}-{recording.status}-{request}-{answer}.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from error
    return path


def load_recordings(folder: Path, provider: str | None = None) -> list[Recording]:
    """Return the exchanges in a folder, of one provider or all, the oldest first.

    Raises:
        SettingsError: There is no such folder, or a file is no recording.

    """
    if not folder.is_dir():
        raise SettingsError(f"{folder}: there is no such folder")
    schema = json.loads(SCHEMA.read_text("utf-8"))
    found: list[Recording] = []
    for path in sorted(folder.glob("*.json")):
        try:
            values: dict[str, Any] = json.loads(path.read_text("utf-8"))
            jsonschema.validate(values, schema)
        except (OSError, ValueError) as error:
            raise SettingsError(f"{path}: {error}") from error
        except jsonschema.ValidationError as error:
            raise SettingsError(f"{path}: {error.json_path}: {error.message[:300]}") from error
        values.pop("$schema", None)
        values["violations"] = tuple(values.get("violations", ()))
        recording = Recording(**values)
        if provider in {None, recording.provider}:
            found.append(recording)
    return sorted(found, key=lambda recording: recording.at)


def _digest(data: str) -> str:
    return hashlib.sha256(data.encode()).hexdigest()[:32]


def _is_leaked(secret: str, text: str) -> bool:
    """Tell whether any part of a secret is in a text; what all keys begin with does not count."""
    body = secret.removeprefix("sk-")
    parts = [body[at : at + PART] for at in range(len(body) - PART + 1)] or [secret]
    return any(part in text for part in parts)
