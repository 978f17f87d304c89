"""One check of a stitched file against its source, used for every kind of footage."""

import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import imageio_ffmpeg
import numpy as np

from tests.clips import read_number
from ugclab.media.bridges import made_bridges, read_segment
from ugclab.media.encode import encode_segment
from ugclab.media.frames import Frame, read_frames, stage
from ugclab.media.modes import StitchPlan, plan_stitch
from ugclab.media.pieces import snap
from ugclab.media.probe import probe
from ugclab.media.stitch import StitchResult, stitch
from ugclab.schema.job import StitchMode
from ugclab.schema.media import MediaInfo, TimeRange
from ugclab.schema.plan import Action, Segment, SegmentPlan

MARK = 24
"""A swapped frame is told by its lower left corner: the fake engine paints two greys in a square of this size."""


def plan_of(*bounds: float | Fraction | str, first: Action = Action.SWAP) -> SegmentPlan:
    """Segments between the bounds, swapped and kept in turn; what lies before the first bound is kept."""
    action, segments = first, []
    if Fraction(bounds[0]):
        bounds, action = (0, *bounds), Action.KEEP if first is Action.SWAP else Action.SWAP
    for number, (start, end) in enumerate(pairwise(bounds)):
        segments.append(Segment(index=number, range=TimeRange(start=start, end=end), action=action))
        action = Action.KEEP if action is Action.SWAP else Action.SWAP
    return SegmentPlan(segments=tuple(segments))


