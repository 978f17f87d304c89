"""The contact sheet: what changed, and what did not, on one picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ugclab.schema.plan import Action, Segment, SegmentPlan

Picture = NDArray[np.uint8]

WIDTH_PX = 1600
MARGIN_PX, GUTTER_PX, LABEL_PX = 56, 12, 92
STRIP_PX = 26
MOST_ROWS = 6
"""Segments shown; a plan of hundreds would make a picture nobody opens."""

GROUND, INK, QUIET, LINE = (13, 16, 21), (232, 236, 242), (128, 140, 158), (34, 40, 50)
SWAPPED, UNTOUCHED = (255, 107, 61), (84, 102, 128)
"""One signal colour for what was changed, a grey-blue for what was not."""

_BLOCK_PX, _CHANGE = 8, 8
"""A block has changed when its mean differs by so many code values: coding noise averages out, a new face does not."""
_CONTEXT = 2.2  # a cell shows so many times the changed region's size, so that the face is seen in its place
_SQUARISH = 1.25  # the widest a part of the picture is cut: faces are not wide


@dataclass(frozen=True, slots=True)
class Moment:
    """One instant of the source and of the result, RGB of the same size."""

    time: Fraction
    before: Picture
    after: Picture


def columns_for(width: int, height: int) -> int:
    """How many moments of a segment fit in a row: 5 of a wide picture, 7 of a phone's."""
    return 5 if width > height * 0.8 else 7


def moments_of(segment: Segment, columns: int) -> list[Fraction]:
    """Times in the middle of `columns` equal parts of a segment."""
    part = segment.range.duration / columns
    return [segment.range.start + part * (2 * i + 1) / 2 for i in range(columns)]


