"""Ways around the interception: other clients, proxies, redirects."""

import asyncio
import http.client
import json
import os
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import aiohttp
import httpx
import pytest
import requests

from qwenmock.mockserver.testing.intercept import HostRefused, Interception, intercepting
from qwenmock.mockserver.testing.mock import Mock

HOST = "llm.ai-nebula.com"
PATH = "/v1/images/generations"
BODY = {"model": "qwen-image-plus", "prompt": "a cat", "parameters": {"size": "1328*1328"}}
HEADERS = {"Authorization": "Bearer sk-of-a-real-account", "Content-Type": "application/json"}
DATA = json.dumps(BODY).encode()


class Redirecting(BaseHTTPRequestHandler):
    """Leads to another host; also stands for a proxy, which must not be asked."""

    seen: list[str]

    def do_GET(self) -> None:
        self.seen.append(self.path)
        self.send_response(302)
        self.send_header("Location", "http://other.example/")
        self.end_headers()

    do_POST = do_GET  # noqa: N815, as http.server names it

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def elsewhere() -> Iterator[tuple[str, list[str]]]:
    seen: list[str] = []
    handler = type("Handler", (Redirecting,), {"seen": seen})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", seen
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("kind", [http.client.HTTPConnection, http.client.HTTPSConnection])
def test_http_client_lands_on_the_double(
    kind: type[http.client.HTTPConnection], qwenmock: Mock, qwenmock_intercept: Interception
) -> None:
    connection = kind(HOST)
    for _ in range(2):
        connection.request("POST", PATH, DATA, HEADERS)
        assert json.loads(connection.getresponse().read())["code"] == 200
    connection.close()
    connection.connect()
    connection.close()
    qwenmock.expect_calls(2)
    assert "real" not in str(qwenmock.journal())


def test_urllib_lands_on_the_double_and_nowhere_else(qwenmock: Mock, qwenmock_intercept: Interception) -> None:
    request = urllib.request.Request(f"https://{HOST}{PATH}", DATA, HEADERS)
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 200
    with pytest.raises(urllib.error.URLError, match=r"other\.example"):
        urllib.request.urlopen("http://other.example/")
    assert qwenmock_intercept.refused == ["other.example"]
    qwenmock_intercept.refused.clear()


def test_proxies_of_the_environment_are_not_asked(
    qwenmock: Mock, elsewhere: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy, seen = elsewhere
    for name in ("http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with intercepting(qwenmock):
        for scheme in ("http", "https"):
            url = f"{scheme}://{HOST}{PATH}"
            assert httpx.post(url, json=BODY, headers=HEADERS).status_code == 200
            assert requests.post(url, json=BODY, headers=HEADERS, timeout=10).status_code == 200
            with urllib.request.urlopen(urllib.request.Request(url, DATA, HEADERS)) as answer:
                assert answer.status == 200
    assert seen == []
    assert os.environ["http_proxy"] == proxy
    assert "NO_PROXY" not in os.environ


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_the_code_names_is_not_asked(
    scheme: str, qwenmock: Mock, qwenmock_intercept: Interception, elsewhere: tuple[str, list[str]]
) -> None:
    proxy, seen = elsewhere
    proxies = {"http": proxy, "https": proxy}
    url = f"{scheme}://{HOST}{PATH}"
    assert requests.post(url, json=BODY, headers=HEADERS, proxies=proxies, timeout=10).status_code == 200
    opener = urllib.request.build_opener(urllib.request.ProxyHandler(proxies))
    with opener.open(urllib.request.Request(url, DATA, HEADERS)) as answer:
        assert answer.status == 200
    assert seen == []


def test_each_hop_of_a_redirect_is_checked(qwenmock: Mock, elsewhere: tuple[str, list[str]]) -> None:
    async def call() -> None:
        async with aiohttp.ClientSession() as session, session.get(elsewhere[0]):
            pass

    with intercepting(qwenmock) as interception:
        with pytest.raises(aiohttp.ClientConnectionError, match=r"other\.example"):
            asyncio.run(call())
        with pytest.raises(HostRefused, match=r"other\.example"):
            httpx.get(elsewhere[0], follow_redirects=True)
        with pytest.raises(requests.ConnectionError, match=r"other\.example"):
            requests.get(elsewhere[0], timeout=10)
        with pytest.raises(urllib.error.URLError, match=r"other\.example"):
            urllib.request.urlopen(elsewhere[0])
        assert interception.refused == ["other.example"] * 4
