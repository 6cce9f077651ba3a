"""One line a request, for people or for machines."""

import asyncio
from collections.abc import Mapping
from typing import TextIO

import orjson

from qwenmock.schemas.vocabulary import JSON

FLUSH_SECONDS = 0.05
SHOWN = (
    "at",
    "provider",
    "method",
    "path",
    "status",
    "milliseconds",
    "key",
    "id",
    "variant",
    "model",
    "rule",
    "charge",
)


class RequestLog:
    """Writes journal entries to a stream, many at once: a line a request would cost more than the request.

    Args:
        form: `text` or `json`.
        stream: Where to.

    """

    def __init__(self, form: str, stream: TextIO) -> None:
        self._form = form
        self._stream = stream
        self._lines: list[str] = []

    def __call__(self, entry: Mapping[str, JSON]) -> None:
        """Log one entry."""
        if not self._lines:
            asyncio.get_running_loop().call_later(FLUSH_SECONDS, self.flush)
        self._lines.append(as_json(entry) if self._form == "json" else as_text(entry))

    def flush(self) -> None:
        """Write what has gathered."""
        lines, self._lines = self._lines, []
        if lines:
            self._stream.write("\n".join(lines) + "\n")
            self._stream.flush()


def as_json(entry: Mapping[str, JSON]) -> str:
    """Return an entry as a line of JSON."""
    return orjson.dumps({name: entry[name] for name in SHOWN}).decode()


def as_text(entry: Mapping[str, JSON]) -> str:
    """Return an entry as a line to read."""
    charge, refusal = entry["charge"], entry["refusal"]
    if refusal is not None:
        end = refusal["detail"].replace("\n", " ")[:200]
    else:
        end = f"{charge['images']} x {entry['model']}, {charge['amount']} {charge['currency']}" if charge else ""
    return (
        f"{entry['method']} {entry['path']} {entry['status']} {entry['milliseconds']:.1f} ms "
        f"{entry['key'] or '-'} {entry['id']} {end}"
    )
