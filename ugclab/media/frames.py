"""Frames as planes of code values: read in presentation order, upright, with their timestamps, in bounded stages."""

import math
import os
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from ugclab.errors import Cancelled, MediaError
from ugclab.media import planes
from ugclab.media.colour import write_colour
from ugclab.media.filters import picture_filter
from ugclab.media.packets import cut_off
from ugclab.media.planes import Plane
from ugclab.media.source import open_source, video_stream
from ugclab.schema.media import Colour, MediaInfo, TimeRange

T = TypeVar("T")

DECODER_THREADS = 4
"""More threads hold more pictures and gain little beside an encoder."""
SMALL_PICTURE = 1280 * 720
"""Up to so many pixels one thread decodes faster than anything here encodes, for a twelfth less CPU."""
AHEAD = 2
"""Items a stage may be ahead of who consumes it. Four are no faster: a swap at 1080p then took 437 MB instead of 421,
at 720p 296 instead of 290."""
SETTLE = 16
"""On the way from a keyframe to the first wanted picture, H.264 pictures that no other refers to are left out, but for
the last so many: the decoder sees there how far pictures are reordered, a filter its neighbours."""


@dataclass(slots=True)
class Frame:
    """One upright picture in planar 4:2:0, owned by whoever holds it: its planes may be written in place.

    `y` has shape (height, width), `u` and `v` (ceil(height / 2), ceil(width / 2)): uint8, or uint16 with the value in
    the low `colour.bit_depth` bits. The planes are views of one buffer, which the encoder takes without a further copy;
    rows may be padded, so a plane need not be contiguous.
    """

    y: Plane
    u: Plane
    v: Plane
    pts: int
    """Timestamp in ticks of the source's video stream."""
    time: Fraction
    """Seconds from the footage's first instant: pts * time_base - start."""
    colour: Colour
    buffer: Any
    """The av.VideoFrame whose memory the planes are: of even width and height, so up to a column and a row larger."""
    swapped: bool = False

    @classmethod
    def allocate(cls, width: int, height: int, *, pts: int, time: Fraction, colour: Colour) -> Self:
        """A frame with memory of its own, its planes not yet written."""
        buffer = VideoFrame(width + width % 2, height + height % 2, planes.PIXEL_FORMATS[colour.bit_depth])
        write_colour(buffer, colour)
        y, u, v = planes.views(buffer, width, height)
        return cls(y=y, u=u, v=v, pts=pts, time=time, colour=colour, buffer=buffer)

    @property
    def width(self) -> int:
        """Pixels of a row of `y`."""
        return int(self.y.shape[1])

    @property
    def height(self) -> int:
        """Rows of `y`."""
        return int(self.y.shape[0])


def first_tick(time: Fraction, info: MediaInfo) -> int:
    """The first timestamp that is not before `time` (seconds of footage): where a boundary falls."""
    return math.ceil((time + info.start) / info.time_base)


def read_frames(
    path: Path,
    info: MediaInfo,
    range: TimeRange | None = None,  # noqa: A002 the schema's word
    *,
    tone_map: bool = False,
    bit_depth: Literal[8, 10] | None = None,
    borrow: bool | Callable[[int], bool] = False,
) -> Iterator[Frame]:
    """Decode the frames whose pts lies in [range.start, range.end), upright; all of them without a range.

    Every frame is copied once, out of the decoder's memory; with `borrow` (all, or those whose pts it says yes to) it
    may lie in that memory instead, and must not be written to: who only looks saves the copy. HDR footage is turned
    into bt709 if `tone_map` is set, interlaced footage is deinterlaced, a frame for a frame; `bit_depth` overrides the
    footage's own. Raises MediaError where a picture cannot be decoded: what `info` counts is what can be read of a
    truncated file, so this is damage inside.
    """
    first = first_tick(range.start, info) if range is not None else None
    last = first_tick(range.end, info) if range is not None else None
    coded = info.colour
    colour = planes.frame_colour(coded, bit_depth)
    with open_source(path) as container:
        convert = picture_filter(info, tone_map=tone_map)
        if convert is not None:
            coded = convert.colour
            colour = planes.frame_colour(coded, bit_depth)
        pictures = _pictures(container, path.name, first, last, info)
        for picture in convert.run(pictures) if convert is not None else pictures:
            pts = picture.pts
            if pts is None or (first is not None and pts < first):
                continue
            if last is not None and pts >= last:
                return
            yield _upright(picture, pts, info, coded, colour, borrow=borrow(pts) if callable(borrow) else borrow)


def _pictures(
    container: InputContainer, name: str, first: int | None, last: int | None, info: MediaInfo
) -> Iterator[VideoFrame]:
    """Decode from before `first` until one picture after `last` (for a filter that looks at its neighbours).

    Containers seek by decoding time, and transport streams by guessing; gradual refresh and open groups show nothing
    sound for a while after a keyframe. So what was found is looked at, and if it is too late we start earlier.
    """
    stream = video_stream(container, name)
    stream.thread_type = "AUTO"
    small = info.width * info.height <= SMALL_PICTURE
    stream.thread_count = 1 if small else min(os.cpu_count() or 1, DECODER_THREADS)
    step, start = 0, info.start / info.time_base
    while first is not None and first - step > start:
        container.seek(first - step, stream=stream)
        with suppress(_TooLate):
            yield from _decode(container, stream, first, last, name, info)
            return
        step = max(2 * step, math.ceil(1 / info.time_base))
    if step:
        container.seek(math.floor((min(info.start, Fraction(0)) - 10) / info.time_base), stream=stream)
    yield from _decode(container, stream, None, last, name, info)


