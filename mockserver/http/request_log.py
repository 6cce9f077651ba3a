"""The request log: one line per request, as text or JSON."""

import asyncio
import time
from typing import TextIO

import orjson
from rich.console import Console
from rich.text import Text

from qwenmock.mockserver.store.compact import CompactEntry
from qwenmock.mockserver.store.records import NewEntry

FLUSH_SECONDS = 0.05
COLOURED_AT_ONCE = 100
"""Up to this many lines at once are coloured; nobody reads more."""
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
    """Writes journal entries to a stream, several at a time: one write per request would cost more than the request.

    Args:
        form: `text` or `json`.
        stream: Where to write; a terminal gets colours and columns.

    """

    def __init__(self, form: str, stream: TextIO) -> None:
        self._is_json = form == "json"
        self._stream = stream
        self._entries: list[NewEntry | CompactEntry] = []
        self._console = Console(file=stream, highlight=False) if form == "text" and stream.isatty() else None

    def __call__(self, entry: NewEntry | CompactEntry) -> None:
        """Log one entry."""
        if not self._entries:
            asyncio.get_running_loop().call_later(FLUSH_SECONDS, self.flush)
        self._entries.append(entry)

    def flush(self) -> None:
        """Write the entries logged since the last flush."""
        entries, self._entries = self._entries, []
        if not entries:
            return
        if self._console is not None and len(entries) <= COLOURED_AT_ONCE:
            for entry in entries:
                self._console.print(as_line(_expanded(entry)), no_wrap=True, overflow="ellipsis", crop=True)
            return
        self._stream.write("\n".join(map(self._format, entries)) + "\n")
        self._stream.flush()

    def _format(self, entry: NewEntry | CompactEntry) -> str:
        if self._is_json:
            return as_json(_expanded(entry))
        return as_success(entry) if isinstance(entry, CompactEntry) else as_text(entry)


def _expanded(entry: NewEntry | CompactEntry) -> NewEntry:
    return entry.expand() if isinstance(entry, CompactEntry) else entry


def as_success(entry: CompactEntry) -> str:
    """Return what `as_text` returns for the expanded entry, in a tenth of the time."""
    place = entry.place
    charge = f"{entry.images} x {entry.model}, {entry.amount} {place.currency}" if entry.charge_id else ""
    return f"{place.method} {entry.path} 200 {entry.seconds * 1000:.1f} ms {entry.masked or '-'} {entry.id} {charge}"


def as_json(entry: NewEntry) -> str:
    """Return an entry as a line of JSON."""
    return orjson.dumps({name: entry[name] for name in SHOWN}).decode()


def as_text(entry: NewEntry) -> str:
    """Return an entry as a line of text."""
    return (
        f"{entry['method']} {entry['path']} {entry['status']} {entry['milliseconds']:.1f} ms "
        f"{entry['key'] or '-'} {entry['id']} {_outcome(entry)}"
    )


def as_line(entry: NewEntry) -> Text:
    """Return an entry as a coloured line: the important values first, as the terminal cuts off its end."""
    status: int = entry["status"]
    colour = "red" if status >= 500 or status == 0 else "yellow" if status >= 400 else "green"
    return Text.assemble(
        (time.strftime("%H:%M:%S", time.localtime(entry["at"])), "dim"),
        " ",
        (f"{status}", f"bold {colour}"),
        f" {entry['provider']:9} {entry['method']} ",
        (str(entry["model"] or entry["endpoint"]), "bold"),
        (f" {entry['milliseconds']:.1f} ms ", "dim"),
        (_outcome(entry), colour if status >= 400 else ""),
        (f"  {entry['rule']['id']}" if entry["rule"] else "", "cyan"),
    )


def _outcome(entry: NewEntry) -> str:
    charge, refusal = entry["charge"], entry["refusal"]
    if refusal is not None:
        return as_printable(refusal["detail"])[:200]
    return f"{charge['images']} x {entry['model']}, {charge['amount']} {charge['currency']}" if charge else ""


def as_printable(text: str) -> str:
    """Return a text with control characters, which could move a terminal's cursor or colour its lines, as spaces."""
    return "".join(character if character.isprintable() else " " for character in text)
