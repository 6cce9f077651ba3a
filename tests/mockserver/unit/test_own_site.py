"""Which requests are refused because a web page of another site made a browser send them."""

import asyncio
from typing import Any

import pytest
from starlette.datastructures import Headers

from qwenmock.mockserver.control.guard import Guard
from qwenmock.mockserver.control.session import COOKIE, session_of
from qwenmock.mockserver.net.own_site import OwnSiteOnly, is_cross_site
from qwenmock.mockserver.settings import Settings

TOKEN = "a token for tests"
JSON_TYPE = ("content-type", "application/json")
OWN = ("host", "127.0.0.1:4010")


def raw(headers: tuple[tuple[str, str], ...]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode("latin-1")) for name, value in headers]


def cross_site(*headers: tuple[str, str], method: str = "POST") -> bool:
    return is_cross_site(method, Headers(raw=raw((("host", "a.example:1"), *headers))))


async def passes(scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"{}"})


def answer(app: Any, method: str, path: str, *headers: tuple[str, str], server: str = "10.0.0.5") -> tuple[int, bytes]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "headers": raw(headers),
        "server": (server, 4010),
    }
    asyncio.run(app(scope, None, send))
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


def test_programs_and_own_pages_are_not_cross_site() -> None:
    assert not cross_site()
    assert not cross_site(("sec-fetch-site", "same-origin"))
    assert not cross_site(("sec-fetch-site", "none"))
    assert not cross_site(("origin", "HTTPS://A.example:1"))
    assert not cross_site(("origin", "http://a.example:1"))


@pytest.mark.parametrize(
    "header",
    [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("origin", "null"),
        ("origin", "http://evil.example"),
        ("origin", "http://a.example"),
        ("origin", "http://a.example:2"),
        ("origin", "ftp://a.example:1"),
    ],
)
def test_pages_of_other_sites_are_cross_site(header: tuple[str, str]) -> None:
    assert cross_site(header)
    assert cross_site(("origin", "http://a.example:1"), header, method="DELETE")
    assert not cross_site(header, method="GET")
    assert not cross_site(header, method="HEAD")


@pytest.mark.parametrize("host", ["127.0.0.1:4010", "localhost", "own.example", "10.0.0.5:4010", "[::1]"])
def test_own_hosts_are_answered(host: str) -> None:
    assert answer(OwnSiteOnly(passes, ["own.example"]), "POST", "/", ("host", host))[0] == 200


@pytest.mark.parametrize("hosts", [(), ("evil.example",), ("10.0.0.6",), ("localhost", "evil.example"), ("",)])
def test_foreign_hosts_are_refused(hosts: tuple[str, ...]) -> None:
    app = OwnSiteOnly(passes, ["own.example"])
    status, body = answer(app, "GET", "/", *(("host", host) for host in hosts))
    assert status == 403
    assert b"requests for host" in body


def test_long_foreign_host_is_cut() -> None:
    _, body = answer(OwnSiteOnly(passes, []), "GET", "/", ("host", "x" * 101))
    assert b"'" + b"x" * 100 + b"'" in body


def test_request_of_another_site_is_refused_by_the_middleware() -> None:
    app = OwnSiteOnly(passes, [])
    status, body = answer(app, "POST", "/", OWN, ("origin", "http://evil.example"))
    assert (status, b"other web sites" in body) == (403, True)
    assert answer(app, "POST", "/", OWN, ("origin", "http://127.0.0.1:4010"))[0] == 200


@pytest.mark.parametrize("kind", ["lifespan", "websocket"])
def test_what_is_not_http_is_passed_on(kind: str) -> None:
    passed: list[str] = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        passed.append(scope["type"])

    for guard in (OwnSiteOnly(app, []), Guard(app, Settings(admin_token=TOKEN))):
        asyncio.run(guard({"type": kind}, None, None))  # type: ignore[arg-type]
    assert passed == [kind, kind]


def test_guard_is_a_middleware_of_the_control_api() -> None:
    settings = Settings(admin_token=TOKEN)
    middleware = Guard.middleware(settings)
    assert answer(middleware.cls(passes, *middleware.args, **middleware.kwargs), "GET", "/__mock__/ledger")[0] == 401


