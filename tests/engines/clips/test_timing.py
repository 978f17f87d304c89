"""What is generated of a segment, and how each source frame gets its picture back."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ugclab.engines.clips.timing import FASTEST, LEAST, SLACK, retimed, sample
from ugclab.errors import EngineError


def at_rate(rate: Fraction | int, count: int) -> list[Fraction]:
    return [Fraction(number) / Fraction(rate) for number in range(count)]


def pictures(count: int) -> list[np.ndarray]:
    return [np.full((2, 2, 3), number, np.uint8) for number in range(count)]


@pytest.mark.parametrize("rate", [24, 25, Fraction(30000, 1001), 30])
def test_usual_footage_is_generated_frame_by_frame(rate: Fraction | int) -> None:
    times = at_rate(rate, 50)
    plan = sample(times)
    assert plan.exact
    assert plan.times == tuple(times)
    assert [int(p[0, 0, 0]) for p in retimed(pictures(50), plan, times)] == list(range(50))


@pytest.mark.parametrize(
    ("rate", "asked", "made"), [(60, 0, 30), (50, 0, 30), (25, 16, 16), (30, 24, 24), (60, 16, 16)]
)
def test_fast_footage_is_thinned_to_real_frames(rate: int, asked: int, made: int) -> None:
    times = at_rate(rate, 2 * rate)
    plan = sample(times, asked)
    assert not plan.exact
    assert set(plan.times) <= set(times)
    assert plan.times[0] == times[0]
    assert plan.times[-1] == times[-1]
    assert abs(len(plan.times) - 2 * made) <= 2


def test_the_way_back_blends_between_neighbours_or_takes_the_nearer() -> None:
    times = at_rate(60, 9)
    plan = sample(times, 15)
    assert plan.times == (times[0], times[4], times[8], times[8], times[8])
    made = [np.full((1, 1, 3), value, np.uint8) for value in (0, 100, 200, 200, 200)]
    assert [int(p[0, 0, 0]) for p in retimed(made, plan, times)] == [0, 25, 50, 75, 100, 125, 150, 175, 200]
    near = [int(p[0, 0, 0]) for p in retimed(made, plan, times, blend=False)]
    assert near == [0, 0, 100, 100, 100, 100, 200, 200, 200]


@pytest.mark.parametrize(
    ("rate", "frames", "clips", "length", "wasted"),
    [(30, 150, 2, 77, 3), (24, 120, 2, 61, 1), (16, 80, 1, 81, 1), (25, 125, 2, 65, 4)],
)
def test_clips_waste_the_fewest_frames(rate: int, frames: int, clips: int, length: int, wasted: int) -> None:
    plan = sample(at_rate(rate, frames))
    assert (plan.clips, plan.clip_length, plan.wasted) == (clips, length, wasted)
    assert len(plan.clip_starts()) == clips


def test_a_preview_of_one_frame_is_a_shortest_clip() -> None:
    plan = sample([Fraction(7, 25)])
    assert plan.times == (Fraction(7, 25),) * LEAST
    assert (plan.clips, plan.clip_length) == (1, LEAST)
    (only,) = retimed(pictures(LEAST), plan, [Fraction(7, 25)])
    assert only.shape == (2, 2, 3)


def test_frames_without_a_face_are_left_out() -> None:
    times = [t for t in at_rate(25, 50) if not 20 <= t * 25 < 30]
    plan = sample(times)
    assert plan.times == tuple(times)


def test_too_few_pictures_are_told() -> None:
    times = at_rate(25, 10)
    with pytest.raises(EngineError, match="only 6 of 10"):
        list(retimed(pictures(6), sample(times), times))
    with pytest.raises(EngineError):
        sample([])


@given(st.lists(st.integers(1, 400), min_size=1, max_size=120), st.sampled_from([0, 16, 24, 30]))
def test_every_frame_of_any_rate_gets_a_picture_from_beside_it(steps: list[int], rate: int) -> None:
    times = [Fraction(sum(steps[:n]), 3000) for n in range(len(steps))]
    plan = sample(times, rate)
    assert list(plan.times) == sorted(plan.times)
    assert (plan.clip_length - 1) % 4 == 0
    made = [np.full((1, 1, 1), n % 251, np.uint8) for n in range(len(plan.times))]
    assert len(list(retimed(made, plan, times, blend=False))) == len(times)
    if not plan.exact:  # never faster than asked for, by more than the slack
        span = times[-1] - times[0]
        assert len(set(plan.times)) <= span * (rate or FASTEST) * SLACK + 3
