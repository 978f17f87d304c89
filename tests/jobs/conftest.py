"""An installation of its own for each test: a data folder, a queue, and real worker processes that can be killed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.face_clips import write_clip
from tests.jobs.postgres import Postgres
from ugclab.jobs.heartbeat import Heartbeats
from ugclab.jobs.queue import Queue
from ugclab.schema.job import Consent, FaceTransformInput, JobState, JobView, Principal, Request
from ugclab.settings import Settings

ME = Principal(user="ann", trust="local")
AGREED = Consent(kind="agreed", agreed_by="Ann", agreed_at="2026-11-20")
PLAN = "0-0.6:swap,0.6-1.2:keep,1.2-1.8:swap"


@dataclass
class Home:
    """One installation."""

    settings: Settings
    queue: Queue
    clip: Path
    avatar: Path
    ledger: Path
    environment: dict[str, str]
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def request(self, **changes: Any) -> Request:
        """A job on the small clip with the cheap engine."""
        given = {
            "source": changes.pop("source", str(self.clip)),
            "avatar": changes.pop("avatar", str(self.avatar)),
            "photo": changes.pop("photo", None),
            "plan": changes.pop("plan", PLAN),
        }
        values: dict[str, Any] = {"principal": ME, "project": "ad", "engine": "ledger", "consent": AGREED}
        return Request(input=FaceTransformInput(**given), **(values | changes))

    def worker(self, *words: str, log: str = "worker.log", **environment: str) -> subprocess.Popen[bytes]:
        """Start a worker process and wait until it takes jobs."""
        known = {w.executor_id: w.silent_s for w in Heartbeats(self.queue.database).list() if w.state == "alive"}
        with (self.settings.data_dir / log).open("ab") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "ugclab", "worker", *words],
                env=self.environment | environment,
                stdout=out,
                stderr=out,
            )
        self.processes.append(process)
        self.until(
            lambda: (
                any(w.pid == process.pid for w in Heartbeats(self.queue.database).list()) or process.poll() is not None
            ),
            f"the worker does not start (known {known}): {self.log(log)}",
        )
        return process

    def log(self, name: str = "worker.log") -> str:
        """What workers said."""
        path = self.settings.data_dir / name
        return path.read_text() if path.exists() else ""

    def until(self, true: Callable[[], Any], otherwise: str = "it does not come true", limit_s: float = 60) -> Any:
        """Look until it is so; fail with the workers' log after a while."""
        end = time.monotonic() + limit_s
        while time.monotonic() < end:
            if found := true():
                return found
            time.sleep(0.05)
        pytest.fail(f"{otherwise} in {limit_s} s\n{self.log()[-4000:]}")

    def finished(self, job_id: str, limit_s: float = 60) -> JobView:
        """The job, once it has ended."""

        def ended() -> JobView | None:
            job = self.queue.get(job_id, ME)
            return job if job.status.terminal else None

        job: JobView = self.until(ended, f"job {job_id} does not end", limit_s)
        return job

    def succeeded(self, job_id: str, limit_s: float = 60) -> JobView:
        """The job, once it has succeeded."""
        job = self.finished(job_id, limit_s)
        assert job.status is JobState.SUCCEEDED, f"{job.error}\n{self.log()[-4000:]}"
        return job

    def lines(self, what: str = "") -> list[dict[str, Any]]:
        """What the engine wrote down."""
        path = self.ledger / "ledger.jsonl"
        lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        return [line for line in lines if line["what"].startswith(what)]

    def pace(self, pause_s: float, from_s: float = 0) -> None:
        """Let every frame take so long, in segments that begin at `from_s` or later; running ones follow at once."""
        (self.ledger / "slow").write_text(f"{pause_s} {from_s}")

    def kill(self, process: subprocess.Popen[bytes], number: int = signal.SIGKILL) -> None:
        """Send a signal to one of our workers; a killed one is waited for."""
        process.send_signal(number)
        if number == signal.SIGKILL:
            process.wait()

    def close(self) -> None:
        """Stop what was started here."""
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.wait()
        self.queue.close()


@pytest.fixture(scope="session")
def small_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1.8 seconds with a tone."""
    return write_clip(
        tmp_path_factory.mktemp("small") / "small clip.mp4",
        frames=45,
        audio=True,
        has_face=lambda n: False,
        width=160,
        height=120,
    )


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A Postgres server of our own on loopback; skips where none is installed."""
    with Postgres.started() as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def database_url(request: pytest.FixtureRequest) -> str:
    """Where the queue lives: every test that takes this runs on both."""
    if request.param == "sqlite":
        return ""
    server: Postgres = request.getfixturevalue("postgres")
    return server.fresh()


@pytest.fixture
def home(
    tmp_path: Path,
    small_clip: Path,
    avatar: Path,
    plugin_dir: Path,
    tint: None,
    monkeypatch: pytest.MonkeyPatch,
    database_url: str,
) -> Iterator[Home]:
    """An installation with quick heartbeats."""
    ledger = tmp_path / "ledger"
    ledger.mkdir()
    variables = {
        "UGCLAB_DATA_DIR": str(tmp_path / "data"),
        "UGCLAB_DATABASE_URL": database_url,
        "UGCLAB_HEARTBEAT_S": "0.5",
        "UGCLAB_TAKEOVER_S": "2.5",
        "UGCLAB_HANG_S": "5",
        "UGCLAB_RETRY_S": "0.2",
        "UGCLAB_TEST_LEDGER": str(ledger),
        "PYTHONPATH": f"{ROOT}:{plugin_dir}",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    settings.data_dir.mkdir()
    made = Home(settings, Queue(settings), small_clip, avatar, ledger, os.environ | variables)
    yield made
    made.close()
