"""Normalise a source once for many avatars: upright, at a constant rate, 8 bits, a keyframe at every boundary."""

import math
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from ugclab.media.encode import encode_segment
from ugclab.media.frames import Frame, read_frames, stage
from ugclab.media.modes import StitchPlan, full_target
from ugclab.media.packets import Ints, PacketIndex, scan
from ugclab.media.pieces import Piece, snap
from ugclab.media.probe import probe
from ugclab.media.stitch import check_output, stitch
from ugclab.schema.job import StitchMode
from ugclab.schema.media import MediaInfo, TimeRange
from ugclab.schema.plan import SegmentPlan

PREPARED_CRF = 14
"""Finer than a result's 18: what is prepared is coded twice where it is swapped."""
_RATES = tuple(Fraction(*r) for r in ((24000, 1001), (24, 1), (25, 1), (30000, 1001), (30, 1), (50, 1), (60000, 1001), (60, 1)))  # fmt: skip # noqa: E501


def prepare(
    path: Path,
    info: MediaInfo,
    plan: SegmentPlan,
    output: Path,
    *,
    crf: int = PREPARED_CRF,
    report: Callable[[int, int], None] = lambda done, total: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> MediaInfo:
    """Write `output` (mp4), which `plan_stitch` with mode PREPARED takes for the same plan, without any bridge.

    HDR is tone-mapped to bt709, SDR colours keep their meaning; a varying rate becomes the nearest usual one by
    holding pictures; sound is copied. Returns the prepared file's MediaInfo. Raises as `stitch` does.
    """
    check_output(path, output)
    source = scan(path)
    index = _constant(source, info) if info.variable_frame_rate else source
    times = index.times
    target = full_target(path, info, crf=crf, preset="veryfast", tone_map=True, bit_depth=8)
    target = target.model_copy(update={"time_base": index.time_base, "frame_rate": _rate(info)})
    ranges = snap(plan, times, index.time_base)
    with tempfile.TemporaryDirectory(prefix=".ugclab-", dir=output.parent) as folder:
        files = {}
        for number, item in enumerate(ranges):
            wanted = times[item.first : item.end]
            frames = read_frames(path, info, _covering(source, wanted, index.time_base), tone_map=True, bit_depth=8)
            files[number] = Path(folder) / f"{number}.mp4"
            encode_segment(
                stage(hold(frames, wanted, index.time_base, info.start)),
                target,
                files[number],
                report=_after(item.first, len(times), report),
                cancelled=cancelled,
            )
        stitched = StitchPlan(
            source=path,
            info=info.model_copy(update={"frames": len(times)}),
            mode=StitchMode.FULL,
            reason="prepared",
            target=target,
            bridge=target,
            pieces=tuple(Piece("segment", r.first, r.end, segment=n) for n, r in enumerate(ranges)),
            index=index,
        )
        stitch(stitched, files, output, disclosure="", cancelled=cancelled)
    return probe(output)


def hold(frames: Iterable[Frame], times: Ints, time_base: Fraction, start: Fraction) -> Iterator[Frame]:
    """Show at each of `times` the last frame that is due by then; the first one also before its own time."""
    source = iter(frames)
    current = next(source, None)
    following = next(source, None)
    for pts in times:
        at = int(pts) * time_base - start
        while following is not None and following.time <= at:
            current, following = following, next(source, None)
        if current is not None:
            yield replace(current, pts=int(pts), time=at)


def _after(done: int, total: int, report: Callable[[int, int], None]) -> Callable[[int, int], None]:
    return lambda count, _: report(done + count, total)


def _covering(source: PacketIndex, wanted: Ints, time_base: Fraction) -> TimeRange:
    """The footage time whose frames are seen at the wanted timestamps: from the one on screen at the first."""
    shown, base = source.times, source.time_base
    first, last = (math.floor(int(t) * time_base / base) for t in (wanted[0], wanted[-1]))
    start = int(shown[max(0, int(np.searchsorted(shown, first, side="right")) - 1)])
    origin = int(shown[0])
    return TimeRange(start=(start - origin) * base, end=(max(last, start) + 1 - origin) * base)


def _rate(info: MediaInfo) -> Fraction:
    """The footage's own rate where it is steady, else the usual one nearest to its average."""
    if not info.variable_frame_rate:
        return info.frame_rate.limit_denominator(1001)
    return min(_RATES, key=lambda rate: abs(rate - info.frame_rate))


def _constant(source: PacketIndex, info: MediaInfo) -> PacketIndex:
    """Times on an even grid from the first picture to the end, in ticks fine enough for any start."""
    rate = _rate(info)
    factor = 1 if rate.numerator >= 10_000 else 1000
    base = Fraction(1, rate.numerator * factor)
    origin = round(info.start / base)
    count = max(1, math.ceil(info.duration * rate))
    step = rate.denominator * factor
    times = origin + step * np.arange(count, dtype=np.int64)
    yes = np.ones(count, np.bool_)
    return replace(source, time_base=base, pts=times, shown=yes, keyframe=yes, idr=yes, end=origin + step * count)
