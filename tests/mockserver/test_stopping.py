"""A server that is stopped, at any time, leaves nothing open."""

import asyncio

import pytest

from qwenmock.mockserver.calls.double import create_double
from qwenmock.mockserver.http.app import create_app
from qwenmock.mockserver.http.server import listen, uvicorn_server
from qwenmock.mockserver.settings import Settings


@pytest.mark.parametrize("is_stopped_at_once", [True, False])
def test_server_closes_what_it_has_opened(is_stopped_at_once: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    double = create_double(Settings(port=0))
    close, closed = double.store.close, list[bool]()

    async def noted() -> None:
        closed.append(True)
        await close()

    monkeypatch.setattr(double.store, "close", noted)

    async def run() -> None:
        listener = listen("127.0.0.1", 0)
        server = uvicorn_server(create_app(double), double.settings)
        server.should_exit = is_stopped_at_once
        serving = asyncio.ensure_future(server.serve([listener]))
        while not (server.started or serving.done()):
            await asyncio.sleep(0)
        server.should_exit = True
        await serving
        assert not any(each.is_serving() for each in server.servers)
        assert closed == [True]
        assert listener.fileno() == -1

    asyncio.run(run())
