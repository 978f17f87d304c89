"""What stands round a worker in tests: files to fetch, and Runpod's control plane, both on loopback.

The control plane answers as the platform does what runpod's worker loop asks: a job to take, jobs to stop, pings, and
the posts of progress and results.
"""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

WAIT_S = 30.0
POD = "pod1"


@dataclass
class Posted:
    """What a worker posted of a job."""

    job: str
    body: dict[str, Any]
    authorization: str

    @property
    def progress(self) -> bool:
        """Whether it is news of a job that goes on."""
        return self.body.get("status") == "IN_PROGRESS"


@dataclass
class Plane:
    """A server that is running; `folder` holds the files it gives out."""

    port: int
    folder: Path
    waiting: list[dict[str, Any]] = field(default_factory=list)
    stopping: list[str] = field(default_factory=list)
    posted: list[Posted] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    """Paths of requests, as they came."""
    changed: threading.Condition = field(default_factory=threading.Condition)
    closed: bool = False

    @property
    def host(self) -> str:
        """As an operator allows it."""
        return f"127.0.0.1:{self.port}"

    def file(self, name: str) -> str:
        """The address of a file, as if it were presigned."""
        return f"http://{self.host}/files/{name}?X-Amz-Signature=planted-signature"

    @property
    def environment(self) -> dict[str, str]:
        """What the platform sets for a worker."""
        base = f"http://{self.host}/v2/endpoint"
        return {
            "RUNPOD_POD_ID": POD,
            "RUNPOD_AI_API_KEY": "planted-key-of-the-platform",
            "RUNPOD_WEBHOOK_GET_JOB": f"{base}/job-take/$ID?gpu=none",
            "RUNPOD_WEBHOOK_POST_OUTPUT": f"{base}/job-done/$RUNPOD_POD_ID/$ID?gpu=none",
            "RUNPOD_WEBHOOK_POST_STREAM": f"{base}/job-stream/$RUNPOD_POD_ID/$ID?gpu=none",
            "RUNPOD_WEBHOOK_PING": f"{base}/ping/$RUNPOD_POD_ID?gpu=none",
            "RUNPOD_PING_INTERVAL": "1000",
        }

    def give(self, job_id: str, order: dict[str, Any], **more: Any) -> None:
        """Put a job in line."""
        with self.changed:
            self.waiting.append({"id": job_id, "input": order, **more})
            self.changed.notify_all()

    def stop(self, job_id: str) -> None:
        """Cancel a job that is being done."""
        with self.changed:
            self.stopping.append(job_id)
            self.changed.notify_all()

    def until(self, true: Callable[[], Any], otherwise: str, limit_s: float = WAIT_S) -> Any:
        """Wait until something that was posted or asked makes it so."""
        end = time.monotonic() + limit_s
        with self.changed:
            while not (found := true()):
                if not self.changed.wait(min(0.2, end - time.monotonic())) and time.monotonic() > end:
                    raise AssertionError(f"{otherwise}; posted: {[(p.job, p.body) for p in self.posted]}")
            return found

    def result(self, job_id: str, limit_s: float = WAIT_S) -> dict[str, Any]:
        """What a job came to."""
        found: list[Posted] = self.until(lambda: self.results(job_id), f"{job_id} is not answered", limit_s)
        return found[0].body

    def results(self, job_id: str) -> list[Posted]:
        """Every answer to a job: there should be one."""
        return [p for p in self.posted if p.job == job_id and not p.progress]

    def progress(self, job_id: str) -> list[dict[str, Any]]:
        """News of a job, in the order they came."""
        return [p.body["output"] for p in self.posted if p.job == job_id and p.progress]


@contextmanager
def serving(folder: Path) -> Iterator[Plane]:
    """Run it while the block lasts."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            with plane.changed:
                plane.asked.append(self.path)
                plane.changed.notify_all()
            if path.startswith("/files/"):
                self._file(plane.folder / Path(path).name)
            elif "/job-take/" in path:
                self._json(self._when(plane.waiting, lambda: plane.waiting.pop(0)))
            elif "/job-stop/" in path:
                self._json(self._when(plane.stopping, lambda: {"jobsToStop": [plane.stopping.pop(0)]}))
            else:
                self._json({})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            found = re.search(r"/job-done/([^/]+)/([^/]+)$", urlsplit(self.path).path)
            assert found is not None, self.path
            assert found[1] == POD
            assert parse_qs(urlsplit(self.path).query)["gpu"] == ["none"]
            with plane.changed:
                plane.posted.append(Posted(found[2], json.loads(body), self.headers.get("authorization", "")))
                plane.changed.notify_all()
            self._json({})

        def _when(self, there: list[Any], take: Callable[[], Any]) -> Any:
            """Hold the request for a while, as the platform does."""
            with plane.changed:
                plane.changed.wait_for(lambda: there or plane.closed, 0.5)
                return take() if there else None

        def _json(self, document: Any) -> None:
            data = json.dumps(document).encode() if document is not None else b""
            self.send_response(200 if data else 204)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def _file(self, path: Path) -> None:
            data = path.read_bytes() if path.exists() else b""
            self.send_response(200 if data else 404)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *words: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            """A worker was stopped in the middle of a request."""

    server = Server(("127.0.0.1", 0), Handler)
    plane = Plane(server.server_address[1], folder)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield plane
    finally:
        with plane.changed:
            plane.closed = True
            plane.changed.notify_all()
        server.shutdown()
        server.server_close()
        thread.join()
