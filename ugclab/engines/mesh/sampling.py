"""Looking at a frame's planes through an affine window, as RGB for a model or as planes for compositing.

Only the window is ever converted: a frame's other pixels never leave YUV.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from ugclab.schema.media import Colour

Floats = NDArray[np.float32]

# Luma weights (Kr, Kb) of ITU-R BT.601, BT.709, BT.2020 and SMPTE 240M, by FFmpeg's matrix names.
LUMA_WEIGHTS = {
    "bt709": (0.2126, 0.0722),
    "bt470bg": (0.299, 0.114),
    "smpte170m": (0.299, 0.114),
    "bt2020nc": (0.2627, 0.0593),
    "bt2020c": (0.2627, 0.0593),
    "smpte240m": (0.212, 0.087),
}


MUCH = 0.45
"""Below this scale a plane is shrunk by area before it is warped."""

Plane = NDArray[np.uint8] | NDArray[np.uint16]


class Picture(Protocol):
    """What is looked at: planar 4:2:0 with its colour (media.frames.Frame is one)."""

    @property
    def y(self) -> Plane:
        """Luma, (height, width)."""

    @property
    def u(self) -> Plane:
        """Blue difference, half as wide and high, rounded up."""

    @property
    def v(self) -> Plane:
        """Red difference, likewise."""

    @property
    def colour(self) -> Colour:
        """What the code values mean."""


@dataclass(frozen=True, slots=True)
class Codes:
    """How code values become RGB in [0, 1]: rgb = matrix @ (y, u, v) + offset, on values scaled to 8 bits."""

    matrix: Floats
    offset: Floats
    scale: float
    """Code values of one 8-bit step: 1 for 8-bit footage, 4 for 10-bit."""


@lru_cache(maxsize=16)
def codes(matrix: str, full_range: bool, bit_depth: int, height: int) -> Codes:
    """Conversion for one kind of footage; an untagged file is BT.709 from 720 lines up and BT.601 below, as players
    do."""
    kr, kb = LUMA_WEIGHTS.get(matrix) or LUMA_WEIGHTS["bt709" if height >= 720 else "smpte170m"]
    kg = 1 - kr - kb
    y_gain, c_gain, black = (1 / 255, 1 / 255, 0.0) if full_range else (1 / 219, 1 / 224, 16.0)
    rows = np.array(
        [
            [y_gain, 0.0, 2 * (1 - kr) * c_gain],
            [y_gain, -2 * (1 - kb) * kb / kg * c_gain, -2 * (1 - kr) * kr / kg * c_gain],
            [y_gain, 2 * (1 - kb) * c_gain, 0.0],
        ],
        dtype=np.float32,
    )
    offset = rows @ np.array([-black, -128.0, -128.0], dtype=np.float32)
    return Codes(rows, offset.astype(np.float32), float(1 << (bit_depth - 8)))


def codes_of(picture: Picture) -> Codes:
    """Conversion for a picture, from its colour tags and size."""
    colour = picture.colour
    return codes(colour.matrix, colour.full_range, colour.bit_depth, int(picture.y.shape[0]))


def window(picture: Picture, to_window: Floats, size: tuple[int, int], *, fill: float | None = None) -> Floats:
    """See a picture through an affine window.

    `to_window` (2, 3) maps picture pixels to window pixels; `size` is (width, height). Returns YUV in 8-bit code
    values, float32 (height, width, 3). Outside the picture its edge is repeated, or `fill` (luma; neutral chroma) is
    shown.
    """
    half = np.array(to_window, dtype=np.float32)
    # Chroma sample (i, j) lies at luma (2i + 0.5, 2j + 0.5) of the pixel grid: between its four luma samples.
    half[:, 2] += half[:, 0] * 0.5 + half[:, 1] * 0.5
    half[:, :2] *= 2
    border = cv2.BORDER_REPLICATE if fill is None else cv2.BORDER_CONSTANT
    scale = 1 << (picture.colour.bit_depth - 8)
    planes = []
    for plane, affine, neutral in ((picture.y, to_window, fill), (picture.u, half, 128.0), (picture.v, half, 128.0)):
        planes.append(_shrink_warp(plane, affine, size, border, (neutral or 0.0) * scale))
    stacked: Floats = cv2.merge(planes).astype(np.float32)
    return stacked if scale == 1 else stacked / np.float32(scale)


def luma_window(picture: Picture, to_window: Floats, size: tuple[int, int]) -> Floats:
    """The luma of `window`, (height, width)."""
    scale = 1 << (picture.colour.bit_depth - 8)
    luma: Floats = _shrink_warp(picture.y, to_window, size, cv2.BORDER_REPLICATE, 0.0).astype(np.float32)
    return luma if scale == 1 else luma / np.float32(scale)


def _shrink_warp(plane: NDArray[np.generic], affine: Floats, size: tuple[int, int], border: int, fill: float) -> Any:
    """Warp, after area sampling where the window shrinks the plane much: bilinear taps would alias and jitter."""
    shrink = float(np.sqrt(abs(affine[0, 0] * affine[1, 1] - affine[0, 1] * affine[1, 0])))
    if shrink < MUCH:
        # Crop what the window can see, shrink it by a whole number until bilinear taps touch every pixel, then warp.
        inverse = cv2.invertAffineTransform(affine)
        corners = np.array([[0, 0, 1], [size[0], 0, 1], [0, size[1], 1], [size[0], size[1], 1]], np.float32) @ inverse.T
        factor = int(1 / shrink)
        low = np.maximum(np.floor(corners.min(0)).astype(int) - 2, 0)
        high = np.minimum(np.ceil(corners.max(0)).astype(int) + 2 + factor, plane.shape[::-1])
        # Whole blocks only, for OpenCV's quick way: any other ratio takes forty times as long.
        width, height = ((high - low) // factor).tolist()
        if min(width, height) * factor > 8:
            crop = plane[low[1] : low[1] + height * factor, low[0] : low[0] + width * factor]
            plane = cv2.resize(crop, (width, height), interpolation=cv2.INTER_AREA)
            # Pixel (i, j) now covers what was centred at ((i + .5) factor - .5, (j + .5) factor - .5) of the crop.
            moved = affine * np.array([factor, factor, 1], np.float32)
            moved[:, 2] += affine[:, :2] @ (low + (factor - 1) / 2).astype(np.float32)
            affine = moved
    return cv2.warpAffine(plane, affine, size, flags=cv2.INTER_LINEAR, borderMode=border, borderValue=fill)


def to_rgb(yuv: Floats, conversion: Codes) -> Floats:
    """Turn a window into RGB in [0, 1], clipped; same shape."""
    affine = np.column_stack([conversion.matrix, conversion.offset])
    rgb: Floats = cv2.transform(yuv, affine)
    return np.clip(rgb, 0.0, 1.0, out=rgb)


def to_yuv(rgb: Floats, conversion: Codes) -> Floats:
    """Turn RGB in [0, 1] into 8-bit code values, unclipped; same shape."""
    inverse = np.linalg.inv(conversion.matrix)
    affine = np.column_stack([inverse, -inverse @ conversion.offset]).astype(np.float32)
    yuv: Floats = cv2.transform(rgb, affine)
    return yuv


@dataclass(slots=True)
class Still:
    """A still picture as planes, so that photographs are seen by the same models as frames."""

    y: NDArray[np.uint8]
    u: NDArray[np.uint8]
    v: NDArray[np.uint8]
    colour: Colour

    @classmethod
    def from_rgb(cls, rgb: NDArray[np.uint8]) -> "Still":
        """Full-range BT.709 planes of a uint8 RGB picture of shape (height, width, 3); an odd edge is repeated."""
        height, width = rgb.shape[:2]
        rgb = cv2.copyMakeBorder(rgb, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
        colour = Colour(primaries="bt709", transfer="iec61966-2-1", matrix="bt709", full_range=True)
        yuv = to_yuv(np.divide(rgb, 255, dtype=np.float32), codes("bt709", True, 8, height))
        whole = np.clip(np.rint(yuv), 0, 255).astype(np.uint8)
        half = (rgb.shape[1] // 2, rgb.shape[0] // 2)
        u, v = (cv2.resize(np.ascontiguousarray(whole[..., i]), half, interpolation=cv2.INTER_AREA) for i in (1, 2))
        return cls(np.ascontiguousarray(whole[..., 0]), u, v, colour)
