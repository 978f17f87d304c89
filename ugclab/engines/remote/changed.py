"""Which pixels another machine has changed, and those alone put into the source's own frame."""

import cv2
import numpy as np
from numpy.typing import NDArray

from ugclab.engines.clips.composite import blend
from ugclab.engines.mesh.topology import Floats
from ugclab.media.frames import Frame

LEAST = 2.5
"""Mean difference of code values (of 8 bits), over a few pixels, from which on a place was changed: what coding the
result does stays below, and so no seam is stronger than that."""
OVER = 5
"""Pixels of a half-size picture over which it is averaged: coding errs to both sides, a swap does not."""
SPECK = 3
"""Smaller places are noise."""
HOLE = 9
"""Gaps up to so many half-size pixels within a changed place belong to it: it must not flicker from frame to frame."""
BESIDE = 1
"""Half-size pixels beside a changed place that are taken as well, before the edge fades over as many again."""


def put_back(frame: Frame, sent: Frame, made: Frame) -> bool:
    """Take what differs between `sent` and `made` over into `frame`, in place; returns whether a code value changed."""
    box, alpha = _where(sent, made)
    if box is None:
        return False
    left, top, width, height = box
    changed = False
    scale = np.float32(1 / (1 << (frame.colour.bit_depth - 8)))
    for name in ("y", "u", "v"):
        plane, values = getattr(frame, name), getattr(made, name)
        step = 2 if name == "y" else 1
        rows, columns = slice(step * top, step * (top + height)), slice(step * left, step * (left + width))
        part = plane[rows, columns]
        share = cv2.resize(alpha, (step * width, step * height), interpolation=cv2.INTER_LINEAR) if step > 1 else alpha
        # The source's own picture may be odd, the clip is even.
        share = np.ascontiguousarray(share[: part.shape[0], : part.shape[1]])
        new = values[rows, columns][: part.shape[0], : part.shape[1]].astype(np.float32) * scale
        changed |= blend(part, new, share, frame.colour.bit_depth)
    return changed


def _where(sent: Frame, made: Frame) -> tuple[tuple[int, int, int, int] | None, Floats]:
    """The rectangle of what was changed, in half-size pixels, and alpha inside it."""
    changed = (_difference(sent, made) > LEAST).astype(np.uint8)
    changed = cv2.morphologyEx(changed, cv2.MORPH_OPEN, _disc(SPECK))
    if not changed.any():
        return None, np.zeros((0, 0), np.float32)
    pad = HOLE
    closed = cv2.morphologyEx(
        cv2.copyMakeBorder(changed, pad, pad, pad, pad, cv2.BORDER_CONSTANT, value=0), cv2.MORPH_CLOSE, _disc(HOLE)
    )[pad:-pad, pad:-pad]
    grown = cv2.dilate(closed, _disc(2 * BESIDE + 1))
    alpha = cv2.blur(grown.astype(np.float32), (2 * BESIDE + 1, 2 * BESIDE + 1))
    left, top, width, height = cv2.boundingRect((alpha > 0).astype(np.uint8))
    kept: Floats = np.ascontiguousarray(alpha[top : top + height, left : left + width])
    return (left, top, width, height), kept


def _difference(sent: Frame, made: Frame) -> Floats:
    """(rows, columns) of a half-size picture: the largest mean difference of the three planes, in values of 8 bits."""
    scale = 1 / (1 << (sent.colour.bit_depth - 8))
    high, wide = sent.u.shape
    luma = cv2.resize(_signed(sent.y, made.y), (wide, high), interpolation=cv2.INTER_AREA)
    parts = [cv2.blur(part, (OVER, OVER)) for part in (luma, _signed(sent.u, made.u), _signed(sent.v, made.v))]
    largest: Floats = np.max(np.abs(np.stack(parts)), axis=0) * np.float32(scale)
    return largest


def _signed(before: NDArray[np.generic], after: NDArray[np.generic]) -> Floats:
    difference: Floats = after.astype(np.float32) - before.astype(np.float32)
    return difference


def _disc(size: int) -> NDArray[np.uint8]:
    disc: NDArray[np.uint8] = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)).astype(np.uint8)
    return disc
