"""How far a job is, and how often the database is told."""

from ugclab.jobs.meter import Meter
from ugclab.schema.job import JobProgress


def test_the_database_is_told_once_a_second() -> None:
    now, written = [100.0], list[JobProgress]()
    meter = Meter(lambda progress: written.append(progress) or True, clock=lambda: now[0])
    for tenth in range(35):
        now[0] = 100 + tenth / 10
        meter.at("analyse", None, tenth, 35)
    assert len(written) == 3, "and not at all in the first second: a claim says that the job is ours"
    assert [p.percent for p in written] == sorted({p.percent for p in written})


def test_a_job_that_is_lost_stays_lost() -> None:
    now = [0.0]
    answers = [True, False, True]
    meter = Meter(lambda progress: answers.pop(0), clock=lambda: now[0])
    wanted = []
    for second in range(4):
        now[0] = float(second)
        wanted.append(meter.wanted())
    assert wanted == [True, True, False, False]
    assert answers == [True]
