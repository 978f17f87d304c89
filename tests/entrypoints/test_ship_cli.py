"""`ugclab health` and `ugclab licences`: what a container's check asks, and what an image is delivered with."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from ugclab.entrypoints.cli import main
from ugclab.jobs.database import Database
from ugclab.jobs.heartbeat import Heartbeats, Identity
from ugclab.settings import Settings


def call(*words: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(list(words))
    return int(left.value.code or 0)


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UGCLAB_DATA_DIR", str(tmp_path / "data"))


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[int, bytes]]]:
    """A server whose next answers are these."""
    said: list[tuple[int, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = said.pop(0) if self.path == "/health" else (404, b"")
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("UGCLAB_PORT", str(server.server_address[1]))
    yield said
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("mode", ["page", "serve"])
def test_a_server_is_well_if_it_says_so(
    mode: str, answers: list[tuple[int, bytes]], capsys: pytest.CaptureFixture[str]
) -> None:
    answers += [(200, json.dumps({"status": "ok"}).encode()), (200, b"fine"), (503, b"")]
    assert call("health", mode) == 0
    assert "answers ok" in capsys.readouterr().out
    assert call("health", mode) == 0
    assert call("health", mode) == 32


def test_a_server_that_is_not_there_is_not_well(
    answers: list[tuple[int, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UGCLAB_PORT", "1")
    assert call("health", "page") == 32


def test_a_worker_is_well_while_it_is_heard_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert call("health", "worker") == 74
    database = Database(Settings().queue_url)
    database.prepare()
    beats = Heartbeats(database)
    beats.begin("elsewhere-1234-0", "1", 1, "cpu")
    assert call("health", "worker") == 74, "another machine's worker says nothing of this one"
    own = Identity(tmp_path / "workers")
    beats.begin(own.executor_id, "1", 1, "cpu")
    assert call("health", "worker") == 0
    monkeypatch.setenv("UGCLAB_TAKEOVER_S", "1e-9")
    assert call("health", "worker") == 74
    monkeypatch.delenv("UGCLAB_TAKEOVER_S")
    beats.beat(own.executor_id, "stopped")
    assert call("health", "worker") == 74
    own.release()
    database.close()


def test_modes() -> None:
    assert call("health", "serverless") == 0
    assert call("health", "nonsense") == 10


def test_licences_name_what_is_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("UGCLAB_CACHE_DIR", str(tmp_path))
    bound = tmp_path / "weights/insightface/inswapper_128.onnx"
    bound.parent.mkdir(parents=True)
    bound.touch()
    (tmp_path / "weights/wan2.2-animate").mkdir()
    assert call("licences") == 0
    text = capsys.readouterr().out
    assert "| numpy | " in text
    assert "| insightface/inswapper_128.onnx | InsightFace: non-commercial research only |" in text
    assert "mediapipe/face_landmark.tflite" not in text, "it is not here"
    assert "| wan2.2-animate | Apache-2.0; its preprocessing" in text
    assert "| imageio-ffmpeg | an ffmpeg program, run as a program | GPL |" in text
    assert "| mesh | Apache-2.0 |" in text
    assert not [line for line in text.splitlines() if line.startswith("|") and line.endswith("|  |  |")]
