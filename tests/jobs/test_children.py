"""The processes engines work in: what their crashes cost.

Nothing here is the database's: SQLite will do.
"""

import pytest
import sqlalchemy as sa

from tests.jobs.conftest import ME, PLAN, Home
from tests.media.harness import count_by_ffmpeg
from ugclab.jobs.schema import jobs

pytestmark = pytest.mark.slow


@pytest.fixture
def database_url() -> str:
    return ""


@pytest.mark.parametrize("fault", ["crash-analyse", "crash-swap", "hang-swap"])
def test_an_engine_that_dies_or_hangs_costs_a_step(home: Home, fault: str) -> None:
    (home.ledger / fault).touch()
    worker = home.worker()
    job = home.succeeded(home.queue.submit(home.request()).job_id)
    assert worker.poll() is None
    assert job.recoveries == 0
    step = fault.partition("-")[2]
    assert len(home.lines(f"{step}-begin")) == {"analyse": 2, "swap": 3}[step]


def test_untouched_frames_of_a_job_are_those_of_the_source(home: Home) -> None:
    home.worker()
    job = home.succeeded(home.queue.submit(home.request(plan=PLAN)).job_id)
    assert job.output is not None
    report = home.queue.report(job.job_id, ME)
    assert report.media.frames == 45
    assert count_by_ffmpeg(home.queue.store.path(job.output.key)) == 45
    with home.queue.database.reading() as connection:
        assert connection.execute(sa.select(jobs.c.token)).scalar_one()