def contact_sheet(
    title: str, facts: Sequence[str], note: str, plan: SegmentPlan, rows: Sequence[tuple[Segment, Sequence[Moment]]]
) -> Picture:
    """Draw the sheet as uint8 RGB: title, the plan as a strip, each row's moments before and after, and a note."""
    shown = list(rows)[:MOST_ROWS]
    cells = [_cells(moments) for _, moments in shown]
    row_heights = [2 * pairs[0][0].height + GUTTER_PX // 2 + 92 for pairs in cells]
    height = 236 + sum(row_heights) + MARGIN_PX - 24
    sheet = Image.new("RGB", (WIDTH_PX, height), GROUND)
    draw = ImageDraw.Draw(sheet)
    _header(draw, title, facts)
    _strip(draw, plan, [m.time for _, moments in shown for m in moments])
    top = 236
    for (segment, moments), pairs, row_height in zip(shown, cells, row_heights, strict=True):
        _row(sheet, draw, top, segment, moments, pairs)
        top += row_height
    draw.text((MARGIN_PX, height - 40), note, QUIET, _font(15), anchor="lt")
    return np.array(sheet)


def clock(time: Fraction) -> str:
    """A time as 1:02.5, to a tenth of a second."""
    minutes, tenths = divmod(int(time * 10), 600)
    return f"{minutes}:{tenths // 10:02d}.{tenths % 10}"


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _header(draw: ImageDraw.ImageDraw, title: str, facts: Sequence[str]) -> None:
    draw.text((MARGIN_PX, 44), _shortened(draw, title, 30, 700), INK, _font(30), anchor="lt")
    draw.text((WIDTH_PX - MARGIN_PX, 53), "   ·   ".join(facts), QUIET, _font(19), anchor="rt")


def _shortened(draw: ImageDraw.ImageDraw, text: str, size: int, room: int) -> str:
    if draw.textlength(text, _font(size)) <= room:
        return text
    while text and draw.textlength(text + "…", _font(size)) > room:
        text = text[:-1]
    return text + "…"


def _strip(draw: ImageDraw.ImageDraw, plan: SegmentPlan, marks: Sequence[Fraction]) -> None:
    """The whole footage as a bar, its swapped parts in the signal colour, and ticks where the moments lie."""
    left, width, top = MARGIN_PX, WIDTH_PX - 2 * MARGIN_PX, 116

    def at(time: Fraction) -> int:
        return left + round(float(time / plan.duration) * width)

    last_label = left - 100
    for segment in plan.segments:
        box = (
            at(segment.range.start),
            top,
            max(at(segment.range.end) - 3, at(segment.range.start) + 1),
            top + STRIP_PX,
        )
        draw.rounded_rectangle(box, 4, SWAPPED if segment.action is Action.SWAP else UNTOUCHED)
        if box[0] - last_label > 70 and at(plan.duration) - box[0] > 70:
            draw.text((box[0], top + STRIP_PX + 12), clock(segment.range.start), QUIET, _font(16), anchor="lt")
            last_label = box[0]
    draw.text((left + width, top + STRIP_PX + 12), clock(plan.duration), QUIET, _font(16), anchor="rt")
    for time in marks:
        draw.line((at(time), top + STRIP_PX // 2 - 4, at(time), top + STRIP_PX // 2 + 4), GROUND, 2)
    draw.line((left, top + STRIP_PX + 52, left + width, top + STRIP_PX + 52), LINE, 1)


def _row(
    sheet: Image.Image,
    draw: ImageDraw.ImageDraw,
    top: int,
    segment: Segment,
    moments: Sequence[Moment],
    pairs: Sequence[tuple[Image.Image, Image.Image]],
) -> None:
    """One segment: its times, the source's moments, and below each what it became."""
    draw.rounded_rectangle((MARGIN_PX, top + 3, MARGIN_PX + 10, top + 13), 5, SWAPPED)
    name = f"{clock(segment.range.start)} - {clock(segment.range.end)}"
    draw.text((MARGIN_PX + 22, top), name, INK, _font(20), anchor="lt")
    cell_height = pairs[0][0].height
    first, second = top + 36, top + 36 + cell_height + GUTTER_PX // 2
    for y, word, colour in ((first, "source", QUIET), (second, "swapped", SWAPPED)):
        draw.text((MARGIN_PX, y + cell_height // 2), word, colour, _font(19), anchor="lm")
    x = MARGIN_PX + LABEL_PX
    for moment, (before, after) in zip(moments, pairs, strict=True):
        for y, picture, colour in ((first, before, UNTOUCHED), (second, after, SWAPPED)):
            sheet.paste(picture, (x, y), _rounded(picture.size))
            draw.line((x + 6, y + cell_height - 2, x + picture.width - 7, y + cell_height - 2), colour, 3)
        draw.text((x, second + cell_height + 9), clock(moment.time), QUIET, _font(16), anchor="lt")
        x += before.width + GUTTER_PX


def _rounded(size: tuple[int, int]) -> Image.Image:
    mask = Image.new("L", (size[0] * 2, size[1] * 2))
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, *mask.size), 16, 255)
    return mask.resize(size, Image.Resampling.LANCZOS)


def _cells(moments: Sequence[Moment]) -> list[tuple[Image.Image, Image.Image]]:
    """The moments at the size of a cell: each cut round its own change, all at one scale."""
    height, width = moments[0].before.shape[:2]
    boxes = [_changed(m) for m in moments]
    largest = max((max(bottom - top, right - left) for left, top, right, bottom in filter(None, boxes)), default=height)
    aspect = float(np.clip(width / height, 1 / _SQUARISH, _SQUARISH))
    part_height = _CONTEXT * largest
    if part_height > height or part_height * aspect > width:  # a large change, or none: the whole picture
        part_width, part_height = width, height
    else:
        part_width, part_height = max(2, round(part_height * aspect)), max(2, round(part_height))
    room = WIDTH_PX - 2 * MARGIN_PX - LABEL_PX - GUTTER_PX * (len(moments) - 1)
    cell_width = room // len(moments)
    size = (cell_width, max(1, round(cell_width * part_height / part_width)))
    cells = []
    for moment, box in zip(moments, boxes, strict=True):
        middle_x, middle_y = ((box[0] + box[2]) // 2, (box[1] + box[3]) // 2) if box else (width // 2, height // 2)
        left = int(np.clip(middle_x - part_width // 2, 0, width - part_width))
        top = int(np.clip(middle_y - part_height // 2, 0, height - part_height))
        part = np.s_[top : top + part_height, left : left + part_width]
        before, after = (
            Image.fromarray(np.ascontiguousarray(picture[part])).resize(size, Image.Resampling.LANCZOS)
            for picture in (moment.before, moment.after)
        )
        cells.append((before, after))
    return cells


def _changed(moment: Moment) -> tuple[int, int, int, int] | None:
    """Left, top, right, bottom of the largest patch of changed blocks; None if nothing changed."""
    height, width = (n // _BLOCK_PX * _BLOCK_PX for n in moment.before.shape[:2])
    difference = np.abs(moment.before[:height, :width].astype(np.int16) - moment.after[:height, :width]).mean(axis=2)
    blocks = difference.reshape(height // _BLOCK_PX, _BLOCK_PX, width // _BLOCK_PX, _BLOCK_PX).mean(axis=(1, 3))
    if blocks.size == 0:
        return None
    joined = cv2.dilate((blocks > _CHANGE).astype(np.uint8), np.ones((3, 3), np.uint8))
    count, _, stats, _ = cv2.connectedComponentsWithStats(joined)
    if count < 2:  # nothing but the ground
        return None
    left, top, columns, rows = (int(n) for n in stats[1 + stats[1:, cv2.CC_STAT_AREA].argmax(), :4])
    return left * _BLOCK_PX, top * _BLOCK_PX, (left + columns) * _BLOCK_PX, (top + rows) * _BLOCK_PX


def side_by_side(before: Picture, after: Picture) -> Picture:
    """Two pictures of one size beside each other, marked with the colours of the sheet."""
    height, width = before.shape[:2]
    gap, line = max(4, width // 160), max(3, height // 120)
    out = np.empty((height + line, 2 * width + gap, 3), np.uint8)
    out[:] = GROUND
    out[:height, :width], out[:height, width + gap :] = before, after
    out[height:, :width], out[height:, width + gap :] = UNTOUCHED, SWAPPED
    return out
