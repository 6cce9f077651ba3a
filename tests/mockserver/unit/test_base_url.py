"""How links to images begin, whatever a client sends as its host."""

import pytest

from qwenmock.mockserver.http.app import base_url

SERVER = ("127.0.0.1", 4010)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"host": "double:4010"}, "http://double:4010"),
        ({"host": "[::1]:80"}, "http://[::1]:80"),
        ({"host": "inner", "x-forwarded-host": "example.com"}, "http://example.com"),
        ({"host": "inner", "x-forwarded-proto": "https"}, "https://inner"),
        ({"host": "inner", "x-forwarded-proto": "javascript"}, "http://inner"),
        ({"host": "inner", "x-forwarded-host": "/\x1b/"}, "http://inner"),
        ({"host": "inner", "x-forwarded-host": "a/b"}, "http://inner"),
        ({"host": "inner", "x-forwarded-host": "a:99999"}, "http://inner"),
        ({"host": "inner", "x-forwarded-host": "a:0"}, "http://inner"),
        ({"host": "inner", "x-forwarded-host": "[:::]"}, "http://inner"),
        ({"host": "\xe9\x80"}, "http://127.0.0.1:4010"),
        ({"host": "a b"}, "http://127.0.0.1:4010"),
        ({"host": ""}, "http://127.0.0.1:4010"),
        ({"host": "a" * 300}, f"http://{'a' * 300}"),
        ({"host": "a" * 301}, "http://127.0.0.1:4010"),
        ({}, "http://127.0.0.1:4010"),
    ],
)
def test_links_begin_with_a_host_that_can_be_requested(headers: dict[str, str], expected: str) -> None:
    sent = {name.encode(): value.encode("latin-1") for name, value in headers.items()}
    assert base_url("http", SERVER, sent) == expected


def test_address_of_the_server_may_be_of_ipv6() -> None:
    assert base_url("http", ("::1", 80), {}) == "http://[::1]:80"
