"""Reading an address somebody else wrote: one meaning, or none.

Parsers disagree about backslashes, userinfo, numbers as hosts and characters beyond ASCII; what two programs may read
differently is refused here, so that what was checked is what is connected to.
"""

import ipaddress
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from email.utils import collapse_rfc2231_value
from urllib.parse import quote, unquote, urljoin, urlsplit

from ugclab.errors import IntakeError
from ugclab.net.addresses import DEFAULT_PORTS, Address, AllowedHosts, refusal

LONGEST_URL = 8192
"""Presigned addresses with a session token reach 2,000 characters."""
LONGEST_NAME = 120
"""Bytes: a file system takes 255, and whoever writes the file may add to it."""

_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_HINT = "give a plain https:// address of the file itself"
_KEPT = "%/:=&?~#+!$,;'@()*[]|^`{}\\\"<>-._"


@dataclass(frozen=True, slots=True)
class Target:
    """An address that may be asked, as far as can be told before its name is resolved."""

    scheme: str
    host: str
    """Lower case, without brackets or a last dot."""
    port: int
    path: str
    """Path and query, percent-encoded: what follows the host in the request. Holds secrets: never shown."""
    on_premises: bool
    """An operator allows this host to have private addresses, and to be asked without TLS."""

    def __repr__(self) -> str:
        return f"Target({self})"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}/…"

    @property
    def authority(self) -> str:
        """The host as the header of that name has it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> tuple[str, str, int]:
        """Whose secrets it may be told: scheme, host and port."""
        return self.scheme, self.host, self.port

    @property
    def literal(self) -> Address | None:
        """The address itself, where it is written instead of a name."""
        try:
            return ipaddress.ip_address(self.host)
        except ValueError:
            return None

    @property
    def url(self) -> str:
        """The whole address, secrets included."""
        return f"{self.scheme}://{self.authority}{self.path}"


def read_url(url: str, allowed: AllowedHosts) -> Target:
    """Read an address, and refuse what can never be asked. Pure: nothing is resolved. Raises IntakeError.

    No message repeats more of it than its host: paths and queries carry signatures.
    """
    url = url.strip(" ")
    if len(url) > LONGEST_URL:
        raise IntakeError(f"the address is longer than {LONGEST_URL} characters", hint=_HINT)
    if any(unicodedata.category(c) in {"Cc", "Cf", "Zl", "Zp"} for c in url):
        raise IntakeError("the address holds control characters", hint=_HINT)
    scheme, separator, _ = url.partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in DEFAULT_PORTS:
        raise IntakeError("the address does not begin with https://", hint=_HINT)
    try:
        parts = urlsplit(url)
    except ValueError:
        raise IntakeError("the address cannot be read", hint=_HINT) from None  # the cause may quote a password
    if "@" in parts.netloc:
        raise IntakeError("the address holds a user name or password", hint="give a presigned address instead")
    if "\\" in url.partition("?")[0]:
        raise IntakeError("the address holds a backslash", hint=_HINT)
    host, port_text = _split(parts.netloc)
    host = _host(host)
    port = int(port_text) if port_text else DEFAULT_PORTS[scheme]
    on_premises = (host, port) in allowed
    if scheme == "http" and not on_premises:
        raise IntakeError(f"{host} is addressed without encryption", hint="give its https:// address")
    if port not in DEFAULT_PORTS.values() and not on_premises:
        raise IntakeError(f"port {port} of {host} is not open to jobs", hint="use port 443, or ask the operator")
    path = quote(parts.path or "/", safe=_KEPT) + (f"?{quote(parts.query, safe=_KEPT)}" if parts.query else "")
    target = Target(scheme, host, port, path, on_premises)
    if (literal := target.literal) and (why := refusal(literal, on_premises=on_premises)):
        raise IntakeError(f"{host} is not an address of the internet ({why})", hint=_HINT)
    if (host == "localhost" or host.endswith(".localhost")) and not on_premises:
        raise IntakeError(f"{host} is this machine", hint=_HINT)
    return target


def _split(netloc: str) -> tuple[str, str]:
    """Host and port of an authority without userinfo; brackets stay with the host."""
    if netloc.startswith("["):
        host, bracket, rest = netloc.partition("]")
        host, colon, port = host + bracket, rest[:1], rest[1:]
        if not bracket or colon not in ("", ":"):
            raise IntakeError("the host of the address cannot be read", hint=_HINT)
    else:
        host, _, port = netloc.partition(":")
    if port and not (port.isascii() and port.isdigit() and len(port) <= 5):
        raise IntakeError("the port of the address cannot be read", hint=_HINT)
    return host, port


def _host(text: str) -> str:
    """One spelling of a host. What stands for an address without being written as one is refused."""
    if not text.isascii():
        raise IntakeError("the host of the address is not in plain letters", hint="write it in its xn-- form")
    host = text.lower()
    if host.startswith("["):
        try:
            return str(ipaddress.IPv6Address(host[1:-1]))
        except ValueError:
            raise IntakeError("the host of the address is no IPv6 address", hint=_HINT) from None
    host = host.removesuffix(".")
    labels = host.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        try:
            return str(ipaddress.IPv4Address(host))  # four decimal numbers without leading zeros, and nothing else
        except ValueError:
            raise IntakeError("the host of the address is a number", hint=_HINT) from None
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise IntakeError("the host of the address is no name", hint=_HINT)
    return host


def follow(target: Target, location: str, allowed: AllowedHosts) -> Target:
    """Where a redirect leads: checked like any address, and never from https to http. Raises IntakeError."""
    try:
        url = urljoin(target.url, location.strip(" "))
    except ValueError:
        raise IntakeError(f"{target.host} redirects to what cannot be read", hint=_HINT) from None
    try:
        there = read_url(url, allowed)
    except IntakeError as error:
        raise IntakeError(f"{target.host} redirects elsewhere, and {error.message}", hint=error.hint) from None
    if target.scheme == "https" and there.scheme == "http":
        raise IntakeError(f"{target.host} redirects to {there.host} without encryption", hint=_HINT)
    return there


def file_name(target: Target, headers: Mapping[str, str]) -> str:
    """What a person would call the file: by Content-Disposition, else by the path; safe to show and to write."""
    message = Message()
    message["content-disposition"] = headers.get("content-disposition", "")
    try:
        said = message.get_param("filename", header="content-disposition")
        named = collapse_rfc2231_value(said) if said else ""
    except (LookupError, ValueError):
        named = ""
    return clean_name(named) or clean_name(unquote(target.path.partition("?")[0])) or "download"


def clean_name(text: str) -> str:
    """The last part of a path without what a terminal, a page or a file system would act upon; may be empty."""
    text = unicodedata.normalize("NFC", text.replace("\\", "/")).rstrip("/").rpartition("/")[2]
    kept = "".join(c for c in text if unicodedata.category(c)[0] not in "CZ" or c == " ")
    kept = re.sub(r'[<>:"|?*]', "_", kept).strip(" .")
    stem, dot, suffix = kept.rpartition(".")
    tail = dot + suffix if stem and len(suffix.encode()) < 10 else ""
    body = kept.removesuffix(tail).encode()[: LONGEST_NAME - len(tail.encode())]
    return body.decode(errors="ignore") + tail
