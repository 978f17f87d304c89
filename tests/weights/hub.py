"""A small server that speaks the part of the Hugging Face hub's protocol a pull uses, on the loopback."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlparse

REPOSITORY, REVISION = "team/model", "c" * 40


class Hub:
    """Files by path; what to do wrong; and what was asked."""

    def __init__(self, files: dict[str, bytes], large: int = 1000) -> None:
        self.files = files
        self.large = large
        self.cut: dict[str, int] = {}  # path -> bytes after which the line breaks, for good
        self.swapped: dict[str, bytes] = {}  # path -> other bytes of the same length
        self.ranges: list[tuple[str, str]] = []
        self.gets: list[str] = []
        self.endpoint = ""

    def listing(self) -> list[dict[str, object]]:
        entries: list[dict[str, object]] = [{"type": "directory", "path": "sub", "oid": "0" * 40, "size": 0}]
        for path, data in self.files.items():
            oid = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
            entry: dict[str, object] = {"type": "file", "path": path, "size": len(data), "oid": oid}
            if len(data) >= self.large:
                entry["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130}
            entries.append(entry)
        return entries


@contextmanager
def serve(hub: Hub) -> Iterator[Hub]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: object) -> None:
            return

        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

        def answer(self, *, body: bool) -> None:
            path = unquote(urlparse(self.path).path)
            if path == f"/api/models/{REPOSITORY}/tree/{REVISION}":
                self.send(200, json.dumps(hub.listing()).encode(), {"Content-Type": "application/json"})
            elif path.startswith(prefix := f"/{REPOSITORY}/resolve/{REVISION}/") and path[len(prefix) :] in hub.files:
                self.file(path[len(prefix) :], body=body)
            else:
                self.send(404, b"{}", {"X-Error-Code": "RepoNotFound"})

        def file(self, name: str, *, body: bool) -> None:
            data = hub.swapped.get(name, hub.files[name])
            headers = {"ETag": '"x"', "X-Repo-Commit": REVISION}
            if not body:
                self.send(200, data, headers, body=False)
                return
            hub.gets.append(name)
            start = 0
            if asked := self.headers.get("Range"):
                hub.ranges.append((name, asked))
                start = int(asked.removeprefix("bytes=").rstrip("-"))
                headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
            piece = data[start:]
            if name in hub.cut:
                self.send_response(206 if start else 200)
                self.send_header("Content-Length", str(len(piece)))
                self.end_headers()
                self.wfile.write(piece[: max(0, hub.cut[name] - start)])
                self.close_connection = True
                return
            self.send(206 if start else 200, piece, headers)

        def send(self, status: int, data: bytes, headers: dict[str, str], *, body: bool = True) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if body and self.command == "GET":
                self.wfile.write(data)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    hub.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
