"""The contact sheet: the change is shown, in its place, in the plan's colours."""

from fractions import Fraction

import numpy as np
import pytest

from ugclab.pipeline.contact_sheet import (
    GROUND,
    SWAPPED,
    UNTOUCHED,
    WIDTH_PX,
    Moment,
    clock,
    columns_for,
    contact_sheet,
    moments_of,
    side_by_side,
)
from ugclab.schema.plan import SegmentPlan

PLAN = SegmentPlan.parse("default", Fraction(30), Fraction(30))


def sheet(width: int, height: int, changed: tuple[slice, slice] | None, plan: SegmentPlan = PLAN) -> np.ndarray:
    before = np.full((height, width, 3), 90, np.uint8)
    after = before.copy()
    if changed:
        after[changed] = (0, 200, 0)
    rows = [
        (segment, [Moment(t, before, after) for t in moments_of(segment, columns_for(width, height))])
        for segment in plan.swaps
    ]
    return contact_sheet("a very long name " * 9, ["3 of 9 frames"], "altered", plan, rows)


@pytest.mark.parametrize("size", [(1280, 720), (720, 1280), (640, 640), (17, 9)])
def test_any_shape_of_footage(size: tuple[int, int]) -> None:
    drawn = sheet(*size, changed=None)
    assert drawn.shape[1] == WIDTH_PX
    assert drawn[0, 0].tolist() == list(GROUND)


def test_the_strip_shows_the_plan_in_its_proportions() -> None:
    strip = sheet(1280, 720, None)[120]
    swapped = (strip == SWAPPED).all(axis=1).sum()
    untouched = (strip == UNTOUCHED).all(axis=1).sum()
    assert swapped / (swapped + untouched) == pytest.approx(1 / 3, abs=0.02)


def test_a_small_change_is_enlarged() -> None:
    green = (sheet(1280, 720, np.s_[100:180, 200:280]) == (0, 200, 0)).all(axis=2).sum()
    whole = 10 * 80 * 80 * (1300 / 5 / 1280) ** 2  # what it would cover if the cells showed whole pictures
    assert green > 4 * whole


def test_only_the_first_rows_are_drawn() -> None:
    text = ",".join(f"{i}-{i + 1}:{'swap' if i % 2 else 'keep'}" for i in range(30))
    many = sheet(64, 36, None, SegmentPlan.parse(text, Fraction(30), Fraction(30)))
    assert many.shape[0] < 6 * 600


def test_side_by_side_and_clock() -> None:
    black, white = np.zeros((20, 30, 3), np.uint8), np.full((20, 30, 3), 255, np.uint8)
    both = side_by_side(black, white)
    assert (both[:20, :30] == 0).all()
    assert (both[:20, -30:] == 255).all()
    assert [clock(Fraction(t)) for t in ("0", "65.25", "3600")] == ["0:00.0", "1:05.2", "60:00.0"]
