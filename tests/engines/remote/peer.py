"""Another machine, as a process: the worker contract and Runpod's routes over the real pipeline, on loopback.

`python -m tests.engines.remote.peer FOLDER [PORT]` says its port on stdout and ends with its stdin. What it was asked
is in FOLDER/calls.jsonl; FOLDER/fault says in a word how it misbehaves. Orders lie in FOLDER, so that a peer that was
killed goes on with them when it is started again.
"""

import hashlib
import json
import os
import shutil
import sys
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import unquote
from urllib.request import urlopen

from tests.face_clips import write_clip
from ugclab.errors import UgclabError
from ugclab.pipeline.measure import version
from ugclab.pipeline.plan import SwapRequest
from ugclab.pipeline.run import run
from ugclab.pipeline.steps import Progress
from ugclab.schema.contract import (
    Order,
    OrderInput,
    OrderOutput,
    OrderState,
    OrderStatus,
    UploadLeave,
    WorkerHealth,
)
from ugclab.schema.job import JobError
from ugclab.schema.report import Report
from ugclab.settings import Settings

KEY = "key-of-the-peer"
COST_USD = 0.0123
RUNPOD = {
    OrderState.ACCEPTED: "IN_QUEUE",
    OrderState.QUEUED: "IN_QUEUE",
    OrderState.PROCESSING: "IN_PROGRESS",
    OrderState.COMPLETED: "COMPLETED",
    OrderState.FAILED: "FAILED",
}


