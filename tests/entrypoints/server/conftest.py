"""A server without a process: its app, keys of several users, and jobs that a worker would have done."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from tests.conftest import ROOT
from tests.face_clips import write_clip
from ugclab import sample
from ugclab.entrypoints.server.server import Server
from ugclab.jobs import records
from ugclab.jobs.database import Database
from ugclab.jobs.heartbeat import Heartbeats
from ugclab.jobs.keys import Keys, NewKey
from ugclab.schema.job import JobError, JobProgress, JobState
from ugclab.schema.media import Asset
from ugclab.settings import Settings
from ugclab.storage import paths

RESULT = b"0123456789" * 100
PLAN = "0-0.4:swap,0.4-1:keep,1-1.4:swap"
FOOTAGE, FACE = "https://a.example/v.mp4", "https://a.example/me.jpg"
ASKED = {"source_video_url": FOOTAGE, "avatar_image_url": FACE, "consent": "own-face"}


@dataclass
class Place:
    """One installation with its server."""

    server: Server
    clients: list[TestClient] = field(default_factory=list)

    @property
    def queue(self) -> Any:
        return self.server.queue

    def key(self, user: str = "ann", **new: Any) -> str:
        """A fresh key."""
        return Keys(self.queue.database).create(NewKey.read(user=user, **new))[0]

    def client(self, key: str = "", **more: Any) -> TestClient:
        """Who asks with a key; without one nobody does."""
        headers = {"authorization": f"Bearer {key}"} if key else {}
        client = TestClient(self.server.app, headers=headers, raise_server_exceptions=False, **more)
        self.clients.append(client)
        return client

    def user(self, user: str = "ann", **new: Any) -> TestClient:
        """Somebody with a key for everything."""
        return self.client(self.key(user, **({"scopes": ("admin",)} | new)), follow_redirects=False)

    def worker(self, name: str = "w-0", loaded: tuple[str, ...] = (), device: str = "cpu") -> None:
        """A worker that gives signs of life."""
        beats = Heartbeats(self.queue.database)
        beats.begin(name, "stages-1", 2, device)
        beats.beat(name, loaded=loaded)

    def ended(self, job_id: str, state: JobState, **given: Any) -> None:
        """Bring a job to its end."""
        with self.queue.database.transaction() as connection:
            assert records.end(connection, self.queue.database, self.queue.flow, job_id, state, **given)

    def failed(self, job_id: str) -> None:
        """As a worker would leave a job that failed."""
        error = JobError(code="face_not_found", message="no face is seen", hint="take another segment", stage="analyse")
        self.ended(job_id, JobState.FAILED, error=error)

    def running(self, job_id: str, percent: float = 40.0) -> records.Claimed:
        """As a worker would have it in hand."""
        held = records.claim(self.queue.database, f"{job_id}.1")
        assert held is not None
        assert records.report_progress(self.queue.database, held, JobProgress(percent=percent, stage="swap"))
        return held

    def succeeded(self, job_id: str, user: str = "ann", project: str = "default") -> None:
        """As a worker would leave a job that succeeded, with bytes for a video."""
        held = records.claim(self.queue.database, f"{job_id}.1")
        assert held is not None
        key = paths.render(user, project, job_id)
        stored = self.queue.store.put_bytes(key, RESULT)
        output = Asset(
            key=key, name="made.mp4", sha256=stored.sha256 or "0" * 64, size_bytes=len(RESULT), media_type="video/mp4"
        )
        summary = {"seconds": 1.5, "frames": 50}
        self.ended(job_id, JobState.SUCCEEDED, output=output, summary=summary, claim=held.claim)


Opened = Callable[..., Place]


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with all its tables: making them takes a second, a copy takes none."""
    path = tmp_path_factory.mktemp("empty") / "queue.sqlite"
    database = Database(f"sqlite:///{path}")
    database.prepare()
    with database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    return path


@pytest.fixture
def opened(tmp_path: Path, empty_database: Path) -> Iterator[Opened]:
    made: list[Place] = []

    def open_place(**given: Any) -> Place:
        data = tmp_path / "data"
        if not data.exists():
            data.mkdir()
            shutil.copy(empty_database, data / "queue.sqlite")
        made.append(Place(Server(Settings(**{"data_dir": data, "requests_per_minute": 10**6} | given))))
        return made[-1]

    yield open_place
    for place in made:
        for client in place.clients:
            client.close()
        place.queue.close()


@pytest.fixture
def place(opened: Opened) -> Place:
    return opened()


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("footage") / "my clip.mp4", frames=50)


def bring(client: TestClient, path: Path, role: str = "source", **wanted: Any) -> str:
    """Bring a file as a program would; its address in a job."""
    size = {"role": role, "name": path.name, "size_bytes": path.stat().st_size}
    leave = client.post("/v1/uploads", json=size | wanted)
    assert leave.status_code == 201, leave.text
    assert leave.json()["complete"] == ""
    put = client.put(leave.json()["url"], content=path.read_bytes(), headers=leave.json()["headers"])
    assert put.status_code == 201, put.text
    return str(put.json()["asset"])


def brought(client: TestClient, clip: Path, **more: Any) -> dict[str, Any]:
    """A job on files that were brought."""
    files = {"source_video_url": bring(client, clip), "avatar_image_url": bring(client, sample.AVATAR, "avatar")}
    return files | {"plan": PLAN, "consent": "own-face"} | more


@contextmanager
def served(place: Place, *words: str, **given: str) -> Iterator[tuple[subprocess.Popen[bytes], str, Path]]:
    """`ugclab serve` as a process over the same installation: it, its address and its log."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data = place.queue.settings.data_dir
    own = {"UGCLAB_DATA_DIR": str(data), "UGCLAB_DRAIN_S": "1", "UGCLAB_NEEDS_WORKER": "false"} | given
    clean = {k: v for k, v in os.environ.items() if not k.startswith("UGCLAB_")}
    log, url = data / "server.log", f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "ugclab", "serve", "--port", str(port), *words]
    with log.open("ab") as out:
        started = subprocess.Popen(command, env=clean | {"PYTHONPATH": str(ROOT)} | own, stdout=out, stderr=out)
    try:
        for _ in range(800):
            if started.poll() is not None:
                pytest.fail(log.read_text())
            try:
                httpx.get(f"{url}/health/live", timeout=2)
                break
            except httpx.TransportError:
                time.sleep(0.05)
        yield started, url, log
    finally:
        if started.poll() is None:
            started.kill()
        started.wait()
