"""The one picture that is shown at an instant."""

import math
from fractions import Fraction
from pathlib import Path

from ugclab.errors import MediaError
from ugclab.media.frames import Frame, read_frames
from ugclab.schema.media import MediaInfo, TimeRange


def frame_at(path: Path, info: MediaInfo, time: Fraction, *, tone_map: bool) -> Frame:
    """The last frame whose time is not after `time`: the one a player shows. Raises MediaError if there is none."""
    back = 2 / info.frame_rate
    while True:  # where the rate varies, a picture may have been standing for long
        start = max(Fraction(0), time - back)
        part = TimeRange(start=start, end=just_after(time, info))
        last = None
        for frame in read_frames(path, info, part, tone_map=tone_map):
            last = frame
        if last is not None:
            return last
        if start == 0:
            raise MediaError(f"{path.name} shows no picture at {float(time):.2f} s")
        back *= 8


def just_after(time: Fraction, info: MediaInfo) -> Fraction:
    """The first tick after `time`: a range that ends there holds no later frame, however coarse the ticks are."""
    return (math.floor((time + info.start) / info.time_base) + 1) * info.time_base - info.start
