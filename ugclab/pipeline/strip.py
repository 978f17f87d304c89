"""The whole footage as a row of small pictures: what a timeline shows, for the price of a few keyframes."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation
from numpy.typing import NDArray

from ugclab.errors import Cancelled, MediaError
from ugclab.media import planes
from ugclab.media.colour import MATRICES
from ugclab.media.filters import PictureFilter
from ugclab.media.frames import Frame
from ugclab.media.images import HD_ROWS, frame_rgb
from ugclab.media.source import open_source, video_stream
from ugclab.schema.media import MediaInfo

TILE_HEIGHT_PX = 72
NARROWEST_PX, WIDEST_PX = 41, 128
"""Of a tile: a phone's 9:16 and a screen's 16:9. What is wider or narrower is cut."""
MOST_PX = 2500 * 1280 * 720
"""What is decoded for the sake of tiles at their very times; in longer footage they are keyframes, however rare."""


@dataclass(frozen=True, slots=True)
class Strip:
    """Tiles side by side."""

    picture: NDArray[np.uint8]
    """uint8 RGB of shape (TILE_HEIGHT_PX, len(times) * tile_width, 3)."""
    tile_width: int
    times: tuple[Fraction, ...]
    """Seconds of footage each tile stands for: the middle of its part."""


def film_strip(path: Path, info: MediaInfo, count: int = 48, *, cancelled: Callable[[], bool] = lambda: False) -> Strip:
    """Draw `count` evenly spaced moments, fewer where the footage has fewer frames; upright, HDR tone-mapped.

    Where keyframes are close enough a tile shows the one nearest to its time, and nothing else is decoded. Raises
    MediaError, Cancelled.
    """
    count = max(1, min(count, info.frames))
    part = info.duration / count
    times = tuple(part * (2 * i + 1) / 2 for i in range(count))
    shape = float(info.width * info.pixel_aspect / info.height)
    width = int(np.clip(round(TILE_HEIGHT_PX * shape), NARROWEST_PX, WIDEST_PX))
    strip = np.zeros((TILE_HEIGHT_PX, width * count, 3), np.uint8)
    sparse = info.gop.longest_s <= part or info.frames * info.width * info.height > MOST_PX
    pictures = _keyframes(path, info, times, part) if sparse else _frames(path, info, times)
    zoom = max(1.0, width / (TILE_HEIGHT_PX * shape))
    size = (math.ceil(TILE_HEIGHT_PX * shape * zoom), math.ceil(TILE_HEIGHT_PX * zoom))
    for number, tile in enumerate(_tiles(pictures, info, size)):
        if cancelled():
            raise Cancelled("cancelled")
        left, top = (tile.shape[1] - width) // 2, (tile.shape[0] - TILE_HEIGHT_PX) // 2
        strip[:, number * width : (number + 1) * width] = tile[top : top + TILE_HEIGHT_PX, left : left + width]
    return Strip(strip, width, times)


def _keyframes(path: Path, info: MediaInfo, times: Sequence[Fraction], part: Fraction) -> Iterator[VideoFrame]:
    """For each time a keyframe at most half a part away where there is one, by a seek; else the one before."""
    with open_source(path) as container:
        stream = video_stream(container, path.name)
        stream.thread_type, stream.thread_count = "SLICE", 1  # threads by frame hold pictures back
        stream.codec_context.skip_frame = "NONKEY"
        for time in times:
            container.seek(round((time + part / 2 + info.start) / info.time_base), stream=stream)
            picture = next(container.decode(stream), None)
            if picture is None:
                raise MediaError(f"{path.name} shows no picture at {float(time):.2f} s")
            yield picture


def _frames(path: Path, info: MediaInfo, times: Sequence[Fraction]) -> Iterator[VideoFrame]:
    """The frame shown at each time, all decoded on the way; pictures no other refers to are left out."""
    with open_source(path) as container:
        stream = video_stream(container, path.name)
        stream.thread_type = "AUTO"
        stream.codec_context.skip_frame = "NONREF"
        last, following = None, iter(times)
        wanted = next(following, None)
        for picture in container.decode(stream):
            if picture.pts is None:
                continue
            while wanted is not None and last is not None and picture.pts * info.time_base - info.start > wanted:
                yield last
                wanted = next(following, None)
            if wanted is None:
                return
            last = picture
        while wanted is not None and last is not None:
            yield last
            wanted = next(following, None)
        if last is None:
            raise MediaError(f"{path.name} shows no picture")


def _tiles(pictures: Iterator[VideoFrame], info: MediaInfo, size: tuple[int, int]) -> Iterator[NDArray[np.uint8]]:
    """Decoder's pictures upright, in RGB and at least (width, height) large: small first, then tone-mapped."""
    width, height = (n + n % 2 for n in (size if info.rotation % 180 == 0 else size[::-1]))
    small = (_shrunk(picture, width, height) for picture in pictures)
    tone_map = PictureFilter(info, deinterlace=False, tone_map=True) if info.colour.hdr else None
    coded = tone_map.colour if tone_map else info.colour
    if coded.matrix not in MATRICES.values():  # untagged: its own height decides, not the tile's
        coded = coded.model_copy(update={"matrix": "bt709" if info.height >= HD_ROWS else "smpte170m"})
    colour = planes.frame_colour(coded, 8)
    for picture in tone_map.run(small) if tone_map else small:
        buffer = planes.to_420(picture, coded, colour)
        y, u, v = planes.views(buffer, width, height)
        rgb = frame_rgb(Frame(y=y, u=u, v=v, pts=0, time=Fraction(0), colour=colour, buffer=buffer))
        yield np.rot90(rgb[:, ::-1] if info.mirrored else rgb, -info.rotation // 90)


def _shrunk(picture: VideoFrame, width: int, height: int) -> VideoFrame:
    """By area, in its own format and range."""
    small = picture.reformat(width=width, height=height, interpolation=Interpolation.AREA, threads=1)
    small.pts = picture.pts
    return small
