"""Headers as the journal shows them: without anything secret, and not too long.

The compiled path keeps the headers of a request as it got them, which takes no time; they are written here when
somebody reads the journal.
"""

from collections.abc import Mapping
from types import MappingProxyType

from qwenmock.mockserver._version import __version__
from qwenmock.mockserver.store.brief import LONG_RUN, LONGEST_LIST

CONSTANT_HEADERS = ((b"content-type", b"application/json"), (b"x-qwenmock", __version__.encode()))
"""What every answer has."""
NO_HEADERS: Mapping[bytes, bytes] = MappingProxyType({})
BEARER = "Bearer "
SECRET = frozenset({"authorization", "proxy-authorization", "cookie", "x-api-key", "api-key"})
HIDDEN = "…"


def request_headers(headers: Mapping[bytes, bytes], masked: str) -> Mapping[str, str]:
    """Return the headers of a request, by lower-case name.

    Args:
        headers: As they were received.
        masked: The caller's key as the journal shows it; "" if the caller is not known.

    """
    texts = ((name.decode("latin-1"), value.decode("latin-1")) for name, value in list(headers.items())[:LONGEST_LIST])
    return {name[:LONG_RUN]: _shown(name, value, masked) for name, value in texts}


def answer_headers(headers: Mapping[str, str], length: int) -> Mapping[str, str]:
    """Return the headers of an answer.

    Args:
        headers: Those that this answer has of its own.
        length: Of its body.

    """
    constant = {name.decode(): value.decode() for name, value in CONSTANT_HEADERS}
    return {**headers, **constant, "content-length": str(length)}


def _shown(name: str, value: str, masked: str) -> str:
    if name == "authorization":
        scheme = BEARER if value[: len(BEARER)].lower() == BEARER.lower() else ""
        return scheme + (masked or HIDDEN)
    if name in SECRET:
        return HIDDEN
    return value if len(value) <= LONG_RUN else f"{value[:LONG_RUN]}… ({len(value)} characters)"
