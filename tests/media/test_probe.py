"""What probing says, and that nothing but MediaError ever comes out of it."""

import os
import time
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.clips import Sound, make_clip
from tests.media.harness import run_ffmpeg
from ugclab.errors import MediaError
from ugclab.media.frames import read_frames
from ugclab.media.probe import probe
from ugclab.schema.media import MediaInfo


def test_a_plain_clip(tmp_path: Path) -> None:
    info = probe(make_clip(tmp_path / "a.mp4", frames=90, rate=Fraction(30_000, 1001), gop=25))
    assert (info.width, info.height, info.frames, info.rotation) == (192, 108, 90, 0)
    assert info.frame_rate == Fraction(30_000, 1001)
    assert info.duration == 90 * Fraction(1001, 30_000)
    assert not info.variable_frame_rate
    assert (info.video_codec, info.profile, info.pixel_format) == ("h264", "High", "yuv420p")
    assert (info.gop.keyframes, info.gop.closed, info.gop.longest_s) == (4, True, 25 * Fraction(1001, 30_000))
    assert (info.colour.matrix, info.colour.bit_depth, info.colour.hdr) == ("bt709", 8, False)
    assert MediaInfo.model_validate_json(info.model_dump_json()) == info


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_rotation_agrees_with_ffmpeg(tmp_path: Path, degrees: int) -> None:
    clip = make_clip(tmp_path / "a.mp4", frames=3, rotation=degrees)
    info = probe(clip)
    assert info.rotation == degrees
    assert (info.width, info.height) == ((108, 192) if degrees % 180 else (192, 108))
    run_ffmpeg("-v", "error", "-i", str(clip), "-pix_fmt", "yuv420p", "-f", "rawvideo", str(tmp_path / "raw.yuv"))
    frame = next(iter(read_frames(clip, info)))
    assert (tmp_path / "raw.yuv").read_bytes()[: frame.y.size] == frame.y.tobytes()


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
@pytest.mark.parametrize("open_gop", [False, True])
def test_closed_and_open_groups(tmp_path: Path, codec: str, open_gop: bool) -> None:
    clip = make_clip(tmp_path / "a.mp4", frames=90, gop=20, b_frames=3, codec=codec, open_gop=open_gop)
    assert probe(clip).gop.closed is not open_gop


def test_tracks(tmp_path: Path) -> None:
    sounds = (Sound(language="eng"), Sound("ac3", "5.1", 44_100, "deu"), Sound("libmp3lame", "mono"))
    info = probe(make_clip(tmp_path / "a.mp4", frames=30, sounds=sounds))
    assert [(t.codec, t.channels, t.layout, t.sample_rate, t.language) for t in info.audio] == [
        ("aac", 2, "stereo", 48_000, "eng"),
        ("ac3", 6, "5.1(side)", 44_100, "deu"),
        ("mp3float", 1, "mono", 48_000, ""),
    ]


@pytest.mark.parametrize("jitter", [0, 1, 2])
def test_rounded_times_are_no_varying_rate(tmp_path: Path, jitter: int) -> None:
    times = [i * 1001 + (jitter if i % 3 else 0) for i in range(90)]
    info = probe(make_clip(tmp_path / "a.mp4", frames=90, times=times, time_base=Fraction(1, 30_000)))
    assert not info.variable_frame_rate
    assert info.frame_rate == Fraction(30_000, 1001)


def test_matroska_milliseconds_are_read_as_the_rate_they_stand_for(tmp_path: Path) -> None:
    info = probe(make_clip(tmp_path / "a.mkv", frames=120, rate=Fraction(30_000, 1001)))
    assert not info.variable_frame_rate
    assert info.frame_rate == Fraction(30_000, 1001)


