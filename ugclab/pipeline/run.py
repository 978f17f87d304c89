"""Do the steps of a request and measure them: from a video and a photo to a stitched file and a report."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from ugclab.engines.base import FaceEngine
from ugclab.errors import InputError
from ugclab.media.encode import EncodedSegment
from ugclab.media.images import encode_png
from ugclab.media.modes import StitchPlan, plan_stitch
from ugclab.media.output import check_folder, whole_file
from ugclab.media.source import check_file
from ugclab.media.stitch import DISCLOSURE, StitchResult, check_output, stitch
from ugclab.pipeline.measure import environment, version
from ugclab.pipeline.plan import (
    SwapRequest,
    check_coverage,
    fixed_plan,
    plan_of_faces,
    ranges_to_analyse,
)
from ugclab.pipeline.steps import (
    Inputs,
    Progress,
    Workshop,
    analyse,
    draw_sheet,
    frames_by_segment,
    open_workshop,
    read_inputs,
    swap_segment,
)
from ugclab.schema.ids import new_ulid
from ugclab.schema.plan import SegmentPlan
from ugclab.schema.report import File, Outcome, Report
from ugclab.settings import Settings
from ugclab.storage.store import file_sha256

Listener = Callable[[Progress], None]


def run(
    request: SwapRequest,
    settings: Settings,
    *,
    on_progress: Listener = lambda progress: None,
    cancelled: Callable[[], bool] = lambda: False,
    engine: FaceEngine | None = None,
) -> Report:
    """Swap, stitch and report. The output is whole or absent; what was finished before a fault is reused next time.

    `engine` is one that was set up before; it must be the one the request names. Raises the errors of errors.py.
    """
    _check_paths(request)
    with open_workshop(
        request.engine, settings, on_progress, cancelled, fresh=request.fresh, engine=engine
    ) as workshop:
        inputs = read_inputs(workshop, request)
        info = inputs.source.info
        plan = fixed_plan(request.plan, info)
        stitch_plan = _decide(request, inputs, plan) if plan else None  # refuse what cannot be, before work is done
        analysis, key = analyse(workshop, inputs, ranges_to_analyse(plan, info))
        plan = plan or plan_of_faces(analysis, info)
        stitch_plan = stitch_plan or _decide(request, inputs, plan)
        check_coverage(plan, analysis, request.options.min_swapped)
        swapped = {
            segment.index: swap_segment(workshop, inputs, analysis, key, segment, stitch_plan) for segment in plan.swaps
        }
        result = _stitch(workshop, stitch_plan, {index: made for index, (made, _) in swapped.items()}, request.out)
        if request.contact_sheet:
            _write_sheet(workshop, request.contact_sheet, inputs, plan, result, swapped)
        return _report(workshop, request, inputs, plan, stitch_plan, result, swapped)


def _check_paths(request: SwapRequest) -> None:
    """Refuse at once what would fail after minutes."""
    check_file(request.source)
    check_output(request.source, request.out)
    if request.contact_sheet is not None:
        check_folder(request.contact_sheet)
    if request.out.exists() and request.avatar.exists() and request.out.samefile(request.avatar):
        raise InputError("the output is the avatar itself", hint="choose another name")


def _decide(request: SwapRequest, inputs: Inputs, plan: SegmentPlan) -> StitchPlan:
    options = request.options
    return plan_stitch(
        inputs.source.path,
        inputs.source.info,
        plan,
        mode=options.stitch,
        crf=options.crf,
        tone_map=options.tone_map,
    )


def _stitch(
    workshop: Workshop, stitch_plan: StitchPlan, segments: dict[int, EncodedSegment], out: Path
) -> StitchResult:
    with workshop.step("stitch") as cost:
        monitor = workshop.monitor("stitch")
        result = stitch(
            stitch_plan,
            {index: segment.path for index, segment in segments.items()},
            out,
            engine=workshop.info.name,
            report=monitor.report,
            cancelled=workshop.cancelled,
        )
        cost.media_s, cost.frames = stitch_plan.info.duration, result.frames
    for warning in result.warnings:
        workshop.warn(warning)
    return result


def _write_sheet(
    workshop: Workshop,
    path: Path,
    inputs: Inputs,
    plan: SegmentPlan,
    result: StitchResult,
    swapped: dict[int, tuple[EncodedSegment, bool]],
) -> None:
    info = inputs.source.info
    changed = sum(segment.swapped_frames for segment, _ in swapped.values())
    facts = (
        f"{changed} of {info.frames} frames swapped",
        f"engine {workshop.info.name}",
        f"{result.exact_share:.0%} of the rest bit-exact",
    )
    with workshop.step("contact_sheet") as cost, whole_file(path) as part:
        part.write_bytes(encode_png(draw_sheet(inputs.source.path, result.path, info, plan, facts)))
        cost.frames = info.frames


def _report(
    workshop: Workshop,
    request: SwapRequest,
    inputs: Inputs,
    plan: SegmentPlan,
    stitch_plan: StitchPlan,
    result: StitchResult,
    swapped: dict[int, tuple[EncodedSegment, bool]],
) -> Report:
    counts = frames_by_segment(stitch_plan, plan)
    outcomes = []
    for segment in plan.segments:
        made, reused = swapped.get(segment.index, (None, False))
        outcomes.append(
            Outcome(
                segment=segment,
                frames=counts.get(segment.index, 0),
                swapped_frames=made.swapped_frames if made else 0,
                reused=reused,
            )
        )
    return Report(
        job_id=new_ulid(),
        ugclab_version=version(),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        source=_file(request.source, inputs.ingredients.source_sha256),
        avatar=_file(request.avatar, inputs.ingredients.avatar_sha256),
        output=_file(request.out, file_sha256(request.out)),
        media=inputs.source.info,
        plan=plan,
        engine=workshop.info,
        options=request.options,
        stitch_mode=result.mode,
        stitch_reason=result.reason,
        exact_frames=result.exact_frames,
        exact_frames_share=result.exact_share,
        disclosure=DISCLOSURE,
        outcomes=tuple(outcomes),
        measurements=tuple(workshop.measurements),
        environment=environment(),
        warnings=tuple(workshop.warnings),
    )


def _file(path: Path, sha256: str) -> File:
    return File(name=path.name, sha256=sha256, size_bytes=path.stat().st_size)
