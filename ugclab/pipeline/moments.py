"""What is shown at a moment of a video, as pictures to look at: for previews, faces and the contact sheet."""

import math
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ugclab.errors import MediaError
from ugclab.media.frames import Frame, read_frames
from ugclab.media.images import frame_rgb
from ugclab.media.probe import probe
from ugclab.media.stitch import DISCLOSURE
from ugclab.pipeline.contact_sheet import MOST_ROWS, Moment, columns_for, contact_sheet, moments_of
from ugclab.schema.media import MediaInfo, TimeRange
from ugclab.schema.plan import SegmentPlan


def draw_sheet(
    source: Path, output: Path, info: MediaInfo, plan: SegmentPlan, facts: Sequence[str]
) -> NDArray[np.uint8]:
    """The contact sheet of a finished video, uint8 RGB: the same instants of source and output."""
    result = probe(output)
    rows = []
    for segment in plan.swaps:
        times = moments_of(segment, columns_for(info.width, info.height))
        pairs = zip(times, pictures_at(source, info, times), pictures_at(output, result, times), strict=True)
        rows.append((segment, [Moment(t, a, b[: a.shape[0], : a.shape[1]]) for t, a, b in pairs]))
        if len(rows) == MOST_ROWS:
            break
    return contact_sheet(output.name, facts, DISCLOSURE, plan, rows)


def pictures_at(path: Path, info: MediaInfo, times: Sequence[Fraction]) -> list[NDArray[np.uint8]]:
    """The pictures shown at rising `times`, uint8 RGB; HDR is tone-mapped, since this is for looking at.

    One pass where the times are close together, else a seek for each: whichever decodes fewer frames.
    """
    tone_map = info.colour.hdr
    if times[-1] - times[0] > len(times) * info.gop.longest_s:
        return [frame_rgb(frame_at(path, info, time, tone_map=tone_map)) for time in times]
    last = frame_at(path, info, times[0], tone_map=tone_map)
    part = TimeRange(start=last.time, end=_just_after(times[-1], info))
    pictures: list[NDArray[np.uint8]] = []
    for frame in read_frames(path, info, part, tone_map=tone_map):
        while frame.time > times[len(pictures)]:
            pictures.append(frame_rgb(last))
        last = frame
    return pictures + [frame_rgb(last)] * (len(times) - len(pictures))


def frame_at(path: Path, info: MediaInfo, time: Fraction, *, tone_map: bool) -> Frame:
    """The last frame whose time is not after `time`: the one a player shows. Raises MediaError if there is none."""
    back = 2 / info.frame_rate
    while True:  # where the rate varies, a picture may have been standing for long
        start = max(Fraction(0), time - back)
        part = TimeRange(start=start, end=_just_after(time, info))
        last = None
        for frame in read_frames(path, info, part, tone_map=tone_map):
            last = frame
        if last is not None:
            return last
        if start == 0:
            raise MediaError(f"{path.name} shows no picture at {float(time):.2f} s")
        back *= 8


def _just_after(time: Fraction, info: MediaInfo) -> Fraction:
    """The first tick after `time`: a range that ends there holds no later frame, however coarse the ticks are."""
    return (math.floor((time + info.start) / info.time_base) + 1) * info.time_base - info.start
