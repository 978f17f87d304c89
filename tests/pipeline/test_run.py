"""Runs from a file to a file: what is swapped, what is not, what is reused, and what is left when it fails."""

import errno
import threading
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.engines.tint import Tint
from tests.face_clips import face_box, number_of, write_clip
from tests.media.harness import check_same_pictures
from ugclab.errors import (
    AvatarError,
    Cancelled,
    DiskFull,
    EngineError,
    EngineNotFound,
    EngineUnavailable,
    FaceNotFound,
    InputError,
    MediaError,
    OutputError,
    PlanError,
)
from ugclab.media.frames import read_frames
from ugclab.media.probe import probe
from ugclab.pipeline.plan import SwapRequest
from ugclab.pipeline.preview import preview
from ugclab.pipeline.run import run
from ugclab.pipeline.steps import Progress
from ugclab.schema.job import SwapOptions
from ugclab.schema.report import Report
from ugclab.settings import Settings

PLAN = "0-0.8:swap,0.8-1.4:keep,1.4-end:swap"


@pytest.fixture
def request_(clip: Path, avatar: Path, tmp_path: Path) -> SwapRequest:
    return SwapRequest(source=clip, avatar=avatar, out=tmp_path / "out.mp4", plan=PLAN, engine="tint")


def changed(request: SwapRequest, **changes: object) -> SwapRequest:
    return request.model_copy(update=changes)


def luma(path: Path) -> list[np.ndarray]:
    return [frame.y.copy() for frame in read_frames(path, probe(path))]


