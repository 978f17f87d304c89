"""Displacing pictures: look-up, its inversion, easing."""

import cv2
import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]
"""A displacement, or places, in px: (rows, columns, 2), x first."""


def smooth(t: NDArray) -> NDArray[np.float32]:
    """Ease from 0 to 1 over t = 0…1."""
    t = np.clip(t, 0, 1)
    return (t * t * (3 - 2 * t)).astype(np.float32)


def sample(image: NDArray, places: Field) -> NDArray:
    """Look up an image bilinearly at (x, y) places."""
    return cv2.remap(image, places.astype(np.float32), None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def invert(moved: Field, target: Field, origin: NDArray, step: float, rounds: int = 6) -> Field:
    """Find p with p + moved(p) = target by fixed point; `moved` lies on a grid of `step` px from `origin`."""
    place = target
    for _ in range(rounds):
        place = target - sample(moved, (place - origin) / step)
    return place.astype(np.float32)
