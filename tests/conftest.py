"""A real server on a loopback port, and clients for it."""

import gc
import ssl
from collections.abc import Generator, Iterator
from functools import cache
from typing import Any

import httpx
import pytest
from redis_server import RedisServer

from qwenmock.mockserver.http.server import RunningServer, running
from qwenmock.mockserver.settings import Settings
from qwenmock.mockserver.testing.mock import Mock

pytest_plugins = ["pytester"]
TOGETHER = ("tests/pages/", "tests/pytest_plugin/test_proof.py::test_error_in_a_check_is_never_a_green_run")
"""Beginnings of names of tests that share something slow to make: they run in one process."""


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep the garbage collector from going through thousands of tests, which stay, again and again."""
    gc.disable()
    try:
        return (yield)
    finally:
        # Without `gc.freeze`: Hypothesis looks for what refers to its random numbers, and would find nothing.
        gc.enable()


@pytest.fixture(scope="session", autouse=True)
def authorities_are_read_once() -> Iterator[None]:
    """Share what httpx reads for each client, also for HTTP: that takes longer than most tests."""
    create = ssl.create_default_context
    shared = cache(lambda file: create(cafile=file))

    def create_or_share(*purpose: ssl.Purpose, **options: Any) -> ssl.SSLContext:
        has_file_only = not purpose and options.keys() == {"cafile"}
        return shared(options["cafile"]) if has_file_only else create(*purpose, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ssl, "create_default_context", create_or_share)
        yield


@pytest.fixture
def pytester(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """Run the tests that a test writes in their order, and without the plugins of others that take long to load."""
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:randomly -p no:hypothesispytest")
    return pytester


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give each process one test after the other, and those of `TOGETHER` to the same one.

    pytest-xdist 3.8 has marks for this, but overlooks them under pytest 9.2.
    """
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return next((start for start in TOGETHER if nodeid.startswith(start)), nodeid)

        def mark_test_complete(self, node: Any, item_index: int, duration: float = 0) -> None:
            """Forget what has ended: xdist would count it again for each of the thousands of tests after it."""
            work = self.assigned_work[node]
            scope = self._split_scope(self.registered_collections[node][item_index])
            super().mark_test_complete(node, item_index, duration)
            if all(work[scope].values()):
                del work[scope]

    return Scheduling(config, log)


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


@pytest.fixture(scope="session")
def shared_control(shared_server: RunningServer) -> Iterator[httpx.Client]:
    headers = {"Content-Type": "application/json"}
    with httpx.Client(base_url=f"{shared_server.origin}/__mock__", headers=headers) as client:
        yield client


@pytest.fixture
def server(shared_server: RunningServer, shared_control: httpx.Client) -> RunningServer:
    shared_control.post("/reset").raise_for_status()
    return shared_server


@pytest.fixture
def qwenmock(qwenmock: Mock, request: pytest.FixtureRequest) -> Iterator[Mock]:
    """Fail a test that behaves as no client should without saying so: the summary of a green run would list errors."""
    yield qwenmock
    markers = request.node.iter_markers("qwenmock_allow")
    qwenmock.assert_well_behaved(allow=[kind for marker in markers for kind in marker.args])


@pytest.fixture
def control(server: RunningServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{server.origin}/__mock__", headers={"Content-Type": "application/json"}) as client:
        yield client


@pytest.fixture
def nebula(server: RunningServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url("nebula"), headers={"Authorization": "Bearer sk-mock"}, timeout=30) as client:
        yield client
