"""`--fetch-images` against hostile names and servers. Loopback stands in for public addresses."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Iterator
from typing import Any

import httpcore
import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from qwenmock.mockserver.http.server import running, serving
from qwenmock.mockserver.net import guarded_client
from qwenmock.mockserver.net.guarded_client import REDIRECTS, Outbound, OutboundError
from qwenmock.mockserver.settings import Settings

PUBLIC = "93.184.215.14"
OTHER_PUBLIC = "1.1.1.1"
PRIVATE = "10.0.0.7"
METADATA = "169.254.169.254"
LIMIT = 10_000


class Internet:
    """Names and what they resolve to, one answer after the other; and the addresses that were connected to."""

    def __init__(self, port: int) -> None:
        self.names: dict[str, list[list[str]]] = {}
        self.looked_up: list[str] = []
        self.connected: list[str] = []
        self.port = port

    async def resolve(self, host: str, port: int) -> list[Any]:
        self.looked_up.append(host)
        answers = self.names[host]
        addresses = answers.pop(0) if len(answers) > 1 else answers[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    async def connect(self, address: str) -> httpcore.AsyncNetworkStream:
        self.connected.append(address)
        return await httpcore._backends.anyio.AnyIOBackend().connect_tcp("127.0.0.1", self.port)


async def moved(request: Request) -> Response:
    left = int(request.path_params["left"])
    return RedirectResponse(f"/moved/{left - 1}" if left else "/picture")


async def elsewhere(request: Request) -> Response:
    return RedirectResponse(request.query_params["to"])


async def picture(_request: Request) -> Response:
    return Response(b"x" * LIMIT)


async def endless(_request: Request) -> Response:
    async def parts() -> AsyncGenerator[bytes]:
        while True:
            yield b"x" * 1000
            await asyncio.sleep(0)

    return StreamingResponse(parts())


async def silent(_request: Request) -> Response:
    async def parts() -> AsyncGenerator[bytes]:
        yield b"x"
        await asyncio.Event().wait()

    return StreamingResponse(parts())


@pytest.fixture(scope="module")
def site() -> Iterator[int]:
    routes = [
        Route("/picture", picture),
        Route("/moved/{left}", moved),
        Route("/elsewhere", elsewhere),
        Route("/endless", endless),
        Route("/silent", silent),
    ]
    with serving(Starlette(routes=routes)) as port:
        yield port


@pytest.fixture
def internet(site: int, monkeypatch: pytest.MonkeyPatch) -> Internet:
    net = Internet(site)
    net.names["images.example"] = [[PUBLIC]]
    init = guarded_client._GuardedBackend.__init__

    class Backend:
        async def connect_tcp(self, host: str, *_: object) -> httpcore.AsyncNetworkStream:
            return await net.connect(host)

    def with_stand_in(self: Any, *, allow_loopback: bool) -> None:
        init(self, allow_loopback=allow_loopback)
        self._inner = Backend()

    async def resolve(_loop: object, host: str, port: int, **_options: object) -> list[Any]:
        return await net.resolve(host, port)

    monkeypatch.setattr(guarded_client._GuardedBackend, "__init__", with_stand_in)
    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", resolve)
    return net


def fetch(url: str, seconds: float = 20) -> bytes | None:
    # Not `asyncio.run`: older versions of uvicorn make every loop one of uvloop, which looks names up by itself.
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        return runner.run(Outbound(allow_loopback=False).get(url, LIMIT, seconds))


def test_it_connects_to_the_very_address_that_was_checked(internet: Internet) -> None:
    assert fetch("http://images.example/picture") == b"x" * LIMIT
    assert internet.connected == [PUBLIC]


def test_a_name_that_turns_internal_after_the_check_is_not_looked_up_again(internet: Internet) -> None:
    internet.names["images.example"] = [[PUBLIC], [PRIVATE]]
    assert fetch("http://images.example/picture") == b"x" * LIMIT
    assert (internet.looked_up, internet.connected) == (["images.example"], [PUBLIC])


@pytest.mark.parametrize(
    ("addresses", "connected"),
    [([PUBLIC, PRIVATE], [PUBLIC]), ([PRIVATE, PUBLIC], []), ([PUBLIC, OTHER_PUBLIC], [PUBLIC])],
    ids=["public first", "private first", "both public"],
)
def test_only_the_first_address_counts(internet: Internet, addresses: list[str], connected: list[str]) -> None:
    internet.names["images.example"] = [addresses]
    if connected:
        fetch("http://images.example/picture")
    else:
        with pytest.raises(OutboundError, match=rf"images\.example leads to the internal address {PRIVATE}"):
            fetch("http://images.example/picture")
    assert internet.connected == connected


@pytest.mark.parametrize("address", [PRIVATE, METADATA, "127.0.0.1", "0.0.0.0", "::1", "fd00::1", "::ffff:10.0.0.1"])
def test_internal_addresses_are_not_connected_to(internet: Internet, address: str) -> None:
    internet.names["images.example"] = [[address]]
    with pytest.raises(OutboundError, match="internal address"):
        fetch("http://images.example/picture")
    assert internet.connected == []


def test_each_hop_of_a_redirect_is_checked(internet: Internet) -> None:
    internet.names["metadata.example"] = [[METADATA]]
    with pytest.raises(OutboundError, match=rf"metadata\.example leads to the internal address {METADATA}"):
        fetch("http://images.example/elsewhere?to=http://metadata.example/latest")
    assert internet.connected == [PUBLIC]


def test_a_redirect_cannot_leave_http(internet: Internet) -> None:
    with pytest.raises(OutboundError):
        fetch("http://images.example/elsewhere?to=file:///etc/passwd")


def test_redirects_are_limited(internet: Internet) -> None:
    assert fetch(f"http://images.example/moved/{REDIRECTS - 1}") == b"x" * LIMIT
    with pytest.raises(OutboundError, match=f"more than {REDIRECTS} redirects"):
        fetch(f"http://images.example/moved/{REDIRECTS}")


def test_a_content_that_never_ends_is_given_up_at_the_limit(internet: Internet) -> None:
    assert fetch("http://images.example/endless") is None


def test_a_server_that_falls_silent_is_given_up(internet: Internet) -> None:
    with pytest.raises(OutboundError, match=r"no answer within 0\.2 s"):
        fetch("http://images.example/silent", seconds=0.2)


def test_a_request_with_an_internal_image_gets_the_documented_error(site: int) -> None:
    body = {
        "model": "qwen-image-edit-plus",
        "prompt": "a hat",
        "contents": [{"role": "user", "parts": [{"image": f"http://127.0.0.1:{site}/picture"}, {"text": "a hat"}]}],
        "parameters": {"n": 1},
    }
    with running(Settings(port=0, fetch_images=True)) as server:
        key = {"Authorization": "Bearer sk-mock"}
        answer = httpx.post(server.url("nebula") + "/v1/images/generations", json=body, headers=key)
        assert answer.status_code == 400
        assert "127.0.0.1 leads to the internal address 127.0.0.1" in answer.headers["X-Qwenmock-Detail"]
