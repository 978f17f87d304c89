"""Of what a stitched video is put together: pure planning on packet times. Frames are counted in presentation order."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np

from ugclab.errors import PlanError
from ugclab.media.packets import Ints, PacketIndex
from ugclab.schema.plan import Action, SegmentPlan


@dataclass(frozen=True, slots=True)
class Piece:
    """Frames [first, end) of the result, and where they come from.

    `copy`: packets [packet, packet_end) of the source, untouched. `bridge`: untouched frames encoded again because
    they hang together with swapped ones. `encode`: kept frames of a `full` stitch. `segment`: a swapped segment's file.
    """

    kind: Literal["copy", "bridge", "encode", "segment"]
    first: int
    end: int
    packet: int = 0
    packet_end: int = 0
    segment: int = -1

    @property
    def frames(self) -> int:
        """How many frames it holds."""
        return self.end - self.first


@dataclass(frozen=True, slots=True)
class FrameRange:
    """A segment of a plan in frames: [first, end)."""

    segment: int
    first: int
    end: int
    swap: bool


def snap(plan: SegmentPlan, times: Ints, time_base: Fraction) -> tuple[FrameRange, ...]:
    """Turn a plan's seconds into frames: a boundary falls on the first frame that is not before it, at any rate.

    `times` are the footage's timestamps in presentation order. Every frame belongs to exactly one range: those that no
    segment names, as after the plan's end, are kept in a range with segment -1.
    Raises PlanError for a swap that holds no frame.
    """
    origin = int(times[0])
    ranges: list[FrameRange] = []
    for segment in plan.segments:
        first, end = (
            int(np.searchsorted(times, origin + math.ceil(time / time_base)))
            for time in (segment.range.start, segment.range.end)
        )
        if segment.action is Action.SWAP and first == end:
            raise PlanError(f"segment {segment.index} ({segment.range}) holds no frame", hint="make it longer")
        if first < end:
            ranges.append(FrameRange(segment.index, first, end, segment.action is Action.SWAP))
    return tuple(_fill(ranges, len(times)))


def _fill(ranges: list[FrameRange], frames: int) -> list[FrameRange]:
    """Keep what no segment names: gaps, and the rest after the last one."""
    filled: list[FrameRange] = []
    position = 0
    for item in sorted(ranges, key=lambda r: r.first):
        if item.first < position:
            raise PlanError(f"segment {item.segment} overlaps the one before it", hint="let segments follow each other")
        if item.first > position:
            filled.append(FrameRange(-1, position, item.first, swap=False))
        filled.append(item)
        position = item.end
    if position < frames:
        filled.append(FrameRange(-1, position, frames, swap=False))
    return filled


def smart_pieces(index: PacketIndex, ranges: Sequence[FrameRange]) -> tuple[Piece, ...]:
    """Copy what can be copied of every kept range, bridge the rest.

    Right of a swap, copying starts at the first IDR picture. Left of one it ends after the longest prefix, in decode
    order, whose pictures are all shown before everything that follows: they depend on nothing that is left out.
    """
    times = index.times
    highest = np.concatenate([[np.iinfo(np.int64).min], np.maximum.accumulate(index.pts)])
    lowest = np.concatenate([np.minimum.accumulate(index.pts[::-1])[::-1], [np.iinfo(np.int64).max]])
    cuts = np.flatnonzero(highest < lowest)  # packets [0, cut) are shown before packets [cut, …)
    starts = np.flatnonzero(index.idr & (index.shown | (np.arange(len(index.pts)) == 0)))
    pieces: list[Piece] = []
    for item in _joined(ranges):
        if item.swap:
            pieces.append(Piece("segment", item.first, item.end, segment=item.segment))
            continue
        limit = int(times[item.end]) if item.end < len(times) else int(times[-1]) + 1
        after = starts if item.first == 0 else starts[index.pts[starts] >= times[item.first]]
        start = int(after[0]) if len(after) else len(index.pts)
        usable = cuts[highest[cuts] < limit]
        end = int(usable[-1]) if len(usable) else 0
        if end <= start or not index.shown[start:end].any():
            pieces.append(Piece("bridge", item.first, item.end))
            continue
        shown = index.pts[start:end][index.shown[start:end]]
        first, last = int(np.searchsorted(times, shown.min())), int(np.searchsorted(times, shown.max()))
        if first > item.first:
            pieces.append(Piece("bridge", item.first, first))
        pieces.append(Piece("copy", first, last + 1, packet=start, packet_end=end))
        if last + 1 < item.end:
            pieces.append(Piece("bridge", last + 1, item.end))
    return tuple(pieces)


def full_pieces(ranges: Sequence[FrameRange]) -> tuple[Piece, ...]:
    """Encode every kept range, take every swapped one from its file."""
    return tuple(
        Piece("segment" if r.swap else "encode", r.first, r.end, segment=r.segment if r.swap else -1)
        for r in _joined(ranges)
    )


def _joined(ranges: Sequence[FrameRange]) -> list[FrameRange]:
    """Kept ranges that touch each other as one: no boundary of a plan between them needs a cut."""
    joined: list[FrameRange] = []
    for item in ranges:
        if joined and not item.swap and not joined[-1].swap:
            joined[-1] = FrameRange(joined[-1].segment, joined[-1].first, item.end, swap=False)
        else:
            joined.append(item)
    return joined


def output_times(index_times: Ints, hidden: Ints) -> Ints:
    """All timestamps of the result in order: every frame's, and those of copied packets that are never shown."""
    return np.sort(np.concatenate([index_times, hidden])) if len(hidden) else index_times


def reorder_depth(pts: Ints) -> int:
    """How many packets decoding order runs ahead of presentation order: the D of dts[i] = sorted_pts[i - D]."""
    ranks = np.argsort(np.argsort(pts, kind="stable"), kind="stable")
    return int(max(0, (np.arange(len(pts)) - ranks).max())) if len(pts) else 0


def decode_times(times: Ints, depth: int) -> Ints:
    """One rising decoding time for each packet of a stream, each not after its picture is shown."""
    if depth == 0:
        return times
    step = int(np.diff(times).min()) if len(times) > 1 else 1
    before = times[0] - step * np.arange(depth, 0, -1)
    return np.concatenate([before, times])[: len(times)]
