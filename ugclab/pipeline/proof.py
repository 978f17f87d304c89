"""Proofs: a job's source and result as small files that every browser plays, each frame at its time in both."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from threading import Event
from typing import Any, cast

import av
from av.container import OutputContainer
from av.video.frame import PictureType, VideoFrame
from av.video.reformatter import Interpolation
from av.video.stream import VideoStream

from ugclab.errors import Cancelled
from ugclab.media.colour import BT709, MATRICES, write_colour
from ugclab.media.filters import picture_filter
from ugclab.media.frames import Frame, read_frames, stage
from ugclab.media.images import HD_ROWS
from ugclab.media.output import whole_file
from ugclab.media.probe import probe
from ugclab.media.source import open_source
from ugclab.media.tracks import Route, add_tracks
from ugclab.schema.media import Colour, MediaInfo

LONGEST_SIDE_PX = 960
"""Of a proof: half of a screen that shows both."""
GROUP = 12
"""Frames between keyframes: a browser seeks to any frame by decoding no more."""
CRF, PRESET = 23, "superfast"


@dataclass(frozen=True, slots=True)
class Proof:
    """Two files of the same size and times."""

    width: int
    height: int
    info: MediaInfo
    """Of the source."""


def make_proof(
    source: Path,
    result: Path,
    before: Path,
    after: Path,
    *,
    report: Callable[[int, int], None] = lambda done, total: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Proof:
    """Write `before` and `after`; `report` gets (frames done, frames in all) of both. Raises MediaError, Cancelled."""
    info, made = probe(source), probe(result)
    size = proof_size(info)
    failed = Event()
    counts = {before: 0, after: 0}

    def step(path: Path, done: int) -> None:
        counts[path] = done
        if failed.is_set() or cancelled():
            raise Cancelled("cancelled")
        report(sum(counts.values()), info.frames + made.frames)

    def encode(path: Path, of: Path, about: MediaInfo, *, sound: bool) -> None:
        try:
            _encode(of, about, path, size, sound=sound, step=lambda done: step(path, done))
        except BaseException:
            failed.set()
            raise

    with ThreadPoolExecutor(2) as pool:
        tasks = [pool.submit(encode, after, result, made, sound=True)]
        tasks.append(pool.submit(encode, before, source, info, sound=False))
    errors = [error for task in tasks if (error := task.exception())]
    for error in sorted(errors, key=lambda e: isinstance(e, Cancelled)):  # what went wrong, before what it stopped
        raise error
    return Proof(*size, info)


def proof_size(info: MediaInfo) -> tuple[int, int]:
    """Even width and height, at the footage's aspect, never larger than it is."""
    zoom = min(1.0, LONGEST_SIDE_PX / max(info.width, info.height))
    width, height = (max(2, int(n * zoom + 0.5) // 2 * 2) for n in (info.width, info.height))
    return width, height


def _encode(
    path: Path, info: MediaInfo, out_path: Path, size: tuple[int, int], *, sound: bool, step: Callable[[int], None]
) -> None:
    colour = _colour(info)
    with ExitStack() as stack:
        part = stack.enter_context(whole_file(out_path))
        clock = {"video_track_timescale": str(info.time_base.denominator), "movflags": "faststart"}
        out = stack.enter_context(av.open(str(part), "w", format="mp4", options=clock))
        stream = _add_picture(out, info, size, colour)
        packets: Iterator[tuple[Fraction, Any]] = iter(())
        if sound and info.audio:
            source = stack.enter_context(open_source(path))
            first = info.audio[0]
            route = Route(first.index, 0, copied=first.codec == "aac")
            packets = add_tracks(source, out, (route,), -info.start)
        waiting = next(packets, None)
        frames = read_frames(path, info, tone_map=True, bit_depth=8, borrow=True)
        small = stage((_shrunk(frame, size, colour, info) for frame in frames), name="shrink")
        with closing(cast(Any, small)):
            for done, picture in enumerate(small, 1):
                for packet in stream.encode(picture):
                    out.mux(packet)
                while waiting is not None and waiting[0] <= (picture.pts or 0) * info.time_base:
                    out.mux(waiting[1])
                    waiting = next(packets, None)
                step(done)
        for packet in stream.encode(None):
            out.mux(packet)
        while waiting is not None:
            out.mux(waiting[1])
            waiting = next(packets, None)


def _add_picture(out: OutputContainer, info: MediaInfo, size: tuple[int, int], colour: Colour) -> VideoStream:
    stream = out.add_stream("libx264", rate=info.frame_rate.limit_denominator(1001))
    context = stream.codec_context
    context.width, context.height = size
    context.pix_fmt, context.time_base = "yuv420p", info.time_base
    context.sample_aspect_ratio = info.pixel_aspect
    context.gop_size, context.max_b_frames, context.thread_count = GROUP, 0, 1
    write_colour(context, colour)
    parameters = f"keyint={GROUP}:min-keyint={GROUP}:scenecut=0:bframes=0:open-gop=0"
    context.options = {"crf": str(CRF), "preset": PRESET, "profile": "high", "x264-params": parameters}
    stream.time_base = info.time_base
    return stream


def _colour(info: MediaInfo) -> Colour:
    """Tags of the proof; of untagged footage those a player would have taken it for at its own size."""
    convert = picture_filter(info, tone_map=True)
    colour = (convert.colour if convert else info.colour).model_copy(update={"bit_depth": 8})
    if colour.matrix == "gbr":
        return BT709
    if colour.matrix in MATRICES.values():
        return colour
    return colour.model_copy(update={"matrix": "bt709" if info.height >= HD_ROWS else "smpte170m"})


def _shrunk(frame: Frame, size: tuple[int, int], colour: Colour, info: MediaInfo) -> VideoFrame:
    """Small, at the footage's own time from its first instant."""
    picture: VideoFrame = frame.buffer
    if (picture.width, picture.height) != size:
        picture = picture.reformat(width=size[0], height=size[1], interpolation=Interpolation.BICUBIC, threads=1)
    picture.pts = frame.pts - round(info.start / info.time_base)
    picture.time_base = info.time_base
    picture.pict_type = PictureType.NONE
    write_colour(picture, colour)
    return picture
