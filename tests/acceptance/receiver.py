"""A webhook receiver on loopback that fails one message in three, and remembers all that it was sent."""

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks import Webhook, WebhookVerificationError


@dataclass(frozen=True)
class Post:
    """One message as it came."""

    event_id: str
    body: bytes
    signed: bool
    answered: bool
    """Whether the sender was told that it has arrived."""


@dataclass
class Receiver:
    """What has arrived, and where."""

    secret: str
    fate: random.Random
    host: str = ""
    posts: list[Post] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, headers: dict[str, str], body: bytes) -> str:
        """Note a message; says what becomes of it: "kept", "refused", or "lost", which is kept and not answered."""
        try:
            Webhook(self.secret).verify(body, headers)
            signed = True
        except WebhookVerificationError:
            signed = False
        with self.lock:
            fate = self.fate.choice(("refused", "lost")) if self.fate.random() < 1 / 3 else "kept"
            self.posts.append(Post(headers.get("webhook-id", ""), body, signed, fate == "kept"))
        return fate


@contextmanager
def receiving(secret: str, fate: random.Random) -> Iterator[Receiver]:
    """Listen on a free port of 127.0.0.1."""
    receiver = Receiver(secret, fate)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            fate = receiver.take({name.lower(): value for name, value in self.headers.items()}, body)
            if fate != "lost":
                self.send_response(204 if fate == "kept" else 503)
                self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 the name it has there
            pass

        def log_error(self, format: str, *args: object) -> None:  # noqa: A002 the name it has there
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, request: object, client_address: object) -> None:
            """A sender that was killed in the middle."""

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    receiver.host = f"127.0.0.1:{server.server_port}"
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
