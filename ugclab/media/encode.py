"""The one encoder factory, and the segments it makes: files of their own that another process may stitch later."""

import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any, Literal, cast

import av
from av.codec.context import Flags as CodecFlags
from av.container import OutputContainer
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream
from pydantic import Field

from ugclab.errors import MediaError
from ugclab.media import nal, planes
from ugclab.media.colour import write_colour
from ugclab.media.frames import Frame, watched
from ugclab.media.output import whole_file
from ugclab.schema.base import Frozen, Rational
from ugclab.schema.media import Colour

BRIDGE_QUANTISER = 13
"""H.264 quantiser of kept frames that are encoded again: a step of 2.75, so the error is bounded whatever they show.

A uniform error of one step has 2.75**2 / 12, which is 50 dB; measured, no picture of strong noise had less than 48.5,
where CRF 12 fell to 46 dB on hard synthetic pictures.
"""
BRIDGE_PRESET = "ultrafast"
"""With a fixed quantiser a slower preset saves bits only. This one, without arithmetic coding, took 0.35 to 0.5 of
superfast's time on three clips, and an eighth on noise, for 0.1 to 0.3 more bytes."""
KEYFRAME_S = 5
"""Longest distance of keyframes in what we encode: seeking stays quick, the cost is a few percent of size."""

_PROFILE_TOOL = {"high": ["8x8dct=1"], "main": ["weightp=1"]}
"""What a quick preset leaves out and a profile is known by: pieces of one video must not change theirs."""
_ENCODERS = {"h264": "libx264", "hevc": "libx265"}


NO_B_FRAMES = "bframes=0"
"""B-frames are coarser than their neighbours, and a still face pulses: its mean luma flickered 1.2 to 1.6 times as
much as in the source (three clips of real people, veryfast, crf 18), without them 0.8 to 1.0. They save a fifth to a
quarter of the bytes of swapped segments, and cost encoding time."""


class EncodeTarget(Frozen):
    """Everything that decides the bytes of encoded frames, the frames aside: part of an artefact's key."""

    codec: Literal["h264", "hevc"] = "h264"
    width: int = Field(description="px of a coded picture: even, before it is turned upright")
    height: int
    rotation: Literal[0, 90, 180, 270] = Field(0, description="the tag a coded picture is turned upright by")
    mirrored: bool = False
    pixel_aspect: Rational = Fraction(1)
    time_base: Rational
    frame_rate: Rational
    colour: Colour
    profile: Literal["baseline", "main", "high", "main10"] = "high"
    level: str = Field("", description="as 4.1; empty leaves it to the encoder")
    parameter_set_id: int = Field(0, ge=0, le=31)
    crf: int = 18
    quantiser: int | None = Field(None, description="the same for every block, instead of crf; H.264 only")
    preset: str = "veryfast"
    mastering_display: str = Field("", description="SMPTE ST 2086 in x265's form")
    content_light: str = Field("", description="MaxCLL,MaxFALL in cd/m2")

    @property
    def bridge(self) -> "EncodeTarget":
        """The same for kept frames beside swapped ones: nearly exact, and quick. Its parameter sets differ."""
        return self.model_copy(update={"quantiser": BRIDGE_QUANTISER, "preset": BRIDGE_PRESET})


@dataclass(frozen=True, slots=True)
class EncodedSegment:
    """A segment on disk: an mp4 whose only stream starts with an IDR picture at time 0."""

    path: Path
    frames: int
    swapped_frames: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class EncodedPacket:
    """A coded picture as mp4 holds it: units with four-byte lengths. `pts` is in the target's ticks."""

    data: bytes
    pts: int
    keyframe: bool