def test_what_is_no_video(tmp_path: Path) -> None:
    empty, text, picture, folder = (tmp_path / n for n in ("empty.mp4", "notes.mp4", "a.png", "folder.mp4"))
    empty.touch()
    text.write_text("no video here\n" * 50)
    folder.mkdir()
    run_ffmpeg("-v", "error", "-f", "lavfi", "-i", "color=red:s=64x64", "-frames:v", "1", str(picture))
    sound = tmp_path / "sound.m4a"
    run_ffmpeg("-v", "error", "-f", "lavfi", "-i", "sine=d=1", str(sound))
    covered = tmp_path / "covered.m4a"
    run_ffmpeg(
        "-v", "error", "-i", str(sound), "-i", str(picture), "-map", "0", "-map", "1", "-c", "copy",
        "-disposition:v:0", "attached_pic", str(covered),
    )  # fmt: skip
    playlist = tmp_path / "list.m3u8"
    playlist.write_text(f"#EXTM3U\n#EXTINF:1,\n{sound}\n#EXT-X-ENDLIST\n")
    expected = {
        tmp_path / "missing.mp4": "does not exist", empty: "is empty", folder: "is not a file", text: "cannot be read",
        sound: "only audio", covered: "only audio", picture: "no video", playlist: "list.m3u8",
    }  # fmt: skip
    for path, words in expected.items():
        with pytest.raises(MediaError, match=words) as caught:
            probe(path)
        assert caught.value.hint


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.mp4", frames=3)
    clip.chmod(0)
    with pytest.raises(MediaError, match="cannot be read"):
        probe(clip)


def test_a_truncated_file_counts_what_can_be_read(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.mp4", frames=90, noise=20, muxer={"movflags": "faststart"})
    data = clip.read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(data[: len(data) * 6 // 10])
    info = probe(cut)
    assert 30 < info.frames < 80
    assert len(list(read_frames(cut, info))) == info.frames
    late = make_clip(tmp_path / "late.mp4", frames=90)  # its index is at the end, and lost
    cut.write_bytes(late.read_bytes()[:-4000])
    with pytest.raises(MediaError):
        probe(cut)


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    folder = tmp_path_factory.mktemp("fuzz")
    small = {"frames": 12, "gop": 5, "size": (64, 48)}
    clips = [
        make_clip(folder / "a.mp4", **small),
        make_clip(folder / "b.mp4", **small, muxer={"movflags": "faststart"}),
        make_clip(folder / "c.mkv", **small),
        make_clip(folder / "d.ts", **small),
        make_clip(folder / "e.mp4", **small, codec="libx265", open_gop=True),
        make_clip(folder / "f.webm", **small, codec="libvpx-vp9", sounds=(Sound("libopus"),)),
    ]
    return [clip.read_bytes() for clip in clips]


def _survives(path: Path) -> None:
    try:
        info = probe(path)
    except MediaError as error:
        assert error.hint  # noqa: PT017 either outcome is right
    else:
        assert info.frames > 0
        assert info.duration > 0


_FUZZ = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@_FUZZ
@given(data=st.binary(max_size=4000))
def test_random_bytes(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "random"
    path.write_bytes(data)
    _survives(path)


@_FUZZ
@given(data=st.data())
def test_truncated_and_flipped_clips(tmp_path: Path, samples: list[bytes], data: st.DataObject) -> None:
    clip = bytearray(data.draw(st.sampled_from(samples)))
    for _ in range(data.draw(st.integers(0, 12))):
        clip[data.draw(st.integers(0, len(clip) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path = tmp_path / "broken"
    path.write_bytes(clip[: data.draw(st.integers(1, len(clip)))] if data.draw(st.booleans()) else clip)
    _survives(path)


@pytest.mark.slow
def test_ten_minutes_are_probed_in_seconds(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.mp4", frames=600, rate=60, size=(64, 48), gop=60)
    long = tmp_path / "long.mp4"
    run_ffmpeg("-v", "error", "-stream_loop", "59", "-i", str(clip), "-c", "copy", str(long))
    start = time.perf_counter()
    assert probe(long).frames == 36_000
    assert time.perf_counter() - start < 2


def test_what_no_result_carries_is_named(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.mp4", frames=30)
    assert probe(clip).left_out == ()
    (tmp_path / "s.srt").write_text("1\n00:00:00,000 --> 00:00:00,500\nhello\n")
    (tmp_path / "c.txt").write_text(";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=500\ntitle=one\n")
    full = tmp_path / "b.mkv"
    inputs = ["-i", str(clip), "-i", str(tmp_path / "s.srt"), "-i", str(tmp_path / "c.txt")]
    run_ffmpeg(*inputs, "-map", "0", "-map", "1", "-map_metadata", "2", "-c", "copy", str(full))
    assert probe(full).left_out == ("subtitles", "chapters")
