"""Reports: JSON there and back, sums, tables."""

from fractions import Fraction

import pytest

from ugclab.schema.engine import EngineInfo, Licences
from ugclab.schema.ids import new_ulid
from ugclab.schema.job import SwapOptions
from ugclab.schema.media import Colour, Gop, MediaInfo
from ugclab.schema.plan import SegmentPlan
from ugclab.schema.report import Environment, File, Measurement, Outcome, Report


@pytest.fixture
def report() -> Report:
    plan = SegmentPlan.parse("0-5:swap", Fraction(10), Fraction(30))
    return Report(
        job_id=new_ulid(),
        ugclab_version="0.1.0",
        created_at="2026-11-20T20:00:00+00:00",
        source=File(name="in|put.mp4", sha256="a" * 64, size_bytes=10),
        avatar=File(name="me.jpg", sha256="b" * 64, size_bytes=10),
        output=File(name="out.mp4", sha256="c" * 64, size_bytes=10),
        media=MediaInfo(
            container="mp4",
            size_bytes=10,
            width=1280,
            height=720,
            frame_rate=Fraction(30000, 1001),
            variable_frame_rate=False,
            time_base=Fraction(1, 30000),
            start=Fraction(0),
            duration=Fraction(10),
            frames=300,
            video_codec="h264",
            pixel_format="yuv420p",
            colour=Colour(),
            gop=Gop(keyframes=2, longest_s=Fraction(5), closed=True),
        ),
        plan=plan,
        engine=EngineInfo(
            name="tint",
            version="1",
            model_version="none",
            summary="tints",
            replaces="face",
            licences=Licences(code="Apache-2.0"),
            commercial_use="yes",
        ),
        options=SwapOptions(),
        stitch_mode="smart",
        stitch_reason="closed H.264",
        exact_frames=140,
        exact_frames_share=140 / 150,
        disclosure="altered",
        outcomes=(
            Outcome(segment=plan.segments[0], frames=150, swapped_frames=140),
            Outcome(segment=plan.segments[1], frames=150, swapped_frames=0),
        ),
        measurements=(
            Measurement(step="probe", wall_s=0.5, cpu_s=0.1, peak_rss_mb=50, media_s=Fraction(0)),
            Measurement(
                step="swap",
                segment=0,
                wall_s=2.5,
                cpu_s=4,
                peak_rss_mb=200,
                media_s=Fraction(5),
                frames=150,
                cost_usd=0.01,
            ),
        ),
        environment=Environment(
            python="3.11", platform="Linux", cpu="a cpu", cores=2, memory_mb=1000, packages={"av": "18"}
        ),
        warnings=("the face is small",),
    )


def test_json_there_and_back(report: Report) -> None:
    assert Report.model_validate_json(report.model_dump_json()) == report
    assert report.model_dump(mode="json")["media"]["frame_rate"] == "30000/1001"


def test_sums(report: Report) -> None:
    assert report.seconds == 3
    assert report.cost_usd == 0.01
    assert report.swapped_frames == 140
    assert [o.unswapped_frames for o in report.outcomes] == [10, 150]
    assert [m.rtf for m in report.measurements] == [None, 0.5]


def test_the_frame_has_a_row_a_step(report: Report) -> None:
    frame = report.to_frame()
    assert list(frame["step"]) == ["probe", "swap"]
    assert frame["rtf"].iloc[1] == 0.5
    assert frame["media_s"].iloc[1] == 5.0


def test_markdown_says_the_essentials(report: Report) -> None:
    text = report.to_markdown()
    for part in (
        "140 of 300 frames",
        "mode smart",
        "93.3%",
        "Apache-2.0",
        r"in\|put.mp4",
        "Warning: the face is small",
    ):
        assert part in text
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert len(tables) == 4 + 4 + 5


def test_ids_sort_by_time_and_differ() -> None:
    ids = [new_ulid() for _ in range(50)]
    assert len(set(ids)) == 50
    assert all(len(i) == 26 and i[0] in "01234567" for i in ids)
    assert [i[:10] for i in ids] == sorted(i[:10] for i in ids)
