"""The proxy on a loopback port, spoken to in HTTP as it is on the wire."""

import asyncio
import json
import re
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass

import h11
import httpx
import pytest
from commands import serving

from qwenmock.mockserver.errors import SettingsError
from qwenmock.mockserver.gateway.authority import Authority
from qwenmock.mockserver.gateway.hosts import HostPolicy, hosts_in
from qwenmock.mockserver.gateway.proxy import Proxy, proxying
from qwenmock.mockserver.gateway.streams import accept_on
from qwenmock.mockserver.http.server import RunningServer, running
from qwenmock.mockserver.settings import Settings
from qwenmock.schemas.catalog import load

CREDITS = "/v1/credits"
KEY = "Authorization: Bearer sk-real-key\r\n"
BODY = {"model": "qwen-image-plus", "prompt": "a cat", "parameters": {"size": "1328*1328"}}


@dataclass
class Served:
    """A proxy, the double behind it, and a server that must not be called unless it is allowed."""

    port: int
    server: RunningServer
    proxy: Proxy
    other: socket.socket

    @property
    def client(self) -> httpx.Client:
        trusted = ssl.create_default_context(cadata=self.proxy.authority.pem.decode())
        return httpx.Client(proxy=f"http://127.0.0.1:{self.port}", verify=trusted, timeout=20)

    def was_called(self) -> bool:
        self.other.setblocking(False)
        try:
            self.other.accept()[0].close()
        except BlockingIOError:
            return False
        return True


def serve(*allowed: str, pass_through: bool = False) -> Iterator[Served]:
    with running(Settings(port=0)) as server, socket.create_server(("127.0.0.1", 0)) as other:
        production = hosts_in(provider.host for provider in server.double.catalog)
        policy = HostPolicy(production, hosts_in(allowed), pass_through, "allow {host}")
        proxy = Proxy(policy, Authority(production), ("127.0.0.1", server.port))
        with proxying(proxy) as port:
            yield Served(port, server, proxy, other)


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    yield from serve()


