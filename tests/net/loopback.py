"""Servers on 127.0.0.1 that misbehave on demand, and a made-up internet whose names and addresses lead to them."""

import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ugclab.net.client import GuardedClient

PUBLIC = "93.184.216.34"
"""Stands for any public address: connections to it end at a server of the test, never there."""

Handle = Callable[[socket.socket, bytes], None]
"""Answers one connection, given the head of the request and what came of its body."""


def answer(status: str = "200 OK", body: bytes = b"", **headers: str) -> bytes:
    """An HTTP response; Content-Length unless another is given, and no header whose value is empty."""
    named = {"Content-Length": str(len(body))} | {k.replace("_", "-"): v for k, v in headers.items()}
    lines = "".join(f"{k}: {v}\r\n" for k, v in named.items() if v)
    return f"HTTP/1.1 {status}\r\n{lines}\r\n".encode("latin-1") + body


def saying(data: bytes) -> Handle:
    """A handler that answers with these bytes and hangs up."""
    return lambda connection, head: connection.sendall(data)


@dataclass
class Server:
    """A server on a free port of 127.0.0.1: one thread a connection, all ended with the `with` block."""

    handle: Handle
    tls: ssl.SSLContext | None = None
    greeting: bytes = b""
    """Sent before anything is read, as servers of other protocols do."""
    requests: list[bytes] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "Server":
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        with socket.create_connection(("127.0.0.1", self.port)):
            pass
        for thread in self._threads:
            thread.join()
        self._listener.close()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def _accept(self) -> None:
        while not self.stopped.is_set():
            connection, _ = self._listener.accept()
            if self.stopped.is_set():
                connection.close()
                return
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(10)
        with connection:
            try:
                wrapped = self.tls.wrap_socket(connection, server_side=True) if self.tls else connection
                with wrapped:
                    wrapped.sendall(self.greeting)
                    head = _read_request(wrapped)
                    self.requests.append(head)
                    self.handle(wrapped, head)
            except OSError:
                pass  # the client hung up: that is what most tests are about


def _read_request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        if not (more := connection.recv(65536)):
            return data
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    length = next((int(h[15:]) for h in head.split(b"\r\n") if h.lower().startswith(b"content-length:")), 0)
    while len(body) < length and (more := connection.recv(65536)):
        body += more
    return head + b"\r\n\r\n" + body


@dataclass
class Internet:
    """Names, addresses and servers that exist only here; what is asked of them is written down."""

    names: dict[str, Sequence[str] | Iterator[Sequence[str]]] = field(default_factory=dict)
    servers: dict[tuple[str, int], int] = field(default_factory=dict)
    """(address, port) -> port on 127.0.0.1"""
    resolved: list[str] = field(default_factory=list)
    connected: list[tuple[str, int]] = field(default_factory=list)
    requests: list[bytes] = field(default_factory=list)
    """What the server of `site` was asked."""

    def resolve(self, host: str, port: int) -> Sequence[str]:
        self.resolved.append(host)
        known = self.names.get(host, ())
        found = next(known) if isinstance(known, Iterator) else known
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return found

    def connect(self, address: str, port: int, timeout_s: float) -> socket.socket:
        self.connected.append((address, port))
        if (address, port) not in self.servers:
            raise ConnectionRefusedError(111, "refused")
        return socket.create_connection(("127.0.0.1", self.servers[address, port]), timeout_s)

    def client(self, *allowed: str, tls: ssl.SSLContext | None = None) -> GuardedClient:
        return GuardedClient(allowed, resolver=self.resolve, connect=self.connect, tls=tls)


@contextmanager
def site(handle: Handle, host: str = "files.example", tls: ssl.SSLContext | None = None) -> Iterator[Internet]:
    """A host with one server, on port 443 with TLS, and on port 80 without: then a client has to allow it."""
    with Server(handle, tls) as server:
        place = (PUBLIC, 443 if tls else 80)
        yield Internet({host: [PUBLIC]}, {place: server.port}, requests=server.requests)


@dataclass(frozen=True)
class Certificates:
    """A certificate authority of the test, and both sides' contexts."""

    server: ssl.SSLContext
    client: ssl.SSLContext


def make_certificates(folder: Path, *names: str) -> Certificates:
    """A self-signed certificate for these names and addresses, trusted by the client's context."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    alternatives: list[x509.GeneralName] = []
    for name in names:
        try:
            alternatives.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            alternatives.append(x509.DNSName(name))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "certificate.pem"
    pem.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem)
    client = ssl.create_default_context(cafile=str(pem))
    return Certificates(server, client)
