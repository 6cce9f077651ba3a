"""The request log: one line per request, as text or JSON."""

import asyncio
import select
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TextIO

import orjson
from rich.console import Console
from rich.text import Text

from qwenmock.mockserver.store.compact import CompactEntry
from qwenmock.mockserver.store.records import NewEntry

FLUSH_SECONDS = 0.05
LONGEST_LINE = 900
"""Characters of a line of text. JSON is not cut: its members are bounded, but for the path."""
AT_ONCE = 4096
"""A pipe that can be written to takes so many bytes without waiting (POSIX: PIPE_BUF, at least 512; 4096 on Linux)."""
NOTE_BYTES = 100
"""What the note of missing lines takes at most."""
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

    A pipe that nobody reads does not stop the server: the lines that it cannot take are counted, and left out.

    Args:
        form: `text` or `json`.
        stream: Where to write; a terminal gets colours and columns.

    """

    def __init__(self, form: str, stream: TextIO) -> None:
        self._is_json = form == "json"
        self._stream = stream
        self._entries: list[NewEntry | CompactEntry] = []
        self._is_ready = readiness(stream)
        self._encoding: str | None = stream.encoding
        self._errors = "replace" if stream.errors in {None, "strict"} else str(stream.errors)
        self._lost = 0
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
        self._write(list(map(self._encodable, map(self._format, entries))))

    def _write(self, lines: Sequence[str]) -> None:
        for part, number in parts(lines):
            if not self._is_ready():
                self._lost += number
                continue
            if self._lost:
                self._stream.write(f"{self._note_of_loss()}\n")
                self._lost = 0
            self._stream.write(part)
            self._stream.flush()

    def _encodable(self, line: str) -> str:
        """Return a line with what the stream would write instead of what its encoding has not: that may be longer."""
        if line.isascii() or self._encoding is None:
            return line
        return line.encode(self._encoding, self._errors).decode(self._encoding)

    def _format(self, entry: NewEntry | CompactEntry) -> str:
        if self._is_json:
            return as_json(_expanded(entry))
        return (as_compact(entry) if isinstance(entry, CompactEntry) else as_text(entry))[:LONGEST_LINE]

    def _note_of_loss(self) -> str:
        if self._is_json:
            return orjson.dumps({"missing": self._lost}).decode()
        return f"{self._lost} lines are missing here: nothing read the log"


def readiness(stream: TextIO) -> Callable[[], bool]:
    """Return a function that says whether a stream takes `AT_ONCE` bytes without waiting, where the system can tell."""
    try:
        poller = select.poll()
        poller.register(stream.fileno(), select.POLLOUT)
    except (AttributeError, OSError):  # Windows has no poll; a stream in memory has no descriptor
        return lambda: True
    return lambda: any(event & select.POLLOUT for _, event in poller.poll(0))


def parts(lines: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Yield the lines as texts of at most `AT_ONCE` bytes, with room for a note, and the number of lines in each."""
    data = "\n".join([*lines, ""]).encode("utf-8", "replace")
    start = 0
    while start < len(data):
        end = start + AT_ONCE - NOTE_BYTES
        if end < len(data):
            end = (data.rfind(b"\n", start, end) + 1) or (data.index(b"\n", start) + 1)
        yield data[start:end].decode(), data.count(b"\n", start, end)
        start = end


def _expanded(entry: NewEntry | CompactEntry) -> NewEntry:
    return entry.expand() if isinstance(entry, CompactEntry) else entry


def as_compact(entry: CompactEntry) -> str:
    """Return what `as_text` returns for the expanded entry, in a twentieth of the time."""
    place, outcome = entry.place, ""
    if entry.refusal is not None:
        outcome = as_printable(entry.refusal.detail)[:200]
    elif entry.is_charged:
        outcome = f"{entry.images} x {entry.model}, {entry.amount} {place.currency}"
    return (
        f"{place.method} {as_printable(entry.path)} {entry.status} {entry.seconds * 1000:.1f} ms "
        f"{entry.masked or '-'} {entry.id} {outcome}"
    )


def as_json(entry: NewEntry) -> str:
    """Return an entry as a line of JSON."""
    return orjson.dumps({name: entry[name] for name in SHOWN}).decode()


def as_text(entry: NewEntry) -> str:
    """Return an entry as a line of text."""
    return (
        f"{entry['method']} {as_printable(entry['path'])} {entry['status']} {entry['milliseconds']:.1f} ms "
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
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else " " for character in text)