def ask(port: int, text: str) -> str:
    """Send a request as it is written, and return the answer until the proxy closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(text.encode())
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    return answer.decode("latin-1")


def test_connection_is_kept_and_the_key_is_replaced(served: Served) -> None:
    with served.client as client:
        for _ in range(2):
            answer = client.get(f"https://api.evolink.ai{CREDITS}", headers={"Authorization": "Bearer sk-real-key"})
            assert answer.status_code == 200
            assert answer.extensions["network_stream"].get_extra_info("ssl_object").version() == "TLSv1.3"
    journal = httpx.get(f"{served.server.origin}/__mock__/journal?limit=2").json()
    assert [entry["key"] for entry in journal] == ["sk-m…", "sk-m…"]


def test_links_lead_through_the_proxy_too(served: Served) -> None:
    with served.client as client:
        headers = {"Authorization": "Bearer x"}
        answer = client.post("https://llm.ai-nebula.com/v1/images/generations", json=BODY, headers=headers)
        link = answer.json()["data"]["data"][0]["url"]
        assert link.startswith("https://llm.ai-nebula.com/")
        assert client.get(link).content.startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "request_line",
    [
        f"GET http://api.evolink.ai{CREDITS} HTTP/1.1\r\nHost: something.else",
        f"GET https://API.evolink.ai.:443{CREDITS} HTTP/1.1\r\nHost: something.else",  # as axios asks
        f"GET HTTP://API.EVOLINK.AI{CREDITS} HTTP/1.1\r\nHost: something.else",
        f"GET {CREDITS} HTTP/1.1\r\nHost: api.evolink.ai",
        f"GET http://user:pass@api.evolink.ai:8080{CREDITS} HTTP/1.0",
    ],
)
def test_requests_without_a_tunnel_reach_the_double(served: Served, request_line: str) -> None:
    answer = ask(served.port, f"{request_line}\r\n{KEY}Connection: close\r\n\r\n")
    assert answer.startswith("HTTP/1.1 200 ")
    assert "remaining_credits" in answer


@pytest.mark.parametrize(
    "target", ["http://{other}/", "http://example.com/", "http://localhost:{port}/", "http://0x7f.1:{port}/"]
)
def test_other_hosts_are_not_called(served: Served, target: str) -> None:
    port = served.other.getsockname()[1]
    url = target.format(other=f"127.0.0.1:{port}", port=port)
    refused = served.proxy.refused.total()
    body = "x" * 100_000
    answer = ask(served.port, f"POST {url} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n{body}")
    head, _, content = answer.partition("\r\n\r\n")
    assert head.startswith("HTTP/1.1 502 qwenmock: ")
    assert "is no production host of a provider; allow " in json.loads(content)["error"]
    assert served.proxy.refused.total() == refused + 1
    assert not served.was_called()


def test_refused_tunnel_says_why_in_its_status_line(served: Served) -> None:
    with served.client as client, pytest.raises(httpx.ProxyError) as refused:
        client.get("https://example.com/")
    assert str(refused.value) == ("502 qwenmock: example.com is no production host of a provider; allow example.com")


def test_tunnel_to_production_leads_nowhere_else(served: Served) -> None:
    port = served.other.getsockname()[1]
    with socket.create_connection(("127.0.0.1", served.port), timeout=20) as connection:
        connection.sendall(b"CONNECT api.evolink.ai:80 HTTP/1.1\r\nHost: api.evolink.ai\r\n\r\n")
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 Connection Established\r\n")
        connection.sendall(f"GET http://127.0.0.1:{port}/ HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 400 qwenmock: a request for 127.0.0.1 in a tunnel to ")
    assert not served.was_called()


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 400),
        ("CONNECT api.evolink.ai HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET http://a\x01b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("OPTIONS * HTTP/1.1\r\nHost: api.evolink.ai\r\n\r\n", 400),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        ("GET http://api.evolink.ai/ HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n", 501),
        (f"GET / HTTP/1.1\r\nHost: {'a' * 200_000}\r\n\r\n", 431),
    ],
)
def test_what_is_not_forwarded_is_answered(served: Served, text: str, status: int) -> None:
    answer = ask(served.port, text)
    assert answer.startswith(f"HTTP/1.1 {status} ")
    assert json.loads(answer.partition("\r\n\r\n")[2])["error"].startswith("qwenmock: ")


@pytest.mark.parametrize("drop", ["before", "mid-body"])
def test_cut_connection_is_cut_for_the_client_too(served: Served, drop: str) -> None:
    httpx.put(f"{served.server.origin}/__mock__/faults", json=[{"drop": drop, "times": 1}])
    headers = {"Authorization": "Bearer x"}
    with served.client as client:
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            client.post("https://llm.ai-nebula.com/v1/images/generations", json=BODY, headers=headers)
        answer = client.post("https://llm.ai-nebula.com/v1/images/generations", json=BODY, headers=headers)
        assert answer.status_code == 200


def test_allowed_hosts_are_passed_unseen() -> None:
    for served in serve("127.0.0.1"):
        place = served.server.origin
        with served.client as client:
            assert client.get(f"{place}/health").json()["status"] == "ok"
        with socket.create_connection(("127.0.0.1", served.port), timeout=20) as connection:
            address = place.removeprefix("http://")
            connection.sendall(f"CONNECT {address} HTTP/1.1\r\nHost: {address}\r\n\r\n".encode())
            assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
            assert connection.recv(1000).startswith(b"HTTP/1.1 200 OK")
        assert served.proxy.passed == {"127.0.0.1": 2}
        closed = ask(served.port, "GET http://127.0.0.1:1/ HTTP/1.1\r\nHost: a\r\n\r\n")
        assert closed.startswith("HTTP/1.1 502 qwenmock: cannot connect to 127.0.0.1 port 1: ")


def test_address_with_colons_keeps_its_brackets() -> None:
    request = h11.Request(method="GET", target="/", headers=[("Host", "x")])
    proxy = Proxy(HostPolicy(frozenset(), frozenset({"::1"})), Authority(["a.example"]), ("127.0.0.1", 1))
    assert proxy.headers_for(request, "http", "::1", 80) == [(b"host", b"[::1]")]
    assert proxy.headers_for(request, "http", "::1", 8080) == [(b"host", b"[::1]:8080")]


def test_serve_runs_the_proxy_and_offers_its_certificate() -> None:
    with serving("--port", "0", "--proxy", "--proxy-port", "0", "--quiet") as (process, origin):
        assert process.stdout is not None
        line = next(line for line in process.stdout if line.startswith("  proxy "))
        address, trusted = re.findall(r"http://[^ )]+", line)
        assert trusted == f"{origin}/__mock__/ca.pem"
        context = ssl.create_default_context(cadata=httpx.get(trusted).text)
        with httpx.Client(proxy=address, verify=context, headers={"Authorization": "Bearer sk-real"}) as client:
            assert client.get(f"https://api.evolink.ai{CREDITS}").status_code == 200
            with pytest.raises(httpx.ProxyError, match=r"502 qwenmock: example\.com is no production host"):
                client.get("https://example.com/")


def test_one_proxy_serves_one_process() -> None:
    with pytest.raises(SettingsError, match="--proxy: expected --workers 1, got 2"):
        Settings(proxy=True, workers=2).check(load())


def test_parts_of_an_answer_do_not_wait_for_each_other() -> None:
    async def option() -> int:
        with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()):
            stream = await accept_on(listener.accept()[0], None)
            found = stream.writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            stream.abort()
            return found

    assert asyncio.run(option()) != 0