def encode_segment(
    frames: Iterable[Frame],
    target: EncodeTarget,
    path: Path,
    *,
    total: int = 0,
    report: Callable[[int, int], None] = lambda done, total: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> EncodedSegment:
    """Encode upright frames into `path`, which is whole or absent afterwards.

    Frames are encoded in the memory they are in, without a copy, unless the target is turned.
    `report` gets (frames done, `total`).
    Raises Cancelled, DiskFull, OutputError, and MediaError for frames that do not fit the target.
    """
    count = swapped = 0
    with whole_file(path) as temporary, av.open(str(temporary), "w", format="mp4", options=_timescale(target)) as out:
        writer = _Writer(out, target)
        for frame in watched(frames, total, report, cancelled):
            writer.write(frame)
            count += 1
            swapped += frame.swapped
        if not count:
            raise MediaError("a segment without a frame cannot be encoded", hint="check the range against the footage")
        writer.finish()
    return EncodedSegment(path=path, frames=count, swapped_frames=swapped, size_bytes=path.stat().st_size)


def _timescale(target: EncodeTarget) -> dict[str, str]:
    return {"video_track_timescale": str(target.time_base.denominator)}


class _Writer:
    """Encodes frames into the only stream of a container, the first at time 0.

    Decoding times are our own, the same as the presentation times since there are no B-frames: libx265 gives random
    ones to clips of one or two frames.
    """

    def __init__(self, out: OutputContainer, target: EncodeTarget) -> None:
        self._out, self._target = out, target
        self._stream = cast(VideoStream, out.add_stream(_ENCODERS[target.codec], rate=target.frame_rate))
        _configure(self._stream.codec_context, target)
        self._stream.time_base = target.time_base
        self._origin: int | None = None

    def write(self, frame: Frame) -> None:
        if self._origin is None:
            self._origin = frame.pts
        self._mux(self._stream.encode(_timed(frame, self._target, self._origin)))

    def finish(self) -> None:
        self._mux(self._stream.encode(None))

    def _mux(self, packets: list[Any]) -> None:
        for packet in packets:
            packet.dts = packet.pts
            self._out.mux(packet)


def _configure(context: VideoCodecContext, target: EncodeTarget) -> None:
    context.width, context.height = target.width, target.height
    context.pix_fmt = planes.PIXEL_FORMATS[target.colour.bit_depth]
    context.time_base = target.time_base
    context.framerate = target.frame_rate
    context.sample_aspect_ratio = target.pixel_aspect
    write_colour(context, target.colour)
    # A bridge is not worth the threads. With several of them x264 reads memory that it has not written: in a process
    # that has encoded other pictures before, blocks in a corner differ by up to 2 code values now and then (26 of 1788
    # encodes in a heap made to be used again; none of 2900 with one thread, with which a swap takes 18 % longer).
    context.thread_count = 1 if target.quantiser is not None else 0
    context.options = _options(target)
    if target.codec == "hevc":
        context.codec_tag = "hvc1"  # what Apple's players ask for


def _options(target: EncodeTarget) -> dict[str, str]:
    """Options of libx264 or libx265 for a target."""
    distance = max(1, round(KEYFRAME_S * target.frame_rate))
    common = {"crf": str(target.crf), "preset": target.preset, "forced-idr": "1"}
    if target.codec == "hevc":
        parameters = ["log-level=error", f"keyint={distance}", "open-gop=0", "repeat-headers=0", "info=0", NO_B_FRAMES]
        if target.mastering_display:
            parameters.append(f"master-display={target.mastering_display}")
        if target.content_light:
            parameters.append(f"max-cll={target.content_light}")
        if target.colour.hdr:
            parameters.append("hdr10-opt=1" if target.colour.transfer == "smpte2084" else "repeat-headers=0")
        return common | {"profile": target.profile, "x265-params": ":".join(parameters)}
    parameters = [
        f"sps-id={target.parameter_set_id}",
        "stitchable=1",  # headers depend on settings only, so that every piece has the same parameter sets
        "sliced-threads=0",  # PyAV asks for slices: worse pictures, and bytes that differ from run to run under load
        f"keyint={distance}",
        "open-gop=0",
        NO_B_FRAMES,
    ]
    if target.quantiser is not None:
        parameters += [f"qp={target.quantiser}", "ipratio=1", "pbratio=1"]
        parameters += _PROFILE_TOOL.get(target.profile, [])
        del common["crf"]
    options = common | {"profile": target.profile, "x264-params": ":".join(parameters)}
    return options | ({"level": target.level} if target.level else {})


def _picture(frame: Frame, target: EncodeTarget) -> VideoFrame:
    """The frame's own buffer, or a copy turned back to how the coded picture lies."""
    upright = _upright(target)
    if (frame.width + frame.width % 2, frame.height + frame.height % 2) != upright:
        raise MediaError(
            f"a frame of {frame.width}x{frame.height} does not fit a segment of {upright[0]}x{upright[1]}",
            hint="an engine must keep the size of its frames",
        )
    if frame.colour.bit_depth != target.colour.bit_depth:
        raise MediaError(
            f"a frame of {frame.colour.bit_depth} bits does not fit a segment of {target.colour.bit_depth} bits",
            hint="read it with the same tone_map setting as the target was made with",
        )
    planes.pad_to_even((frame.y, frame.u, frame.v), frame.buffer)
    picture: VideoFrame = frame.buffer
    if target.rotation or target.mirrored:
        picture = VideoFrame(target.width, target.height, planes.PIXEL_FORMATS[target.colour.bit_depth])
        source = planes.views(frame.buffer, *upright)
        for plane, turned in zip(source, planes.views(picture, target.width, target.height), strict=True):
            planes.turn_back(plane, turned, target.rotation, mirrored=target.mirrored)
    write_colour(picture, target.colour)
    return picture


def encode_packets(frames: Iterable[Frame], target: EncodeTarget) -> Iterator[EncodedPacket]:
    """Encode upright frames to packets in decode order, as mp4 holds them; the first is an IDR picture."""
    context = cast(VideoCodecContext, av.CodecContext.create(_ENCODERS[target.codec], "w"))
    _configure(context, target)
    context.flags |= CodecFlags.global_header
    pictures = (_timed(frame, target) for frame in frames)
    for picture in chain(pictures, [None]):
        for packet in context.encode(picture):
            yield EncodedPacket(nal.to_prefixed(bytes(packet)), packet.pts or 0, packet.is_keyframe)


def _timed(frame: Frame, target: EncodeTarget, origin: int = 0) -> VideoFrame:
    picture = _picture(frame, target)
    picture.pts = frame.pts - origin
    picture.time_base = target.time_base
    picture.pict_type = PictureType.NONE
    return picture


@contextmanager
def encoded_sample(target: EncodeTarget) -> Iterator[VideoStream]:
    """A stream as `encode_segment` writes it, of one black picture in memory.

    Its decoder configuration (avcC, hvcC) is that of everything encoded to the target: settings decide it, not
    pictures.
    """
    memory = io.BytesIO()
    black = Frame.allocate(*_upright(target), pts=0, time=Fraction(0), colour=target.colour)
    for plane, value in ((black.y, 16), (black.u, 128), (black.v, 128)):
        plane[:] = value << (target.colour.bit_depth - 8)
    with av.open(memory, "w", format="mp4", options=_timescale(target)) as out:
        writer = _Writer(out, target)
        writer.write(black)
        writer.finish()
    memory.seek(0)
    with av.open(memory, "r") as written:
        yield written.streams.video[0]


def encoder_headers(target: EncodeTarget) -> bytes:
    """The decoder configuration (avcC, hvcC) of everything encoded to a target."""
    with encoded_sample(target) as stream:
        return bytes(stream.codec_context.extradata or b"")


def _upright(target: EncodeTarget) -> tuple[int, int]:
    return (target.width, target.height) if target.rotation % 180 == 0 else (target.height, target.width)
