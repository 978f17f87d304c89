"""Files that people really have and encoders did not foresee."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests.clips import Sound, make_clip, read_number
from tests.media.boxes import set_edits
from tests.media.harness import check, make, plan_of, run_ffmpeg
from tests.media.test_stitch import DEFAULTS, STANDARD
from ugclab.media import nal
from ugclab.media.frames import read_frames
from ugclab.media.probe import probe
from ugclab.schema.job import StitchMode


def remux(source: Path, target: Path, *arguments: str, before: tuple[str, ...] = ()) -> Path:
    run_ffmpeg("-v", "error", "-y", *before, "-i", str(source), "-map", "0", "-c", "copy", *arguments, str(target))
    return target


def test_start_offset_by_edit_list(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", **DEFAULTS)
    source = tmp_path / "in.mp4"
    run_ffmpeg(
        "-v", "error", "-itsoffset", "0.5", "-i", str(clip), "-i", str(clip), "-map", "0:v", "-map", "1:a",
        "-c", "copy", str(source),
    )  # fmt: skip
    made = make(source, STANDARD, tmp_path)
    assert made.info.start == made.out.start == Fraction(1, 2)
    assert made.info.frames == 90
    check(made)


@pytest.mark.parametrize("mode", [StitchMode.AUTO, StitchMode.FULL])
@pytest.mark.parametrize("plan", [STANDARD, plan_of(0, "0.4", "1.5", first=STANDARD.segments[1].action)])
def test_trimmed_inside_a_group(tmp_path: Path, plan: Any, mode: StitchMode) -> None:
    clip = make_clip(tmp_path / "clip.mp4", **DEFAULTS | {"gop": 30})
    source = remux(clip, tmp_path / "in.mp4", before=("-ss", "0.7"))
    made = make(source, plan, tmp_path, mode=mode)
    assert made.info.frames == 69
    check(made, numbers=range(21, 90))


def test_end_cut_by_edit_list(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.mp4", **DEFAULTS, time_base=Fraction(1, 30_000))
    set_edits(source, [(2.05, 2000)])
    made = make(source, STANDARD, tmp_path)
    assert made.info.frames in (61, 62)
    check(made)


def test_several_edits_are_encoded_as_a_whole(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.mp4", **DEFAULTS, time_base=Fraction(1, 30_000))
    set_edits(source, [(1.0, 2000), (1.0, 42_000 + 2000)])
    info = probe(source)
    numbers = [read_number(f.y) for f in read_frames(source, info)]
    assert numbers[:30] == list(range(30))
    assert numbers[30:] == list(range(42, 42 + len(numbers) - 30))
    made = make(source, plan_of(0, "0.5", "1.5", "1.7"), tmp_path)
    assert made.result.mode is StitchMode.FULL
    assert "edit list" in made.result.reason
    check(made, numbers=numbers)


def test_sound_cut_by_several_edits_is_encoded_once(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.mp4", **DEFAULTS)
    set_edits(source, [(1.0, 1024), (1.0, 1024 + 72_000)], track=1)
    made = make(source, STANDARD, tmp_path)
    assert made.result.mode is StitchMode.SMART
    assert any("edit list" in w for w in made.result.warnings)
    check(made, sound_copied=False)
    assert abs(_seconds(made.result.path) - 2) < 0.05


def _seconds(path: Path) -> float:
    with av.open(str(path)) as container:
        frames = list(container.decode(audio=0))
    return float(frames[-1].time or 0) + frames[-1].samples / frames[-1].sample_rate - float(frames[0].time or 0)


def test_transport_stream_cut_anywhere(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.ts", **DEFAULTS)
    data = clip.read_bytes()
    source = tmp_path / "in.ts"
    source.write_bytes(data[188 * (len(data) // 188 // 3) :])
    info = probe(source)
    numbers = [read_number(f.y) for f in read_frames(source, info)]
    assert numbers == list(range(numbers[0], 90))
    assert numbers[0] % 20 == 0
    made = make(source, plan_of(0, "0.3", 1), tmp_path)
    check(made, numbers=numbers)


def test_fragmented(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", **DEFAULTS)
    source = remux(clip, tmp_path / "in.mp4", "-movflags", "frag_keyframe+empty_moov+default_base_moof")
    made = make(source, STANDARD, tmp_path)
    assert made.result.mode is StitchMode.SMART
    check(made)


def test_parameter_sets_in_band(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.ts", **DEFAULTS)
    source = remux(clip, tmp_path / "in.mp4", "-tag:v", "avc3")
    made = make(source, STANDARD, tmp_path)
    assert made.result.mode is StitchMode.SMART
    check(made)


def test_avi(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", **DEFAULTS, b_frames=0, sounds=(Sound("libmp3lame"),))
    source = remux(clip, tmp_path / "in.avi")
    made = make(source, STANDARD, tmp_path)
    check(made)


@pytest.mark.parametrize("suffix", ["ts", "mkv"])
def test_parameter_sets_that_change_forbid_copying(tmp_path: Path, suffix: str) -> None:
    first = make_clip(tmp_path / "a.ts", **DEFAULTS | {"frames": 40}, sounds=())
    second = make_clip(
        tmp_path / "b.ts", **DEFAULTS | {"frames": 40, "first_number": 40}, sounds=(), x264="ref=5:bframes=5"
    )
    both = tmp_path / "both.ts"
    list_file = tmp_path / "list.txt"
    list_file.write_text(f"file '{first}'\nfile '{second}'\n")
    run_ffmpeg("-v", "error", "-f", "concat", "-safe", "0", "-i", str(list_file), "-c", "copy", str(both))
    source = both if suffix == "ts" else remux(both, tmp_path / "in.mkv")
    made = make(source, plan_of(0, "0.5", 1), tmp_path)
    assert made.result.mode is StitchMode.FULL
    check(made)


def test_intra_refresh_without_keyframes(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.mp4", **DEFAULTS, x264="intra-refresh=1", b_frames=0)
    made = make(source, plan_of(0, 2, "2.5", first=STANDARD.segments[1].action), tmp_path)
    assert made.result.mode is StitchMode.SMART
    assert made.result.exact_frames == 60
    check(made)


def test_open_groups_are_told_and_copied_around(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.mp4", **DEFAULTS, open_gop=True)
    made = make(source, plan_of(0, 2, "2.5", first=STANDARD.segments[1].action), tmp_path)
    assert not made.info.gop.closed
    assert made.result.mode is StitchMode.SMART
    assert made.result.exact_frames >= 57
    check(made)


def test_a_result_is_a_source(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.mp4", **DEFAULTS)
    once = make(source, plan_of(0, "0.5", 3), tmp_path, name="once.mp4")
    check(once)
    twice = make(once.result.path, plan_of(0, "2.5", 3, first=STANDARD.segments[1].action), tmp_path, name="twice.mp4")
    assert twice.result.mode is StitchMode.SMART
    known = []
    for result in (once.result, twice.result):
        with av.open(str(result.path)) as container:
            sets = nal.read_parameter_sets(bytes(container.streams.video[0].codec_context.extradata or b""))
        known.append(set(sets.sps))
    assert len(known[0]) == 3, "the source's, the swapped frames' and the bridges'"
    assert known[1] == known[0], "a result's own parameter sets serve again"


@pytest.mark.parametrize("number", [0, 5, 31])
def test_any_parameter_set_number(tmp_path: Path, number: int) -> None:
    source = make_clip(tmp_path / "in.mp4", **DEFAULTS, x264=f"sps-id={number}")
    made = make(source, STANDARD, tmp_path)
    assert made.result.mode is StitchMode.SMART
    check(made)


def test_a_screen_recording_that_stands_still(tmp_path: Path) -> None:
    steps = [3000] * 20 + [270_000] + [1500] * 20 + [90_000] + [3000] * 20
    times = [0, *(int(t) for t in np.cumsum(steps))]
    source = make_clip(tmp_path / "in.mp4", frames=len(times), gop=15, times=times, time_base=Fraction(1, 90_000))
    made = make(source, plan_of(0, "0.5", 1, "3.9", 9), tmp_path)
    assert made.info.variable_frame_rate
    check(made)


def test_interlaced_is_deinterlaced(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.mp4", **DEFAULTS, interlaced=True, size=(192, 128), b_frames=0)
    made = make(source, STANDARD, tmp_path)
    assert made.info.interlaced
    assert not made.out.interlaced
    assert made.result.mode is StitchMode.FULL
    check(made)


@pytest.mark.parametrize(("suffix", "codec", "copied"), [("mov", "pcm_s16le", False), ("mkv", "flac", True)])
def test_sound_that_mp4_does_not_hold(tmp_path: Path, suffix: str, codec: str, copied: bool) -> None:
    source = make_clip(tmp_path / f"in.{suffix}", **DEFAULTS, sounds=(Sound(codec),))
    made = make(source, STANDARD, tmp_path)
    assert any("encoded again" in w for w in made.result.warnings) != copied
    check(made, sound_copied=copied)
    if codec == "pcm_s16le":
        check(make(source, STANDARD, tmp_path, name="out.mov"))


def test_a_cover_is_not_the_picture(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", **DEFAULTS)
    cover = tmp_path / "cover.png"
    run_ffmpeg("-v", "error", "-f", "lavfi", "-i", "color=red:s=64x64", "-frames:v", "1", str(cover))
    source = tmp_path / "in.mp4"
    run_ffmpeg(
        "-v", "error", "-i", str(cover), "-i", str(clip), "-map", "0", "-map", "1", "-c", "copy",
        "-disposition:v:0", "attached_pic", str(source),
    )  # fmt: skip
    made = make(source, STANDARD, tmp_path)
    assert (made.info.width, made.info.frames) == (192, 90)
    check(made)


def test_a_mirrored_picture(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", **DEFAULTS)
    source = tmp_path / "in.mp4"
    run_ffmpeg("-v", "error", "-display_hflip", "-i", str(clip), "-c", "copy", str(source))
    info = probe(source)
    assert (info.mirrored, info.rotation) == (True, 0)
    plain = probe(clip)
    for old, new in zip(read_frames(clip, plain), read_frames(source, info), strict=True):
        assert np.array_equal(old.y[:, ::-1], new.y)
    made = make(source, STANDARD, tmp_path)
    assert made.result.mode is StitchMode.SMART
    assert made.out.mirrored
    for old, new in zip(read_frames(source, info), read_frames(made.result.path, made.out), strict=True):
        assert np.abs(old.y[:80].astype(int) - new.y[:80]).mean() < 3
