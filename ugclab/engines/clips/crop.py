"""Which part of the picture is generated: a fixed window over a whole segment, in a size the model takes.

A window stays where it is for the whole segment: one that follows the head would move the background in it, and what
is put back would swim. Where the footage's shape cannot be had in multiples of 16, the rest is black, as in the
official preprocessing.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from ugclab.engines.base import Image
from ugclab.engines.mesh.sampling import Picture, codes_of, to_rgb, to_yuv, window
from ugclab.engines.mesh.topology import Floats
from ugclab.errors import EngineError
from ugclab.schema.job import ReplaceMode

GRID = 16
"""Sides are multiples of it: patches of 2x2 on latents of 8x8 pixels."""
ROOM = 1.7
"""How much wider and higher than what the head's mask covers a window for it is: the model sees neck and shoulders,
and the seam has the source on both sides."""


@dataclass(frozen=True, slots=True)
class Crop:
    """A window of the source and the canvas it fills, both in px."""

    left: float
    top: float
    width: float
    height: float
    canvas: tuple[int, int]
    """Width and height of what is generated: multiples of 16."""

    @property
    def scale(self) -> float:
        """Canvas pixels of one source pixel, the same both ways."""
        return min(self.canvas[0] / self.width, self.canvas[1] / self.height)

    @property
    def to_canvas(self) -> Floats:
        """(2, 3), from source pixels to canvas pixels, by pixel centres; the window in the middle of the canvas."""
        s = self.scale
        x, y = ((c - n * s) / 2 for c, n in zip(self.canvas, (self.width, self.height), strict=True))
        shift = [x + (0.5 - self.left) * s - 0.5, y + (0.5 - self.top) * s - 0.5]
        return np.array([[s, 0, shift[0]], [0, s, shift[1]]], np.float32)

    def see(self, picture: Picture) -> Image:
        """The canvas of a frame, uint8 RGB, black beyond the window."""
        rgb = to_rgb(window(picture, self.to_canvas, self.canvas), codes_of(picture))
        seen = np.rint(rgb * 255).astype(np.uint8)
        x0, y0, x1, y1 = self.inside
        seen[:y0], seen[y1:], seen[:, :x0], seen[:, x1:] = 0, 0, 0, 0
        return seen

    @property
    def inside(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom of the window on the canvas; beyond them it is black."""
        s = self.scale
        wide, high = min(round(self.width * s), self.canvas[0]), min(round(self.height * s), self.canvas[1])
        left, top = (self.canvas[0] - wide) // 2, (self.canvas[1] - high) // 2
        return left, top, left + wide, top + high

    def planes_of(self, rgb: Image, like: Picture) -> Floats:
        """A generated canvas as YUV in 8-bit code values of `like`'s colour, float32 (height, width, 3)."""
        if rgb.shape[:2] != self.canvas[::-1]:
            raise EngineError(
                f"a picture of {rgb.shape[1]}x{rgb.shape[0]} was generated, {self.canvas[0]}x{self.canvas[1]} was asked"
            )
        return to_yuv(np.divide(rgb, 255, dtype=np.float32), codes_of(like))

    def back(self, values: Floats, box: tuple[int, int, int, int], *, half: bool = False) -> Floats:
        """Canvas values as they lie in the source's rectangle `box` (left, top, width, height), even numbers.

        With `half` in the chroma planes' pixels, each between its four of luma.
        """
        left, top, width, height = box
        inverse = cv2.invertAffineTransform(self.to_canvas)  # canvas to source
        inverse[:, 2] -= (left, top)
        if half:
            inverse[:, 2] -= 0.5
            inverse /= 2
            width, height = (width + 1) // 2, (height + 1) // 2
        shrink = self.scale / (1 if not half else 0.5)
        if shrink > 2:  # bilinear taps would alias
            values = cv2.GaussianBlur(values, (0, 0), shrink / 4)
        warped: Floats = cv2.warpAffine(
            values, inverse, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        return warped


def canvas_of(width: float, height: float, area: tuple[int, int]) -> tuple[int, int]:
    """Width and height of a canvas of that shape and about that area: multiples of 16, never more px than the area."""
    most = area[0] * area[1]
    wide = max(GRID, math.floor(math.sqrt(most * width / height) / GRID + 0.25) * GRID)
    high = max(GRID, math.floor(math.sqrt(most * height / width) / GRID + 0.25) * GRID)
    while wide * high > most and max(wide, high) > GRID:
        wide, high = (wide - GRID, high) if wide / high > width / height else (wide, high - GRID)
    return wide, high


def choose(mode: ReplaceMode, size: tuple[int, int], heads: Floats, area: tuple[int, int]) -> Crop:
    """The window for a segment: round all of its `heads` (n, 4: left, top, right, bottom), or the whole picture.

    `size` is the source's width and height. A head's window is square where the picture allows it, and never larger
    than the picture.
    """
    width, height = size
    if mode is ReplaceMode.PERSON or not len(heads):
        return Crop(0, 0, width, height, canvas_of(width, height, area))
    low, high = heads[:, :2].min(0), heads[:, 2:].max(0)
    middle = (low + high) / 2
    side = float((high - low).max()) * ROOM
    wide, tall = min(side, width), min(side, height)
    left = float(np.clip(middle[0] - wide / 2, 0, width - wide))
    top = float(np.clip(middle[1] - tall * 0.45, 0, height - tall))  # more below than above: neck and shoulders
    canvas = canvas_of(wide, tall, area)
    # A little less of the window rather than black bars: it is free to be of the canvas's shape.
    fitted = min(wide, tall * canvas[0] / canvas[1]), min(tall, wide * canvas[1] / canvas[0])
    left, top = left + (wide - fitted[0]) / 2, top + (tall - fitted[1]) / 2
    return Crop(left, top, *fitted, canvas)
