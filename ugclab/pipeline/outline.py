"""How a plan falls on footage, without running it."""

from pathlib import Path

from ugclab.errors import PlanError
from ugclab.media.modes import plan_stitch
from ugclab.media.pieces import snap
from ugclab.media.probe import probe
from ugclab.pipeline.plan import fixed_plan
from ugclab.schema.base import Frozen, Rational
from ugclab.schema.job import StitchMode
from ugclab.schema.plan import Segment


class Row(Frozen):
    """A segment in frames: its first frame, how many, and when the first one is shown."""

    segment: Segment
    first_frame: int
    frames: int
    time: Rational


class Outline(Frozen):
    """What a run would do."""

    rows: tuple[Row, ...]
    stitch_mode: StitchMode
    stitch_reason: str
    exact_frames: int


def outline(source: Path, text: str, *, mode: StitchMode = StitchMode.AUTO, tone_map: bool = False) -> Outline:
    """Lay a plan over a video file. Raises PlanError, also for the plan 'faces', which takes an engine to make."""
    info = probe(source)
    plan = fixed_plan(text, info)
    if plan is None:
        raise PlanError("the plan 'faces' is made while a video is analysed", hint="run it: ugclab swap --plan faces")
    decided = plan_stitch(source, info, plan, mode=mode, tone_map=tone_map)
    index = decided.index
    segments = {segment.index: segment for segment in plan.segments}
    rows = tuple(
        Row(
            segment=segments[r.segment],
            first_frame=r.first,
            frames=r.end - r.first,
            time=int(index.times[r.first]) * index.time_base - info.start,
        )
        for r in snap(plan, index.times, index.time_base)
        if r.segment in segments
    )
    return Outline(rows=rows, stitch_mode=decided.mode, stitch_reason=decided.reason, exact_frames=decided.exact_frames)
