"""A bad road to a store: a proxy on loopback that lets one write in so many fail."""

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


class Road:
    """What happened on it."""

    def __init__(self, target: str, every: int) -> None:
        self.host = urlsplit(target).netloc
        self.every = every
        self.address = ""
        self.writes = self.refused = self.lost = 0
        self._lock = threading.Lock()

    def fate(self) -> str:
        """Of the next write: "refused" before the server hears of it, "lost" after it has done it, or "passed"."""
        with self._lock:
            self.writes += 1
            if self.writes % self.every:
                return "passed"
            if self.writes // self.every % 2:
                self.refused += 1
                return "refused"
            self.lost += 1
            return "lost"


@contextmanager
def refusing(target: str, every: int = 10) -> Iterator[Road]:
    """Put a proxy before an S3 server. Half of the failures are refusals, half are answers that never arrive.

    The Host header is passed on as it came, since it is signed.
    """
    road = Road(target, every)

    class Proxy(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fate = road.fate() if self.command in ("PUT", "POST", "DELETE") else "passed"
            if fate == "refused":
                self.send_response(503)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            connection = http.client.HTTPConnection(road.host, timeout=30)
            try:
                connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                for name, value in self.headers.items():
                    if name.lower() not in ("expect", "connection"):
                        connection.putheader(name, value)
                connection.endheaders(body or None)
                answer = connection.getresponse()
                data = answer.read()
            finally:
                connection.close()
            if fate == "lost":
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("transfer-encoding", "connection", "date", "server", "content-length"):
                    self.send_header(name, value)
            length = answer.getheader("Content-Length") if self.command == "HEAD" else None
            self.send_header("Content-Length", length or str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def __getattr__(self, name: str) -> object:
            if name.startswith("do_"):
                return self.forward
            raise AttributeError(name)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 the name it has there
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """A client was killed in the middle of a request."""

    server = Server(("127.0.0.1", 0), Proxy)
    server.daemon_threads = True
    server.block_on_close = False  # a client's idle connections would be waited for
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    road.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield road
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
