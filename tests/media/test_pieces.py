"""Planning pieces: every frame once and in order, copied packets that need nothing left out."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ugclab.media.packets import PacketIndex
from ugclab.media.pieces import FrameRange, decode_times, reorder_depth, smart_pieces, snap
from ugclab.schema.media import TimeRange
from ugclab.schema.plan import Action, Segment, SegmentPlan


@st.composite
def indexes(draw: st.DrawFn) -> PacketIndex:
    """Groups of pictures of random length and reordering, closed or open."""
    ranks: list[int] = []
    idr: list[bool] = []
    keyframe: list[bool] = []
    for group in range(draw(st.integers(1, 5))):
        start = len(ranks)
        length = draw(st.integers(1, 12))
        leading = draw(st.integers(0, 2)) if group and length > 3 else 0  # shown before the keyframe they follow
        order = [start + leading, *range(start, start + leading)]
        position = start + leading + 1
        while position < start + length:
            run = min(draw(st.integers(1, 4)), start + length - position)
            order += [position + run - 1, *range(position, position + run - 1)]
            position += run
        ranks += order
        idr += [not leading] + [False] * (length - 1)
        keyframe += [True] + [False] * (length - 1)
    steps = draw(st.lists(st.integers(1, 50), min_size=len(ranks), max_size=len(ranks)))
    times = np.cumsum(steps)
    return PacketIndex(
        time_base=Fraction(1, 1000), pts=times[ranks], shown=np.ones(len(ranks), bool), keyframe=np.array(keyframe),
        idr=np.array(idr), end=int(times[-1]) + 10, closed=all(idr), length_size=4, parameter_sets=None, audio=(),
    )  # fmt: skip


@given(index=indexes(), data=st.data())
def test_every_frame_once_and_copies_stand_alone(index: PacketIndex, data: st.DataObject) -> None:
    count = len(index.pts)
    cuts = sorted(data.draw(st.sets(st.integers(1, count), max_size=5)) - {count})
    first = data.draw(st.booleans())
    bounds = [0, *cuts, count]
    ranges = [FrameRange(n, a, b, swap=(n % 2 == 0) == first) for n, (a, b) in enumerate(pairwise(bounds))]
    pieces = smart_pieces(index, ranges)
    assert [n for p in pieces for n in range(p.first, p.end)] == list(range(count))
    times = index.times
    for piece in pieces:
        swapped = {r.swap for r in ranges if r.first < piece.end and piece.first < r.end}
        assert swapped == {piece.kind == "segment"}
        if piece.kind == "copy":
            assert index.idr[piece.packet]
            packets = index.pts[piece.packet : piece.packet_end]
            assert sorted(packets) == list(times[piece.first : piece.end])
    order = np.concatenate(
        [index.pts[p.packet : p.packet_end] if p.kind == "copy" else times[p.first : p.end] for p in pieces]
    )
    dts = decode_times(times, reorder_depth(index.pts))
    assert np.all(np.diff(dts) > 0)
    assert np.all(dts <= order)


@given(
    steps=st.lists(st.integers(1, 5000), min_size=1, max_size=60),
    cuts=st.lists(st.fractions(0, 5, max_denominator=1001), max_size=6, unique=True),
    start=st.integers(-5000, 200_000),
)
def test_a_boundary_falls_on_the_first_frame_not_before_it(steps: list[int], cuts: list[Fraction], start: int) -> None:
    times = start + np.concatenate([[0], np.cumsum(steps)])
    base = Fraction(1, 90_000)
    bounds = [Fraction(0), *sorted(c for c in cuts if c > 0), Fraction(6)]
    plan = SegmentPlan(
        segments=tuple(
            Segment(index=n, range=TimeRange(start=a, end=b), action=Action.KEEP)
            for n, (a, b) in enumerate(pairwise(bounds))
        )
    )
    ranges = snap(plan, times, base)
    assert [n for r in ranges for n in range(r.first, r.end)] == list(range(len(times)))
    for item in ranges:
        segment = plan.segments[item.segment]
        assert all((int(times[n]) - start) * base in segment.range for n in range(item.first, item.end))
