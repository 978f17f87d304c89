"""The engine in a whole job, from file to file, and what refuses to begin one."""

from pathlib import Path

import av
import numpy as np
import pytest

from tests.face_clips import face_box, number_of
from ugclab.engines import registry
from ugclab.engines.inswapper.engine import SWAPPER, InSwapper
from ugclab.errors import AvatarError, EngineUnavailable
from ugclab.media.frames import read_frames
from ugclab.media.images import encode_png
from ugclab.media.probe import probe
from ugclab.pipeline.plan import SwapRequest
from ugclab.pipeline.run import run
from ugclab.schema.job import SwapOptions
from ugclab.settings import Settings

PLAN = "0-0.6:swap,0.6-1.4:keep,1.4-end:swap"
SWAPPED = (*range(15), *range(35, 50))


def packets(path: Path, kind: str) -> list[tuple[int, bytes]]:
    with av.open(str(path)) as container:
        return [(p.pts, bytes(p)) for p in container.demux(**{kind: 0}) if p.pts is not None]


def test_two_segments_from_file_to_file(tiny: Settings, clip: Path, avatar: Path, tmp_path: Path) -> None:
    """Frame count, timestamps, sound, untouched pictures, and setup once."""
    out = tmp_path / "out.mp4"
    options = SwapOptions(crf=8)
    request = SwapRequest(source=clip, avatar=avatar, out=out, plan=PLAN, engine="inswapper", options=options)
    report = run(request, tiny)
    assert [(o.frames, o.swapped_frames) for o in report.outcomes] == [(15, 15), (20, 0), (15, 15)]
    assert [m.step for m in report.measurements] == ["probe", "setup", "analyse", "swap", "swap", "stitch"]
    assert report.engine.commercial_use == "no"
    assert "non-commercial" in report.engine.licences.weights

    before, after = probe(clip), probe(out)
    assert (after.frames, after.width, after.height) == (before.frames, before.width, before.height)
    pairs = list(zip(read_frames(clip, before), read_frames(out, after), strict=True))
    assert [a.time for a, _ in pairs] == [b.time for _, b in pairs]
    assert [number_of(b.y) for _, b in pairs] == list(range(50))
    assert packets(out, "audio") == packets(clip, "audio")
    assert report.stitch_mode == "smart"
    untouched = 0
    for number, (a, b) in enumerate(pairs):
        left, top, size = face_box(number)
        middle = slice(top + size // 3, top + 2 * size // 3), slice(left + size // 3, left + 2 * size // 3)
        moved = float(np.abs(a.y[middle].astype(int) - b.y[middle]).mean())
        assert (moved > 4) == (number in SWAPPED), (number, moved)
        untouched += all(np.array_equal(getattr(a, p), getattr(b, p)) for p in "yuv")
    assert untouched >= 10  # of the twenty kept: the rest are bridges to the next keyframe
    assert untouched >= report.exact_frames


def test_a_second_avatar_is_another_face(tiny: Settings, clip: Path, tmp_path: Path) -> None:
    """The network is told who: two photos, two drawings."""
    from tests.face_clips import face_patch

    drawn = []
    for name, picture in (("a", face_patch(256)), ("b", face_patch(256)[:, ::-1] // 2)):
        (tmp_path / f"{name}.png").write_bytes(encode_png(np.ascontiguousarray(picture)))
        out = tmp_path / f"{name}.mp4"
        request = SwapRequest(
            source=clip, avatar=tmp_path / f"{name}.png", out=out, plan="0-0.2:swap,0.2-end:keep", engine="inswapper"
        )
        run(request, tiny)
        drawn.append(next(read_frames(out, probe(out))).y.copy())
    assert np.abs(drawn[0].astype(int) - drawn[1]).max() > 8


def test_an_avatar_without_a_face_fails_before_the_footage_is_read(tiny: Settings, clip: Path, tmp_path: Path) -> None:
    (tmp_path / "grey.png").write_bytes(encode_png(np.full((256, 256, 3), 90, np.uint8)))
    request = SwapRequest(
        source=clip, avatar=tmp_path / "grey.png", out=tmp_path / "o.mp4", plan=PLAN, engine="inswapper"
    )
    with pytest.raises(AvatarError):
        run(request, tiny)
    assert not (tmp_path / "o.mp4").exists()


def test_nobody_accepted_the_licence(tiny: Settings, clip: Path, avatar: Path, tmp_path: Path) -> None:
    (tiny.weights_dir / SWAPPER).unlink()
    state = registry.availability(InSwapper, tiny)
    assert not state.ready
    assert "non-commercial research only" in state.reason
    assert "ugclab models pull inswapper --accept-licence" in state.hint
    request = SwapRequest(source=clip, avatar=avatar, out=tmp_path / "o.mp4", plan=PLAN, engine="inswapper")
    with pytest.raises(EngineUnavailable, match="whose licence somebody must accept"):
        run(request, tiny)


def test_commercial_only_refuses_it_though_everything_is_here(tiny: Settings) -> None:
    assert registry.availability(InSwapper, tiny).ready
    with pytest.raises(EngineUnavailable, match="not cleared for commercial use"):
        registry.require(InSwapper, tiny.model_copy(update={"commercial_only": True}))


def test_what_it_needs_is_said(tiny: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_installed", lambda name: False)
    lines = ['onnxruntime>=1; extra == "inswapper"']
    found = registry.missing_packages("inswapper", lambda name: lines)
    assert found == ("onnxruntime",)
    monkeypatch.setattr(registry, "missing_packages", lambda extra: found)
    state = registry.availability(InSwapper, tiny)
    assert (state.reason, state.hint) == ("engine 'inswapper' needs onnxruntime", "pip install 'ugclab[inswapper]'")
