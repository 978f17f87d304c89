"""What a run would meet, before it runs: it is the run's own analysis, kept where the run finds it."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from ugclab.engines.base import Analysis
from ugclab.errors import AvatarError, FaceError
from ugclab.pipeline.plan import SwapRequest, fixed_plan, ranges_to_analyse
from ugclab.pipeline.steps import Workshop, analyse, read_inputs
from ugclab.pipeline.swap_job import SwapJob
from ugclab.schema.look import Refusal
from ugclab.schema.media import MediaInfo, TimeRange

LONGEST_S = 120
"""What is analysed whole; of more, moments."""
MOMENTS, MOMENT_S = 24, Fraction(1)


@dataclass(frozen=True, slots=True)
class Prospect:
    """What a run would meet."""

    info: MediaInfo
    looked_at: tuple[TimeRange, ...]
    sampled: bool
    plan: str
    """As SegmentPlan.parse reads it; empty where it is not known."""
    analysis: Analysis | None
    """None where the run is refused before there is one."""
    warnings: tuple[str, ...]
    refused: Refusal | None
    stitch: tuple[str, str] = ("", "")
    """Mode and its reason."""

    @property
    def faces(self) -> tuple[TimeRange, ...]:
        """Where the face is found that would be replaced."""
        return tuple(face for part in (self.analysis.ranges if self.analysis else ()) for face in part.face_ranges)


def prospect(workshop: Workshop, request: SwapRequest) -> Prospect:
    """Analyse what the request's plan swaps, or moments of it where that is long.

    What a run would be refused for is told, not raised, where it lies in a face. Raises PlanError, MediaError.
    """
    inputs = read_inputs(workshop, request)
    info = inputs.source.info
    ranges = ranges_to_analyse(fixed_plan(request.plan, info), info)
    if sum(part.duration for part in ranges) > LONGEST_S:
        return _sampled(workshop, request, ranges)
    job = SwapJob(workshop, request)
    refused = None
    try:
        job.analyse()
    except (AvatarError, FaceError) as error:
        refused = Refusal(code=error.code, message=error.message, hint=error.hint)
    return Prospect(
        info=info,
        looked_at=ranges,
        sampled=False,
        plan=str(job.plan or ""),
        analysis=job.analysis,
        warnings=tuple(workshop.warnings),
        refused=refused,
        stitch=job.stitch_mode,
    )


def _sampled(workshop: Workshop, request: SwapRequest, ranges: Sequence[TimeRange]) -> Prospect:
    inputs = read_inputs(workshop, request)
    info = inputs.source.info
    plan = fixed_plan(request.plan, info)
    looked_at = moments(ranges)
    told = [
        f"the footage is long: {len(looked_at)} moments of {float(MOMENT_S):.0f} s were looked at, "
        "the run looks at everything"
    ]
    analysis = refused = None
    try:
        analysis, _ = analyse(workshop, inputs, looked_at)
    except (AvatarError, FaceError) as error:
        refused = Refusal(code=error.code, message=error.message, hint=error.hint)
    if analysis is not None:
        told += analysis.warnings
        for segment in plan.swaps if plan else ():
            parts = [part for part in analysis.ranges if part.range.start in segment.range]
            if parts and not any(part.frames_with_face for part in parts):
                told.append(f"no face is seen in segment {segment.index}, at {len(parts)} moments of it")
        if not any(part.frames_with_face for part in analysis.ranges):
            told.append("no face is seen at any of them")
    return Prospect(info, looked_at, True, str(plan or ""), analysis, tuple(told), refused)


def moments(ranges: Sequence[TimeRange]) -> tuple[TimeRange, ...]:
    """MOMENTS short ranges, evenly spread over the ranges as if they were one; at most as long as what is left."""
    total = sum((part.duration for part in ranges), Fraction(0))
    found: list[TimeRange] = []
    for number in range(MOMENTS):
        at = total * number / MOMENTS
        for part in ranges:
            if at < part.duration:
                start = part.start + at
                found.append(TimeRange(start=start, end=min(start + MOMENT_S, part.end)))
                break
            at -= part.duration
    return tuple(found)
