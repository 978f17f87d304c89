"""Putting generated pictures back: inside the mask the model's, outside it the source's own code values, bit for bit.

Only the planes inside the mask's rectangle are touched, in YUV: nothing of a frame passes through RGB but what the
model drew.
"""

import cv2
import numpy as np

from ugclab.engines.base import Image
from ugclab.engines.clips.crop import Crop
from ugclab.engines.clips.matching import Matcher
from ugclab.engines.mesh.sampling import Plane, window
from ugclab.engines.mesh.topology import Floats
from ugclab.media.frames import Frame

NOTHING = 1 / 256
"""Alpha below which a pixel is the source's: it could not change a code value of 8 bits."""
BESIDE = 0.12
"""How far beside what the model drew colour is compared, as a share of the canvas's shorter side."""
EDGE = 0.02
"""How much of that is left out next to it: the coarse latents mix both there."""


class Compositor:
    """Puts the pictures of one segment back, holding their colour to the source's."""

    def __init__(self, crop: Crop) -> None:
        self._crop = crop
        self._matcher = Matcher()

    def put(self, frame: Frame, picture: Image, mask: Floats, *, new_clip: bool = False) -> bool:
        """Blend a generated canvas into `frame` in place; returns whether anything changed.

        `picture` (height, width, 4) is RGB and what the model was to draw (255; elsewhere it was given the source),
        `mask` (height, width) alpha on the canvas, 0 to 1. `new_clip` says that the picture is a clip's first.
        """
        crop = self._crop
        made = crop.planes_of(np.ascontiguousarray(picture[..., :3]), frame)
        mask = self._within_window(mask)
        seen = window(frame, crop.to_canvas, crop.canvas)
        made = self._matcher.meet(seen, made, self._beside(picture[..., 3]), new_clip=new_clip).apply(made)
        box = self._box(mask, frame)
        if box is None:
            return False
        changed = False
        left, top = box[:2]
        for index, plane in enumerate((frame.y, frame.u, frame.v)):
            half = index > 0
            alpha = crop.back(mask, box, half=half)
            values = crop.back(np.ascontiguousarray(made[..., index]), box, half=half)
            step = 2 if half else 1
            part = plane[top // step :, left // step :][: alpha.shape[0], : alpha.shape[1]]
            changed |= blend(part, values, alpha, frame.colour.bit_depth)
        return changed

    def _within_window(self, mask: Floats) -> Floats:
        x0, y0, x1, y1 = self._crop.inside
        kept = np.zeros_like(mask)
        kept[y0:y1, x0:x1] = mask[y0:y1, x0:x1]
        return kept

    def _beside(self, drawn: Image) -> Floats:
        """(height, width) 1 where the model was given the source, near what it drew."""
        reach, edge = max(3, round(BESIDE * min(drawn.shape))), max(1, round(EDGE * min(drawn.shape)))
        hard = (drawn > 127).astype(np.uint8)
        near, taken = (cv2.dilate(hard, np.ones((2 * n + 1, 2 * n + 1), np.uint8)) for n in (reach, edge))
        x0, y0, x1, y1 = self._crop.inside
        beside = np.zeros(drawn.shape, np.float32)
        beside[y0:y1, x0:x1] = ((near > 0) & (taken == 0))[y0:y1, x0:x1]
        return beside

    def _box(self, mask: Floats, frame: Frame) -> tuple[int, int, int, int] | None:
        """Left, top, width, height in the source of all that the mask touches, at even places."""
        x, y, width, height = cv2.boundingRect((mask > NOTHING).astype(np.uint8))
        if not width:
            return None
        crop = self._crop
        inverse = cv2.invertAffineTransform(crop.to_canvas)
        corners = np.array([[x - 1, y - 1], [x + width, y + height]]) @ inverse[:, :2].T + inverse[:, 2]
        low = np.maximum(np.floor(corners[0]), (crop.left, crop.top)).astype(int) // 2 * 2
        high = np.minimum(np.ceil(corners[1]) + 1, (crop.left + crop.width, crop.top + crop.height))
        high = np.minimum(high, (frame.width, frame.height)).astype(int)
        left, top, wide, tall = int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1])
        return (left, top, wide, tall) if wide > 1 and tall > 1 else None


def blend(plane: Plane, values: Floats, alpha: Floats, bit_depth: int) -> bool:
    """Write plane + alpha (values - plane) where alpha is anything; `values` are in 8-bit code values."""
    touched = alpha > NOTHING
    if not touched.any():
        return False
    before = plane.astype(np.float32)
    after = before + alpha * (values * np.float32(1 << (bit_depth - 8)) - before)
    after = np.rint(np.clip(after, 0, (1 << bit_depth) - 1)).astype(plane.dtype)
    changed = bool((touched & (after != plane)).any())
    np.copyto(plane, after, where=touched)
    return changed
