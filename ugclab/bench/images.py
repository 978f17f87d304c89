"""The way face tools work, as a peer: every frame becomes a PNG, each is swapped, and the PNGs become a video again.

The engine, its analysis and the plan are the pipeline's own: what differs is the road the frames take. Reading and
writing overlap with the engine here, too, and PNGs of kept segments are left as they are.
"""

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import cast

import cv2
from av.video.frame import VideoFrame

from ugclab.bench.footage import ENCODER, run_ffmpeg
from ugclab.engines.base import FaceEngine, SegmentContext, Source
from ugclab.errors import MediaError
from ugclab.media import planes
from ugclab.media.frames import Frame, stage
from ugclab.media.images import frame_rgb, read_image
from ugclab.media.packets import scan
from ugclab.media.pieces import snap
from ugclab.media.probe import probe
from ugclab.pipeline.plan import SwapRequest, fixed_plan, ranges_to_analyse
from ugclab.pipeline.steps import Workshop
from ugclab.schema.media import MediaInfo
from ugclab.schema.plan import SegmentPlan

_NAME = "%06d.png"
_FAST_PNG = ("-compression_level", "1")
"""In favour of this road: FFmpeg's own default took 0.2 s for a picture of 720p, most of the whole time."""


def swap_by_images(workshop: Workshop, request: SwapRequest, folder: Path) -> int:
    """Write `request.out`, with pictures below the empty `folder`; gives the number of swapped frames.

    Steps are measured by the workshop: setup, probe, analyse, extract, swap, merge.
    """
    engine = workshop.engine()
    with workshop.step("probe"):
        info, avatar, index = probe(request.source), read_image(request.avatar), scan(request.source)
        plan = fixed_plan(request.plan, info) or SegmentPlan.parse("all", info.duration, info.frame_rate)
        ranges = snap(plan, index.times, index.time_base)
        source = Source(request.source, info)
    with workshop.step("analyse") as cost:
        work = folder / "engine"
        work.mkdir()
        looked = ranges_to_analyse(plan, info)
        analysis = engine.analyse(source, looked, avatar, request.options, work, workshop.monitor("analyse"))
        cost.media_s, cost.frames = (
            sum((r.duration for r in looked), Fraction(0)),
            sum(r.frames for r in analysis.ranges),
        )
    with workshop.step("extract") as cost:
        pictures = folder / "pictures"
        pictures.mkdir()
        numbered = ("-fps_mode", "passthrough", *_FAST_PNG, "-start_number", "0", str(pictures / _NAME))
        run_ffmpeg("-i", str(request.source), *numbered)
        cost.media_s, cost.frames = info.duration, len(index.times)
    changed = 0
    for segment in plan.swaps:
        with workshop.step("swap", segment.index) as cost:
            span = next(r for r in ranges if r.segment == segment.index)
            scratch = folder / f"segment-{segment.index}"
            scratch.mkdir()
            context = SegmentContext(source, segment.range, avatar, analysis, request.options, scratch)
            ticks = index.times[span.first : span.end]
            changed += _swap(engine, context, pictures, span.first, [int(tick) for tick in ticks])
            cost.media_s, cost.frames = segment.range.duration, len(ticks)
    with workshop.step("merge") as cost:
        rate = f"{info.frame_rate.numerator}/{info.frame_rate.denominator}"
        run_ffmpeg(
            "-framerate", rate, "-start_number", "0", "-i", str(pictures / _NAME), "-i", str(request.source),
            "-map", "0:v", "-map", "1:a?", "-c:a", "copy", *ENCODER, str(request.out),
        )  # fmt: skip
        cost.media_s, cost.frames = info.duration, len(index.times)
    return changed


def _swap(engine: FaceEngine, context: SegmentContext, folder: Path, first: int, ticks: list[int]) -> int:
    """Swap the pictures of one segment in place; gives how many were changed."""
    info, changed = context.source.info, 0
    read = cast(Generator[Frame], stage(read_pictures(folder, first, ticks, info), name="read"))
    swapped = cast(Generator[Frame], stage(engine.swap(context, read), name="swap"))
    with closing(read), closing(swapped):
        for number, frame in enumerate(swapped, first):
            changed += frame.swapped
            cv2.imwrite(str(folder / (_NAME % number)), frame_rgb(frame)[..., ::-1])
    return changed


def read_pictures(folder: Path, first: int, ticks: Iterable[int], info: MediaInfo) -> Iterator[Frame]:
    """Frames of PNGs numbered from `first`, with the source's timestamps. Raises MediaError where one is missing."""
    colour = planes.frame_colour(info.colour, 8)
    for number, tick in enumerate(ticks, first):
        name = _NAME % number
        picture = cv2.imread(str(folder / name))
        if picture is None:
            raise MediaError(f"FFmpeg wrote no picture {name}", hint="the source's frames cannot be counted")
        height, width = picture.shape[:2]
        buffer = planes.to_420(VideoFrame.from_ndarray(picture, "bgr24"), info.colour, colour)
        y, u, v = planes.views(buffer, width, height)
        time = tick * info.time_base - info.start
        yield Frame(y=y, u=u, v=v, pts=tick, time=time, colour=colour, buffer=buffer)
