"""The wire below the guarded client: a name is resolved once, and the address that was checked is connected to.

Everything here ends at one deadline, whatever the other side does: name service, connecting, TLS, and a server that
sends a byte now and then.
"""

import ipaddress
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import httpcore2

from ugclab.errors import Cancelled, IntakeError, NetworkError
from ugclab.net.addresses import Address, refusal
from ugclab.net.urls import Target

CONNECT_TIMEOUT_S = 5.0
"""To one address; a reachable one answers in well under a second."""
SILENCE_S = 30.0
"""Longest silence of a server that has answered."""
MOST_ADDRESSES = 4
"""Tried for one host: where a network is closed off, each of them swallows packets."""
HEAD_BYTES = 64 * 1024
"""Of everything before the body; servers of repute stay below 16 KiB."""
_GLANCE_S = 0.5
"""Between two looks at whether the work was cancelled."""

Resolve = Callable[[str, int], Sequence[str]]
"""Gives the addresses of (host, port) in the order in which they should be tried; raises OSError."""
Connect = Callable[[str, int, float], socket.socket]
"""Opens a TCP connection to (address, port) within so many seconds; raises OSError."""


def resolve_by_system(host: str, port: int) -> list[str]:
    """Ask the system's name service."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(place[0]) for *_, place in found))


def connect_by_system(address: str, port: int, timeout_s: float) -> socket.socket:
    """Connect to an address; nothing is resolved, since it is one already."""
    return socket.create_connection((address, port), timeout_s)


@dataclass(frozen=True, slots=True)
class Limits:
    """The instant by which a whole call has to be done, and whether anybody still wants it."""

    end: float
    budget_s: float
    cancelled: Callable[[], bool]

    @classmethod
    def within(cls, budget_s: float, cancelled: Callable[[], bool] = lambda: False) -> "Limits":
        """Start the clock."""
        return cls(time.monotonic() + budget_s, budget_s, cancelled)

    def left_s(self, host: str) -> float:
        """Seconds left, more than 0. Raises NetworkError when none are, Cancelled when nobody waits."""
        if self.cancelled():
            raise Cancelled("the transfer was cancelled")
        left = self.end - time.monotonic()
        if left <= 0:
            raise NetworkError(f"{host} took longer than {self.budget_s:g} s", hint="try again, or use a faster server")
        return left


def resolve(target: Target, ask: Resolve, limits: Limits) -> list[Address]:
    """Every address of the host, all of them checked: one that is closed condemns the host. Raises our errors."""
    if target.literal:
        return [target.literal]  # checked when it was read
    answers: queue.SimpleQueue[Sequence[str] | OSError] = queue.SimpleQueue()

    def work() -> None:
        try:
            answers.put(ask(target.host, target.port))
        except (OSError, UnicodeError) as error:
            answers.put(error if isinstance(error, OSError) else OSError(str(error)))

    # The system's resolver knows no timeout: a thread that nobody waits for any more ends by itself.
    threading.Thread(target=work, name="resolve", daemon=True).start()
    while True:
        try:
            answer = answers.get(timeout=min(_GLANCE_S, limits.left_s(target.host)))
            break
        except queue.Empty:
            continue
    if isinstance(answer, OSError) or not answer:
        raise NetworkError(f"no address of {target.host} is known", hint="check the spelling of the address")
    addresses = []
    for text in answer:
        address = ipaddress.ip_address(text)
        if why := refusal(address, on_premises=target.on_premises):
            raise IntakeError(
                f"{target.host} is not a host of the internet ({why})",
                hint="an operator can allow it by UGCLAB_INTAKE_HOSTS",
            )
        addresses.append(address)
    return _families_in_turn(addresses)[:MOST_ADDRESSES]


def _families_in_turn(addresses: Sequence[Address]) -> list[Address]:
    """In their order, but no family before the other has had its turn: one of them may lead nowhere."""
    ranked: list[tuple[int, int, Address]] = []
    for place, address in enumerate(addresses):
        before = sum(1 for other in addresses[:place] if other.version == address.version)
        ranked.append((before, place, address))
    return [address for _, _, address in sorted(ranked)]


class CheckedBackend(httpcore2.NetworkBackend):
    """Connects to one target and to nothing else, at the addresses it was given."""

    def __init__(self, target: Target, addresses: Sequence[Address], connect: Connect, limits: Limits) -> None:
        self._target = target
        self._addresses = addresses
        self._connect = connect
        self._limits = limits
        self.stream: BoundedStream | None = None

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        """Connect to the first checked address that answers. Raises NetworkError."""
        if (host, port) != (self._target.host, self._target.port):
            raise IntakeError(f"{host} was not asked for")
        failure: OSError | None = None
        for address in self._addresses:
            try:
                left = min(CONNECT_TIMEOUT_S, self._limits.left_s(host))
                connection = self._connect(str(address), port, left)
            except OSError as error:
                failure = error
            else:
                self.stream = BoundedStream(connection, host, self._limits)
                return self.stream
        reason = "is silent" if isinstance(failure, TimeoutError) else "refuses the connection"
        raise NetworkError(f"{host} {reason}", hint="try again later") from failure


class BoundedStream(httpcore2.NetworkStream):
    """A connection that ends at the deadline, and whose first bytes are counted until the body begins."""

    def __init__(self, connection: socket.socket, host: str, limits: Limits) -> None:
        self._socket = connection
        self._host = host
        self._limits = limits
        self._head_left: int | None = HEAD_BYTES

    def body_begins(self) -> None:
        """The head has been read: from here on its reader counts."""
        self._head_left = None

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read what is there. Raises NetworkError, IntakeError for an endless head, Cancelled."""
        if self._head_left is not None:
            if self._head_left <= 0:
                raise IntakeError(f"{self._host} answers with more than {HEAD_BYTES} bytes of headers")
            max_bytes = min(max_bytes, self._head_left)
        silent_at = time.monotonic() + SILENCE_S
        while True:
            self._socket.settimeout(min(_GLANCE_S, self._limits.left_s(self._host)))
            try:
                data = self._socket.recv(max_bytes)
                break
            except TimeoutError:
                if time.monotonic() > silent_at:
                    raise NetworkError(f"{self._host} fell silent for {SILENCE_S:g} s", hint="try again") from None
            except OSError as error:
                raise NetworkError(f"{self._host} broke the connection", hint="try again") from error
        if self._head_left is not None:
            self._head_left -= len(data)
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all of it. Raises NetworkError at the deadline."""
        view = memoryview(buffer)
        while view:
            self._socket.settimeout(min(_GLANCE_S, self._limits.left_s(self._host)))
            try:
                view = view[self._socket.send(view) :]
            except TimeoutError:
                continue  # the deadline's own words, or those of who cancelled
            except OSError as error:
                raise httpcore2.WriteError(str(error)) from error  # it may have answered before it closed

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        """Encrypt, and check that the certificate is the host's. Raises IntakeError where it is not."""
        try:
            self._socket.settimeout(min(SILENCE_S, self._limits.left_s(self._host)))  # of the whole handshake
            self._socket = ssl_context.wrap_socket(self._socket, server_hostname=self._host)
        except ssl.SSLCertVerificationError as error:
            self.close()
            raise IntakeError(
                f"the certificate of {self._host} is not valid ({error.verify_message})",
                hint="use a host whose certificate a browser accepts",
            ) from error
        except OSError as error:
            self.close()
            self._limits.left_s(self._host)
            raise NetworkError(f"{self._host} does not speak TLS as it should", hint="try again") from error
        return self

    def get_extra_info(self, info: str) -> Any:
        """Whether there is something to read is all that is asked."""
        return False if info == "is_readable" else None
