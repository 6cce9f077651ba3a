"""A real server on a loopback port, and clients for it."""

from collections.abc import Iterator

import httpx
import pytest
from redis_server import RedisServer

from qwenmock.mockserver.http.server import RunningServer, running
from qwenmock.mockserver.settings import Settings

pytest_plugins = ["pytester"]


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")).running() as server:
        yield server


@pytest.fixture(scope="session", params=["memory", "file", "redis"])
def state(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str | None:
    """The value of `--state`: each test of a shared server runs on each kind of store."""
    if request.param == "redis":
        return request.getfixturevalue("redis_server").url
    return str(tmp_path_factory.mktemp("state") / "state.db") if request.param == "file" else None


@pytest.fixture(scope="session")
def shared_server(state: str | None) -> Iterator[RunningServer]:
    with running(Settings(port=0, state=state)) as server:
        yield server


@pytest.fixture
def server(shared_server: RunningServer) -> RunningServer:
    httpx.post(f"{shared_server.origin}/__mock__/reset", json={}).raise_for_status()
    return shared_server


@pytest.fixture
def control(server: RunningServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{server.origin}/__mock__", headers={"Content-Type": "application/json"}) as client:
        yield client


@pytest.fixture
def nebula(server: RunningServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url("nebula"), headers={"Authorization": "Bearer sk-mock"}, timeout=30) as client:
        yield client
