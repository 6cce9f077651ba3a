"""Journal entries as calls that can be made again."""

import base64
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import NamedTuple

import orjson

from qwenmock.fixtures import image
from qwenmock.mockserver.store.records import JournalEntry
from qwenmock.schemas.vocabulary import JSON

OWN_HEADERS = re.compile(r"accept|content-type|idempotency-key|prefer|x-.*")
"""Headers that a call is made with again; the others come from the client library or the network."""
SHORTENED = re.compile(r"data:.*… \(\d+ characters, sha256 [0-9a-f]+\)", re.DOTALL)
SHORTENED_TEXT = re.compile(r".*… \(\d+ characters(, sha256 [0-9a-f]+)?\)", re.DOTALL)
NO_JSON = "/http/body/syntax"
"""At the end of the id of the rule that a body is JSON."""


class ExportedCall(NamedTuple):
    """A call that is made again, and what it was answered with.

    Attributes:
        path: Below the provider's base URL.
        body: Pictures that the journal has shortened are replaced by another one.
        is_json: Whether the body is JSON; if not, it is the text that was sent.
        is_whole: Whether the body is the one that was sent: the journal has shortened and replaced nothing.
        has_key: Whether it had an Authorization header.
        rule: Id of the rule that it broke; "" for none.

    """

    provider: str
    model: str
    method: str
    path: str
    headers: Mapping[str, str]
    body: JSON
    is_json: bool
    is_whole: bool
    has_key: bool
    status: int
    rule: str
    at: str

    @property
    def text(self) -> str:
        """The body as it is sent."""
        return self.body if isinstance(self.body, str) and not self.is_json else orjson.dumps(self.body).decode()

    @property
    def title(self) -> str:
        """What it is called in a list."""
        return " ".join(filter(None, (self.provider, self.model or self.path, str(self.status))))


def exported_calls(newest_first: Iterable[JournalEntry]) -> Sequence[ExportedCall]:
    """Return the calls of which the body is known, oldest first.

    Queries are left out, since their tasks exist only once, and calls that were refused before their body was read.
    """
    found = [entry for entry in newest_first if entry["endpoint"] != "callback" and entry["request"] is not None]
    return [_call(entry) for entry in reversed(found)]


def moment(entry: JournalEntry) -> str:
    """Return when an entry was written, in UTC."""
    return datetime.fromtimestamp(entry["at"], UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def is_json(entry: JournalEntry) -> bool:
    """Return whether the body is JSON. One that was refused because it is none stands in the journal as a text."""
    rule = entry["rule"]
    return not isinstance(entry["request"], str) or rule is None or not rule["id"].endswith(NO_JSON)


def _call(entry: JournalEntry) -> ExportedCall:
    headers, rule = entry.get("request_headers", {}), entry["rule"]
    return ExportedCall(
        provider=entry["provider"],
        model=entry["model"],
        method=entry["method"],
        path=entry["path"].removeprefix(f"/{entry['provider']}"),
        headers={name: value for name, value in headers.items() if OWN_HEADERS.fullmatch(name)},
        body=_with_pictures(entry["request"]),
        is_json=is_json(entry),
        is_whole=not _is_shortened(entry["request"]),
        has_key="authorization" in headers,
        status=entry["status"],
        rule="" if rule is None else rule["id"],
        at=moment(entry),
    )


def _with_pictures(value: JSON) -> JSON:
    if isinstance(value, str):
        return _picture() if SHORTENED.fullmatch(value) else value
    if isinstance(value, dict):
        return {name: _with_pictures(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_with_pictures(item) for item in value]
    return value


def _is_shortened(value: JSON) -> bool:
    if isinstance(value, str):
        return "\ufffd" in value or SHORTENED_TEXT.fullmatch(value) is not None
    if isinstance(value, dict):
        return any(map(_is_shortened, value.values()))
    return isinstance(value, list) and any(map(_is_shortened, value))


@cache
def _picture() -> str:
    return f"data:image/png;base64,{base64.b64encode(image('landscape.png')).decode()}"
