"""Which addresses may be connected to: those of the open internet, and what an operator allows by name.

A request made on behalf of somebody else must not reach what only this machine can reach: itself, its network, the
metadata service of its cloud. The networks are those of IANA's special-purpose registries; the list is ours, and not
`is_global`, since that has changed between Python's patch releases.
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from ugclab.errors import InputError

Address = IPv4Address | IPv6Address

DEFAULT_PORTS = {"http": 80, "https": 443}

_CLOSED_V4 = tuple(
    (IPv4Network(network), name)
    for network, name in (
        ("0.0.0.0/8", "unspecified"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "shared"),
        ("127.0.0.0/8", "loopback"),
        ("168.63.129.16/32", "a cloud's own"),  # Azure's host agent: looks public, answers only to its own machines
        ("169.254.0.0/16", "link-local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "reserved"),
        ("192.0.2.0/24", "documentation"),
        ("192.88.99.0/24", "6to4 relay"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "benchmarking"),
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
    )
)
_OPEN_V6 = IPv6Network("2000::/3")
"""All the global unicast space IANA gives out: mapped, compatible, NAT64, ULA, site-local and multicast lie outside."""
_CLOSED_V6 = tuple(
    (IPv6Network(network), name)
    for network, name in (
        ("2001::/23", "reserved"),  # Teredo, ORCHID, benchmarking: nobody's web server
        ("2001:db8::/32", "documentation"),
        ("2002::/16", "6to4"),
        ("3ffe::/16", "reserved"),
        ("3fff::/20", "documentation"),
    )
)
_ISATAP = frozenset({0x00005EFE, 0x02005EFE})
"""The upper half of an interface id whose lower half is an IPv4 address (RFC 5214)."""
_ON_PREMISES: tuple[IPv4Network | IPv6Network, ...] = (
    *(IPv4Network(n) for n in ("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")),
    *(IPv6Network(n) for n in ("::1/128", "fc00::/7")),
)
"""What a host that an operator allows may resolve to besides: never link-local, where clouds keep credentials."""
_CLOUD_ULA = frozenset({IPv6Address("fd00:ec2::254"), IPv6Address("fd20:ce::254")})
"""Metadata services inside the private space: AWS and Google."""


def refusal(address: Address, *, on_premises: bool = False) -> str:
    """Say in a word why nothing may be connected to at that address; empty where it may.

    `on_premises` says that an operator allows the host although its addresses are private.
    """
    if on_premises and any(address.version == n.version and address in n for n in _ON_PREMISES):
        return "a cloud's own" if address in _CLOUD_ULA else ""
    if isinstance(address, IPv4Address):
        return next((name for network, name in _CLOSED_V4 if address in network), "")
    if address.scope_id or address not in _OPEN_V6:
        return "not public"
    if (int(address) >> 32) & 0xFFFFFFFF in _ISATAP:
        return "IPv4 in IPv6"
    return next((name for network, name in _CLOSED_V6 if address in network), "")


@dataclass(frozen=True, slots=True)
class AllowedHosts:
    """The hosts an operator allows: each by its exact name, on ports 80 and 443 or on the one port it names."""

    entries: frozenset[tuple[str, int | None]] = frozenset()

    @classmethod
    def parse(cls, texts: Iterable[str]) -> "AllowedHosts":
        """Read "nas.example", "nas.example:9000", "10.0.0.5:9000" or "[fd00::5]:9000". Raises InputError."""
        return cls(frozenset(_entry(text.strip().lower()) for text in texts))

    def __contains__(self, place: tuple[str, int]) -> bool:
        host, port = place
        return (host, port) in self.entries or (port in DEFAULT_PORTS.values() and (host, None) in self.entries)


def _entry(text: str) -> tuple[str, int | None]:
    wrong = InputError(f"{text!r} is no host", hint="UGCLAB_INTAKE_HOSTS takes names or name:port, with commas")
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise wrong
        port = rest[1:]
    elif text.count(":") > 1:
        host, port = text, ""
    else:
        host, _, port = text.partition(":")
    if ":" in host or text.startswith("["):
        try:
            host = str(ipaddress.IPv6Address(host))
        except ValueError:
            raise wrong from None
    host = host.removesuffix(".")
    if not host or set("*/@?#% ") & set(host) or (port and not (port.isascii() and port.isdigit())):
        raise wrong
    number = int(port) if port else None
    if number is not None and not 0 < number < 65536:
        raise wrong
    return host, number
