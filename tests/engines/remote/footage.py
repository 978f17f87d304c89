"""Footage that tempts to lose something on the way: FFV1 in 10 bits, odd in size, at times that vary, with a face."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from tests.face_clips import picture


def odd_footage(path: Path) -> Path:
    """24 pictures of 321x241, at 30 and 60 a second by turns, matroska."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("ffv1", rate=30)
        context = stream.codec_context
        context.width, context.height, context.pix_fmt = 321, 241, "yuv420p10le"
        context.time_base = Fraction(1, 1000)
        at = 0
        for number in range(24):
            rgb = np.ascontiguousarray(picture(number, width=321, height=241))
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format="yuv420p10le")
            frame.pts, frame.time_base = at, Fraction(1, 1000)
            at += 33 if number % 3 else 17
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path
