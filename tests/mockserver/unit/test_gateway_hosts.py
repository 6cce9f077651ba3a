"""Which hosts the proxy leads where."""

import pytest

from qwenmock.mockserver.gateway.hosts import HostPolicy, Route, hosts_in, normal_host, split_target

PRODUCTION = hosts_in(["api.evolink.ai", "llm.ai-nebula.com"])


@pytest.mark.parametrize(
    ("written", "route"),
    [
        ("api.evolink.ai", Route.DOUBLE),
        ("API.Evolink.AI.:443", Route.DOUBLE),
        ("friend.example:8443", Route.PASS),
        ("[::5]:80", Route.PASS),
        ("example.com", Route.REFUSE),
        ("evolink.ai", Route.REFUSE),
        ("x.api.evolink.ai", Route.REFUSE),
        ("api.evolink.ai.example.com", Route.REFUSE),
        ("127.0.0.1", Route.REFUSE),
        ("0x7f.1", Route.REFUSE),
        ("localhost", Route.REFUSE),
        ("[::1]", Route.REFUSE),
    ],
)
def test_only_named_hosts_are_reached(written: str, route: Route) -> None:
    policy = HostPolicy(PRODUCTION, allowed=hosts_in(["Friend.example", "[::5]"]))
    assert policy.route(normal_host(written)) is route


def test_production_is_never_passed_through() -> None:
    policy = HostPolicy(PRODUCTION, allowed=PRODUCTION, pass_through=True)
    assert policy.route("api.evolink.ai") is Route.DOUBLE
    assert policy.route("example.com") is Route.PASS


def test_refusal_says_how_to_allow() -> None:
    policy = HostPolicy(PRODUCTION, advice="--allow {host}")
    expected = "qwenmock: example.com is no production host of a provider; --allow example.com"
    assert policy.refusal("example.com") == expected


@pytest.mark.parametrize("text", ["", ".", "a b", "api。evolink。ai", "user@api.evolink.ai", "a/b", "a:b:c"])
def test_what_is_no_host_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected a host such as example\.com, got "):
        normal_host(text)


@pytest.mark.parametrize("text", ["example.com", "example.com:", "example.com:0", "example.com:65536", "example.com:x"])
def test_target_of_connect_needs_a_port(text: str) -> None:
    with pytest.raises(ValueError, match="expected HOST:PORT, got "):
        split_target(text)


def test_target_of_connect() -> None:
    assert split_target("Example.com:443") == ("example.com", 443)
    assert split_target("[::1]:65535") == ("::1", 65535)
    assert split_target("a:1") == ("a", 1)
