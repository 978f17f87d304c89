"""Plans: what is read, what is refused and with which words, and that nothing but PlanError is ever raised."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ugclab.errors import PlanError
from ugclab.schema.media import TimeRange
from ugclab.schema.plan import Action, SegmentPlan, first_frame, format_time, parse_time

FPS = Fraction(30)


def parse(text: str, duration: Fraction | int = 30, rate: Fraction = FPS) -> str:
    return str(SegmentPlan.parse(text, Fraction(duration), rate))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5", Fraction(5)),
        ("5.5", Fraction(11, 2)),
        ("1:02.5", Fraction(125, 2)),
        ("00:01:02.500", Fraction(125, 2)),
        ("150/30", Fraction(5)),
        ("1001/30000", Fraction(1001, 30000)),
        (" end ", Fraction(77)),
        ("0.1", Fraction(1, 10)),
    ],
)
def test_times_are_exact(text: str, seconds: Fraction) -> None:
    assert parse_time(text, Fraction(77)) == seconds


@pytest.mark.parametrize(
    "text", ["", "-1", "1:60", "1:5", "1:61:00", "5/0", "1e3", "5s", "٣", "nan", "1.", ".5", "9" * 20]
)
def test_what_is_not_a_time_is_refused(text: str) -> None:
    with pytest.raises(PlanError, match="is not a time"):
        parse_time(text, Fraction(30))


@pytest.mark.parametrize(
    ("duration", "expected"),
    [
        (Fraction(30), "0-5:swap,5-15:keep,15-20:swap,20-30:keep"),
        (Fraction(3), "0-3:swap"),
        (Fraction(5), "0-5:swap"),
        (Fraction(12), "0-5:swap,5-12:keep"),
        (Fraction(17), "0-5:swap,5-15:keep,15-17:swap"),
        (Fraction(90), "0-5:swap,5-15:keep,15-20:swap,20-90:keep"),
    ],
)
def test_the_default_plan_fits_any_length(duration: Fraction, expected: str) -> None:
    assert parse("default", duration) == expected


def test_no_sliver_without_a_frame_is_left_at_the_end() -> None:
    ntsc = Fraction(30000, 1001)  # 150 frames last 5.005 s, and the last of them is shown at 4.97
    assert parse("default", 150 / ntsc, ntsc) == "0-5.005:swap"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("all", "0-30:swap"),
        (" ALL ", "0-30:swap"),
        ("0-5:swap", "0-5:swap,5-30:keep"),
        ("0-5:keep,5-end:swap", "0-5:keep,5-30:swap"),
        ("0-5:SWAP, 5-7:keep", "0-5:swap,5-30:keep"),
        ("0-0:05:swap,0:05-10:swap", "0-5:swap,5-10:swap,10-30:keep"),
        ("0-30.03:swap", "0-30:swap"),  # within one frame of the end
        ("0-29.99:swap", "0-30:swap"),  # no frame lies behind 29.99
    ],
)
def test_what_a_text_means(text: str, expected: str) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the plan is empty"),
        ("0-5", "segment 0 of the plan reads '0-5'"),
        ("0-5:swap,,", "segment 1 of the plan reads ''"),
        ("0-5:cut", "segment 0 of the plan reads '0-5:cut'"),
        ("0-x:swap", "segment 0 of the plan: 'x' is not a time"),
        (
            "0-5:swap,4-9:keep",
            r"segment 1 \(4-9:keep\) overlaps the one before it, which ends at 5.00 s; .*30.00 s long",
        ),
        ("0-5:swap,6-9:keep", r"segment 1 \(6-9:keep\) leaves a gap after at 5.00 s; the footage is 30.00 s long"),
        ("1-5:swap", r"segment 0 \(1-5:swap\) leaves a gap"),
        ("0-0:swap", r"segment 0 \(0-0:swap\) has no length; the footage is 30.00 s long"),
        ("0-5:swap,5-3:keep", r"segment 1 \(5-3:keep\) has no length"),
        ("0-31:swap", r"segment 0 \(0-31:swap\) ends beyond the footage; the footage is 30.00 s long"),
        ("0-0.01:swap,0.01-0.02:swap", r"segment 1 \(0.01-0.02:swap\) is too short to hold a frame"),
        ("faces", "made from what an engine finds"),
        ("0-5:swap," * 5000, "characters"),
    ],
)
def test_a_bad_plan_names_the_segment_and_the_length(text: str, message: str) -> None:
    with pytest.raises(PlanError, match=message) as caught:
        parse(text)
    assert caught.value.hint


def test_a_boundary_falls_on_the_first_frame_at_or_after_it() -> None:
    assert [first_frame(Fraction(t), Fraction(30000, 1001)) for t in ("0", "1001/30000", "0.01", "5")] == [0, 1, 1, 150]


def found(*pairs: tuple[str, str]) -> list[TimeRange]:
    return [TimeRange(start=Fraction(a), end=Fraction(b)) for a, b in pairs]


def test_faces_closes_gaps_and_drops_glimpses() -> None:
    plan = SegmentPlan.from_faces(found(("1", "3"), ("3.4", "5"), ("9", "9.2"), ("12", "40")), Fraction(30), FPS)
    assert str(plan) == "0-1:keep,1-5:swap,5-12:keep,12-30:swap"


def test_faces_without_a_face_has_no_plan() -> None:
    assert SegmentPlan.from_faces([], Fraction(30), FPS) is None
    assert SegmentPlan.from_faces(found(("1", "1.1")), Fraction(30), FPS) is None


def test_faces_of_a_clip_of_a_few_frames() -> None:
    assert str(SegmentPlan.from_faces(found(("0", "0.1")), Fraction("0.1"), FPS)) == "0-0.1:swap"


def test_segments_that_do_not_tile_are_refused_as_data() -> None:
    with pytest.raises(ValueError, match="does not follow"):
        SegmentPlan.of([(Fraction(0), Fraction(1), Action.SWAP), (Fraction(2), Fraction(3), Action.KEEP)])


@st.composite
def plans(draw: st.DrawFn) -> tuple[SegmentPlan, Fraction]:
    rate = draw(
        st.sampled_from(
            [Fraction(30), Fraction(25), Fraction(24000, 1001), Fraction(30000, 1001), Fraction(60), Fraction(12)]
        )
    )
    lengths = draw(st.lists(st.integers(1, 2000), min_size=1, max_size=12))
    actions = draw(st.lists(st.sampled_from(Action), min_size=len(lengths), max_size=len(lengths)))
    at, pieces = 0, []
    for length, action in zip(lengths, actions, strict=True):
        pieces.append((at / rate, (at + length) / rate, action))
        at += length
    return SegmentPlan.of(pieces), rate


@given(plans())
def test_format_and_parse_are_inverse(drawn: tuple[SegmentPlan, Fraction]) -> None:
    plan, rate = drawn
    assert SegmentPlan.parse(str(plan), plan.duration, rate) == plan
    assert SegmentPlan.model_validate_json(plan.model_dump_json()) == plan


@given(st.fractions(min_value=0, max_value=10**6, max_denominator=10**6))
def test_a_time_survives_its_text(time: Fraction) -> None:
    assert parse_time(format_time(time), Fraction(1)) == time


GRAMMATICAL = st.text(alphabet="0123456789:./-, endswapkeepall", max_size=40)


@given(
    st.one_of(st.text(max_size=60), GRAMMATICAL), st.sampled_from([Fraction(1, 30), Fraction(30), Fraction(1001, 7)])
)
def test_garbage_only_ever_raises_plan_error(text: str, duration: Fraction) -> None:
    try:
        plan = SegmentPlan.parse(text, duration, FPS)
    except PlanError:
        return
    assert plan.duration == duration
    assert SegmentPlan.parse(str(plan), duration, FPS) == plan
