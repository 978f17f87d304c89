"""A line of text on swapped frames, drawn in code values: white with a black edge, so it is legible on anything."""

from collections.abc import Iterable, Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from ugclab.media.frames import Frame

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_FONT_PX = 22
"""Height of the font's capitals at scale 1."""
HEIGHT_SHARE = 0.028
"""Height of a capital over the shorter side of the picture."""
WIDTH_SHARE = 0.9
"""The longest text becomes this much of the picture's width, in smaller letters."""

_GAIN = 1.6
"""Smoothed strokes of one pixel never cover it whole: without this, small letters are grey."""

Mask = NDArray[np.uint8]


def watermark(frames: Iterable[Frame], text: str) -> Iterator[Frame]:
    """Draw `text` into the lower right corner of swapped frames; others pass as they are.

    The font has ASCII only; other characters show as question marks.
    """
    masks: tuple[tuple[int, int], Mask, Mask] | None = None
    line = text.encode("ascii", "replace").decode().strip()
    for frame in frames:
        if frame.swapped and line:
            if masks is None or masks[0] != (frame.width, frame.height):
                masks = ((frame.width, frame.height), *_draw(line, frame.width, frame.height))
            _apply(frame, masks[1], masks[2])
        yield frame


def _draw(text: str, width: int, height: int) -> tuple[Mask, Mask]:
    """Coverage of the letters and of their edge, each of shape (height, width), 0 to 255."""
    scale = max(0.4, HEIGHT_SHARE * min(width, height) / _FONT_PX)
    wide = cv2.getTextSize(text, _FONT, scale, 1)[0][0]
    scale *= min(1.0, WIDTH_SHARE * width / wide)
    thickness = max(1, round(scale * 1.6))
    (wide, _), below = cv2.getTextSize(text, _FONT, scale, thickness)
    margin = max(2, min(width, height) // 50)
    at = (max(0, width - wide - margin), height - below - margin)
    letters, edge = np.zeros((height, width), np.uint8), np.zeros((height, width), np.uint8)
    cv2.putText(letters, text, at, _FONT, scale, 255, thickness, cv2.LINE_AA)
    cv2.putText(edge, text, at, _FONT, scale, 255, thickness + 2 * max(1, round(scale)), cv2.LINE_AA)
    return letters, np.maximum(edge, letters)


def _apply(frame: Frame, letters: Mask, edge: Mask) -> None:
    scale = 1 << (frame.colour.bit_depth - 8)
    black, white = (0, 255) if frame.colour.full_range else (16, 235)
    rows, columns = np.flatnonzero(edge.any(axis=1)), np.flatnonzero(edge.any(axis=0))
    top, bottom = rows[0] // 2 * 2, rows[-1] + 1
    left, right = columns[0] // 2 * 2, columns[-1] + 1
    box = (slice(top, bottom), slice(left, right))
    cover, ink = (np.minimum(1, _GAIN * mask[box] / 255) for mask in (edge, letters))
    value = (black + (white - black) * ink) * scale
    frame.y[box] = np.rint(frame.y[box] * (1 - cover) + value * cover)
    half = (slice(top // 2, (bottom + 1) // 2), slice(left // 2, (right + 1) // 2))
    neutral = cover[::2, ::2]
    for plane in (frame.u, frame.v):
        plane[half] = np.rint(plane[half] * (1 - neutral) + 128 * scale * neutral)
