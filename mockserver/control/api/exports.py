"""The journal in forms that other programs read."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from qwenmock.mockserver.calls.double import Double
from qwenmock.mockserver.control.api.journal_search import read_search
from qwenmock.mockserver.control.exports.har import har
from qwenmock.mockserver.control.exports.programs import curl_script, pytest_test
from qwenmock.mockserver.store.records import JournalEntry
from qwenmock.mockserver.store.search import search

SCRIPT_TYPE = "text/x-shellscript"
PYTHON_TYPE = "text/x-python"


async def get_journal_har(double: Double, request: Request) -> Response:
    """Return journal entries as an HTTP archive (HAR 1.2)."""
    return _file("journal.har", "application/json", har(await _entries(double, request), _origin(request)))


async def get_journal_script(double: Double, request: Request) -> Response:
    """Return a shell script that makes the calls of the journal again with curl."""
    script = curl_script(await _entries(double, request), _origin(request))
    return _file("journal.sh", SCRIPT_TYPE, script.encode())


async def get_journal_test(double: Double, request: Request) -> Response:
    """Return a test for pytest: the calls of the journal must be answered as they were."""
    return _file("test_journal.py", PYTHON_TYPE, pytest_test(await _entries(double, request)).encode())


async def _entries(double: Double, request: Request) -> Sequence[JournalEntry]:
    return (await search(double.store, read_search(double, request, double.settings.journal_max))).entries


def _origin(request: Request) -> str:
    return f"{request.url.scheme}://{request.url.netloc}"


def _file(name: str, media_type: str, content: bytes) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, 200, headers, media_type)