class Shop:
    """The orders and their work, one at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("orders", "assets", "work"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        self.settings = Settings(data_dir=folder / "data")
        self.lock = threading.RLock()
        self.turn = threading.Lock()
        self.unwanted: set[str] = set()

    def resume(self) -> None:
        """Go on with what was open when it was killed; only once it can be asked for the files itself."""
        for path in sorted((self.folder / "orders").glob("*.json")):
            document = json.loads(path.read_text())
            if document["status"]["status"] in ("accepted", "queued", "processing"):
                self.begin(document["order"])

    def fault(self) -> str:
        path = self.folder / "fault"
        return path.read_text().strip() if path.exists() else ""

    def note(self, method: str, path: str, key: str, body: Any) -> None:
        line = json.dumps({"method": method, "path": path, "key": key, "body": body}) + "\n"
        with self.lock, (self.folder / "calls.jsonl").open("a") as out:
            out.write(line)

    def known(self, job_id: str) -> OrderStatus | None:
        with self.lock, suppress(FileNotFoundError):
            return OrderStatus.model_validate(json.loads(self._path(job_id).read_text())["status"])
        return None

    def _path(self, job_id: str) -> Path:
        return self.folder / "orders" / f"{job_id}.json"

    def set(self, order: dict[str, Any], status: OrderStatus) -> None:
        text = json.dumps({"order": order, "status": status.model_dump(mode="json")})
        with self.lock:
            self._path(status.job_id).with_suffix(".part").write_text(text)
            self._path(status.job_id).with_suffix(".part").replace(self._path(status.job_id))

    def take(self, order: dict[str, Any]) -> None:
        job_id = order["jobId"]
        if self.known(job_id) is None:
            self.set(order, OrderStatus(job_id=job_id, status=OrderState.ACCEPTED))
            self.begin(order)

    def begin(self, order: dict[str, Any]) -> None:
        threading.Thread(target=self._work, args=(order,), daemon=True).start()

    def cancel(self, job_id: str) -> None:
        self.unwanted.add(job_id)

    def _work(self, document: dict[str, Any]) -> None:
        order = Order.model_validate(document)
        with self.turn:
            try:
                status = self._done(document, order)
            except UgclabError as error:
                told = JobError(code=error.code, message=error.message, hint=error.hint, segment=error.segment)
                status = OrderStatus(job_id=order.job_id, status=OrderState.FAILED, error=told)
            self.set(document, status)

    def _done(self, document: dict[str, Any], order: Order) -> OrderStatus:
        given, job_id = order.input, order.job_id
        if code := self.fault().partition("fail:")[2]:
            told = JobError(code=code, message="the test wants it", hint="nothing to do", segment=0)
            return OrderStatus(job_id=job_id, status=OrderState.FAILED, error=told)
        options = given.options
        if given.photo_url:
            photo = str(self.local(given.photo_url))
            options = options.model_copy(update={"face": options.face.model_copy(update={"photo": photo})})
        out = self.folder / "work" / f"{job_id}.mp4"
        told_at = 0.0

        def told(progress: Progress) -> None:
            nonlocal told_at
            if time.monotonic() - told_at > 0.1 and progress.total:
                told_at = time.monotonic()
                share = 100 * min(progress.done / progress.total, 1)
                self.set(document, OrderStatus(job_id=job_id, status=OrderState.PROCESSING, progress=share))

        request = SwapRequest(
            source=self.local(given.source_video_url),
            avatar=self.local(given.avatar_image_url),
            out=out,
            plan=given.plan,
            engine=given.engine,
            options=options,
            fresh=True,
        )
        report = run(request, self.settings, on_progress=told, cancelled=lambda: job_id in self.unwanted)
        self._spoil(out)
        return OrderStatus(
            job_id=job_id, status=OrderState.COMPLETED, progress=100, output=self._output(job_id, report)
        )

    def _spoil(self, out: Path) -> None:
        fault = self.fault()
        if fault == "frames":
            write_clip(out, frames=7)
        elif fault == "size":
            write_clip(out, frames=10, width=160, height=120, has_face=lambda number: False)
        elif fault == "rate":
            write_clip(out, frames=10, rate=50)
        elif fault == "text":
            out.write_text("no video at all")
        elif fault == "damaged":
            out.write_bytes(out.read_bytes()[: -out.stat().st_size // 3])

    def _output(self, job_id: str, report: Report) -> OrderOutput:
        out = self.folder / "work" / f"{job_id}.mp4"
        digest = "0" * 64 if self.fault() == "hash" else hashlib.sha256(out.read_bytes()).hexdigest()
        url = f"/v1/results/{job_id}.mp4"
        if self.fault().startswith("result:"):
            url = self.fault().removeprefix("result:")
        measured = next(m for m in report.measurements if m.step == "swap")
        return OrderOutput(
            video_url=url,
            sha256=digest,
            size_bytes=out.stat().st_size,
            media_type="video/mp4",
            cost_usd=0.0 if self.fault() == "free" else COST_USD,
            seconds=36.0 if self.fault() == "free" else report.seconds,
            warnings=("the light is low",),
            summary={"engine": measured.engine, "engine_version": measured.engine_version},
        )

    def local(self, url: str) -> Path:
        """A file that was brought, or is fetched from an address."""
        if url.startswith("asset:"):
            return next((self.folder / "assets").glob(f"{url.removeprefix('asset:')}.*"))
        suffix = Path(url.partition("?")[0]).suffix
        path = self.folder / "assets" / f"{hashlib.sha256(url.encode()).hexdigest()}{suffix}"
        with urlopen(url) as answer, path.open("wb") as out:  # noqa: S310 of the test, on loopback
            shutil.copyfileobj(answer, out)
        return path


class Handler(BaseHTTPRequestHandler):
    """The routes."""

    shop: ClassVar[Shop]
    protocol_version = "HTTP/1.1"

    def _route(self) -> None:
        shop, path = self.shop, unquote(self.path.partition("?")[0])
        body = self.rfile.read(int(self.headers["content-length"] or 0))
        sending = path.startswith("/v1/uploads/")
        document = json.loads(body) if body and not sending else None
        key = (self.headers["authorization"] or "").removeprefix("Bearer ")
        shop.note(self.command, path, key, document)
        fault = shop.fault()
        if fault == "away":
            return self._say(503, {"error": {"code": "queue_unavailable", "message": "starting"}})
        if fault.startswith("redirect:") and path != "/health":
            return self._say(307, {}, Location=fault.removeprefix("redirect:"))
        if path.startswith("/bucket/"):  # as behind a signed address
            return self._send(200, (shop.folder / path[1:]).read_bytes())
        if key != KEY:
            return self._say(401, {"error": {"code": "key", "message": "who are you?"}})
        if path.startswith("/v2/x/"):
            return self._runpod(path.removeprefix("/v2/x/"), document)
        if path.startswith("/v1/"):
            return self._files(path, body, document)
        return self._contract(path, document)

    do_GET = do_POST = do_PUT = do_DELETE = _route  # noqa: N815

    def _contract(self, path: str, document: Any) -> None:
        shop, job_id = self.shop, path.removeprefix("/execute/")
        if path == "/health":
            if shop.fault() == "html":
                return self._send(200, b"<html>")
            engines = ("nothing",) if shop.fault() == "engines" else ("mesh", "tint", "ledger")
            health = WorkerHealth(
                status="ok", gpu_available=False, model_loaded=True, version=version(), engines=engines, workers=1
            )
            return self._say(200, health.model_dump(mode="json"))
        if (self.command, path) == ("POST", "/execute"):
            if shop.fault() == "consent":
                return self._say(400, {"error": {"code": "consent", "message": "nobody agreed", "hint": "say who"}})
            order = Order.model_validate(document)
            shop.take(document)
            return self._say(202, {"jobId": order.job_id, "status": "accepted"})
        status = shop.known(job_id)
        if status is None:
            return self._say(404, {"error": {"code": "job_not_found", "message": "no such order"}})
        if self.command == "DELETE":
            shop.cancel(job_id)
        return self._say(200, status.model_dump(mode="json"))

    def _files(self, path: str, body: bytes, document: Any) -> None:
        shop, name = self.shop, path.rpartition("/")[2]
        if path == "/v1/uploads":
            there = list((shop.folder / "assets").glob(f"{document['sha256']}.*"))
            stored = f"{document['sha256']}{Path(document['name']).suffix}"
            if there:
                return self._say(201, UploadLeave(asset=f"asset:{document['sha256']}").model_dump(mode="json"))
            leave = UploadLeave(upload_id=stored, url=f"http://elsewhere/{stored}", headers={"X-Signed": "yes"})
            return self._say(201, leave.model_dump(mode="json"))
        if self.command == "PUT":
            assert self.headers["x-signed"] == "yes"
            assert hashlib.sha256(body).hexdigest() == Path(name).stem
            (shop.folder / "assets" / name).write_bytes(body)
            return self._send(204, b"")
        result = shop.folder / "work" / name
        if not result.exists():
            return self._say(404, {})
        return self._send(200, result.read_bytes(), "video/mp4")

    def _runpod(self, path: str, document: Any) -> None:
        shop, (verb, _, ref) = self.shop, path.partition("/")
        if verb == "health":
            return self._say(200, {"jobs": {}, "workers": {"idle": 1}})
        if verb == "run":
            asked = OrderInput.model_validate(document["input"])
            number = len(list((shop.folder / "orders").glob("*.json"))) + 1
            order = Order(job_id=f"runpod-{number}-u1", input=asked).model_dump(mode="json")
            if shop.fault() != "stuck":
                shop.take(order)
            else:
                shop.set(order, OrderStatus(job_id=order["jobId"], status=OrderState.QUEUED))
            return self._say(200, {"id": order["jobId"], "status": "IN_QUEUE"})
        status = shop.known(ref)
        if status is None:
            return self._say(404, {"error": "job not found"})
        if verb == "cancel":
            shop.cancel(ref)
            return self._say(200, {"id": ref, "status": "CANCELLED"})
        answer: dict[str, Any] = {"id": ref, "status": RUNPOD[status.status], "executionTime": 7200, "delayTime": 10}
        if shop.fault().startswith("state:"):
            answer["status"] = shop.fault().removeprefix("state:")
        elif status.status is OrderState.PROCESSING:
            answer["output"] = {"progress": status.progress}
        elif status.output is not None:
            output = status.output.model_dump(mode="json")
            # As from a store of its own: an address elsewhere, for nobody's key.
            output["videoUrl"] = f"http://{self.headers['host']}{output['videoUrl']}"
            answer["output"] = output
        elif status.error is not None:
            answer["error"] = status.error.message
            answer["output"] = {"code": status.error.code, "hint": status.error.hint}
        return self._say(200, answer)

    def _say(self, status: int, document: Any, **headers: str) -> None:
        self._send(status, json.dumps(document).encode(), "application/json", **headers)

    def _send(self, status: int, body: bytes, kind: str = "text/html", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        with suppress(OSError):
            self.wfile.write(body)

    def log_message(self, *words: Any) -> None:
        pass


class Server(ThreadingHTTPServer):
    """Quiet about clients that die."""

    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        kind = sys.exc_info()[0]
        if kind is None or not issubclass(kind, OSError):
            super().handle_error(*_)


def main() -> None:
    folder = Path(sys.argv[1])
    Handler.shop = Shop(folder)
    server = Server(("127.0.0.1", int(sys.argv[2]) if len(sys.argv) > 2 else 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write(f"{server.server_address[1]}\n")
    sys.stdout.flush()
    Handler.shop.resume()
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
