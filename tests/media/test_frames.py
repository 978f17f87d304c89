"""Reading: exact ranges, own memory; stages: bounded, errors carried over, no thread left behind."""

import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.clips import make_clip, read_number
from ugclab.errors import Cancelled, MediaError
from ugclab.media.frames import Frame, read_frames, stage, watched
from ugclab.media.probe import probe
from ugclab.schema.media import Colour, TimeRange


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clip") / "a.mp4", frames=90, gop=25, rate=Fraction(30_000, 1001))


@settings(max_examples=25, deadline=None)
@given(bounds=st.tuples(st.fractions(0, 3, max_denominator=1001), st.fractions(0, 3, max_denominator=1001)))
def test_ranges_are_exact(clip: Path, bounds: tuple[Fraction, Fraction]) -> None:
    start, end = sorted(bounds)
    if start == end:
        return
    numbers = [read_number(f.y) for f in read_frames(clip, probe(clip), TimeRange(start=start, end=end))]
    assert numbers == [n for n in range(90) if start <= n * Fraction(1001, 30_000) < end]


@pytest.mark.parametrize("x264", ["", "b-pyramid=none", "ref=5:b-adapt=0", "bframes=0:ref=4"])
def test_the_way_to_a_late_range_changes_nothing(tmp_path: Path, x264: str) -> None:
    """Far behind a keyframe, what no other picture refers to is left out on the way."""
    path = make_clip(tmp_path / "a.mp4", frames=120, gop=250, b_frames=3, x264=x264, noise=20, sounds=())
    info = probe(path)
    whole = list(read_frames(path, info))
    part = list(read_frames(path, info, TimeRange(start=Fraction(80, 30), end=Fraction(90, 30))))
    assert [frame.pts for frame in part] == [frame.pts for frame in whole[80:90]]
    for old, new in zip(whole[80:90], part, strict=True):
        assert all(np.array_equal(a, b) for a, b in ((old.y, new.y), (old.u, new.u), (old.v, new.v)))


def test_borrowed_frames_are_the_same(clip: Path) -> None:
    info = probe(clip)
    for own, lent in zip(read_frames(clip, info), read_frames(clip, info, borrow=True), strict=True):
        assert all(np.array_equal(a, b) for a, b in ((own.y, lent.y), (own.u, lent.u), (own.v, lent.v)))
        assert (own.pts, own.time, own.colour) == (lent.pts, lent.time, lent.colour)


def test_frames_are_owned_and_independent(clip: Path) -> None:
    info = probe(clip)
    frames = list(read_frames(clip, info, TimeRange(start=0, end=Fraction(1, 2))))
    for frame in frames:
        frame.y[:] = 0
        frame.u[:] = 0
    again = list(read_frames(clip, info, TimeRange(start=0, end=Fraction(1, 2))))
    assert [read_number(f.y) for f in again] == list(range(15))
    assert all(f.buffer.planes[0].buffer_ptr != again[0].buffer.planes[0].buffer_ptr for f in again[1:])
    assert np.frombuffer(frames[0].buffer.planes[0], np.uint8)[:100].max() == 0, "planes are the encoder's buffer"


@pytest.mark.parametrize("size", [(64, 48), (65, 49), (1, 1), (2, 3)])
@pytest.mark.parametrize("depth", [8, 10])
def test_allocated_shapes(size: tuple[int, int], depth: int) -> None:
    frame = Frame.allocate(*size, pts=7, time=Fraction(7, 30), colour=Colour(bit_depth=depth))
    width, height = size
    assert frame.y.shape == (height, width) == (frame.height, frame.width)
    assert frame.u.shape == frame.v.shape == ((height + 1) // 2, (width + 1) // 2)
    assert frame.y.dtype == (np.uint8 if depth == 8 else np.uint16)
    assert frame.y.flags.writeable


def test_a_picture_that_changes_its_size(tmp_path: Path) -> None:
    a = make_clip(tmp_path / "a.ts", frames=20, sounds=())
    b = make_clip(tmp_path / "b.ts", frames=20, sounds=(), size=(128, 96))
    both = tmp_path / "both.ts"
    both.write_bytes(a.read_bytes() + b.read_bytes())
    with pytest.raises(MediaError):
        list(read_frames(both, probe(both)))


def _threads() -> set[str]:
    return {t.name for t in threading.enumerate() if t.name.startswith("ugclab")}


def test_stage_passes_everything_in_order() -> None:
    assert list(stage(stage(iter(range(500)), 2), 3)) == list(range(500))
    assert not _threads()


def test_stage_is_bounded() -> None:
    taken: list[int] = []
    ready = threading.Event()

    def source() -> Iterator[int]:
        for n in range(100):
            taken.append(n)
            if n == 5:
                ready.set()
            yield n

    items = stage(source(), 4)
    assert next(items) == 0
    assert ready.wait(5)
    items.close()  # type: ignore[attr-defined]
    assert len(taken) <= 8
    assert not _threads()


def test_stage_carries_errors_over_and_closes_its_source() -> None:
    closed = []

    def source() -> Iterator[int]:
        try:
            yield 1
            raise ValueError("broken")
        finally:
            closed.append(True)

    items = stage(source())
    assert next(items) == 1
    with pytest.raises(ValueError, match="broken"):
        next(items)
    assert closed == [True]

    closed.clear()
    items = stage(source())
    next(items)
    items.close()  # type: ignore[attr-defined]
    assert closed == [True]
    assert not _threads()


def test_consumer_that_fails_leaves_no_thread(clip: Path) -> None:
    items = stage(read_frames(clip, probe(clip)))
    with pytest.raises(ValueError, match="broken"):
        int([next(items), "broken"][1])  # type: ignore[arg-type]
    del items
    assert not _threads()


def test_watched_reports_and_stops() -> None:
    seen: list[tuple[int, int]] = []
    frames = [Frame.allocate(2, 2, pts=n, time=Fraction(n), colour=Colour()) for n in range(3)]
    assert len(list(watched(frames, 3, lambda *at: seen.append(at), lambda: False))) == 3
    assert seen == [(1, 3), (2, 3), (3, 3)]
    with pytest.raises(Cancelled):
        list(watched(frames, 3, lambda *_: None, lambda: True))
