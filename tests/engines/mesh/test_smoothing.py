"""Smoothing passes motion and takes shaking away; whatever comes in comes out, in order."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ugclab.engines.mesh.smoothing import REACH, smooth
from ugclab.engines.mesh.topology import Floats

WIDTH = 300.0


def landmarks(value: float, lids: float | None = None) -> Floats:
    """A face WIDTH px wide at a height, and the height of its landmark 7, if that is another."""
    points = np.full((468, 3), value, np.float32)
    points[:, 0] = np.linspace(0, WIDTH, 468)
    points[7, 1] = value if lids is None else value + lids
    return points


def smoothed(frames: list[int], values: list[float]) -> tuple[list[int], list[float]]:
    out = list(smooth((frame, landmarks(value)) for frame, value in zip(frames, values, strict=True)))
    assert all(points.shape == (468, 3) for _, points in out)
    return [frame for frame, _ in out], [float(points[7, 1]) for _, points in out]


def test_a_parabola_passes_unchanged() -> None:
    """Motion that speeds up or turns round is neither damped nor late: 12 px a frame and 0.9 px of acceleration."""
    frames = list(range(40))
    values = [3 + 12 * t - 0.9 * t * t for t in frames]
    assert np.abs(np.subtract(smoothed(frames, values)[1], values)).max() < 0.01


def test_noise_shrinks() -> None:
    noise = np.random.default_rng(5).normal(0, 0.001 * WIDTH, 400)
    out = np.array(smoothed(list(range(400)), list(noise))[1])
    # A parabola over 7 frames leaves the square root of 1/3 (Savitzky and Golay, 1964).
    assert 0.5 < out[REACH:-REACH].std() / noise[REACH:-REACH].std() < 0.65


def test_a_blink_survives() -> None:
    """Lids are shut for four frames or so: at the deepest frame 80 % must be left."""
    lids = 12 * np.array([0, 0, 0, 0, 0, 0.4, 0.9, 1, 0.9, 0.4, 0, 0, 0, 0, 0])
    out = [points[7, 1] for _, points in smooth((t, landmarks(0, float(lid))) for t, lid in enumerate(lids))]
    assert max(out) > 0.8 * 12
    assert int(np.argmax(out)) == 7


@pytest.mark.parametrize("held", [2, 3])
def test_motion_in_steps_is_not_smoothed(held: int) -> None:
    """A camera of 12 or 8 frames/s in a file of 24 repeats its frames: the face must stay on each of them."""
    values = [9.0 * (t // held) for t in range(40)]
    assert np.abs(np.subtract(smoothed(list(range(40)), values)[1], values)).max() < 0.002 * WIDTH


def test_nothing_reaches_over_a_gap() -> None:
    frames = [0, 1, 2, 3, 4, 5, 30, 31, 32, 33, 34, 35]
    values = [1.0] * 6 + [100.0] * 6
    out, smooth_values = smoothed(frames, values)
    assert out == frames
    assert np.abs(np.subtract(smooth_values, values)).max() < 1e-3


def test_the_first_and_the_last_frame_are_near_their_own_value() -> None:
    """At an edge there is nothing to fit: the landmarks of the model stand."""
    values = [0.0, 1, 0, 1, 0, 1, 0, 1]
    out = smoothed(list(range(8)), values)[1]
    assert (out[0], out[-1]) == (0, 1)


def test_few_frames() -> None:
    assert smoothed([], []) == ([], [])
    assert smoothed([4], [2.0]) == ([4], [2.0])
    assert smoothed([4, 5], [2.0, 9.0]) == ([4, 5], [2.0, 9.0])


@given(st.lists(st.integers(0, 120), unique=True, max_size=40).map(sorted))
def test_every_frame_comes_back_in_order(frames: list[int]) -> None:
    out, values = smoothed(frames, [5.0 + 2 * frame for frame in frames])
    assert out == frames
    assert np.abs(np.subtract(values, [5 + 2 * frame for frame in frames])).max(initial=0) < 0.01, "a line is a line"


def test_it_works_on_a_stream() -> None:
    taken = 0

    def track() -> object:
        nonlocal taken
        for frame in range(100):
            taken += 1
            yield frame, landmarks(frame)

    out = smooth(track())  # type: ignore[arg-type]
    next(out)
    assert taken <= REACH + 1
