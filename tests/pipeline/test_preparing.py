"""One source, many avatars: prepared once, every kept frame of every result is the prepared file's own."""

from pathlib import Path

import numpy as np
import pytest

import ugclab
from tests.face_clips import face_patch
from ugclab.errors import Cancelled, InputError, OutputError, PlanError
from ugclab.media.images import encode_png
from ugclab.media.probe import probe
from ugclab.settings import Settings

PLAN = "0-0.8:swap,0.8-1.4:keep,1.4-end:swap"


@pytest.mark.usefixtures("tint")
def test_two_avatars_on_one_prepared_source(clip: Path, avatar: Path, settings: Settings, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    ready = tmp_path / "ready.mp4"
    info = ugclab.prepare(clip, out=ready, plan=PLAN, on_progress=lambda p: told.append((p.done, p.total)))
    assert info == probe(ready)
    assert (info.frames, info.has_audio) == (probe(clip).frames, True)
    assert told[-1] == (info.frames, info.frames)
    other = tmp_path / "other.png"
    other.write_bytes(encode_png(np.ascontiguousarray(face_patch(256)[:, ::-1])))
    for number, photo in enumerate((avatar, other)):
        out = tmp_path / f"{number}.mp4"
        report = ugclab.swap(ready, photo, out=out, plan=PLAN, engine="tint", stitch="prepared", settings=settings)
        assert report.exact_frames == 15  # every kept one


@pytest.mark.usefixtures("tint")
def test_what_was_not_prepared_says_how(clip: Path, avatar: Path, settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="ugclab prepare"):
        ugclab.swap(
            clip, avatar, out=tmp_path / "x.mp4", plan=PLAN, engine="tint", stitch="prepared", settings=settings
        )


def test_what_cannot_be_prepared(clip: Path, tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="no boundaries yet"):
        ugclab.prepare(clip, out=tmp_path / "x.mp4", plan="faces")
    with pytest.raises(Cancelled):
        ugclab.prepare(clip, out=tmp_path / "x.mp4", plan=PLAN, cancelled=lambda: True)
    with pytest.raises(OutputError, match="itself"):
        ugclab.prepare(clip, out=clip, plan=PLAN)
    assert list(tmp_path.iterdir()) == []
