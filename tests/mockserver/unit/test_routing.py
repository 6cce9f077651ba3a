"""Which provider and endpoint a path belongs to."""

import tracemalloc

import pytest

from qwenmock.mockserver.http.routing import Routes
from qwenmock.schemas.catalog import load

CATALOG = load()
ROUTES, AT_ROOT = Routes(CATALOG, None), Routes(CATALOG, "nebula")
CREATE = "/v1/images/generations"


def found(path: str, host: bytes = b"127.0.0.1:4010", routes: Routes = ROUTES) -> tuple[str, list[str], str] | None:
    """Return slug, methods and task id."""
    routed = routes.find(path, host)
    return routed and (routed.provider.slug, sorted(routed.endpoints), routed.task_id)


@pytest.mark.parametrize("provider", list(CATALOG), ids=lambda provider: provider.slug)
def test_every_endpoint_is_found_by_slug_host_and_root(provider: object) -> None:
    slug = provider.slug  # type: ignore[attr-defined]
    for endpoint in CATALOG[slug].endpoints.values():
        path = endpoint.path.replace("{task_id}", "task-1.a")
        task_id = "task-1.a" if "{task_id}" in endpoint.path else ""
        host = CATALOG[slug].host.upper().encode() + b":443"
        for routed in (
            ROUTES.find(f"/{slug}{path}", b""),
            ROUTES.find(f"/{slug}{path}/", b""),
            ROUTES.find(path, host),
            Routes(CATALOG, slug).find(path, b"localhost"),
        ):
            assert routed is not None
            assert (routed.provider.slug, routed.task_id) == (slug, task_id)
            assert routed.endpoints[endpoint.method] is endpoint


@pytest.mark.parametrize("path", ["", "/", "/v1", CREATE, "/unknown" + CREATE, "nebula" + CREATE, "/nebula2"])
def test_path_of_no_provider(path: str) -> None:
    assert found(path) is None


@pytest.mark.parametrize("path", ["/nebula", "/nebula/", "/nebula/v1", "/nebula" + CREATE + "/x", "/nebula/x" + CREATE])
def test_path_that_the_provider_does_not_have(path: str) -> None:
    assert found(path) == ("nebula", [], "")


def test_slug_goes_before_root_and_host_before_slug() -> None:
    assert found("/evolink/v1/images/generations", routes=AT_ROOT) == ("evolink", ["POST"], "")
    assert found(CREATE, routes=AT_ROOT) == ("nebula", ["POST"], "")
    assert found("x", routes=AT_ROOT) == ("nebula", [], "")
    host = CATALOG["evolink"].host.encode()
    assert found("/nebula" + CREATE, host) == ("evolink", [], "")


def test_task_id_is_one_part_of_a_path() -> None:
    assert found("/evolink/v1/tasks/a") == ("evolink", ["GET"], "a")
    assert found("/evolink/v1/tasks/a/b") == ("evolink", [], "")
    assert found("/evolink/v1/tasks") == ("evolink", [], "")
    assert found("/evolink/v1xtasks/a") == ("evolink", [], "")


@pytest.mark.parametrize(
    "host",
    [
        b"dashscope-intl.aliyuncs.com",
        b"ws-1.cn-beijing.maas.aliyuncs.com",
        b"WS-1.AP-Southeast-1.maas.aliyuncs.com:443",
        b"0.eu-central-1.maas.aliyuncs.com",
    ],
)
def test_hosts_of_regions_and_workspaces_are_the_provider_s(host: bytes) -> None:
    assert found("/api/v1/tasks/x", host) == ("dashscope", ["GET"], "x")


@pytest.mark.parametrize(
    "host",
    [
        b"cn-beijing.maas.aliyuncs.com",
        b".cn-beijing.maas.aliyuncs.com",
        b"a.b.cn-beijing.maas.aliyuncs.com",
        b"ws-1.cn-beijing.maas.aliyuncs.com.example.com",
        b"ws-1.cn-beijingXmaas.aliyuncs.com",
        b"ws-1.us-east-1.maas.aliyuncs.com",
        b"ws_1.cn-beijing.maas.aliyuncs.com",
    ],
)
def test_other_hosts_are_not(host: bytes) -> None:
    assert found("/api/v1/tasks/x", host) is None


def test_path_and_host_are_long_together() -> None:
    routes = Routes(CATALOG, None)
    remembered: list[str] = []
    routes._remembered = lambda path, _: remembered.append(path)  # type: ignore[assignment, method-assign]
    for length in (400, 99, 100, 101):
        routes.find("/" + "a" * 399, b"h" * length)
    assert len(remembered) == 2


def test_what_strangers_send_is_not_remembered_when_it_is_long() -> None:
    """A thousand paths of 100 KB would stay in memory."""
    routes = Routes(CATALOG, None)
    tracemalloc.start()
    for number in range(100):
        assert found(f"/nebula/{number}{'a' * 100_000}", routes=routes) == ("nebula", [], "")
    assert tracemalloc.get_traced_memory()[0] < 1_000_000
    tracemalloc.stop()
