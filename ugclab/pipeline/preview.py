"""One frame before and after: what a plan will look like, for the price of a frame."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ugclab.engines.base import Analysis, Monitor, SegmentContext
from ugclab.errors import InputError, PlanError
from ugclab.media.images import frame_rgb
from ugclab.pipeline.moments import frame_at
from ugclab.pipeline.plan import SwapRequest, analysis_key, fixed_plan, ranges_to_analyse
from ugclab.pipeline.steps import Inputs, Progress, Workshop, open_workshop, read_inputs
from ugclab.schema.job import SwapOptions
from ugclab.schema.media import TimeRange
from ugclab.settings import Settings
from ugclab.storage.artefacts import LOCAL_SCOPE


@dataclass(frozen=True, slots=True)
class Preview:
    """One frame before and after, uint8 RGB of shape (height, width, 3)."""

    time: Fraction
    before: NDArray[np.uint8]
    after: NDArray[np.uint8]
    swapped: bool


def preview(
    source: Path,
    avatar: Path,
    at: Fraction,
    settings: Settings,
    *,
    engine_name: str,
    options: SwapOptions,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    cancelled: Callable[[], bool] = lambda: False,
    scope: str = LOCAL_SCOPE,
) -> Preview:
    """Swap the frame shown at `at`, alone. HDR is tone-mapped, since it is for looking at. Raises InputError."""
    request = SwapRequest(source=source, avatar=avatar, out=source, engine=engine_name, options=options)
    with open_workshop(engine_name, settings, on_progress, cancelled, scope=scope) as workshop:
        return swapped_frame(workshop, read_inputs(workshop, request), at)


def swapped_frame(workshop: Workshop, inputs: Inputs, at: Fraction, plan: str = "") -> Preview:
    """Do the same with what was read; what is known already of all that `plan` swaps is made use of.

    Then the frame looks as it will in the run, and need not be analysed by itself. Raises InputError.
    """
    info = inputs.source.info
    if not 0 <= at < info.duration:
        raise InputError(f"there is no frame at {float(at):.2f} s", hint=f"it ends at {float(info.duration):.2f} s")
    before = frame_at(inputs.source.path, info, at, tone_map=info.colour.hdr)
    part = TimeRange(start=before.time, end=before.time + info.time_base)
    options = inputs.ingredients.options.model_copy(update={"tone_map": True})
    engine = workshop.engine()
    monitor = Monitor(cancelled=workshop.cancelled)
    analysis = _known(workshop, inputs, plan, before.time) if plan else None
    if analysis is None:
        work = workshop.artefacts.workspace()
        analysis = engine.analyse(inputs.source, (part,), inputs.avatar, options, work, monitor)
    context = SegmentContext(
        source=inputs.source,
        range=part,
        avatar=inputs.avatar,
        analysis=analysis,
        options=options,
        workspace=workshop.artefacts.workspace(),
        monitor=monitor,
        scope=workshop.artefacts.scope,
    )
    picture = frame_rgb(before)
    (after,) = engine.swap(context, iter([before]))
    return Preview(before.time, picture, frame_rgb(after), after.swapped)


def _known(workshop: Workshop, inputs: Inputs, plan: str, time: Fraction) -> Analysis | None:
    """The analysis a run with that plan will take up, if it was made and `time` lies in it."""
    info = inputs.source.info
    try:
        ranges = ranges_to_analyse(fixed_plan(plan, info), info)
    except PlanError:  # somebody is still at it: that is no reason to show nothing
        return None
    if not any(time in part for part in ranges):
        return None
    found = workshop.find("analysis", analysis_key(inputs.ingredients, ranges))
    return Analysis.model_validate({**found.result, "folder": found.folder / "engine"}) if found else None
