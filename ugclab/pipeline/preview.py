"""One frame before and after: what a plan will look like, for the price of a frame."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ugclab.engines.base import Monitor, SegmentContext
from ugclab.errors import InputError
from ugclab.media.images import frame_rgb
from ugclab.pipeline.plan import SwapRequest
from ugclab.pipeline.steps import Progress, analyse, frame_at, open_workshop, read_inputs
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
    options = options.model_copy(update={"tone_map": True})
    request = SwapRequest(source=source, avatar=avatar, out=source, engine=engine_name, options=options)
    with open_workshop(engine_name, settings, on_progress, cancelled, scope=scope) as workshop:
        inputs = read_inputs(workshop, request)
        info = inputs.source.info
        if not 0 <= at < info.duration:
            raise InputError(f"there is no frame at {float(at):.2f} s", hint=f"it ends at {float(info.duration):.2f} s")
        tone_map = info.colour.hdr
        before = frame_at(source, info, at, tone_map=tone_map)
        part = TimeRange(start=before.time, end=before.time + info.time_base)
        analysis, _ = analyse(workshop, inputs, (part,))
        context = SegmentContext(
            source=inputs.source,
            range=part,
            avatar=inputs.avatar,
            analysis=analysis,
            options=inputs.ingredients.options,
            workspace=workshop.artefacts.workspace(),
            monitor=Monitor(cancelled=cancelled),
        )
        picture = frame_rgb(before)
        (after,) = workshop.engine().swap(context, iter([before]))
        return Preview(before.time, picture, frame_rgb(after), after.swapped)
