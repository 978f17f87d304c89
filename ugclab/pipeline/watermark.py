"""A line of text on swapped frames, drawn into their planes."""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ugclab.media.frames import Frame

_OPACITY = 0.72
_HEIGHT_SHARE = 28  # the text is one so-manieth of the picture's shorter side: legible on a phone, not in the way


def watermarked(frames: Iterable[Frame], text: str) -> Iterator[Frame]:
    """Write `text` into the lower left corner of every swapped frame, in place; the others pass as they are."""
    mask: NDArray[np.float32] | None = None
    for frame in frames:
        if text and frame.swapped:
            mask = _text_mask(text, frame.width, frame.height) if mask is None else mask
            _blend(frame, mask)
        yield frame


def _text_mask(text: str, width: int, height: int) -> NDArray[np.float32]:
    """Coverage 0..1 of the text, of even size, narrowed where it would not fit."""
    size = max(10, min(width, height) // _HEIGHT_SHARE)
    font = ImageFont.load_default(size)
    left, top, right, bottom = (round(n) for n in font.getbbox(text))
    picture = Image.new("L", (right - left, bottom - top))
    ImageDraw.Draw(picture).text((-left, -top), text, 255, font)
    room = width - 4 * size
    if picture.width > room > 0:
        picture = picture.resize((room, max(2, picture.height * room // picture.width)), Image.Resampling.LANCZOS)
    even = Image.new("L", (picture.width + picture.width % 2, picture.height + picture.height % 2))
    even.paste(picture)
    return np.asarray(even, np.float32) / np.float32(255)


def _blend(frame: Frame, mask: NDArray[np.float32]) -> None:
    """White, through the mask, at a distance from the edges of one line's height."""
    rows, columns = mask.shape
    margin = (rows + rows % 4) & ~1
    top, left = max(0, frame.height - rows - margin) & ~1, margin
    half = mask.reshape(rows // 2, 2, columns // 2, 2).mean(axis=(1, 3))
    scale = 1 << (frame.colour.bit_depth - 8)
    white = (255 if frame.colour.full_range else 235) * scale
    for plane, cover, value, step in (
        (frame.y, mask, white, 1),
        (frame.u, half, 128 * scale, 2),
        (frame.v, half, 128 * scale, 2),
    ):
        y, x = top // step, left // step
        part = plane[y : y + cover.shape[0], x : x + cover.shape[1]]
        weight = cover[: part.shape[0], : part.shape[1]] * _OPACITY
        part[:] = np.rint(part * (1 - weight) + value * weight).astype(part.dtype)
