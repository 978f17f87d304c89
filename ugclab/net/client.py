"""The one way out: downloads and notifications on behalf of somebody, who may wish to reach what he must not.

No environment proxy is used, no cookie kept, no body decompressed, no second name look-up made between the check and
the connection, and nothing about an address beyond its host is repeated in a message.
"""

import hashlib
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

import httpcore2

from ugclab.errors import IntakeError, NetworkError
from ugclab.media.output import whole_file
from ugclab.net.addresses import AllowedHosts
from ugclab.net.transport import (
    CheckedBackend,
    Connect,
    Limits,
    Resolve,
    connect_by_system,
    resolve,
    resolve_by_system,
)
from ugclab.net.urls import Target, file_name, follow, read_url

MOST_REDIRECTS = 3
_MOVED = frozenset({301, 302, 303, 307, 308})
_LATER = frozenset({408, 425, 429})
_NO_ACCESS = frozenset({401, 403, 404, 410})
_PLAIN = frozenset({"", "identity", "aws-chunked", "binary", "none", "utf-8"})
"""Content codings that change nothing; the last ones are said by stores that repeat what an uploader claimed."""

_CHUNK = 1 << 18
"""Bytes of a file that are read, and sent, at once."""

Progress = Callable[[int, int], None]
"""Called with (bytes so far, bytes in all, or 0 where the server does not say)."""


@dataclass(frozen=True, slots=True)
class Downloaded:
    """What arrived, as it was received; whether it is what it claims is for others to see."""

    sha256: str
    size_bytes: int
    content_type: str
    """As the server says, lower case, without parameters; may be empty."""
    name: str
    """What a person would call the file: no path, nothing a terminal or a page acts upon."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said to a request that was sent; its body is not read."""

    status: int
    headers: Mapping[str, str]
    """By their lower-case names."""


@dataclass(frozen=True, slots=True)
class Reply(Answer):
    """An answer with its body."""

    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Response:
    target: Target
    status: int
    headers: Mapping[str, str]
    chunks: Iterable[bytes] = field(repr=False)