def patch_chroma(path: Path) -> list[float]:
    """Mean of v in the middle of the face's patch, frame by frame: tinting moves it."""
    means = []
    for frame in read_frames(path, probe(path)):
        left, top, size = face_box(number_of(frame.y))
        middle = slice((top + size // 2) // 2, (top + size) // 2), slice(left // 2, (left + size) // 2)
        means.append(float(frame.v[middle].mean()))
    return means


@pytest.mark.usefixtures("tint")
def test_a_run_swaps_its_segments_and_nothing_else(request_: SwapRequest, settings: Settings) -> None:
    report = run(request_, settings)
    before, after = patch_chroma(request_.source), patch_chroma(request_.out)
    assert len(after) == 50
    assert [number_of(y) for y in luma(request_.out)] == list(range(50))
    moved = [abs(a - b) > 3 for a, b in zip(before, after, strict=True)]
    assert moved[:20] == [True] * 20
    assert not any(moved[20:35])
    assert moved[35:] == [True] * 15
    assert [(o.frames, o.swapped_frames) for o in report.outcomes] == [(20, 20), (15, 0), (15, 15)]
    assert report.stitch_mode == "smart"
    assert 0 < report.exact_frames <= 15


@pytest.mark.usefixtures("tint")
def test_the_report_is_complete_and_travels(request_: SwapRequest, settings: Settings, tmp_path: Path) -> None:
    priced = settings.model_copy(update={"usd_per_hour": 3.6})
    report = run(changed(request_, contact_sheet=tmp_path / "sheet.png"), priced)
    assert Report.model_validate_json(report.model_dump_json()) == report
    steps = [(m.step, m.segment) for m in report.measurements]
    assert steps == [
        ("probe", None), ("setup", None), ("analyse", None), ("swap", 0), ("swap", 2), ("stitch", None),
        ("contact_sheet", None),
    ]  # fmt: skip
    assert all(m.wall_s >= 0 and m.peak_rss_mb > 10 and not m.reused for m in report.measurements)
    assert report.cost_usd == pytest.approx(report.seconds * 0.001)
    assert {len(f.sha256) for f in (report.source, report.avatar, report.output)} == {64}
    assert report.output.size_bytes == request_.out.stat().st_size
    assert (tmp_path / "sheet.png").read_bytes().startswith(b"\x89PNG")
    assert "tint" in report.to_markdown()


@pytest.mark.usefixtures("tint")
def test_a_rerun_reuses_and_gives_the_same(request_: SwapRequest, settings: Settings, tmp_path: Path) -> None:
    first = run(request_, settings)
    again = run(changed(request_, out=tmp_path / "again.mp4"), settings)
    assert [m.step for m in again.measurements] == ["probe", "analyse", "swap", "swap", "stitch"]
    assert [m.reused for m in again.measurements] == [False, True, True, True, False]
    assert [o.reused for o in again.outcomes] == [True, False, True]
    assert again.output.sha256 == first.output.sha256
    fresh = run(changed(request_, out=tmp_path / "fresh.mp4", fresh=True), settings)
    assert not any(m.reused for m in fresh.measurements)
    check_same_pictures(request_.out, tmp_path / "fresh.mp4")


@pytest.mark.usefixtures("tint")
def test_a_segment_that_did_not_change_is_reused_when_another_did(request_: SwapRequest, settings: Settings) -> None:
    run(changed(request_, plan="0-0.8:swap,0.8-1.4:keep"), settings)
    report = run(changed(request_, options=SwapOptions(min_swapped=0.2), plan="0-0.8:swap,0.8-1.6:keep"), settings)
    assert [m.reused for m in report.measurements if m.step in {"analyse", "swap"}] == [True, True]


@pytest.mark.usefixtures("tint")
def test_an_artefact_that_was_damaged_is_made_anew(request_: SwapRequest, settings: Settings, tmp_path: Path) -> None:
    run(request_, settings)
    for path in settings.artefacts_dir.rglob("segment.mp4"):
        path.write_bytes(path.read_bytes()[:-100])
    again = run(changed(request_, out=tmp_path / "again.mp4"), settings)
    assert [m.reused for m in again.measurements if m.step in {"analyse", "swap"}] == [True, False, False]
    check_same_pictures(request_.out, tmp_path / "again.mp4")


@pytest.mark.usefixtures("tint")
def test_faces_are_found_by_the_engine(request_: SwapRequest, settings: Settings, tmp_path: Path) -> None:
    source = write_clip(tmp_path / "half.mp4", frames=75, has_face=lambda number: 25 <= number < 50)
    report = run(changed(request_, source=source, plan="faces"), settings)
    assert str(report.plan) == "0-1:keep,1-2:swap,2-3:keep"
    assert [o.swapped_frames for o in report.outcomes] == [0, 25, 0]


@pytest.mark.usefixtures("tint")
def test_a_missing_face_fails_before_anything_is_swapped(request_: SwapRequest, settings: Settings) -> None:
    steps: list[Progress] = []
    with pytest.raises(FaceNotFound, match=r"segment 1 \(0.80-1.20 s\) shows the face nowhere"):
        run(changed(request_, plan="0-0.8:keep,0.8-1.2:swap"), settings, on_progress=steps.append)
    assert {s.step for s in steps} == {"probe", "setup", "analyse"}
    assert not request_.out.exists()


class Careless(Tint):
    """Finds faces that it then does not swap, or drops frames."""

    dropping = False

    def swap(self, segment, frames):  # type: ignore[no-untyped-def]
        for number, frame in enumerate(frames):
            if not (self.dropping and number == 3):
                yield frame


class Dropping(Careless):
    dropping = True


def test_the_true_count_of_swapped_frames_is_checked(request_: SwapRequest, settings: Settings) -> None:
    with pytest.raises(FaceNotFound, match="segment 0"):
        run(request_, settings, engine=Careless())


def test_a_dropped_frame_is_the_engines_fault(request_: SwapRequest, settings: Settings) -> None:
    with pytest.raises(EngineError, match="returned 19 frames for the 20 of segment 0"):
        run(request_, settings, engine=Dropping())
    assert not request_.out.exists()


@pytest.mark.usefixtures("tint")
@pytest.mark.parametrize("step", ["analyse", "swap", "stitch"])
def test_cancelling_leaves_nothing_half_done(step: str, request_: SwapRequest, settings: Settings) -> None:
    stop, threads = threading.Event(), set(threading.enumerate())

    def listen(progress: Progress) -> None:
        if progress.step == step and progress.done > 1:
            stop.set()

    with pytest.raises(Cancelled):
        run(request_, settings, on_progress=listen, cancelled=stop.is_set)
    assert list(request_.out.parent.glob("*.mp4")) + list(request_.out.parent.glob(".*")) == []
    assert set(threading.enumerate()) <= threads
    assert not list((settings.artefacts_dir / "work").iterdir())
    assert run(request_, settings).output.size_bytes > 0


@pytest.mark.usefixtures("tint")
def test_work_that_was_finished_before_a_cancellation_is_reused(request_: SwapRequest, settings: Settings) -> None:
    stop = threading.Event()

    def listen(progress: Progress) -> None:
        if progress.segment == 2 and progress.done > 1:
            stop.set()

    with pytest.raises(Cancelled):
        run(request_, settings, on_progress=listen, cancelled=stop.is_set)
    report = run(request_, settings)
    assert [(m.segment, m.reused) for m in report.measurements if m.step == "swap"] == [(0, True), (2, False)]


@pytest.mark.usefixtures("tint")
def test_a_full_disk_is_named_and_leaves_nothing(
    request_: SwapRequest, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(DiskFull):
        run(request_, settings)
    assert not request_.out.exists()


@pytest.mark.usefixtures("tint")
@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"source": Path("none.mp4")}, MediaError),
        ({"avatar": Path("none.jpg")}, AvatarError),
        ({"plan": "0-9:swap"}, PlanError),
        ({"plan": "0-1:keep"}, PlanError),
        ({"engine": "tnit"}, EngineNotFound),
        ({"out": Path("/nowhere/out.mp4")}, OutputError),
        ({"out": Path("out.txt")}, OutputError),
    ],
)
def test_bad_requests(
    changes: dict[str, object], error: type[Exception], request_: SwapRequest, settings: Settings
) -> None:
    with pytest.raises(error):
        run(changed(request_, **changes), settings)


