"""The visible mark: on swapped frames only, legible on black and on white, within the picture."""

from fractions import Fraction

import numpy as np
import pytest

from ugclab.media.frames import Frame
from ugclab.media.watermark import watermark
from ugclab.schema.media import Colour


def grey(value: int, *, width: int = 320, height: int = 181, depth: int = 8, swapped: bool = True) -> Frame:
    frame = Frame.allocate(width, height, pts=0, time=Fraction(0), colour=Colour(bit_depth=depth))
    frame.y[:] = value << (depth - 8)
    frame.u[:] = 90 << (depth - 8)
    frame.v[:] = 160 << (depth - 8)
    frame.swapped = swapped
    return frame


@pytest.mark.parametrize("depth", [8, 10])
@pytest.mark.parametrize("value", [16, 128, 235])
def test_legible_on_anything(value: int, depth: int) -> None:
    (frame,) = watermark([grey(value, depth=depth)], "AI-generated")
    scale = 1 << (depth - 8)
    assert frame.y.max() >= 225 * scale
    assert frame.y.min() <= 40 * scale
    assert np.all(frame.y[: frame.height * 3 // 4] == value * scale), "only the bottom is touched"
    changed = np.argwhere(frame.y != value * scale)
    assert changed[:, 1].min() > frame.width // 3


def test_kept_frames_and_empty_text_pass() -> None:
    frames = [grey(99, swapped=False), grey(99)]
    kept, _ = watermark(frames[:1], "AI"), None
    assert np.all(next(iter(kept)).y == 99)
    assert np.all(next(iter(watermark(frames[1:], " "))).y == 99)


@pytest.mark.parametrize("size", [(64, 64), (108, 192), (1920, 1080)])
def test_a_long_text_fits(size: tuple[int, int]) -> None:
    (frame,) = watermark([grey(128, width=size[0], height=size[1])], "généré par une machine " * 3)
    changed = np.argwhere(frame.y != 128)
    assert len(changed)
    assert changed[:, 1].min() > 0
    assert changed[:, 0].max() < size[1] - 1
