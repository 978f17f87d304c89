"""The parts of the texture every face shares: what is worn, what stays the wearer's own, what tells of the light."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from ugclab.engines.mesh import topology
from ugclab.engines.mesh.texture import (
    HEIGHT,
    UPPER_BROWS,
    WIDTH,
    above,
    ellipse_mask,
    features_mask,
    oval_mask,
    ring_mask,
    texture_points,
)
from ugclab.engines.mesh.topology import Floats

EYES = (0.60, 0.32, 0.0)
"""Half axes of what stays of the wearer's own eyes, and how far its middle lies below theirs, in widths of an eye: more
costs likeness."""
BARE_EYES = (0.90, 0.48, 0.08)
"""The same under an avatar whose glasses were taken off: what was behind them is guessed. More of it below the eye
makes blinks read right and costs likeness where the wearer is unlike the avatar."""


@dataclass(frozen=True, slots=True)
class Masks:
    """Weights over the texture, (HEIGHT, WIDTH) each."""

    face: Floats
    own: Floats
    """Where the wearer's own eyes and mouth stay."""
    light: Floats
    """Where skin tells of the light: not on eyes, brows, lips."""
    forehead: Floats
    """Where the wearer's hair may hang into the face."""


@cache
def masks(eyes: tuple[float, float, float]) -> Masks:
    """The masks every face shares: they lie in the texture, so they follow lids, lips and perspective.

    `eyes` is one of EYES and BARE_EYES.
    """
    points = texture_points()
    own = np.zeros((HEIGHT, WIDTH), np.float32)
    for ring in (topology.RIGHT_EYE, topology.LEFT_EYE):
        corners = points[ring]
        width = float(np.ptp(corners[:, 0]))
        tilt = points[ring[8]] - points[ring[0]]
        angle = float(np.arctan2(tilt[1], tilt[0]))
        angle -= np.pi * round(angle / np.pi)
        across, down, lower = (share * width for share in eyes)
        middle = corners.mean(0) + np.array([0, lower], np.float32)
        own = np.maximum(own, ellipse_mask(middle, (across, down), angle, 0.02))
    own = np.maximum(own, ring_mask(topology.OUTER_LIPS, (1.06, 1.10), 0.02))
    features = features_mask((1.35, 2.6), (1.1, 1.6), (1.15, 1.35), 0.02)
    light = oval_mask(0.86, 0.9, 0.94, 0.02) * (1 - features)
    return Masks(oval_mask(0.80, 0.91, 0.94, 0.05), own, light, above(UPPER_BROWS, 10))
