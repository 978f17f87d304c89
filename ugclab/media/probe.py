"""What a file is: geometry as a viewer sees it, exact times, colour, and how its coded pictures hang together."""

import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.sidedata.sidedata import Type as SideDataType
from av.stream import Disposition
from av.video.frame import VideoFrame

from ugclab.errors import MediaError
from ugclab.media.colour import read_colour
from ugclab.media.packets import Ints, PacketIndex, scan_container
from ugclab.media.source import open_source, video_stream
from ugclab.schema.media import AudioTrack, Gop, MediaInfo

_PACKETS_TO_FIRST_PICTURE = 300
"""A transport stream may start in the middle of a group of pictures: up to 5 s of 60 fps are read to find one."""


def probe(path: Path) -> MediaInfo:
    """Look at a file: all its packets are read, one picture is decoded. Raises MediaError, and nothing else."""
    path = Path(path)
    try:
        with open_source(path) as container:
            picture = first_picture(container, path.name)
        with open_source(path) as container:
            index = scan_container(container, path.name)
            return describe(path, container, picture, index)
    except (ValueError, ArithmeticError, LookupError, UnicodeError, MemoryError) as error:
        raise MediaError(f"{path.name} is damaged ({error})", hint="download or export it again") from error


def first_picture(container: InputContainer, name: str) -> VideoFrame:
    """Decode until a picture comes out: only the decoder knows the display matrix and the true pixel format."""
    stream = video_stream(container, name)
    stream.thread_type = "NONE"
    for count, packet in enumerate(container.demux(stream)):
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            frames = []  # a first packet that refers to what was cut off before it
        if frames:
            return frames[0]
        if count >= _PACKETS_TO_FIRST_PICTURE:
            break
    raise MediaError(f"no picture of {name} can be decoded", hint="play it, then download or export it again")


def describe(path: Path, container: InputContainer, picture: VideoFrame, index: PacketIndex) -> MediaInfo:
    """Put together what packets, container and first picture say."""
    stream = video_stream(container, path.name)
    context = stream.codec_context
    rotation, mirrored = orientation(picture)
    width, height = (picture.width, picture.height) if rotation % 180 == 0 else (picture.height, picture.width)
    aspect = Fraction(stream.sample_aspect_ratio or 1)
    times = index.times
    duration = (index.end - int(times[0])) * index.time_base
    variable = varies(times, index.time_base)
    bit_depth = max(component.bits for component in picture.format.components)
    return MediaInfo(
        container=container.format.name,
        size_bytes=path.stat().st_size,
        width=width,
        height=height,
        rotation=rotation,
        mirrored=mirrored,
        pixel_aspect=(aspect if rotation % 180 == 0 else 1 / aspect) if aspect > 0 else Fraction(1),
        frame_rate=_rate(times, duration, index.time_base, steady=not variable),
        variable_frame_rate=variable,
        time_base=index.time_base,
        start=int(times[0]) * index.time_base,
        duration=duration,
        frames=len(times),
        video_codec=context.name,
        profile=stream.profile or "",
        pixel_format=picture.format.name,
        interlaced=bool(picture.interlaced_frame),
        colour=read_colour(picture, picture.format.name, bit_depth),
        gop=_gop(index, times),
        audio=tuple(
            AudioTrack(
                index=s.index,
                codec=s.codec_context.name,
                channels=s.codec_context.channels,
                layout=s.codec_context.layout.name,
                sample_rate=s.codec_context.sample_rate,
                language=s.language if s.language not in (None, "und") else "",
            )
            for s in container.streams.audio
            if s.codec_context is not None
        ),
        left_out=_left_out(container),
    )


def _left_out(container: InputContainer) -> tuple[str, ...]:
    """What else a file holds, by its plain name.

    A picture of a cover is not missed, nor is a camera's time code; MP4 keeps chapters in a data track.
    """
    streams, chapters = container.streams, bool(container.chapters())
    found = {
        "subtitles": bool(streams.subtitles),
        "chapters": chapters,
        "further pictures": sum(1 for s in streams.video if not s.disposition & Disposition.attached_pic) > 1,
        "data": not chapters and any(s.metadata.get("handler_name") != "TimeCodeHandler" for s in streams.data),
        "attachments": bool(streams.attachments),
    }
    return tuple(name for name, there in found.items() if there)


def orientation(picture: VideoFrame) -> tuple[Any, bool]:
    """Clockwise degrees that turn a coded picture upright, and whether it is mirrored left to right before that.

    The display matrix holds 16.16 numbers a b u / c d v / x y w; FFmpeg's display.h describes it. An angle that is no
    multiple of 90 degrees is taken as the nearest one.
    """
    data = next((d for d in _side_data(picture) if d.type == SideDataType.DISPLAYMATRIX), None)
    if data is None:
        return 0, False
    a, b, _, c, d, *_ = struct.unpack("9i", bytes(data)[:36])
    mirrored = a * d - b * c < 0
    if mirrored:
        a, b = -a, -b
    clockwise = np.degrees(np.arctan2(b, a)) if (a, b) != (0, 0) else 0.0
    return int(round(float(clockwise) / 90) * 90) % 360, mirrored


def _side_data(picture: Any) -> list[Any]:
    return [picture.side_data[i] for i in range(len(picture.side_data))]  # its iterator is broken in PyAV 18.1


def varies(times: Ints, time_base: Fraction) -> bool:
    """Whether any frame is off an even grid by more than a tick and a millisecond (what rounding alone explains)."""
    if len(times) < 3:
        return False
    grid = np.linspace(float(times[0]), float(times[-1]), len(times))
    tolerance = max(1.01, 0.001 / float(time_base))
    return bool(np.abs(times - grid).max() > tolerance)


def _rate(times: Ints, duration: Fraction, time_base: Fraction, *, steady: bool) -> Fraction:
    """Frames over duration; where the rate is steady and ticks are coarse, the round or NTSC rate they stand for."""
    rate = len(times) / duration
    for standard in (Fraction(round(rate)), Fraction(round(rate * 1001 / 1000) * 1000, 1001)):
        if steady and standard and abs(len(times) / standard - duration) <= 2 * time_base:
            return standard
    return rate


def _gop(index: PacketIndex, times: Ints) -> Gop:
    starts = np.unique(np.append(index.pts[index.keyframe & index.shown], times[0]))
    longest = int(np.diff(np.append(starts, index.end)).max())
    return Gop(
        keyframes=int((index.keyframe & index.shown).sum()), longest_s=longest * index.time_base, closed=index.closed
    )
