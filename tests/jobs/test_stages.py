"""How a stage is tried again, how a job's progress is told, and what a stopping worker leaves alone."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from ugclab.errors import Cancelled, FaceNotFound, NetworkError, QueueUnavailable, StoreUnavailable
from ugclab.jobs import database
from ugclab.jobs.database import persistently
from ugclab.jobs.lane import Lane, Stopping
from ugclab.jobs.meter import Meter
from ugclab.jobs.stages import Stages
from ugclab.schema.job import JobProgress
from ugclab.settings import Settings


class Tried:
    """A stage that fails with each of these errors, then works."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.times = 0

    def __call__(self) -> dict[str, Any]:
        self.times += 1
        if self.errors:
            raise self.errors.pop(0)
        return {"done": True}


def stages(**changes: Any) -> Stages:
    made = object.__new__(Stages)
    made._settings = Settings(retry_s=0.001, **changes)
    made.meter = Meter(lambda progress: True)
    made.note = lambda *words, **more: None  # type: ignore[method-assign]
    return made


def test_passing_faults_are_tried_again_as_often_as_allowed() -> None:
    stage = Tried(NetworkError("x"), StoreUnavailable("x"), NetworkError("x"))
    assert stages(stage_attempts=4).attempt("swap", stage) == {"done": True}
    stage = Tried(NetworkError("1"), NetworkError("2"), NetworkError("3"))
    with pytest.raises(NetworkError, match="3"):
        stages(stage_attempts=3).attempt("swap", stage)
    assert stage.times == 3


def test_faults_that_stay_are_not() -> None:
    stage = Tried(FaceNotFound("nobody"))
    with pytest.raises(FaceNotFound):
        stages().attempt("analyse", stage)
    assert stage.times == 1


def test_a_database_that_is_away_costs_no_try() -> None:
    stage = Tried(*[QueueUnavailable("away")] * 20, NetworkError("x"))
    assert stages(stage_attempts=2).attempt("publish", stage) == {"done": True}
    assert stage.times == 22


def test_a_job_that_is_lost_is_not_tried_again() -> None:
    made, clock = stages(), Clock()
    made.meter = Meter(lambda progress: False, clock)
    clock.now += 1.5
    with pytest.raises(Cancelled):
        made.attempt("swap", Tried())


def test_what_must_not_be_lost_is_done_when_the_database_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "_AGAIN_S", 0.001)
    assert persistently(Tried(*[QueueUnavailable("away")] * 3)) == {"done": True}


def test_a_closed_lane_starts_nothing() -> None:
    lane = Lane(Settings(), "engine", 1)
    lane.close()
    with lane.child(lambda: True) as child, pytest.raises(Stopping):
        child.run(cast(Any, SimpleNamespace()), lambda said: None, lambda: True, limit_s=1, hang_s=1)
    assert lane.pids == []


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_progress_rises_over_all_stages_and_is_told_once_a_second() -> None:
    told: list[JobProgress] = []
    clock = Clock()

    def write(progress: JobProgress) -> bool:
        told.append(progress)
        return True

    meter = Meter(write, clock)
    meter.plan({0: 100, 2: 300})
    for stage, segment, total in (("analyse", None, 400), ("swap", 0, 100), ("swap", 2, 300), ("stitch", None, 750)):
        for done in range(0, total + 1, 10):
            clock.now += 0.1
            meter.at(stage, segment, done, total)
    percents = [p.percent for p in told]
    assert percents == sorted(percents)
    assert 0 < percents[0] < 15
    assert percents[-1] > 95
    assert len(told) == pytest.approx(clock.now, abs=2)
    middle = next(p for p in told if p.stage == "swap" and p.segment == 2 and p.frames_per_s)
    assert middle.frames_per_s == pytest.approx(100, rel=0.05)
    assert middle.eta_s is not None


def test_a_job_whose_row_is_another_s_is_given_up() -> None:
    answers = iter([True, False, True])
    clock = Clock()
    meter = Meter(lambda progress: next(answers), clock)
    clock.now += 1.5
    assert meter.wanted()
    clock.now += 1.5
    assert not meter.wanted()
    clock.now += 1.5
    assert not meter.wanted()  # for good, whatever the row says later


def test_a_database_that_is_away_stops_no_work() -> None:
    def away(progress: JobProgress) -> bool:
        raise QueueUnavailable("away")

    clock = Clock()
    meter = Meter(away, clock)
    clock.now += 1.5
    assert meter.wanted()
