"""Preparing a source: exact against the prepared file, at a constant rate, upright, in 8 bits."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests.clips import make_clip, read_number
from tests.media.harness import check, make, plan_of, sound_packets
from tests.media.test_stitch import DEFAULTS, HLG, JITTER, STANDARD
from ugclab.errors import InputError
from ugclab.media import nal
from ugclab.media.frames import read_frames
from ugclab.media.modes import plan_stitch
from ugclab.media.prepare import prepare
from ugclab.media.probe import probe
from ugclab.schema.job import StitchMode

CLIPS: dict[str, dict[str, Any]] = {
    "plain": {},
    "portrait": {"rotation": 90},
    "29.97": {"rate": Fraction(30_000, 1001)},
    "hevc 10-bit": {"codec": "libx265", "pixel_format": "yuv420p10le"},
    "hlg": {"codec": "libx265", "pixel_format": "yuv420p10le", "colour": HLG},
}


@pytest.mark.parametrize("name", CLIPS)
def test_every_kept_frame_is_exact(tmp_path: Path, name: str) -> None:
    clip = make_clip(tmp_path / "clip.mp4", **DEFAULTS | {"gop": 250} | CLIPS[name])
    source = tmp_path / "prepared.mp4"
    seen: list[tuple[int, int]] = []
    info = prepare(clip, probe(clip), STANDARD, source, report=lambda done, total: seen.append((done, total)))
    assert seen == [(n + 1, 90) for n in range(90)]
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []
    assert (info.frames, info.rotation, info.colour.bit_depth, info.video_codec) == (90, 0, 8, "h264")
    assert not info.colour.hdr
    assert [d for d, _ in sound_packets(clip)[0]] == [d for d, _ in sound_packets(source)[0]]
    made = make(source, STANDARD, tmp_path, mode=StitchMode.PREPARED)
    assert made.result.mode is StitchMode.PREPARED
    assert made.result.exact_share == 1.0
    with av.open(str(made.result.path)) as container:
        sets = nal.read_parameter_sets(bytes(container.streams.video[0].codec_context.extradata or b""))
    assert len(sets.sps) == 1, "one encoder made both: one parameter set serves"
    # The prepared file has no disclosure of its own, the result has.
    check(made)


def test_varying_rate_becomes_constant(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", **DEFAULTS, times=JITTER, time_base=Fraction(1, 90_000))
    before = probe(clip)
    assert before.variable_frame_rate
    info = prepare(clip, before, STANDARD, tmp_path / "prepared.mp4")
    assert not info.variable_frame_rate
    assert info.frame_rate in (30, Fraction(30_000, 1001))  # the clip's average lies between
    assert info.start == before.start
    assert abs(info.duration - before.duration) < Fraction(1, 30)
    shown = [(f.time, read_number(f.y)) for f in read_frames(clip, before)]
    for frame in read_frames(tmp_path / "prepared.mp4", info):
        due = [number for time, number in shown if time <= frame.time][-1]
        assert read_number(frame.y) == due
    made = make(tmp_path / "prepared.mp4", STANDARD, tmp_path, mode=StitchMode.PREPARED)
    assert made.result.exact_share == 1.0


def test_another_plan_is_refused(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", **DEFAULTS | {"gop": 250})
    info = prepare(clip, probe(clip), STANDARD, tmp_path / "prepared.mp4")
    with pytest.raises(InputError, match="not prepared for this plan"):
        plan_stitch(tmp_path / "prepared.mp4", info, plan_of(0, 1, 3), mode=StitchMode.PREPARED)


def test_what_cannot_be_smart_is_refused_with_the_reason(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", **DEFAULTS, codec="libx265")
    with pytest.raises(InputError, match="the codec is hevc"):
        plan_stitch(clip, probe(clip), STANDARD, mode=StitchMode.SMART)


def test_tone_mapping_lands_where_it_should(tmp_path: Path) -> None:
    """HLG grey of 75 % is HDR reference white: it becomes bright, not clipped, and stays grey."""
    clip = tmp_path / "grey.mp4"
    with av.open(str(clip), "w") as out:
        stream = out.add_stream("libx265", rate=30)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p10le"
        stream.options = {"x265-params": "log-level=none", "preset": "ultrafast", "crf": "10"}
        context = stream.codec_context
        context.color_primaries, context.color_trc, context.colorspace, context.color_range = 9, 18, 9, 1
        for _ in range(3):
            picture = av.VideoFrame(128, 96, "yuv420p10le")
            for plane, value in zip(picture.planes, (64 + round(0.75 * 876), 512, 512), strict=True):
                np.frombuffer(plane, np.uint16)[:] = value
            out.mux(stream.encode(picture))
        out.mux(stream.encode(None))
    info = probe(clip)
    frames = list(read_frames(clip, info, tone_map=True))
    assert len(frames) == 3
    assert frames[0].colour.bit_depth == 8
    assert not frames[0].colour.hdr
    assert 190 <= frames[0].y.mean() <= 232
    assert abs(frames[0].u.mean() - 128) <= 1
    assert abs(frames[0].v.mean() - 128) <= 1
