"""Secrets are compared in constant time: `hmac.compare_digest` decides about each of them, and nothing else."""

import asyncio
import base64
import hmac
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from fuzz.asgi import send

from qwenmock.mockserver.calls.double import create_double
from qwenmock.mockserver.control.session import COOKIE, session_of
from qwenmock.mockserver.http.app import create_app
from qwenmock.mockserver.images.links import ACCESS_KEY_ID, PREFIX
from qwenmock.mockserver.images.uploads import UPLOAD_PATH
from qwenmock.mockserver.net.webhook_signatures import problem
from qwenmock.mockserver.settings import Settings

TOKEN = "an-admin-token"
SECRET = "whsec_c29hazAxMjM0NTY3ODlhYmNkZWY="
DOUBLE = create_double(Settings(seed=1, admin_token=TOKEN))
APP = create_app(DOUBLE, calls_out=False)
HOST = {"host": "127.0.0.1"}
JSON_TYPE = {"content-type": "application/json"}


def requested(method: str, path: str, headers: dict[str, str], body: bytes = b"") -> int:
    return asyncio.run(send(APP, method, path, {**HOST, **headers}, body)).status


def control(header: str, value: str) -> bool:
    return requested("GET", "/__mock__/ledger", {header: value}) == 200


def session(token: str) -> bool:
    return requested("POST", "/__mock__/session", JSON_TYPE, orjson.dumps({"token": token})) == 200


def link(signature: str) -> bool:
    """Return whether a link is opened, to a picture that is kept no longer."""
    query = f"Expires=99999999999&OSSAccessKeyId={ACCESS_KEY_ID}&Signature={signature.replace('+', '%2B')}"
    status = requested("GET", f"{PREFIX}~missing/0.png?{query}", {})
    assert status in {403, 404}
    return status == 404


def upload(signature: str) -> bool:
    fields = {"policy": POLICY, "key": "a/b.png", "Signature": signature}
    parts = [f'--x\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n' for n, v in fields.items()]
    file = '--x\r\nContent-Disposition: form-data; name="file"; filename="b.png"\r\n\r\nx\r\n--x--\r\n'
    kind = {"content-type": "multipart/form-data; boundary=x"}
    return requested("POST", UPLOAD_PATH, kind, "".join([*parts, file]).encode()) == 200


def webhook(signature: str) -> bool:
    headers = {"webhook-id": "msg_1", "webhook-timestamp": "1000", "webhook-signature": f"v1,{signature}"}
    return problem(SECRET, headers, b"{}", 1000.0) is None


POLICY = base64.b64encode(orjson.dumps({"dir": "a", "expires": 99999999999})).decode()
SIGNED = hmac.digest(base64.b64decode(SECRET.removeprefix("whsec_")), b"msg_1.1000.{}", "sha256")
CASES: dict[str, tuple[Callable[[str], bool], str]] = {
    "admin token": (lambda value: control("authorization", f"Bearer {value}"), TOKEN),
    "session cookie": (lambda value: control("cookie", f"{COOKIE}={value}"), session_of(TOKEN)),
    "token of a new session": (session, TOKEN),
    "link": (link, DOUBLE.links.sign("~missing", "0.png", "99999999999")),
    "upload": (upload, DOUBLE.links.sign("upload", POLICY)),
    "webhook": (webhook, base64.b64encode(SIGNED).decode()),
}


@pytest.mark.parametrize(("is_accepted", "right"), CASES.values(), ids=list(CASES))
def test_every_secret_is_compared_in_constant_time(
    monkeypatch: pytest.MonkeyPatch, is_accepted: Callable[[str], bool], right: str
) -> None:
    wrong = ("A" if right[0] != "A" else "B") + right[1:]
    compare = hmac.compare_digest
    compared: list[set[Any]] = []

    def noting(one: Any, other: Any) -> bool:
        compared.append({one, other})
        return compare(one, other)

    monkeypatch.setattr(hmac, "compare_digest", noting)
    assert (is_accepted(right), is_accepted(wrong)) == (True, False)
    assert {right.encode()} in compared
    assert {right.encode(), wrong.encode()} in compared
    # Nothing else decides: no comparison with == comes before or after.
    monkeypatch.setattr(hmac, "compare_digest", lambda _one, _other: True)
    assert is_accepted(wrong)
    monkeypatch.setattr(hmac, "compare_digest", lambda _one, _other: False)
    assert not is_accepted(right)
