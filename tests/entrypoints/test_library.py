"""`import ugclab`: its names, and that they do what the command line does."""

from fractions import Fraction
from pathlib import Path

import pytest

import ugclab
from ugclab.errors import FaceNotFound, InputError
from ugclab.settings import Settings


def test_what_is_exported() -> None:
    assert ugclab.__all__ == sorted(ugclab.__all__)
    assert ugclab.__all__ == ["Report", "SegmentPlan", "Settings", "UgclabError", "prepare", "preview", "probe", "swap"]
    for name in ugclab.__all__:
        assert getattr(ugclab, name).__doc__, name
    assert set(ugclab.__all__) <= set(dir(ugclab))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = ugclab.nothing


@pytest.mark.usefixtures("tint")
def test_swap_returns_the_report(clip: Path, avatar: Path, settings: Settings, tmp_path: Path) -> None:
    report = ugclab.swap(
        str(clip),
        str(avatar),
        out=str(tmp_path / "out.mp4"),
        plan="0-0.8:swap,0.8-2:keep",
        engine="tint",
        settings=settings,
    )
    assert isinstance(report, ugclab.Report)
    assert report.swapped_frames == 20
    assert report.seconds > 0


@pytest.mark.usefixtures("tint")
def test_errors_are_those_of_the_tree(clip: Path, avatar: Path, settings: Settings, tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    with pytest.raises(FaceNotFound) as caught:
        ugclab.swap(clip, avatar, out=out, plan="0-0.8:keep,0.8-1.2:swap", engine="tint", settings=settings)
    assert isinstance(caught.value, ugclab.UgclabError)
    with pytest.raises(InputError):
        ugclab.swap(clip, avatar, out=out, face="nobody", engine="tint", settings=settings)
    with pytest.raises(InputError, match="stitch"):
        ugclab.swap(clip, avatar, out=out, stitch="glue", engine="tint", settings=settings)
    with pytest.raises(InputError, match="crf"):
        ugclab.swap(clip, avatar, out=out, crf=99, engine="tint", settings=settings)


@pytest.mark.usefixtures("tint")
def test_probe_and_preview(clip: Path, avatar: Path, settings: Settings) -> None:
    assert ugclab.probe(clip).frames == 50
    made = ugclab.preview(clip, avatar, at="0:00.30", engine="tint", settings=settings)
    assert made.time == Fraction(7, 25)
    assert made.swapped
    assert ugclab.preview(clip, avatar, at=0.3, engine="tint", settings=settings).time == Fraction(7, 25)
