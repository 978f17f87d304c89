"""Proofs: whatever the footage is, two files a browser plays, with every frame at its time in both."""

import itertools
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests.clips import Sound, make_clip, read_number
from ugclab.errors import Cancelled, MediaError
from ugclab.media.probe import probe
from ugclab.pipeline.proof import GROUP, make_proof, proof_size

CLIPS: list[dict[str, Any]] = [
    {},
    {"codec": "libx265", "pixel_format": "yuv420p10le"},
    {"codec": "libx265", "pixel_format": "yuv420p10le", "colour": (9, 16, 9)},
    {"codec": "libvpx-vp9", "sounds": (Sound(codec="libopus"),)},
    {"rotation": 90},
    {"size": (1280, 720), "frames": 14, "colour": None},
    {"size": (191, 107), "codec": "libx264", "pixel_format": "yuv444p"},
    {"times": [0, 3, 4, 9, 10, 14, 21, 22, 25, 40], "frames": 10, "time_base": Fraction(1, 90), "gop": 4},
    {"sound_start": Fraction(1, 2), "frames": 45},
]


def frames_of(path: Path) -> list[tuple[Fraction, int]]:
    """Time and number of every frame, as a browser's decoder would show them."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.time_base is not None
        return [
            ((picture.pts or 0) * stream.time_base, read_number(picture.to_ndarray(format="gray")))
            for picture in container.decode(stream)
        ]


@pytest.mark.parametrize("clip", CLIPS, ids=str)
def test_every_frame_is_there_at_its_time_in_both(tmp_path: Path, clip: dict[str, Any]) -> None:
    given = {"frames": 30, "rate": 24, "size": (384, 216)} | clip
    source = make_clip(tmp_path / "source.mp4", **given)
    result = make_clip(tmp_path / "result.mp4", **(given | {"noise": 3}))
    info = probe(source)
    made = make_proof(source, result, tmp_path / "before.mp4", tmp_path / "after.mp4")
    assert made.info == info
    for name in ("before.mp4", "after.mp4"):
        path = tmp_path / name
        shown = frames_of(path)
        assert [number for _, number in shown] == list(range(info.frames))
        times = given.get("times")
        expected = [Fraction(t, 90) for t in times] if times else [Fraction(n, 24) for n in range(info.frames)]
        assert [float(at) for at, _ in shown] == pytest.approx([float(at) for at in expected], abs=1e-3)
        there = probe(path)
        assert (there.video_codec, there.pixel_format, there.rotation) == ("h264", "yuv420p", 0)
        assert (there.width, there.height) == (made.width, made.height) == proof_size(info)
        assert max(there.width, there.height) <= 960
        assert not there.colour.hdr
        assert there.gop.closed
        assert there.gop.keyframes == -(-info.frames // GROUP)
        assert [track.codec for track in there.audio] == (["aac"] if name == "after.mp4" else [])
        data = path.read_bytes()
        assert data.index(b"moov") < data.index(b"mdat"), "played before it is loaded"


def test_sound_stays_in_step(tmp_path: Path) -> None:
    """The tone of the clips clicks at every whole second."""
    source = make_clip(tmp_path / "source.mkv", frames=72, rate=24, sounds=(Sound(codec="flac"),))
    make_proof(source, source, tmp_path / "before.mp4", tmp_path / "after.mp4")
    with av.open(str(tmp_path / "after.mp4")) as container:
        sound = container.streams.audio[0]
        level = np.zeros(4 * 48_000)
        for frame in container.decode(sound):
            at = round(float((frame.pts or 0) * sound.time_base) * frame.sample_rate) if sound.time_base else 0
            samples = np.abs(frame.to_ndarray()[0])
            level[max(at, 0) : at + len(samples)] = samples[max(-at, 0) :]
    loud = np.flatnonzero(level > 0.4) / 48_000
    assert [round(float(part[0]), 2) for part in np.split(loud, np.flatnonzero(np.diff(loud) > 0.5) + 1)] == [
        pytest.approx(n, abs=0.015) for n in range(3)
    ]


def test_progress_cancelling_and_damage(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "source.mp4", frames=40, sounds=())
    told: list[tuple[int, int]] = []
    before, after = tmp_path / "before.mp4", tmp_path / "after.mp4"
    make_proof(source, source, before, after, report=lambda done, total: told.append((done, total)))
    assert max(told) == (80, 80)
    before.unlink()
    after.unlink()
    ticks = itertools.count()
    with pytest.raises(Cancelled):
        make_proof(source, source, before, after, cancelled=lambda: next(ticks) > 5)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["source.mp4"]
    torn = tmp_path / "torn.mp4"
    torn.write_bytes(b"no video")
    with pytest.raises(MediaError, match="torn"):
        make_proof(source, torn, before, after)