class GuardedClient:
    """Asks only what may be asked; see the module. Holds no connection between two calls; safe between threads.

    `allowed_hosts` are an operator's ("nas.example:9000"): they may have private addresses, and be asked without TLS.
    """

    def __init__(
        self,
        allowed_hosts: Iterable[str] = (),
        *,
        resolver: Resolve = resolve_by_system,
        connect: Connect = connect_by_system,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.allowed = AllowedHosts.parse(allowed_hosts)
        self._resolver = resolver
        self._connect = connect
        self._given_tls = tls

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """The system's authorities, and verification; reading them takes 40 ms."""
        return self._given_tls or ssl.create_default_context()

    def check(self, url: str) -> None:
        """Raise IntakeError for an address that can never be asked; nothing is resolved."""
        read_url(url, self.allowed)

    def download(
        self,
        url: str,
        to: Path,
        *,
        max_bytes: int,
        deadline_s: float,
        headers: Mapping[str, str] | None = None,
        on_progress: Progress = lambda done, total: None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Downloaded:
        """Fetch a file to `to`, which is whole or absent afterwards. The deadline covers everything.

        `headers` are for the server that is named: a redirect to another one does not carry them.

        Raises IntakeError for what is refused or not there, NetworkError for what may work later, Cancelled, and
        DiskFull or OutputError for the disk.
        """
        limits = Limits.within(deadline_s, cancelled)
        target = read_url(url, self.allowed)
        sent = headers or {}
        for _ in range(MOST_REDIRECTS + 1):
            with self._asked("GET", target, sent, b"", limits) as response:
                location = response.headers.get("location", "")
                if response.status not in _MOVED or not location:
                    return _receive(response, to, max_bytes, on_progress)
            before, target = target, follow(target, location, self.allowed)
            sent = sent if target.origin == before.origin else {}
        raise IntakeError(f"{target.host} redirects too often", hint="give the address of the file itself")

    def post(self, url: str, body: bytes, headers: Mapping[str, str], *, timeout_s: float) -> Answer:
        """Send bytes, and say what was answered: whatever status it is; a redirect is not followed.

        Raises IntakeError for an address that is refused, NetworkError where nobody answers in time.
        """
        target = read_url(url, self.allowed)
        with self._asked("POST", target, headers, body, Limits.within(timeout_s)) as response:
            return Answer(response.status, response.headers)

    def ask(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes = b"",
        *,
        timeout_s: float,
        max_bytes: int = 1 << 20,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Reply:
        """Send bytes, and read what was answered: whatever status it is; a redirect is not followed.

        Raises IntakeError for an address that is refused or an answer above `max_bytes`, NetworkError, Cancelled.
        """
        target = read_url(url, self.allowed)
        with self._asked(method, target, headers, body, Limits.within(timeout_s, cancelled)) as response:
            read = b""
            for chunk in response.chunks:
                read += chunk
                if len(read) > max_bytes:
                    raise IntakeError(f"{target.host} answers with more than {max_bytes} bytes")
            return Reply(response.status, response.headers, read)

    def send_file(
        self,
        method: str,
        url: str,
        path: Path,
        headers: Mapping[str, str],
        *,
        deadline_s: float,
        on_progress: Progress = lambda done, total: None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Answer:
        """Send a file, and say what was answered; a redirect is not followed. Raises as `ask`."""
        target = read_url(url, self.allowed)
        size = path.stat().st_size
        named = {name: value for name, value in headers.items() if name.lower() != "content-length"}
        with path.open("rb") as file:
            chunks = _read_in_chunks(file, size, on_progress)
            limits = Limits.within(deadline_s, cancelled)
            with self._asked(method, target, named | {"Content-Length": str(size)}, chunks, limits) as response:
                return Answer(response.status, response.headers)

    @contextmanager
    def _asked(
        self, method: str, target: Target, headers: Mapping[str, str], body: bytes | Iterator[bytes], limits: Limits
    ) -> Iterator[_Response]:
        """Make one request on a connection of its own."""
        backend = CheckedBackend(target, resolve(target, self._resolver, limits), self._connect, limits)
        sent = {"Host": target.authority, "User-Agent": "ugclab", "Accept": "*/*", "Accept-Encoding": "identity"}
        sent |= {"Connection": "close", **headers}
        if isinstance(body, bytes) and (body or method in {"POST", "PUT", "PATCH"}):
            sent["Content-Length"] = str(len(body))
        request = httpcore2.Request(
            method,
            httpcore2.URL(scheme=target.scheme, host=target.host, port=target.port, target=target.path),
            headers=list(sent.items()),
            content=body,
        )
        tls = self._tls if target.scheme == "https" else None
        with httpcore2.ConnectionPool(ssl_context=tls, max_connections=1, network_backend=backend) as pool:
            try:
                response = pool.handle_request(request)
            except httpcore2.ProtocolError as error:
                raise NetworkError(f"{target.host} does not answer in HTTP", hint="try again") from error
            except httpcore2.WriteError as error:
                raise NetworkError(f"{target.host} broke the connection", hint="try again") from error
            try:
                if backend.stream:
                    backend.stream.body_begins()
                known = {k.decode("latin-1").lower(): v.decode("latin-1").strip() for k, v in response.headers}
                yield _Response(target, response.status, known, _chunks(response, target))
            finally:
                response.close()


def _read_in_chunks(file: BinaryIO, size: int, on_progress: Progress) -> Iterator[bytes]:
    done = 0
    while chunk := file.read(_CHUNK):
        yield chunk
        done += len(chunk)
        on_progress(done, size)


def _chunks(response: httpcore2.Response, target: Target) -> Iterator[bytes]:
    try:
        yield from response.iter_stream()
    except httpcore2.ProtocolError as error:  # among others: fewer bytes than were announced
        raise NetworkError(f"{target.host} broke off before the end", hint="try again") from error


def _receive(response: _Response, to: Path, max_bytes: int, on_progress: Progress) -> Downloaded:
    """Write the body of a good answer; anything else is an error that says what to do."""
    host, headers = response.target.host, response.headers
    _check_status(response.status, host)
    if headers.get("content-encoding", "").lower() not in _PLAIN:
        raise IntakeError(f"{host} sends the file compressed, unasked", hint="give the address of the plain file")
    length = headers.get("content-length", "")
    total = int(length) if length.isdecimal() else None
    too_much = IntakeError(
        f"the file at {host} is larger than {max_bytes / 2**20:.4g} MB", hint="make it smaller, or cut it into parts"
    )
    if total is not None and total > max_bytes:
        raise too_much
    digest, done = hashlib.sha256(), 0
    with whole_file(to) as part, part.open("wb") as out:
        for chunk in response.chunks:
            done += len(chunk)
            if done > max_bytes:
                raise too_much
            digest.update(chunk)
            out.write(chunk)
            on_progress(done, total or 0)
        if not done:
            raise IntakeError(f"the file at {host} is empty", hint="upload it again, and give its new address")
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    return Downloaded(digest.hexdigest(), done, kind[:100], file_name(response.target, headers))


def _check_status(status: int, host: str) -> None:
    if status == 200:
        return
    if status in _LATER or status >= 500:
        raise NetworkError(f"{host} answers that it cannot for now ({status})", hint="try again later")
    if status in _NO_ACCESS:
        raise IntakeError(
            f"{host} does not give the file ({status}): the address has expired, is wrong, or needs a login",
            hint="make a new link that works in a private window of the browser",
        )
    raise IntakeError(f"{host} does not give the file ({status})", hint="give a plain https:// address of the file")
