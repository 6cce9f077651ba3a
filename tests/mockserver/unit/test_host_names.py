"""Which `Host` headers name this machine."""

import pytest

from qwenmock.mockserver.net.host_names import host_of, is_own_host

OWN = ("localhost", "mock.example.com")


@pytest.mark.parametrize(
    ("header", "host"),
    [
        ("localhost", "localhost"),
        ("LocalHost:4010", "localhost"),
        ("127.0.0.1:4010", "127.0.0.1"),
        ("[::1]:4010", "::1"),
        ("[::1]", "::1"),
        ("a.example:", "a.example"),
        ("", None),
        (":80", None),
        ("::1", None),
        ("[::1", None),
        ("[localhost]", None),
        ("[fe80::1%eth0]", None),
        ("localhost@evil.example", None),
        ("evil.example@localhost", None),
        ("localhost:80:80", None),
        ("localhost:http", None),
        ("localhost/", None),
        ("localhost\\evil.example", None),
        ("local host", None),
        ("localhost\n", None),
        ("ｌocalhost", None),
    ],
)
def test_host_of(header: str, host: str | None) -> None:
    assert host_of(header) == host


@pytest.mark.parametrize(
    "header",
    ["localhost", "localhost:1", "127.0.0.1", "127.9.8.7:80", "[::1]:4010", "MOCK.example.com", "mock.example.com:443"],
)
def test_own_hosts(header: str) -> None:
    assert is_own_host(header, OWN)


@pytest.mark.parametrize(
    "header",
    [
        "127.evil.example",
        "127.0.0.1.nip.io",
        "127.0.0.1.",
        "localhost.evil.example",
        "evil.mock.example.com",
        "mock.example.com.evil.example",
        "mock",
        "2130706433",
        "0x7f000001",
        "127.1",
        "0.0.0.0",
        "10.0.0.1",
        "[::]",
        "[fe80::1]",
        "evil.example",
        "evil.example@127.0.0.1",
        "",
    ],
)
def test_foreign_hosts(header: str) -> None:
    assert not is_own_host(header, OWN)