@pytest.mark.usefixtures("tint")
def test_the_inputs_are_never_overwritten(request_: SwapRequest, settings: Settings) -> None:
    with pytest.raises(OutputError):
        run(changed(request_, out=request_.source), settings)
    with pytest.raises((InputError, OutputError)):
        run(changed(request_, out=request_.avatar), settings)


def test_commercial_only_refuses_before_work(request_: SwapRequest, settings: Settings) -> None:
    engine = type("Research", (Tint,), {"info": Tint.info.model_copy(update={"commercial_use": "no"})})
    with pytest.raises(EngineUnavailable, match="not cleared"):
        run(request_, settings.model_copy(update={"commercial_only": True}), engine=engine())


@pytest.mark.usefixtures("tint")
def test_a_watermark_is_on_swapped_frames_only(request_: SwapRequest, settings: Settings, tmp_path: Path) -> None:
    plain, marked = tmp_path / "plain.mp4", tmp_path / "marked.mp4"
    run(changed(request_, out=plain), settings)
    run(changed(request_, out=marked, options=SwapOptions(watermark="AI generated")), settings)
    corner = np.s_[-30:, -160:]
    differs = [
        np.abs(a[corner].astype(int) - b[corner]).max() > 40 for a, b in zip(luma(plain), luma(marked), strict=True)
    ]
    assert differs == [True] * 20 + [False] * 15 + [True] * 15


@pytest.mark.usefixtures("tint")
def test_a_preview_is_one_frame(request_: SwapRequest, settings: Settings) -> None:
    made = preview(
        request_.source, request_.avatar, Fraction(31, 100), settings, engine_name="tint", options=SwapOptions()
    )
    assert made.time == Fraction(7, 25)
    assert made.before.shape == made.after.shape == (240, 320, 3)
    assert made.swapped
    assert np.abs(made.before.astype(int) - made.after).mean() > 1
    with pytest.raises(InputError, match=r"no frame at 2\.00 s"):
        preview(request_.source, request_.avatar, Fraction(2), settings, engine_name="tint", options=SwapOptions())
