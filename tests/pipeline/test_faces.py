"""What a run would meet, told before it runs, in its words and by its own analysis."""

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.face_clips import face_patch, write_clip
from ugclab.engines.base import FaceEngine
from ugclab.media.images import encode_png
from ugclab.media.probe import probe
from ugclab.pipeline import faces
from ugclab.pipeline.looking import Onlooker
from ugclab.pipeline.plan import SwapRequest
from ugclab.pipeline.run import run
from ugclab.schema.job import FaceSelector, SwapOptions
from ugclab.schema.look import FacesLook, FacesSeen, FrameLook, FrameSeen
from ugclab.schema.media import Asset, TimeRange
from ugclab.schema.plan import SegmentPlan
from ugclab.settings import Settings

pytestmark = pytest.mark.slow

SCOPE = "users/local/projects/default"
ASSET = Asset(key="k", name="n", sha256="0" * 64, size_bytes=1, media_type="video/mp4")


@pytest.fixture
def comes_late(tmp_path: Path) -> Path:
    """Three seconds; a face from the first one's end on."""
    return write_clip(tmp_path / "late.mp4", frames=75, has_face=lambda n: n >= 25)


@pytest.fixture
def see(settings: Settings, avatar: Path, tmp_path: Path) -> Callable[..., Any]:
    engines: dict[str, FaceEngine] = {}
    onlooker = Onlooker(settings, engines, lambda progress: None, lambda: False)

    def do(source: Path, kind: type = FacesLook, avatar: Path | None = avatar, **more: Any) -> Any:
        files = {"source": source} | ({"avatar": avatar} if avatar else {})
        given = {"user": "local", "project": "default", **dict.fromkeys(files, ASSET)} | more
        return onlooker.see(kind(**given), files, tmp_path, "folder", SCOPE)

    return do


def test_who_is_there_and_where(see: Callable[..., FacesSeen], comes_late: Path, tmp_path: Path) -> None:
    seen = see(comes_late)
    assert [p.index for p in seen.people] == [0]
    assert seen.people[0].share == pytest.approx(50 / 75, abs=0.06)
    assert 50 < seen.people[0].width_px < 110
    assert seen.ranges[0].start == pytest.approx(1, abs=0.2)
    assert seen.ranges[-1].end == 3
    info = probe(comes_late)
    plan = SegmentPlan.parse(seen.plan, info.duration, info.frame_rate)
    assert [s.action for s in plan.segments] == ["keep", "swap"]
    assert str(plan) == seen.plan
    assert any("frames of 0.00-3.00 s show no face" in warning for warning in seen.warnings)
    assert seen.refused is None
    assert not seen.sampled
    assert seen.looked_at == (TimeRange(start=Fraction(0), end=Fraction(3)),)
    picture = np.asarray(Image.open(tmp_path / "face-0.jpg"), float)
    assert picture.shape == (112, 112, 3)
    patch = np.asarray(face_patch(), float)
    assert abs(picture[40:72, 40:72].mean() - patch[40:90, 45:100].mean()) < 40, "it is the face, not the stripes"


def test_the_run_takes_up_what_the_look_found(
    see: Callable[..., FacesSeen], comes_late: Path, avatar: Path, settings: Settings, tmp_path: Path
) -> None:
    seen = see(comes_late, plan="faces")
    request = SwapRequest(source=comes_late, avatar=avatar, out=tmp_path / "out.mp4", plan="faces")
    report = run(request, settings)
    assert str(report.plan) == seen.plan
    assert [m.reused for m in report.measurements if m.step == "analyse"] == [True]
    assert set(seen.warnings) <= set(report.warnings)


def test_what_would_be_refused_is_told(see: Callable[..., FacesSeen], comes_late: Path, tmp_path: Path) -> None:
    seen = see(comes_late, plan="0-0.8:swap,0.8-1.2:keep,1.2-3:swap")
    assert seen.refused is not None
    assert seen.refused.code == "face_not_found"
    assert "segment 0" in seen.refused.message
    assert seen.refused.hint
    assert len(seen.people) == 1
    picky = see(comes_late, options=SwapOptions(face=FaceSelector.parse("index:3")))
    assert picky.refused is not None
    assert "index:3" in picky.refused.message
    grey = tmp_path / "grey.png"
    grey.write_bytes(encode_png(np.full((300, 300, 3), 99, np.uint8)))
    faceless = see(comes_late, avatar=grey)
    assert faceless.refused is not None
    assert faceless.refused.code == "avatar"
    assert faceless.refused.hint
    assert len(faceless.people) == 1, "who is in the footage can be told all the same"


def test_without_an_avatar_nothing_is_said_of_it(see: Callable[..., FacesSeen], comes_late: Path) -> None:
    seen = see(comes_late, avatar=None)
    assert len(seen.people) == 1
    assert seen.refused is None
    assert not [w for w in seen.warnings if w.startswith("the avatar")]


def test_long_footage_is_sampled_and_says_so(
    see: Callable[..., FacesSeen], comes_late: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faces, "LONGEST_S", 2)
    monkeypatch.setattr(faces, "MOMENTS", 5)
    monkeypatch.setattr(faces, "MOMENT_S", Fraction(1, 5))
    seen = see(comes_late)
    assert seen.sampled
    assert [r.start for r in seen.looked_at] == [Fraction(3 * n, 5) for n in range(5)]
    assert "5 moments" in seen.warnings[0]
    assert seen.plan == ""
    assert all(r.start >= 1 for r in seen.ranges)
    assert len(seen.people) == 1
    planned = see(comes_late, plan="0-0.9:swap,0.9-3:swap")
    assert planned.plan == "0-0.9:swap,0.9-3:swap"
    assert any("segment 0" in w for w in planned.warnings)
    assert not any("segment 1" in w for w in planned.warnings)


def test_moments_are_spread_over_all_ranges() -> None:
    ranges = [TimeRange(start=Fraction(a), end=Fraction(b)) for a, b in ((10, 100), (200, 350))]
    found = faces.moments(ranges)
    assert len(found) == faces.MOMENTS
    assert sum(1 for part in found if part.start < 100) == 9
    assert all(any(r.start <= part.start and part.end <= r.end for r in ranges) for part in found)
    assert all(a.end <= b.start for a, b in pairwise(found))


def test_a_frame_makes_use_of_what_was_found(see: Callable[..., Any], comes_late: Path, monkeypatch: Any) -> None:
    alone = see(comes_late, FrameLook, at=Fraction(2))
    see(comes_late)
    calls: list[int] = []
    from ugclab.engines.mesh.engine import MeshSwap

    analyse = MeshSwap.analyse
    monkeypatch.setattr(MeshSwap, "analyse", lambda *a: (calls.append(1), analyse(*a))[1])
    seen = see(comes_late, FrameLook, at=Fraction(2))
    assert isinstance(seen, FrameSeen)
    assert (seen.time, seen.swapped) == (alone.time, alone.swapped) == (2, True)
    assert not see(comes_late, FrameLook, at=Fraction(1, 2)).swapped
    assert not calls
    assert see(comes_late, FrameLook, at=Fraction(2), plan="0-1:swap,1-3:keep").swapped
    assert calls, "the plan does not reach the frame: it is analysed alone"
    assert see(comes_late, FrameLook, at=Fraction(2), plan="0-3:keep").swapped, "a plan half made hides no frame"
