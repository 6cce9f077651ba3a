"""Which addresses and host names are public."""

import ipaddress

import pytest

from qwenmock.mockserver.net.public_addresses import (
    is_loopback_address,
    is_loopback_host,
    is_public_address,
    is_public_host,
)

INTERNAL = [
    "0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1",
    "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.168.0.1", "198.18.0.1", "203.0.113.1", "224.0.0.1", "240.0.0.1",
    "255.255.255.255",
    "::", "::1", "::127.0.0.1", "::8.8.8.8", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:0:127.0.0.1",
    "64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b:1::1", "64:ff9b:1::8.8.8.8", "100::1", "2001:db8::1",
    "2002:7f00:1::", "2002:a00:1::1", "fc00::1", "fd12:3456::1", "fe80::1", "fe80::1%eth0", "fec0::1", "feff::1",
    "ff02::1", "5f00::1", "4000::1",
]  # fmt: skip
PUBLIC = [
    "1.1.1.1", "8.8.8.8", "172.15.255.255", "172.32.0.1", "223.255.255.255", "2606:4700::1111", "2a00::1",
    "64:ff9b::8.8.8.8", "::ffff:8.8.8.8", "2002:808:808::1",
]  # fmt: skip


@pytest.mark.parametrize("address", INTERNAL)
def test_internal_addresses(address: str) -> None:
    assert not is_public_address(address)
    assert not is_public_host(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses(address: str) -> None:
    assert is_public_address(address)
    assert is_public_host(address)


@pytest.mark.parametrize("text", ["", "example.com", "127.1", "1.2.3.4.5", "::g"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        is_public_address(text)


@pytest.mark.parametrize(
    "host",
    [
        "localhost", "LOCALHOST", "localhost.", "a.localhost", "printer.local", "db.internal", "nas.home.arpa", "", ".",
        "127.1", "0x7f.1", "0x7f000001", "2130706433", "017700000001", "0177.0.0.1", "10.1", "0", "127.0.0.1.",
        "１２７.0.0.1", "127.0.0.１", "２１３０７０６４３３", "127。0。0。1", "127．0．0．1", "127｡0｡0｡1",
        "ｌｏｃａｌｈｏｓｔ", "ⓛocalhost", "printer。local",
    ],
)  # fmt: skip
def test_internal_hosts(host: str) -> None:
    assert not is_public_host(host)


@pytest.mark.parametrize(
    "host", ["example.com", "example.com.", "8.8.8.8", "134744072", "0x8.0x8.0x8.0x8", "local.example", "例子.example"]
)
def test_public_hosts(host: str) -> None:
    assert is_public_host(host)


@pytest.mark.parametrize(
    ("host", "is_loopback"),
    [
        ("localhost", True),
        ("LocalHost", True),
        ("127.0.0.1", True),
        ("127.3.2.1", True),
        ("::1", True),
        ("::1%lo", True),
        ("10.0.0.1", False),
        ("localhost.example", False),
        ("127.evil.example", False),
        ("::2", False),
    ],
)
def test_loopback_hosts(host: str, is_loopback: bool) -> None:
    assert is_loopback_host(host) is is_loopback


def test_loopback_addresses() -> None:
    assert is_loopback_address("127.0.0.1")
    assert not is_loopback_address("128.0.0.1")


def test_teredo_address_leads_to_its_client_and_not_to_its_server() -> None:
    def teredo(server: str, client: str) -> str:
        inverted = int(ipaddress.IPv4Address(client)) ^ 0xFFFFFFFF
        return str(ipaddress.IPv6Address(0x20010000 << 96 | int(ipaddress.IPv4Address(server)) << 64 | inverted))

    assert is_public_address(teredo("10.0.0.1", "8.8.8.8"))
    assert not is_public_address(teredo("8.8.8.8", "10.0.0.1"))
