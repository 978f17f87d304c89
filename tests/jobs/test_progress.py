"""How far each segment of a job is, from the little that a worker says."""

from fractions import Fraction

import pytest

from ugclab.jobs.meter import Meter
from ugclab.jobs.records import progress_of_segments
from ugclab.schema.job import JobProgress, JobState
from ugclab.schema.plan import SegmentPlan

PLAN = SegmentPlan.parse("0-5:swap,5-15:keep,15-20:swap,20-30:keep", Fraction(30), Fraction(25))


@pytest.mark.parametrize(
    ("progress", "state", "done"),
    [
        (JobProgress(), JobState.QUEUED, [0, 0, 0, 0]),
        (JobProgress(stage="analyse", share=0.9), JobState.RUNNING, [0, 0, 0, 0]),
        (JobProgress(stage="swap", segment=0, share=0.25), JobState.RUNNING, [0.25, 0, 0, 0]),
        (JobProgress(stage="swap", segment=2, share=0.5), JobState.RUNNING, [1, 0, 0.5, 0]),
        (JobProgress(stage="stitch", share=0.0), JobState.RUNNING, [1, 0, 1, 0]),
        (JobProgress(stage="stitch", share=1 / 3), JobState.RUNNING, [1, 0.5, 1, 0]),
        (JobProgress(stage="publish"), JobState.RUNNING, [1, 1, 1, 1]),
        (JobProgress(percent=100, stage="publish"), JobState.SUCCEEDED, [1, 1, 1, 1]),
        (JobProgress(stage="swap", segment=2, share=0.5), JobState.FAILED, [1, 0, 0.5, 0]),
    ],
)
def test_each_segment_fills_on_its_own(progress: JobProgress, state: JobState, done: list[float]) -> None:
    assert [s.done for s in progress_of_segments(PLAN, progress, state)] == pytest.approx(done, abs=1e-3)


def test_a_meter_tells_the_plan_and_the_share_of_the_stage() -> None:
    now, written = [0.0], list[JobProgress]()
    meter = Meter(lambda progress: written.append(progress) or True, clock=lambda: now[0])
    meter.plan({0: 100, 2: 100}, str(PLAN))
    now[0] = 2.0
    meter.at("swap", 2, 30, 100)
    assert written[-1].plan == str(PLAN)
    assert written[-1].share == 0.3
    assert written[-1].percent == 69.0
    now[0] = 4.0
    meter.at("stitch", None, 900, 800)
    assert written[-1].share == 1.0
    now[0] = 6.0
    meter.at("stitch")  # what belongs to it and has no frames of its own takes nothing back
    assert written[-1].share == 1.0
