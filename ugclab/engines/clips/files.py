"""Canvases as files, for programs that read and write videos: in at a constant rate, out again as RGB."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.frame import VideoFrame

from ugclab.engines.base import Image
from ugclab.errors import EngineError, MediaError
from ugclab.media.source import open_source, video_stream

CRF = "6"
"""Of x264: what it loses the model does not see, and a segment stays below a few ten MB."""


def write_canvases(path: Path, pictures: Iterable[Image], size: tuple[int, int], rate: int) -> int:
    """Write canvases of `size` (width, height) as H.264 at a constant rate; returns how many there were.

    Colours are coded and left untagged as OpenCV, decord and imageio take them for: BT.601, limited range.
    """
    count = 0
    with av.open(str(path), "w", format="mp4") as out:
        stream = out.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.codec_context.options = {"crf": CRF, "preset": "veryfast", "x264-params": "bframes=0"}
        for picture in pictures:
            out.mux(stream.encode(VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")))
            count += 1
        out.mux(stream.encode(None))
    return count


def read_canvases(path: Path, size: tuple[int, int]) -> Iterator[Image]:
    """Read a video of `size` back, uint8 RGB. Raises EngineError where it is not what was asked for."""
    with open_source(path) as container:
        for picture in container.decode(video_stream(container, path.name)):
            if (picture.width, picture.height) != size:
                raise EngineError(
                    f"{path.name} is {picture.width}x{picture.height}, {size[0]}x{size[1]} was asked for",
                    hint="look at the scripts' log",
                )
            yield np.asarray(picture.to_ndarray(format="rgb24"), np.uint8)


def counted(path: Path) -> tuple[int, Fraction]:
    """Frames of a video by decoding none of them, and its rate. Raises MediaError where it is none."""
    with open_source(path) as container:
        stream = video_stream(container, path.name)
        rate = stream.average_rate
        if rate is None:
            raise MediaError(f"{path.name} has no frame rate")
        return sum(1 for packet in container.demux(stream) if packet.size), rate
