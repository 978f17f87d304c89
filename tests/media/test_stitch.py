"""Every kind of footage, stitched through the real functions and compared frame by frame with its source."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.clips import Sound, make_clip
from tests.media.harness import check, make, plan_of
from ugclab.schema.job import StitchMode

JITTER = [int(t) for t in np.cumsum(np.random.default_rng(1).integers(1500, 4500, 90)) - 1500]
STANDARD = plan_of(0, "0.5", "1.25", "1.6", 3)
HLG, PQ = (9, 18, 9), (9, 16, 9)

SMART: dict[str, dict[str, Any]] = {
    "plain": {},
    "portrait": {"rotation": 90, "size": (192, 108)},
    "upside down": {"rotation": 180},
    "landscape by tag": {"rotation": 270},
    "vfr": {"times": JITTER, "time_base": Fraction(1, 90_000), "frames": 90},
    "29.97": {"rate": Fraction(30_000, 1001), "frames": 90},
    "60": {"rate": 60, "frames": 180},
    "23.976 in its own ticks": {"rate": Fraction(24_000, 1001), "frames": 72, "time_base": Fraction(1001, 24_000)},
    "no sound": {"sounds": ()},
    "three tracks": {"sounds": (Sound(language="eng"), Sound(layout="mono", language="deu"), Sound("ac3", "5.1"))},
    "mono": {"sounds": (Sound(layout="mono", rate=44_100),)},
    "5.1": {"sounds": (Sound(layout="5.1"),)},
    "mp3": {"sounds": (Sound("libmp3lame"),)},
    "late sound": {"sound_start": Fraction(1, 5)},
    "no reordering": {"b_frames": 0},
    "baseline": {"b_frames": 0, "options": {"profile": "baseline"}},
    "main": {"options": {"profile": "main"}},
    "pyramid": {"b_frames": 6, "x264": "b-pyramid=normal:ref=5"},
    "strict pyramid": {"b_frames": 3, "x264": "b-pyramid=strict"},
    "slices": {"x264": "slices=4"},
    "intra refresh off, many refs": {"x264": "ref=8:weightp=2"},
    "all intra": {"gop": 1, "b_frames": 0},
    "no vui": {"colour": None},
    "bt601": {"colour": (6, 6, 6)},
    "full range": {"full_range": True},
    "narrow pixels": {"aspect": Fraction(4, 3)},
    "narrow pixels, turned": {"aspect": Fraction(4, 3), "rotation": 90},
    "cropped height": {"size": (176, 130)},
    "8-bit 4:2:0 as j": {"pixel_format": "yuvj420p", "full_range": True},
    "open groups": {"open_gop": True, "x264": "b-adapt=0"},
}
DEFAULTS = {"frames": 90, "gop": 20}


@pytest.mark.parametrize("name", SMART)
def test_smart_keeps_what_it_promises(tmp_path: Path, name: str) -> None:
    source = make_clip(tmp_path / "in.mp4", **DEFAULTS | SMART[name])
    made = make(source, STANDARD, tmp_path)
    if name == "open groups":
        check(made)
        return
    assert made.result.mode is StitchMode.SMART, made.result.reason
    assert made.result.exact_frames > 20
    assert made.out.rotation == made.info.rotation
    assert made.out.time_base == Fraction(1, made.info.time_base.denominator)
    check(made)


@pytest.mark.parametrize("suffix", ["mkv", "ts", "mov"])
def test_smart_reads_other_containers(tmp_path: Path, suffix: str) -> None:
    source = make_clip(tmp_path / f"in.{suffix}", **DEFAULTS)
    made = make(source, STANDARD, tmp_path)
    assert made.result.mode is StitchMode.SMART, made.result.reason
    check(made)


PLANS = {
    "first frame": plan_of(0, "0.01", 3),
    "last frame": plan_of(0, "2.95", 3, first=STANDARD.segments[1].action),
    "one frame inside": plan_of(0, "1", "1.03", 3, first=STANDARD.segments[1].action),
    "one frame kept": plan_of(0, "1", "1.03", 3),
    "on keyframes": plan_of("2/3", "4/3", "2"),
    "shorter than the footage": plan_of(0, "0.5", 1),
    "longer than the footage": plan_of(0, 1, 2, 5),
}


@pytest.mark.parametrize("mode", [StitchMode.SMART, StitchMode.FULL])
@pytest.mark.parametrize("name", PLANS)
def test_plans(tmp_path: Path, name: str, mode: StitchMode) -> None:
    source = make_clip(tmp_path / "in.mp4", **DEFAULTS)
    made = make(source, PLANS[name], tmp_path, mode=mode if name != "one frame kept" else StitchMode.AUTO)
    check(made)


FULL: dict[str, dict[str, Any]] = {
    "plain": {},
    "portrait": {"rotation": 90},
    "vfr": {"times": JITTER, "time_base": Fraction(1, 90_000)},
    "hevc": {"codec": "libx265"},
    "hevc 10-bit": {"codec": "libx265", "pixel_format": "yuv420p10le"},
    "hlg": {"codec": "libx265", "pixel_format": "yuv420p10le", "colour": HLG},
    "hlg, turned": {"codec": "libx265", "pixel_format": "yuv420p10le", "colour": HLG, "rotation": 90},
    "pq": {"codec": "libx265", "pixel_format": "yuv420p10le", "colour": PQ},
    "h264 10-bit": {"pixel_format": "yuv420p10le"},
    "h264 4:2:2": {"pixel_format": "yuv422p"},
    "h264 4:4:4": {"pixel_format": "yuv444p", "size": (193, 109)},
    "hevc open": {"codec": "libx265", "open_gop": True, "b_frames": 3},
    "narrow pixels": {"aspect": Fraction(4, 3)},
    "full range": {"full_range": True},
    "mpeg4": {"codec": "mpeg4", "x264": ""},
}


@pytest.mark.parametrize("name", FULL)
def test_full_encodes_every_frame_once(tmp_path: Path, name: str) -> None:
    source = make_clip(tmp_path / "in.mp4", **DEFAULTS | FULL[name])
    made = make(source, STANDARD, tmp_path, mode=StitchMode.FULL)
    assert made.result.exact_frames == made.result.bridge_frames == 0
    assert made.out.rotation == 0
    check(made)


@pytest.mark.parametrize("sound", ["libopus", "vorbis"])
def test_vp9_webm_of_odd_size(tmp_path: Path, sound: str) -> None:
    source = make_clip(
        tmp_path / "in.webm", frames=60, codec="libvpx-vp9", size=(193, 109), sounds=(Sound(sound),), muxer={}
    )
    made = make(source, plan_of(0, "0.5", "1.25", "1.6", 2), tmp_path)
    assert made.result.mode is StitchMode.FULL
    assert (made.info.width, made.info.height, made.out.width, made.out.height) == (193, 109, 194, 110)
    assert any("odd size" in w for w in made.result.warnings)
    assert any("encoded again" in w for w in made.result.warnings) == (sound == "vorbis")
    check(made, sound_copied=sound == "libopus")
