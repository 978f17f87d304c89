"""The pure part: which plan, which ranges, which key, and whether the face is there often enough."""

from fractions import Fraction
from pathlib import Path

import pytest

from tests.engines.tint import Tint
from ugclab.engines.base import Analysis, RangeFaces
from ugclab.errors import FaceNotFound, PlanError
from ugclab.media.encode import EncodeTarget
from ugclab.pipeline import plan as steps
from ugclab.pipeline.plan import Ingredients, check_coverage, coverage
from ugclab.schema.job import FaceSelector, SwapOptions
from ugclab.schema.media import Colour, Gop, MediaInfo, TimeRange
from ugclab.schema.plan import SegmentPlan

INFO = MediaInfo(
    container="mp4",
    size_bytes=1,
    width=640,
    height=360,
    frame_rate=Fraction(25),
    variable_frame_rate=False,
    time_base=Fraction(1, 12800),
    start=Fraction(0),
    duration=Fraction(10),
    frames=250,
    video_codec="h264",
    pixel_format="yuv420p",
    colour=Colour(),
    gop=Gop(keyframes=2, longest_s=Fraction(5), closed=True),
)
TARGET = EncodeTarget(width=640, height=360, time_base=Fraction(1, 12800), frame_rate=Fraction(25), colour=Colour())


def part(start: str, end: str) -> TimeRange:
    return TimeRange(start=Fraction(start), end=Fraction(end))


def analysis(*ranges: RangeFaces) -> Analysis:
    return Analysis(engine="tint", engine_version="1", ranges=ranges, folder=Path("x"))


def ingredients(**changes: object) -> Ingredients:
    fields = {"source_sha256": "s", "avatar_sha256": "a", "engine": Tint.info, "options": SwapOptions(), **changes}
    return Ingredients.model_validate(fields)


def test_ranges_are_the_swaps_or_everything() -> None:
    plan = steps.fixed_plan("0-2:swap,2-4:keep,4-6:swap", INFO)
    assert steps.ranges_to_analyse(plan, INFO) == (part("0", "2"), part("4", "6"))
    assert steps.fixed_plan(" Faces", INFO) is None
    assert steps.ranges_to_analyse(None, INFO) == (part("0", "10"),)


def test_a_plan_that_swaps_nothing_is_refused() -> None:
    with pytest.raises(PlanError, match="swaps nothing"):
        steps.fixed_plan("0-5:keep", INFO)


def test_the_plan_of_faces() -> None:
    found = analysis(RangeFaces(range=part("0", "10"), frames=250, frames_with_face=100, face_ranges=(part("2", "6"),)))
    plan = steps.plan_of_faces(found, INFO)
    assert str(plan) == "0-2:keep,2-6:swap,6-10:keep"
    check_coverage(plan, found, 0.9)
    with pytest.raises(FaceNotFound, match=r"no face is found anywhere in the 10\.00 s"):
        steps.plan_of_faces(analysis(RangeFaces(range=part("0", "10"), frames=250, frames_with_face=0)), INFO)


def test_too_rare_a_face_is_named_with_segment_and_times() -> None:
    plan = SegmentPlan.parse("0-2:swap,2-4:keep,4-6:swap", Fraction(10), Fraction(25))
    found = analysis(
        RangeFaces(range=part("0", "2"), frames=50, frames_with_face=50),
        RangeFaces(range=part("4", "6"), frames=50, frames_with_face=20),
    )
    assert [coverage(found, s) for s in plan.swaps] == [1.0, 0.4]
    check_coverage(plan, found, 0.4)
    with pytest.raises(FaceNotFound, match=r"segment 2 \(4.00-6.00 s\) shows the face in only 40% of its frames"):
        check_coverage(plan, found, 0.5)


def test_no_face_at_all_is_a_failure_even_if_none_is_asked_for() -> None:
    plan = SegmentPlan.parse("all", Fraction(10), Fraction(25))
    found = analysis(RangeFaces(range=part("0", "10"), frames=250, frames_with_face=0))
    with pytest.raises(FaceNotFound, match="nowhere"):
        check_coverage(plan, found, 0.0)


def key(made: Ingredients, range_: str = "0-2:swap", target: EncodeTarget = TARGET, analysed: str = "k") -> str:
    segment = SegmentPlan.parse(range_, Fraction(10), Fraction(25)).swaps[0]
    return steps.segment_key(made, analysed, segment, target)


def test_a_key_changes_with_whatever_decides_the_bytes() -> None:
    base = key(ingredients())
    changed = [
        key(ingredients(source_sha256="t")),
        key(ingredients(avatar_sha256="b")),
        key(ingredients(photo_sha256="p")),
        key(ingredients(engine=Tint.info.model_copy(update={"version": "2"}))),
        key(ingredients(weights={"a": "b"})),
        key(ingredients(options=SwapOptions(seed=1))),
        key(ingredients(options=SwapOptions(watermark="x"))),
        key(ingredients(options=SwapOptions(face=FaceSelector.parse("left")))),
        key(ingredients(), "0-3:swap"),
        key(ingredients(), target=TARGET.model_copy(update={"crf": 20})),
        key(ingredients(), analysed="l"),
    ]
    assert len({base, *changed}) == len(changed) + 1


def test_a_key_does_not_change_with_what_does_not() -> None:
    assert key(ingredients()) == key(ingredients(options=SwapOptions(min_swapped=0.1)))
    one, other = (
        ingredients(photo_sha256="same", options=SwapOptions(face=FaceSelector.parse(f"like:{p}"))) for p in "ab"
    )
    assert key(one) == key(other)