def guarded(method: str, path: str, *headers: tuple[str, str], **options: Any) -> int:
    return answer(Guard(passes, Settings(**options)), method, path, *headers)[0]


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:4010", 200),
        ("localhost", 200),
        ("own.example", 200),
        ("public.example:80", 200),
        ("127.evil.example", 403),
        ("127.0.0.1.nip.io", 403),
        ("evil.example", 403),
        ("", 403),
    ],
)
def test_control_api_answers_own_hosts_only(host: str, status: int) -> None:
    options = {"host": "OWN.example", "public_url": "https://public.example:8443/mock"}
    assert guarded("GET", "/__mock__/ledger", ("host", host), **options) == status


def test_control_api_without_host_is_refused_and_says_which() -> None:
    assert guarded("GET", "/__mock__/ledger") == 403
    _, body = answer(Guard(passes, Settings()), "GET", "/", ("host", "x" * 101))
    assert b"'" + b"x" * 100 + b"'" in body


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ((), 401),
        ((("authorization", f"Bearer {TOKEN}"),), 200),
        ((("authorization", TOKEN),), 200),
        ((("authorization", "Bearer "),), 401),
        ((("authorization", f"Bearer {TOKEN}x"),), 401),
        ((("authorization", "Bearer é"),), 401),
        ((("cookie", f"{COOKIE}={session_of(TOKEN)}"),), 200),
        ((("cookie", f"{COOKIE}={session_of('other')}"),), 401),
        ((("cookie", f"{COOKIE}={TOKEN}"),), 401),
        ((OWN,), 401),
    ],
)
def test_token_is_required(headers: tuple[tuple[str, str], ...], status: int) -> None:
    assert guarded("GET", "/__mock__/ledger", *headers, admin_token=TOKEN) == status
    if status == 200:
        assert guarded("GET", "/__mock__/ledger", ("host", "any.example"), *headers, admin_token=TOKEN) == 200


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/__mock__/health", 200),
        ("/__mock__/session", 200),
        ("/__mock__/docs", 200),
        ("/__mock__/docs/nebula", 200),
        ("/__mock__/static/a/b.js", 200),
        ("/__mock__/", 200),
        ("/__mock__/docs/a/b", 401),
        ("/__mock__/healthy", 401),
        ("/__mock__/ledger", 401),
        ("/x/__mock__/health", 401),
    ],
)
def test_paths_without_token(path: str, status: int) -> None:
    assert guarded("GET", path, admin_token=TOKEN) == status


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (("content-type", "application/json"), 200),
        (("content-type", "text/plain"), 200),
        (("origin", "http://127.0.0.1:4010"), 200),
        (("origin", "http://127.0.0.1:4011"), 403),
        (("origin", "https://evil.example"), 403),
        (("origin", "null"), 403),
        (("sec-fetch-site", "same-origin"), 200),
        (("sec-fetch-site", "none"), 200),
        (("sec-fetch-site", "same-site"), 403),
        (("sec-fetch-site", "cross-site"), 403),
    ],
)
def test_what_a_page_of_another_site_can_send_is_refused(header: tuple[str, str], status: int) -> None:
    assert guarded("POST", "/__mock__/reset", OWN, header) == status
    assert guarded("DELETE", "/__mock__/faults", OWN, header) == status
    assert guarded("GET", "/__mock__/ledger", OWN, header) == 200
    assert guarded("POST", "/__mock__/reset", OWN, ("authorization", TOKEN), header, admin_token=TOKEN) == status


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("https://public.example:8443", 200),
        ("https://PUBLIC.example:8443", 200),
        ("https://public.example", 403),
        ("http://public.example:8443", 403),
        ("https://evil.example", 403),
    ],
)
def test_pages_behind_a_proxy_are_own_pages(origin: str, status: int) -> None:
    """The proxy passes its own name of the server on, and a browser the name that it knows."""
    public = "https://Public.example:8443/mock"
    assert guarded("POST", "/__mock__/reset", OWN, ("origin", origin), public_url=public) == status


@pytest.mark.parametrize("host", ["localhost/__mock__/health?", "x/__mock__/static/", "x/__mock__/health#"])
def test_host_header_does_not_choose_the_path(host: str) -> None:
    """Older versions of Starlette make the URL of a request of both."""
    guarded = Guard(passes, Settings(admin_token=TOKEN))
    assert answer(guarded, "GET", "/__mock__/ledger", ("host", host))[0] == 401


def test_every_host_header_is_checked() -> None:
    guarded = Guard(passes, Settings())
    assert answer(guarded, "GET", "/__mock__/ledger", OWN)[0] == 200
    assert answer(guarded, "GET", "/__mock__/ledger", OWN, ("host", "evil.example"))[0] == 403
