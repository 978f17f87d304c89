"""Every way of writing a closed address is closed; hosts an operator allows are open by their exact name alone."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ugclab.errors import InputError, IntakeError
from ugclab.net.addresses import AllowedHosts, refusal
from ugclab.net.urls import read_url

NOBODY = AllowedHosts()


@pytest.mark.parametrize(
    "text",
    [
        "0.0.0.0", "0.1.2.3",  # noqa: S104
        "10.0.0.1", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.254",
        "168.63.129.16", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1", "192.88.99.1",
        "192.168.1.1", "198.18.0.1", "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.1.1.1", "240.0.0.1",
        "255.255.255.255", "::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::ffff:0:8.8.8.8",
        "64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::1", "100::1", "2001::1", "2001:0:4136:e378::1",
        "2001:2::1", "2001:10::1", "2001:20::1", "2001:db8::1", "2002:7f00:1::", "2002:808:808::1", "3ffe::1",
        "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fd20:ce::254", "fe80::1", "fe80::1%eth0", "fec0::1",
        "ff02::1", "2606:4700::5efe:7f00:1", "2606:4700::200:5efe:a00:1", "2606:4700::1%eth0",
    ],
)  # fmt: skip
def test_closed(text: str) -> None:
    assert refusal(ipaddress.ip_address(text))


@pytest.mark.parametrize("text", ["1.1.1.1", "93.184.216.34", "172.32.0.1", "100.128.0.1", "2606:4700::1", "2a00::1"])
def test_open(text: str) -> None:
    assert not refusal(ipaddress.ip_address(text))


@given(st.ip_addresses())
def test_nothing_is_open_that_the_standard_library_calls_closed(address: ipaddress.IPv4Address) -> None:
    if not refusal(address):
        assert address.is_global
        assert not address.is_multicast
        assert not address.is_reserved


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_in_any_wrapping_is_refused(address: ipaddress.IPv4Address) -> None:
    number = int(address)
    for wrapped in (
        number,  # compatible
        0xFFFF << 32 | number,  # mapped
        0xFFFF << 48 | number,  # translated
        0x0064FF9B << 96 | number,
        0x0064FF9B0001 << 80 | number,
        0x2002 << 112 | number << 80 | 1,
        0x20010000 << 96 | (number ^ 0xFFFFFFFF),  # Teredo's client
        0x20010000 << 96 | number << 64,  # Teredo's server
        0x26064700 << 96 | 0x5EFE << 32 | number,  # ISATAP
    ):
        inner = ipaddress.IPv6Address(wrapped)
        assert refusal(inner)
        if inner != ipaddress.IPv6Address("::1"):
            assert refusal(inner, on_premises=True)
        if wrapped > 0xFFFFFFFF:
            with pytest.raises(IntakeError):
                read_url(f"https://[{inner}]/x", NOBODY)


def test_an_allowed_host_reaches_the_private_space_and_no_further() -> None:
    for text in ("10.0.0.1", "172.16.9.9", "192.168.1.1", "127.0.0.1", "100.64.0.1", "::1", "fd12::1", "1.1.1.1"):
        assert not refusal(ipaddress.ip_address(text), on_premises=True)
    for text in ("169.254.169.254", "fe80::1", "fd00:ec2::254", "0.0.0.1", "224.0.0.1", "::ffff:10.0.0.1", "::"):
        assert refusal(ipaddress.ip_address(text), on_premises=True)


def test_allowed_hosts_are_exact() -> None:
    allowed = AllowedHosts.parse(["NAS.example", "store.example:9000", "[fd00::0:5]:81", "fd00::6", "10.0.0.5:8080"])
    for place in (
        ("nas.example", 80),
        ("nas.example", 443),
        ("store.example", 9000),
        ("fd00::5", 81),
        ("fd00::6", 443),
        ("10.0.0.5", 8080),
    ):
        assert place in allowed
    for place in (("nas.example", 8080), ("store.example", 443), ("a.nas.example", 443), ("fd00::5", 443), ("", 443)):
        assert place not in allowed


@pytest.mark.parametrize(
    "text", ["", "*", "*.example", "http://x", "u@x", "x:y", "x:0", "x:99999", "[fd00::5", "[x]", "x:٣"]
)
def test_an_entry_that_is_no_host_is_said(text: str) -> None:
    with pytest.raises(InputError, match="no host"):
        AllowedHosts.parse([text])
