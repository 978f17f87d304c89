"""One swap job, step by step: each step may be asked for alone, in this process or after it died in another one.

What a step needs of earlier steps is taken up from the artefacts they left; what is missing there is made again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from ugclab.engines.base import Analysis
from ugclab.errors import PlanError
from ugclab.media.bridges import made_bridges
from ugclab.media.encode import EncodedSegment
from ugclab.media.images import encode_png
from ugclab.media.modes import StitchPlan, plan_stitch
from ugclab.media.output import whole_file
from ugclab.media.stitch import DISCLOSURE, stitch
from ugclab.pipeline.measure import environment, version
from ugclab.pipeline.moments import draw_sheet
from ugclab.pipeline.plan import SwapRequest, check_coverage, fixed_plan, plan_of_faces, ranges_to_analyse
from ugclab.pipeline.steps import (
    Inputs,
    Workshop,
    analyse,
    frames_by_segment,
    read_inputs,
    swap_segment,
)
from ugclab.schema.base import Frozen
from ugclab.schema.engine import EngineInfo
from ugclab.schema.media import MediaInfo
from ugclab.schema.plan import Segment, SegmentPlan
from ugclab.schema.report import Environment, File, Measurement, Outcome, Report
from ugclab.storage.store import file_sha256


class Analysed(Frozen):
    """What is known before anything is swapped."""

    schema_version: Literal[1] = 1
    source: File
    avatar: File
    media: MediaInfo
    plan: SegmentPlan
    engine: EngineInfo
    frames: dict[int, int]
    """Of each segment, by its index."""


class Stitched(Frozen):
    """A finished file."""

    schema_version: Literal[1] = 1
    output: File
    mode: str
    reason: str
    exact_frames: int
    exact_frames_share: float
    environment: Environment


@dataclass(slots=True)
class SwapJob:
    """A request's steps over one workshop, with what they found out so far."""

    workshop: Workshop
    request: SwapRequest
    _inputs: Inputs | None = None
    _analysis: tuple[Analysis, str] | None = None
    _plans: tuple[SegmentPlan, StitchPlan] | None = None
    _swapped: dict[int, EncodedSegment] = field(default_factory=dict)

    def analyse(self) -> Analysed:
        """Look at everything, decide the plan, and refuse what cannot be before any segment is paid for."""
        plan, stitch_plan, _, _ = self._prepared()
        inputs = self._looked_at()
        ingredients = inputs.ingredients
        return Analysed(
            source=_file(self.request.source, ingredients.source_sha256),
            avatar=_file(self.request.avatar, ingredients.avatar_sha256),
            media=inputs.source.info,
            plan=plan,
            engine=self.workshop.info,
            frames=frames_by_segment(stitch_plan, plan),
        )

    @property
    def plan(self) -> SegmentPlan | None:
        """What is known of the plan so far."""
        return self._plans[0] if self._plans else None

    @property
    def analysis(self) -> Analysis | None:
        """What is known of the faces so far."""
        return self._analysis[0] if self._analysis else None

    @property
    def stitch_mode(self) -> tuple[str, str]:
        """How untouched footage will be kept, and why; empty if not known so far."""
        return (self._plans[1].mode, self._plans[1].reason) if self._plans else ("", "")

    def swap(self, index: int) -> Outcome:
        """Swap one segment of the plan, or take it up."""
        plan, stitch_plan, analysis, key = self._prepared()
        segment = next((s for s in plan.swaps if s.index == index), None)
        if segment is None:
            raise PlanError(f"segment {index} is not swapped by this plan", hint="ask for one that is")
        made, reused = swap_segment(self.workshop, self._looked_at(), analysis, key, segment, stitch_plan)
        self._swapped[index] = made
        return Outcome(segment=segment, frames=made.frames, swapped_frames=made.swapped_frames, reused=reused)

    def stitch(self) -> Stitched:
        """Put the swapped segments into the source; the output is whole or absent."""
        plan, stitch_plan, _, _ = self._prepared()
        for segment in plan.swaps:
            if segment.index not in self._swapped:
                self._take_up(segment)
        with self.workshop.step("stitch") as cost:
            segments = {index: segment.path for index, segment in self._swapped.items()}
            result = stitch(
                stitch_plan,
                segments,
                self.request.out,
                bridges=made_bridges(stitch_plan, (path.parent for path in segments.values())),
                engine=self.workshop.info.name,
                report=self.workshop.monitor("stitch").report,
                cancelled=self.workshop.cancelled,
            )
            cost.media_s, cost.frames = stitch_plan.info.duration, result.frames
        for warning in result.warnings:
            self.workshop.warn(warning)
        if self.request.contact_sheet is not None:
            self._write_sheet(self.request.contact_sheet, plan, result.exact_share)
        return Stitched(
            output=_file(self.request.out, file_sha256(self.request.out)),
            mode=result.mode,
            reason=result.reason,
            exact_frames=result.exact_frames,
            exact_frames_share=result.exact_share,
            environment=environment(),
        )

    def _looked_at(self) -> Inputs:
        if self._inputs is None:
            self._inputs = read_inputs(self.workshop, self.request)
            if left_out := self._inputs.source.info.left_out:
                self.workshop.warn(f"the result has none of the footage's {' and '.join(left_out)}")
        return self._inputs

    def _prepared(self) -> tuple[SegmentPlan, StitchPlan, Analysis, str]:
        """Plan and analysis; made once a process."""
        inputs = self._looked_at()
        if self._analysis is None or self._plans is None:
            info = inputs.source.info
            plan = fixed_plan(self.request.plan, info)
            stitch_plan = self._decide(plan) if plan else None  # refuse what cannot be, before work is done
            self._analysis = analyse(self.workshop, inputs, ranges_to_analyse(plan, info))
            plan = plan or plan_of_faces(self._analysis[0], info)
            self._plans = plan, stitch_plan or self._decide(plan)
            check_coverage(plan, self._analysis[0], self.request.options.min_swapped)
        return *self._plans, *self._analysis

    def _decide(self, plan: SegmentPlan) -> StitchPlan:
        source, options = self._looked_at().source, self.request.options
        return plan_stitch(
            source.path, source.info, plan, mode=options.stitch, crf=options.crf, tone_map=options.tone_map
        )

    def _take_up(self, segment: Segment) -> None:
        """Find a segment that another process made; only if it has to be made again is that measured here."""
        before = len(self.workshop.measurements)
        if self.swap(segment.index).reused:
            del self.workshop.measurements[before:]

    def _write_sheet(self, path: Path, plan: SegmentPlan, exact_share: float) -> None:
        info = self._looked_at().source.info
        changed = sum(segment.swapped_frames for segment in self._swapped.values())
        facts = (
            f"{changed} of {info.frames} frames swapped",
            f"engine {self.workshop.info.name}",
            *([f"{exact_share:.0%} of the rest bit-exact"] if len(plan.swaps) < len(plan.segments) else []),
        )
        with self.workshop.step("contact_sheet") as cost, whole_file(path) as part:
            part.write_bytes(encode_png(draw_sheet(self.request.source, self.request.out, info, plan, facts)))
            cost.frames = info.frames


