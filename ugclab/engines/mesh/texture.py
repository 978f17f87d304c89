"""The texture a face is unrolled into: where each landmark lies in it, masks over it, and filling what is not skin."""

import cv2
import numpy as np
from numpy.typing import NDArray

from ugclab.engines.mesh import topology
from ugclab.engines.mesh.topology import Floats

WIDTH, HEIGHT = 352, 416  # px of the texture; the face's oval is about 310 px wide in it
LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)
"""What R, G and B weigh in luma (BT.709)."""
UPPER_BROWS = np.array([127, 70, 63, 105, 66, 107, 9, 336, 296, 334, 293, 300, 356], dtype=np.intp)
LOWER_BROWS = np.array([127, 46, 53, 52, 65, 55, 8, 285, 295, 282, 283, 276, 356], dtype=np.intp)


def texture_points() -> Floats:
    """(468, 2) where each landmark lies in the texture: the canonical face, its sides and chin unrolled a little."""
    shape = topology.canonical()
    depth = shape[:, 2] - shape[:, 2].min()
    flat = shape[:, :2] * (1 + 0.18 * depth[:, None])
    low, high = flat.min(0), flat.max(0)
    scale = min(WIDTH * 0.9 / (high[0] - low[0]), HEIGHT * 0.9 / (high[1] - low[1]))
    points: Floats = ((flat - (low + high) / 2) * scale + np.array([WIDTH / 2, HEIGHT / 2])).astype(np.float32)
    return points


def oval_mask(shrink_top: float, shrink_sides: float, shrink_chin: float, feather: float) -> Floats:
    """(HEIGHT, WIDTH) 1 inside the face's oval shrunk about the middle of the nose, softened by `feather` texture
    widths."""
    layout = texture_points()
    middle = layout[[1, 6, 168]].mean(0)
    rim = layout[topology.OVAL] - middle
    rim[:, 1] *= np.where(rim[:, 1] < 0, shrink_top, shrink_chin)
    rim[:, 0] *= shrink_sides
    return _soft_polygon(rim + middle, feather)


def ring_mask(ring: NDArray[np.intp], grow: tuple[float, float], feather: float) -> Floats:
    """(HEIGHT, WIDTH) 1 inside a ring of landmarks grown about its middle in (x, y)."""
    points = texture_points()[ring]
    middle = (points.min(0) + points.max(0)) / 2
    return _soft_polygon((points - middle) * np.array(grow, np.float32) + middle, feather)


def features_mask(
    eyes: tuple[float, float], brows: tuple[float, float], lips: tuple[float, float], feather: float
) -> Floats:
    """(HEIGHT, WIDTH) 1 on eyes, brows and lips, each grown about its middle in (x, y)."""
    grown = (
        (topology.RIGHT_EYE, eyes),
        (topology.LEFT_EYE, eyes),
        (topology.RIGHT_BROW, brows),
        (topology.LEFT_BROW, brows),
        (topology.OUTER_LIPS, lips),
    )
    mask: Floats = np.maximum.reduce([ring_mask(ring, grow, feather) for ring, grow in grown])
    return mask


def ellipse_mask(centre: Floats, axes: tuple[float, float], angle: float, feather: float) -> Floats:
    """(HEIGHT, WIDTH) 1 inside an ellipse; centre and half axes in texture px, angle in radians."""
    mask = np.zeros((HEIGHT, WIDTH), np.float32)
    scaled = (float(centre[0]), float(centre[1])), (2 * axes[0], 2 * axes[1]), float(np.degrees(angle))
    cv2.ellipse(mask, scaled, 1.0, -1, cv2.LINE_AA)
    return _soften(mask, feather)


def above(landmarks: NDArray[np.intp], ramp: float) -> Floats:
    """(HEIGHT, WIDTH) 1 above a line of landmarks from left to right, 0 below, over `ramp` px."""
    line = texture_points()[landmarks]
    columns = np.interp(np.arange(WIDTH), line[:, 0], line[:, 1]).astype(np.float32)
    rows = np.arange(HEIGHT, dtype=np.float32)[:, None]
    upper: Floats = np.clip((columns - rows) / ramp, 0, 1)
    return upper


def fill(texture: Floats, keep: Floats, sigmas: tuple[float, ...]) -> Floats:
    """Replace what `keep` (HEIGHT, WIDTH) leaves out by what is around it: push-pull, by widening blurs of `sigmas` px.

    Each pass fills what the narrower one could not reach.
    """
    filled, keep = np.asarray(texture, np.float32), np.asarray(keep, np.float32)
    for sigma in sigmas:
        weight = blur(keep, sigma)
        # Three whole channels: to broadcast over a last axis of three costs six times as much.
        shares, weights = cv2.merge([keep] * 3), cv2.merge([np.maximum(weight, np.float32(1e-4))] * 3)
        kept = filled * shares
        filled = kept + blur(kept, sigma) / weights * (1 - shares)
        keep = np.maximum(keep, np.clip((weight - 0.02) / 0.1, 0, 1))
    return filled


def blur(values: Floats, sigma: float) -> Floats:
    """Gaussian blur; a broad one on a half or a quarter of the size, where it costs little and looks the same."""
    factor = 4 if sigma >= 10 else 2 if sigma >= 3 else 1
    if factor == 1:
        narrow: Floats = cv2.GaussianBlur(values, (0, 0), sigma)
        return narrow
    size = (max(values.shape[1] // factor, 1), max(values.shape[0] // factor, 1))
    small = cv2.resize(values, size, interpolation=cv2.INTER_AREA)
    wide: Floats = cv2.resize(cv2.GaussianBlur(small, (0, 0), sigma / factor), values.shape[1::-1])
    return wide


def _soft_polygon(points: Floats, feather: float) -> Floats:
    mask = np.zeros((HEIGHT, WIDTH), np.float32)
    cv2.fillPoly(mask, [np.rint(points * 16).astype(np.int32)], 1.0, cv2.LINE_AA, 4)
    return _soften(mask, feather)


def _soften(mask: Floats, feather: float) -> Floats:
    side = max(int(feather * WIDTH), 1) | 1
    soft: Floats = cv2.blur(cv2.blur(mask, (side, side)), (side, side))
    return soft
