"""Putting back: the source outside the mask to the bit, the model's inside, colours held to the source's."""

from fractions import Fraction

import numpy as np
import pytest

from tests.engines.clips.test_crop import smooth_frame
from ugclab.engines.clips.composite import Compositor
from ugclab.engines.clips.crop import Crop
from ugclab.engines.clips.matching import Matcher, measure
from ugclab.engines.mesh.topology import Floats
from ugclab.media.frames import Frame
from ugclab.schema.media import Colour

CROP = Crop(64, 32, 192, 192, (256, 256))


def disc(radius: float = 50) -> Floats:
    y, x = np.mgrid[:256, :256]
    mask: Floats = np.clip((radius - np.hypot(x - 128, y - 128)) / 12, 0, 1).astype(np.float32)
    return mask


def canvas(frame: Frame, mask: Floats, tint: tuple[int, int, int] = (40, 200, 90), drift: int = 0) -> np.ndarray:
    rgb = CROP.see(frame).astype(int)
    rgb[mask > 0] = tint
    return np.dstack([np.clip(rgb + drift, 0, 255), np.where(mask > 0, 255, 0)]).astype(np.uint8)


def copied(frame: Frame) -> list[np.ndarray]:
    return [plane.copy() for plane in (frame.y, frame.u, frame.v)]


@pytest.mark.parametrize("depth", [8, 10])
def test_outside_the_mask_every_code_value_stays(depth: int) -> None:
    frame = smooth_frame()
    if depth == 10:
        colour = Colour(matrix="bt709", bit_depth=10)
        deep = Frame.allocate(frame.width, frame.height, pts=0, time=Fraction(0), colour=colour)
        for plane, source in zip((deep.y, deep.u, deep.v), copied(frame), strict=True):
            plane[...] = source.astype(np.uint16) * 4 + 1
        frame = deep
    before, mask = copied(frame), disc()
    assert Compositor(CROP).put(frame, canvas(frame, mask), mask)
    y, x = np.mgrid[: frame.height, : frame.width]
    # the canvas's middle lies at (160, 128) of the source; its scale is 4/3
    beyond = np.hypot(x - 160, y - 128) > 50 * 0.75 + 3
    assert np.array_equal(frame.y[beyond], before[0][beyond])
    for plane, old in zip((frame.u, frame.v), before[1:], strict=True):
        assert np.array_equal(plane[beyond[::2, ::2]], old[beyond[::2, ::2]])
    assert frame.y[128, 160] != before[0][128, 160]
    assert frame.u.dtype == before[1].dtype


def test_inside_is_what_was_drawn() -> None:
    frame, mask = smooth_frame(), disc()
    Compositor(CROP).put(frame, canvas(frame, mask, (128, 128, 128)), mask)
    assert frame.y[128, 160] == pytest.approx(126, abs=2)
    assert frame.u[64, 80] == pytest.approx(128, abs=2)


def test_what_changes_nothing_says_so() -> None:
    frame, mask = smooth_frame(), np.zeros((256, 256), np.float32)
    before = copied(frame)
    assert not Compositor(CROP).put(frame, canvas(frame, mask), mask)
    assert all(np.array_equal(a, b) for a, b in zip(copied(frame), before, strict=True))


@pytest.mark.parametrize("drift", [-14, 14])
def test_drift_is_taken_off(drift: int) -> None:
    mask = disc()
    right, drifted = smooth_frame(), smooth_frame()
    Compositor(CROP).put(right, canvas(smooth_frame(), mask), mask)
    Compositor(CROP).put(drifted, canvas(smooth_frame(), mask, drift=drift), mask)
    assert abs(int(drifted.y[128, 160]) - int(right.y[128, 160])) <= 2
    assert abs(drift) * 219 / 255 > 10


def test_what_was_drawn_does_not_bend_the_measure() -> None:
    """A model that draws somebody else in quite another colour has not drifted."""
    frame, mask = smooth_frame(), disc()
    Compositor(CROP).put(frame, canvas(frame, mask, (255, 40, 40)), mask)
    assert frame.v[64, 80] > 170


def test_a_new_clip_is_measured_anew_and_within_one_the_measure_is_steady() -> None:
    source = np.random.default_rng(0).uniform(60, 180, (40, 40, 3)).astype(np.float32)
    outside = np.ones((40, 40), np.float32)
    matcher = Matcher()
    shifts = [
        float(matcher.meet(source, source + drift, outside, new_clip=new).shift[0])
        for drift, new in ((0, True), (10, False), (10, True), (10, False))
    ]
    assert shifts == pytest.approx([0, -1.5, -10, -10], abs=0.2)


def test_too_small_surroundings_tell_nothing() -> None:
    source = np.zeros((10, 10, 3), np.float32)
    assert measure(source, source, np.ones((10, 10), np.float32)) is None
    matcher = Matcher()
    unchanged = matcher.meet(source, source + 30, np.zeros((10, 10), np.float32), new_clip=True)
    assert unchanged.shift.tolist() == [0, 0, 0]