def compose_report(
    job_id: str,
    request: SwapRequest,
    analysed: Analysed,
    swapped: Sequence[Outcome],
    stitched: Stitched,
    measurements: Sequence[Measurement],
    warnings: Sequence[str],
) -> Report:
    """Put together what the steps said, wherever each of them ran."""
    by_index = {outcome.segment.index: outcome for outcome in swapped}
    return Report(
        job_id=job_id,
        ugclab_version=version(),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        source=analysed.source,
        avatar=analysed.avatar,
        output=stitched.output,
        media=analysed.media,
        plan=analysed.plan,
        engine=analysed.engine,
        options=request.options,
        stitch_mode=stitched.mode,
        stitch_reason=stitched.reason,
        exact_frames=stitched.exact_frames,
        exact_frames_share=stitched.exact_frames_share,
        disclosure=DISCLOSURE,
        outcomes=tuple(
            by_index.get(s.index, Outcome(segment=s, frames=analysed.frames.get(s.index, 0), swapped_frames=0))
            for s in analysed.plan.segments
        ),
        measurements=tuple(measurements),
        environment=stitched.environment,
        warnings=tuple(warnings),
    )


def _file(path: Path, sha256: str) -> File:
    return File(name=path.name, sha256=sha256, size_bytes=path.stat().st_size)