class _TooLate(Exception):
    """Decoding started at a place from which the first wanted picture cannot be had."""


def _decode(
    container: InputContainer, stream: VideoStream, first: int | None, last: int | None, name: str, info: MediaInfo
) -> Iterator[VideoFrame]:
    """Pictures from the next keyframe on. Raises _TooLate if that, or the first picture, is after `first`."""
    started = keyed = False
    context = stream.codec_context
    # Elsewhere a picture that is called no reference may still be one to some.
    soon = first - math.ceil(SETTLE / info.frame_rate / info.time_base) if first and context.name == "h264" else None
    for packet in container.demux(stream):
        if cut_off(container, packet):
            continue
        if not keyed and packet.size:
            if not packet.is_keyframe:
                continue
            keyed = True
            if first is not None and (packet.pts is None or packet.pts > first):
                raise _TooLate
        if soon is not None:
            unseen = started and packet.pts is not None and packet.pts < soon
            context.skip_frame = "NONREF" if unseen else "DEFAULT"
        try:
            pictures = packet.decode()
        except av.error.InvalidDataError as error:
            if not started:
                continue
            at = f" at {float((packet.pts or 0) * info.time_base - info.start):.2f} s" if packet.pts else ""
            raise MediaError(
                f"{name} is damaged{at} ({error.strerror})",
                hint="play it there; cut that part out, or convert it: ffmpeg -i in -c:v libx264 out.mp4",
            ) from error
        for picture in pictures:
            if not started and first is not None and (picture.pts is None or picture.pts > first):
                raise _TooLate
            started = True
            yield picture
            if last is not None and picture.pts is not None and picture.pts >= last:
                return
    if first is not None and not started:
        raise _TooLate


def _upright(picture: VideoFrame, pts: int, info: MediaInfo, coded: Colour, colour: Colour, *, borrow: bool) -> Frame:
    """A decoder's picture as a frame: upright, in memory of its own unless it may be borrowed as it is."""
    upright = (picture.width, picture.height) if info.rotation % 180 == 0 else (picture.height, picture.width)
    if upright != (info.width, info.height):
        raise MediaError(
            f"the picture changes its size from {info.width}x{info.height} to {upright[0]}x{upright[1]}",
            hint="convert it to one size first: ffmpeg -i in -c:v libx264 out.mp4",
        )
    time = pts * info.time_base - info.start
    converted = planes.to_420(picture, coded, colour)
    source = planes.views(converted, picture.width, picture.height)
    even = picture.width % 2 == 0 and picture.height % 2 == 0
    if borrow and even and not (info.rotation or info.mirrored):
        y, u, v = source
        return Frame(y=y, u=u, v=v, pts=pts, time=time, colour=colour, buffer=converted)
    frame = Frame.allocate(info.width, info.height, pts=pts, time=time, colour=colour)
    for plane, target in zip(source, (frame.y, frame.u, frame.v), strict=True):
        planes.turn(plane, target, info.rotation, mirrored=info.mirrored)
    return frame


class _Failure:
    """What ended a stage: the error that its consumer shall see, or None at the end."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def stage(items: Iterable[T], depth: int = AHEAD, *, name: str = "stage") -> Iterator[T]:
    """Run an iterator in a thread of its own, at most `depth` items ahead of who consumes it.

    An error in the thread is raised in the consumer. When the consumer stops early (closes the generator, or fails),
    the thread stops after the item it is at, `items` is closed there, and the thread is joined.
    """
    handed: queue.Queue[T | _Failure] = queue.Queue(maxsize=depth)
    stopped = threading.Event()

    def put(item: T | _Failure) -> bool:
        while not stopped.is_set():
            with suppress(queue.Full):
                handed.put(item, timeout=0.1)
                return True
        return False

    def run() -> None:
        error: BaseException | None = None
        try:
            for item in items:
                if not put(item):
                    break
        except BaseException as caught:  # carried over to the consumer
            error = caught
        try:
            close = getattr(items, "close", None)
            if close is not None:
                close()
        except BaseException as caught:
            error = error or caught
        put(_Failure(error))

    thread = threading.Thread(target=run, name=f"ugclab-{name}", daemon=True)
    thread.start()
    try:
        while True:
            item = handed.get()
            if isinstance(item, _Failure):
                if item.error is not None:
                    raise item.error
                return
            yield item
    finally:
        stopped.set()
        with suppress(queue.Empty):
            while True:
                handed.get_nowait()
        thread.join()


def watched(
    frames: Iterable[Frame], total: int, report: Callable[[int, int], None], cancelled: Callable[[], bool]
) -> Iterator[Frame]:
    """Pass frames on, telling how many there were; raises Cancelled once the work is no longer wanted."""
    for done, frame in enumerate(frames):
        if cancelled():
            raise Cancelled("cancelled")
        yield frame
        report(done + 1, total)
