"""A webhook receiver on loopback that answers what a test wants, and remembers what it was told."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Told:
    """One request."""

    headers: dict[str, str]
    body: bytes
    answer: int


@dataclass
class Receiver:
    """A server that is running."""

    port: int
    told: list[Told] = field(default_factory=list)
    answer: Callable[[int], int | tuple[int, dict[str, str]]] = lambda number: 204

    @property
    def host(self) -> str:
        """As an operator allows it."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{self.host}/hook"


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Run a receiver while the block lasts."""
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            with lock:
                given = receiver.answer(len(receiver.told))
                status, extra = given if isinstance(given, tuple) else (given, {})
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.told.append(Told(headers, body, status))
            self.send_response(status)
            for name, value in {**extra, "content-length": "0"}.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *words: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: Any) -> None:
            """A sender was killed in the middle of a message."""

    server = Server(("127.0.0.1", 0), Handler)
    receiver = Receiver(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
