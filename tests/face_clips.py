"""Clips for tests: a face patch that comes and goes, and the frame's number in its corner."""

from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

BITS, BIT_PX = 10, 8  # the frame's number, in squares along the top edge
PATCH_PX = 144


@lru_cache
def face_patch(size: int = PATCH_PX) -> Image:
    """A real face (NASA's portrait of Eileen Collins, public domain), RGB."""
    data = __import__("pytest").importorskip("skimage.data")
    return cv2.resize(np.asarray(data.astronaut())[0:256, 96:352], (size, size), interpolation=cv2.INTER_AREA)


def face_box(number: int, size: int = PATCH_PX) -> tuple[int, int, int]:
    """Left, top and size of the patch in frame `number`; even, so that chroma agrees."""
    return 60 + 2 * (number % 20), 40 + 2 * (number % 7), size


def picture(number: int, *, width: int = 320, height: int = 240, face: bool = True) -> Image:
    """One RGB frame: grey stripes without any chroma, the number, and the patch."""
    rows = (100 + 30 * np.sin(np.arange(height) / 9)).astype(np.uint8)
    rgb = np.repeat(np.repeat(rows[:, None, None], width, axis=1), 3, axis=2)
    for bit in range(BITS):
        rgb[:BIT_PX, bit * BIT_PX : (bit + 1) * BIT_PX] = 235 if number >> bit & 1 else 20
    if face:
        left, top, size = face_box(number)
        rgb[top : top + size, left : left + size] = face_patch(size)
    return rgb


def number_of(y: NDArray[np.generic]) -> int:
    """Read the number back from a luma plane of 8 bits."""
    middle = BIT_PX // 2
    return sum(1 << bit for bit in range(BITS) if y[middle, bit * BIT_PX + middle] > 128)


def write_clip(
    path: Path,
    *,
    frames: int = 50,
    rate: Fraction | int = 25,
    has_face: Callable[[int], bool] = lambda number: True,
    keyint: int = 12,
    audio: bool = False,
    width: int = 320,
    height: int = 240,
) -> Path:
    """Write an H.264 clip with closed groups of `keyint` pictures, and a tone if asked."""
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=rate)
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        video.codec_context.options = {
            "crf": "14",
            "preset": "veryfast",
            "x264-params": f"keyint={keyint}:open-gop=0:bframes=2",
        }
        sound = out.add_stream("aac", rate=44100) if audio else None
        for number in range(frames):
            rgb = picture(number, width=width, height=height, face=has_face(number))
            out.mux(video.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
        out.mux(video.encode(None))
        if sound is not None:
            samples = int(44100 * frames / rate)
            wave = (np.sin(np.arange(samples) / 16) * 8000).astype(np.int16)[None]
            for start in range(0, samples, 1024):
                block = av.AudioFrame.from_ndarray(wave[:, start : start + 1024], format="s16", layout="mono")
                block.sample_rate, block.pts = 44100, start
                out.mux(sound.encode(block))
            out.mux(sound.encode(None))
    return path
