"""A job of the queue whose segments another machine swaps: killed here, cancelled here, reported here."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines.remote.conftest import Peer
from tests.engines.remote.peer import COST_USD, KEY
from tests.engines.remote.test_remote import until
from tests.jobs.conftest import ME, Home
from tests.jobs.conftest import home as home
from ugclab.schema.job import JobState

pytestmark = pytest.mark.slow
PLAN = "0-0.4:swap,0.4-1.4:keep,1.4-end:swap"


@pytest.fixture
def database_url() -> str:
    """SQLite."""
    return ""


@pytest.fixture
def small_clip(clip: Path) -> Path:
    """One with a face: it is looked at here."""
    return clip


@pytest.fixture
def there(home: Home, peer: Peer) -> Iterator[Peer]:
    """The other machine, known to the workers."""
    home.environment |= {
        "UGCLAB_REMOTE_URL": peer.url,
        "UGCLAB_REMOTE_KEY": KEY,
        "UGCLAB_REMOTE_ENGINE": "ledger",
        "UGCLAB_HANG_S": "8",
    }
    yield peer
    for process in home.processes:
        if process.poll() is None:
            home.kill(process)


def test_a_job_through_the_whole_queue(home: Home, there: Peer) -> None:
    home.environment["UGCLAB_REMOTE_ENGINE"] = "tint"
    home.worker()
    job = home.succeeded(home.queue.submit(home.request(engine="remote", plan=PLAN)).job_id)
    report = home.queue.report(job.job_id, ME)
    assert [o.swapped_frames for o in report.outcomes] == [10, 0, 15]
    assert job.cost_usd == pytest.approx(2 * COST_USD)
    assert [m.engine for m in report.measurements if m.step == "swap"] == ["tint", "tint"]
    assert KEY not in home.log() + report.model_dump_json()
    assert KEY.encode() not in b"".join(p.read_bytes() for p in home.settings.data_dir.rglob("*") if p.is_file())


def test_a_killed_worker_pays_nothing_twice(home: Home, there: Peer) -> None:
    there.pace(0.4)
    first = home.worker()
    job_id = home.queue.submit(home.request(engine="remote", plan=PLAN)).job_id
    until(lambda: there.worked("swap-begin"), 60)
    home.kill(first)
    there.pace(0)
    home.worker()
    job = home.succeeded(job_id)
    assert len(there.calls("POST", "/execute")) == 2, "one a segment"
    assert there.worked("swap-begin") == 2
    assert job.cost_usd == pytest.approx(2 * COST_USD)


def test_a_machine_that_comes_back_late_is_tried_again(home: Home, there: Peer) -> None:
    home.worker()
    there.fault("away")
    job_id = home.queue.submit(home.request(engine="remote", plan=PLAN)).job_id
    home.until(lambda: any(e.what == "again" for e in home.queue.events(job_id, ME)))
    there.fault("")
    home.succeeded(job_id)
    assert next(e.stage for e in home.queue.events(job_id, ME) if e.what == "again") == "swap 0"


def test_a_cancelled_job_stops_the_other_machine(home: Home, there: Peer) -> None:
    there.pace(0.5)
    home.worker()
    job_id = home.queue.submit(home.request(engine="remote", plan=PLAN)).job_id
    until(lambda: there.worked("swap-begin"), 60)
    home.queue.cancel(job_id, ME)
    until(lambda: there.calls("DELETE", "/execute/"), 10)
    assert home.queue.get(job_id, ME).status is JobState.CANCELLED
    until(lambda: "cancelled" in next((there.folder / "orders").glob("*.json")).read_text())
    assert there.worked("swap-end") == 0
    there.pace(0)


def test_a_dead_engine_child_is_started_again_and_takes_up_its_order(home: Home, there: Peer) -> None:
    """The child is killed by what hangs: it says nothing while it is stopped."""
    there.pace(1.2)
    worker = home.worker()
    job_id = home.queue.submit(home.request(engine="remote", plan="0-0.4:swap,0.4-end:keep")).job_id
    until(lambda: there.worked("swap-begin"), 60)
    for child in children_of(worker.pid):
        home_kill(child)
    home.succeeded(job_id, 90)
    assert len(there.calls("POST", "/execute")) == 1
    assert there.worked("swap-begin") == 1


def children_of(pid: int) -> list[int]:
    """The engine children of a worker."""
    found = []
    for place in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = place.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(words[1]) == pid:
            found.append(int(place.parent.name))
    return found


def home_kill(pid: int) -> None:
    """As the kernel does it when memory runs out."""
    os.kill(pid, signal.SIGKILL)
