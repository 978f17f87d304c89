"""Two machines of ours: here the engine `remote`, there the real server with a real worker; kill -9 on either side."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from tests.conftest import ROOT
from tests.entrypoints.server.conftest import Place, served
from ugclab.engines.remote.engine import Remote
from ugclab.entrypoints.server.server import Server
from ugclab.errors import UgclabError
from ugclab.media.probe import probe
from ugclab.pipeline.plan import SwapRequest
from ugclab.pipeline.run import run
from ugclab.schema.job import JobState, Principal
from ugclab.settings import Settings
from ugclab.weights import hub

pytestmark = [pytest.mark.slow, pytest.mark.timeout(150)]
PLAN = "0-0.8:swap,0.8-1.4:keep,1.4-end:swap"
HERE, THERE = Principal(user="here"), Principal(user="admin", trust="local")


class Elsewhere:
    """The other machine: one server and one worker over one data folder."""

    def __init__(self, folder: Path, plugins: Path) -> None:
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("UGCLAB_") or "CACHE" in k} | {
            "PYTHONPATH": f"{ROOT}{os.pathsep}{plugins}",
            "UGCLAB_DATA_DIR": str(folder),
            "UGCLAB_SERVICE_CONSENT": "public-domain",
            "UGCLAB_USD_PER_HOUR": "36",
            "UGCLAB_HEARTBEAT_S": "0.5",
            "UGCLAB_TAKEOVER_S": "3",
        }
        self.place = Place(Server(Settings(data_dir=folder)))
        self.key = self.place.key("here")
        self.log = folder / "worker.log"
        self.url = ""
        self.worker: subprocess.Popen[bytes] | None = None

    def work(self) -> None:
        with self.log.open("ab") as out:
            command = [sys.executable, "-m", "ugclab", "worker"]
            self.worker = subprocess.Popen(command, env=self.environment, stdout=out, stderr=out)

    def kill(self) -> None:
        if self.worker is not None:
            self.worker.kill()
            self.worker.wait()

    def jobs(self) -> list[Any]:
        return list(self.place.queue.list(THERE))


@pytest.fixture
def there(tmp_path: Path, plugin_dir: Path) -> Iterator[Elsewhere]:
    folder = tmp_path / "there"
    folder.mkdir()
    made = Elsewhere(folder, plugin_dir)
    own = {name: value for name, value in made.environment.items() if name.startswith(("UGCLAB_", "PYTHONPATH"))}
    with served(made.place, **own) as (_, url, _log):
        made.url = url
        made.work()
        yield made
        made.kill()
    made.place.queue.close()


@pytest.fixture
def here(there: Elsewhere, tmp_path: Path) -> Settings:
    own = Settings()
    hub.ensure(Remote.info.weights, own.weights_dir, offline=own.offline)
    return Settings(
        data_dir=tmp_path / "here",
        remote_url=there.url,
        remote_key=SecretStr(there.key),
        remote_engine="tint",
        remote_timeout_s=90,
    )


@pytest.fixture
def ask(clip: Path, avatar: Path, tmp_path: Path) -> SwapRequest:
    return SwapRequest(source=clip, avatar=avatar, out=tmp_path / "out.mp4", plan=PLAN, engine="remote")


def test_two_segments_are_swapped_there_and_paid_once(ask: SwapRequest, here: Settings, there: Elsewhere) -> None:
    report = run(ask, here)
    assert [(o.frames, o.swapped_frames) for o in report.outcomes] == [(20, 20), (15, 0), (15, 15)]
    swaps = [m for m in report.measurements if m.step == "swap"]
    assert [(m.engine, m.engine_version) for m in swaps] == [("tint", "1.0")] * 2
    ordered = there.jobs()
    assert [job.status for job in ordered] == [JobState.SUCCEEDED] * 2
    assert report.cost_usd == pytest.approx(sum(job.cost_usd for job in ordered), rel=0.01)
    assert report.cost_usd > 0
    info = probe(ask.out)
    assert (info.frames, info.has_audio) == (50, True)
    again = run(ask, here)
    assert all(m.reused for m in again.measurements if m.step == "swap")
    assert len(there.jobs()) == 2


def test_a_run_that_is_killed_here_finds_its_order_there(
    ask: SwapRequest, here: Settings, there: Elsewhere, tmp_path: Path
) -> None:
    there.kill()  # the order waits in line
    ask = ask.model_copy(update={"plan": "0-0.8:swap,0.8-end:keep"})
    words = ["swap", str(ask.source), str(ask.avatar), "--plan", ask.plan, "--engine", "remote", "-o", str(ask.out)]
    own = {k: v for k, v in os.environ.items() if not k.startswith("UGCLAB_") or "CACHE" in k} | {
        "PYTHONPATH": str(ROOT),
        "UGCLAB_DATA_DIR": str(here.data_dir),
        "UGCLAB_REMOTE_URL": there.url,
        "UGCLAB_REMOTE_KEY": there.key,
        "UGCLAB_REMOTE_ENGINE": "tint",
        "UGCLAB_REMOTE_TIMEOUT_S": "90",
    }
    with (tmp_path / "here.log").open("wb") as out:
        doing = subprocess.Popen([sys.executable, "-m", "ugclab", *words], env=own, stdout=out, stderr=out)
    try:
        until(there.jobs, lambda: (tmp_path / "here.log").read_text())
    finally:
        doing.kill()
        doing.wait()
    there.work()
    report = run(ask, here)
    assert [o.swapped_frames for o in report.outcomes] == [20, 0]
    assert len(there.jobs()) == 1


def test_a_worker_that_is_killed_there_is_waited_for(ask: SwapRequest, here: Settings, there: Elsewhere) -> None:
    ended: list[Any] = []

    def work() -> None:
        try:
            ended.append(run(ask.model_copy(update={"plan": "0-0.8:swap,0.8-end:keep"}), here))
        except UgclabError as error:
            ended.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    until(lambda: [j for j in there.jobs() if j.status is JobState.RUNNING], there.log.read_text)
    there.kill()
    there.work()
    thread.join(100)
    assert [o.swapped_frames for o in ended[0].outcomes] == [20, 0]
    (job,) = there.jobs()
    assert (job.status, job.attempt) == (JobState.SUCCEEDED, 1)


def until(true: Callable[[], Any], otherwise: Callable[[], str], limit_s: float = 60) -> None:
    end = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < end, otherwise()
        time.sleep(0.02)
