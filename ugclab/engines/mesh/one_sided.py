"""A photo lit from one side: the brighter half of its face, twice.

A hard light's shadows have edges beside the nose and down the cheek which no even light explains. The brighter half has
few of them, and its mirror image joins it without a step; only the middle, where the light began to fall, is darker.
"""

import cv2
import numpy as np

from ugclab.engines.mesh.texture import WIDTH
from ugclab.engines.mesh.topology import Floats

LEAN = 0.20
"""Mean difference in log-luma of the two halves' light (`Skin.lean`) from which on a face is lit from one side: of 18
photos and paintings ten have less, 0.00 to 0.17, eight 0.23 to 0.45, two of them from a window, four from a lamp."""
SEAM = 8.0
"""Px over which one half of a texture passes into the other."""
VALLEY, DEEPEST = 22, 0.5
"""Half the width in px of what is lifted in the middle, and how much of it (in logarithms) at most."""


def brighter_half(texture: Floats, known: Floats, lean: float) -> tuple[Floats, Floats]:
    """The half of a texture (HEIGHT, WIDTH, 3) and of `known` (HEIGHT, WIDTH) to which its light leans, and its mirror
    image."""
    other = np.clip(((WIDTH - 1) / 2 - np.arange(WIDTH, dtype=np.float32)) / SEAM + 0.5, 0, 1)[None]
    share = other if lean > 0 else 1 - other
    whole = texture + (texture[:, ::-1] - texture) * share[..., None]
    both: Floats = known + (known[:, ::-1] - known) * share
    return _lifted(whole), both


def _lifted(texture: Floats) -> Floats:
    """Fill the dark, tinted valley down the middle up to what lies on its sides."""
    light = np.log(np.maximum(cv2.GaussianBlur(texture, (0, 0), 3, sigmaY=8), 0.02))
    left = (WIDTH - 1) // 2 - VALLEY
    valley = np.s_[:, left : WIDTH - left]
    missing = np.clip(light[:, left : left + 1] - light[valley], 0, DEEPEST)
    window = np.minimum(2 * np.hanning(missing.shape[1] + 2)[1:-1], 1).astype(np.float32)
    lifted = texture.copy()
    lifted[valley] *= np.exp(missing * window[:, None])
    even: Floats = np.minimum(lifted, 1)
    return even
