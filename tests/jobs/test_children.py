"""The processes engines work in: what their crashes cost, and the lane for what somebody waits for at a page.

Nothing here is the database's: SQLite will do.
"""

from fractions import Fraction

import pytest
import sqlalchemy as sa

from tests.jobs.conftest import ME, PLAN, Home
from tests.media.harness import count_by_ffmpeg
from ugclab.errors import InputError, JobNotFound
from ugclab.jobs.looks import Look
from ugclab.jobs.schema import jobs
from ugclab.schema.job import Principal

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


def test_a_frame_is_seen_while_a_long_job_runs(home: Home) -> None:
    home.pace(2)
    home.worker()
    home.queue.submit(home.request())
    home.until(lambda: home.lines("swap-begin"))
    source = home.queue.take_in(ME, "ad", home.clip)
    avatar = home.queue.take_in(ME, "ad", home.avatar, "avatar")
    look = Look(user="ann", project="ad", source=source, avatar=avatar, at=Fraction(1, 2), engine="ledger")
    look_id = home.queue.look(ME, look)
    seen = home.until(lambda: home.queue.looks.answer(look_id, ME), limit_s=20)
    assert seen.swapped
    assert home.queue.store.read_bytes(seen.key).startswith(b"\x89PNG")
    assert len(home.lines("swap-end")) == 1, "the one frame; the first segment of the job is not done yet"
    late = home.queue.look(ME, look.model_copy(update={"at": Fraction(99)}))
    with pytest.raises(InputError, match="no frame at 99"):
        home.until(lambda: home.queue.looks.answer(late, ME), limit_s=20)
    with pytest.raises(JobNotFound):
        home.queue.looks.answer(look_id, Principal(user="bob"))
    with pytest.raises(InputError, match="project"):
        home.queue.look(ME, look.model_copy(update={"project": "other"}))


def test_untouched_frames_of_a_job_are_those_of_the_source(home: Home) -> None:
    home.worker()
    job = home.succeeded(home.queue.submit(home.request(plan=PLAN)).job_id)
    assert job.output is not None
    report = home.queue.report(job.job_id, ME)
    assert report.media.frames == 45
    assert count_by_ffmpeg(home.queue.store.path(job.output.key)) == 45
    with home.queue.database.reading() as connection:
        assert connection.execute(sa.select(jobs.c.token)).scalar_one()
