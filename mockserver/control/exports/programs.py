"""Journal entries as programs: a shell script with curl, and a test for pytest."""

import shlex
from collections.abc import Iterable, Sequence
from pprint import pformat

from qwenmock.mockserver.control.exports.calls import ExportedCall, exported_calls
from qwenmock.mockserver.store.records import JournalEntry
from qwenmock.schemas.wording import counted

WIDTH = 110
UNREPEATABLE = "/http/authorization/"
"""In the id of a rule that a request with the key of a test keeps."""
LONGEST_ARGUMENT = 100_000
"""Bytes of a body that is given to curl as an argument: Linux accepts less than 131072 for one."""
OF_WHOLE_VALUES = {
    *("mediaTypes", "encoding", "integrity", "maxBytes", "minWidth", "maxWidth", "minHeight", "maxHeight"),
    *("minSide", "maxSide", "minArea", "maxArea", "maxRatio", "maxLength", "syntax"),
}
"""Rules that a value in the place of the one that was sent may keep."""
TEST = '''"""{headline}

Run it with `pytest`, where qwenmock is installed: the fixture `qwenmock` is a double of its own.
"""

import httpx
import pytest

CALLS = {calls}


@pytest.mark.parametrize("call", CALLS, ids=[call["title"] for call in CALLS])
def test_answer(qwenmock, call):
    headers = {{"Authorization": f"Bearer {{qwenmock.key}}", **call["headers"]}}
    url = qwenmock.url(call["provider"]) + call["path"]
    answer = httpx.request(call["method"], url, headers=headers, **call["body"])
    assert answer.status_code == call["status"], answer.text
    assert answer.headers.get("x-qwenmock-rule", "") == call["rule"]
'''


def curl_script(newest_first: Iterable[JournalEntry], origin: str) -> str:
    """Return a script that makes the calls again, oldest first.

    Args:
        newest_first: The entries.
        origin: Of the server that is called, unless the environment names another one.

    """
    calls = exported_calls(newest_first)
    lines = [
        "#!/bin/sh",
        f"# {_headline(calls)}",
        "# QWENMOCK_URL and QWENMOCK_KEY choose another server and key.",
        "set -eu",
        f"url=${{QWENMOCK_URL:-{shlex.quote(origin)}}}",
        "key=${QWENMOCK_KEY:-sk-mock}",
        *(line for call in calls for line in _curl(call)),
    ]
    return "\n".join(lines) + "\n"


def _curl(call: ExportedCall) -> Sequence[str]:
    parts = [f'curl -sS -X {call.method} "$url"{shlex.quote(f"/{call.provider}{call.path}")}']
    if call.has_key:
        parts.append('-H "Authorization: Bearer $key"')
    parts += [f"-H {shlex.quote(f'{name}: {value}')}" for name, value in call.headers.items()]
    body, source = shlex.quote(call.text), ""
    if len(body.encode()) > LONGEST_ARGUMENT:
        parts.append("--data-binary @-")
        source = f"printf %s {body} |\n"
    else:
        # Not `-d`, which sends the file whose name follows an "@".
        parts.append(f"--data-raw {body}")
    return ["", f"# {call.at} {_line(call.title)}", source + " \\\n  ".join(parts), "echo"]


def pytest_test(newest_first: Iterable[JournalEntry]) -> str:
    """Return a test of each call: it must be answered as it was.

    Calls whose answer depended on more than themselves are left out: those refused for their key, a limit, a balance
    or a fault, or for a picture or a text that the journal has shortened.
    """
    calls = [call for call in exported_calls(newest_first) if _is_repeatable(call)]
    return TEST.format(headline=_headline(calls), calls=pformat([_values(call) for call in calls], width=WIDTH))


def _is_repeatable(call: ExportedCall) -> bool:
    if call.status < 300:
        return True
    is_of_whole_values = call.rule.rpartition("/")[2] in OF_WHOLE_VALUES
    return call.rule != "" and UNREPEATABLE not in call.rule and (call.is_whole or not is_of_whole_values)


def _values(call: ExportedCall) -> dict[str, object]:
    body = {"json" if call.is_json else "content": call.body}
    values = call._asdict() | {"title": call.title, "headers": dict(call.headers), "body": body}
    return {name: values[name] for name in ("title", "provider", "method", "path", "headers", "body", "status", "rule")}


def _headline(calls: Sequence[ExportedCall]) -> str:
    return f"From the journal of qwenmock: {counted(len(calls), 'request')}, the oldest first."


def _line(text: str) -> str:
    """Return a text in one line: a model may have any name."""
    return " ".join(text.split())