def mark(frames: Iterator[Frame]) -> Iterator[Frame]:
    """A fake engine: paints two greys into the lower left corner."""
    for frame in frames:
        middle = 1 << (frame.colour.bit_depth - 1)
        frame.y[-MARK:, : MARK // 2] = middle * 3 // 4
        frame.y[-MARK:, MARK // 2 : MARK] = middle * 5 // 4
        frame.u[-MARK // 2 :, : MARK // 2] = middle
        frame.v[-MARK // 2 :, : MARK // 2] = middle
        frame.swapped = True
        yield frame


def marked(frame: Frame) -> bool:
    """Whether the fake engine's square is there."""
    scale = 1 << (frame.colour.bit_depth - 8)
    left, right = (frame.y[-MARK + 4 : -4, x : x + MARK // 2 - 4].astype(float) / scale for x in (2, MARK // 2 + 2))
    return bool(abs(left.mean() - 96) < 6 and abs(right.mean() - 160) < 6 and left.std() < 6 and right.std() < 6)


@dataclass
class Made:
    """A stitch, done."""

    source: Path
    info: MediaInfo
    plan: SegmentPlan
    stitch_plan: StitchPlan
    result: StitchResult
    out: MediaInfo
    files: dict[int, Path] = field(default_factory=dict)


def make(
    source: Path,
    plan: SegmentPlan,
    folder: Path,
    *,
    mode: StitchMode = StitchMode.AUTO,
    name: str = "out.mp4",
    tone_map: bool = False,
) -> Made:
    """Probe, swap with the fake engine, stitch: as the pipeline does it."""
    info = probe(source)
    stitch_plan = plan_stitch(source, info, plan, mode=mode, tone_map=tone_map)
    files = {}
    for segment in plan.swaps:
        path = folder / f"segment-{segment.index}.mp4"
        frames = stage(mark(stage(read_segment(stitch_plan, segment.index, folder))))
        encoded = encode_segment(frames, stitch_plan.target, path)
        assert encoded.swapped_frames == encoded.frames
        files[segment.index] = path
    result = stitch(stitch_plan, files, folder / name, bridges=made_bridges(stitch_plan, [folder]), engine="mark")
    assert not [p for p in folder.iterdir() if ".part" in p.name]
    return Made(source, info, plan, stitch_plan, result, probe(result.path), files)


def check(
    made: Made, *, numbers: Sequence[int] | None = None, bridge_db: float = 47.0, sound_copied: bool = True
) -> None:
    """Everything that is promised of a stitched file."""
    info, result, out = made.info, made.result, made.out
    times = made.stitch_plan.index.times
    shift = made.stitch_plan.index.time_base * int(times[0]) - out.start
    assert result.frames == out.frames == info.frames
    assert result.exact_frames + result.bridge_frames + result.reencoded_frames == sum(
        r.end - r.first for r in snap(made.plan, times, info.time_base) if not r.swap
    )
    ours = made.stitch_plan.index.time_base
    swapped = np.zeros(info.frames, bool)
    for r in snap(made.plan, times, info.time_base):
        swapped[r.first : r.end] = r.swap
    exact = np.zeros(info.frames, bool)
    for piece in made.stitch_plan.pieces:
        exact[piece.first : piece.end] = piece.kind == "copy"
    depth = made.stitch_plan.target.colour.bit_depth
    tone_map = made.stitch_plan.tone_map
    before = read_frames(made.source, info, tone_map=tone_map)
    after = read_frames(result.path, out)
    count = 0
    for number, (old, new) in enumerate(zip(before, after, strict=True)):
        count += 1
        assert new.pts * out.time_base + shift == old.pts * ours, f"frame {number} is shown at another time"
        due = numbers[number] if numbers is not None else number
        assert read_number(old.y, depth=old.colour.bit_depth) == due
        height, width = old.y.shape
        assert read_number(new.y[:height, :width], depth=depth) == due, f"frame {number} is another one"
        assert marked(new) == bool(swapped[number]), f"frame {number} is swapped in the wrong place"
        if exact[number]:
            for a, b in zip((old.y, old.u, old.v), (new.y, new.u, new.v), strict=True):
                assert np.array_equal(a, b), f"frame {number} was promised to be exact"
        elif not swapped[number] and result.bridge_frames:
            assert psnr(old.y, new.y) >= bridge_db, f"bridge frame {number} has {psnr(old.y, new.y):.1f} dB"
    assert count == info.frames
    assert out.duration == info.duration
    assert (out.colour.primaries, out.colour.transfer, out.colour.matrix) == (
        made.stitch_plan.target.colour.primaries,
        made.stitch_plan.target.colour.transfer,
        made.stitch_plan.target.colour.matrix,
    )
    assert out.colour.full_range == made.stitch_plan.target.colour.full_range
    assert out.pixel_aspect == info.pixel_aspect
    assert len(out.audio) == len(info.audio)
    if sound_copied:
        check_sound(made.source, result.path, shift)
    check_plays(result.path, made.plan, out)
    assert count_by_ffmpeg(result.path) == info.frames
    check_index_in_front(result.path)


def psnr(a: Any, b: Any) -> float:
    """Peak signal to noise ratio of two 8-bit planes in dB; 100 where they are equal."""
    error = float(((a.astype(float) - b) ** 2).mean())
    return 100.0 if error == 0 else float(10 * np.log10(255**2 / error))


def sound_packets(path: Path) -> list[list[tuple[bytes, Fraction]]]:
    """Payload and time of every packet of every audio track, ADTS headers taken off."""
    with av.open(str(path)) as container:
        tracks: dict[int, list[tuple[bytes, Fraction]]] = {s.index: [] for s in container.streams.audio}
        for packet in container.demux(container.streams.audio) if tracks else ():
            data = bytes(packet)
            if not data:
                continue
            if data[:2] in (b"\xff\xf1", b"\xff\xf9") and container.format.name == "mpegts":
                data = data[7 if data[1] & 1 else 9 :]
            assert packet.pts is not None
            assert packet.time_base is not None
            tracks[packet.stream_index].append((data, packet.pts * packet.time_base))
    return list(tracks.values())


def check_sound(source: Path, result: Path, shift: Fraction) -> None:
    """Every packet of every track is there, byte for byte, within a millisecond of its time beside the picture."""
    for old, new in zip(sound_packets(source), sound_packets(result), strict=True):
        assert [data for data, _ in old] == [data for data, _ in new]
        assert max(abs(a - b - shift) for (_, a), (_, b) in zip(old, new, strict=True)) <= Fraction(1, 1000)


def run_ffmpeg(*arguments: str) -> str:
    """Run the bundled ffmpeg; its standard error. Fails the test if it fails."""
    done = subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-nostdin", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stderr


_PASS = ("-fps_mode", "passthrough", "-enc_time_base:v", "demux")


def check_plays(path: Path, plan: SegmentPlan, out: MediaInfo) -> None:
    """Another FFmpeg decodes it without a word: from the start, and after seeking to each boundary."""
    log = run_ffmpeg("-v", "warning", "-xerror", "-i", str(path), "-map", "0", *_PASS, "-f", "null", "-")
    assert log == ""
    for segment in plan.segments:
        at = float(segment.range.start)
        if 0 < at < float(out.duration):
            seek = ("-ss", f"{at:.6f}", "-i", str(path), "-frames:v", "3")
            log = run_ffmpeg("-v", "warning", "-xerror", *seek, *_PASS, "-f", "null", "-")
            assert log == ""


def count_by_ffmpeg(path: Path) -> int:
    """How many frames another FFmpeg shows."""
    log = run_ffmpeg("-i", str(path), "-map", "0:v:0", "-fps_mode", "passthrough", "-f", "null", "-")
    return int(re.findall(r"frame=\s*(\d+)", log)[-1])


def check_index_in_front(path: Path) -> None:
    """The index lies before the pictures, so that a browser can start at once; a disclosure is in the metadata."""
    data = path.read_bytes()
    assert 0 < data.find(b"moov") < data.find(b"mdat")
    with av.open(str(path)) as container:
        assert "AI-generated" in container.metadata["comment"]


def check_same_pictures(path: Path, other: Path) -> None:
    """Two encodes of the same frames: the same bytes but for x264's threads (media/encode.py), so judged by the eye."""
    pairs = list(zip(*(read_frames(p, probe(p)) for p in (path, other)), strict=True))
    assert pairs
    assert [a.pts for a, _ in pairs] == [b.pts for _, b in pairs]
    assert min(psnr(getattr(a, plane), getattr(b, plane)) for a, b in pairs for plane in "yuv") > 50
