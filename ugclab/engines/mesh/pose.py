"""Where a face is and how it is turned: a similarity between a shape in the face's own frame and landmarks in a
picture."""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from ugclab.engines.mesh import topology
from ugclab.engines.mesh.topology import Floats

FLATTENED = 0.68
"""Degrees of yaw that are read for one of the head's: the landmark model's depth is flat. Heads turned by 60 degrees
read 40 and 46, by 70 degrees 44 and 49, on synthetic heads; real ones agree by eye."""


@dataclass(frozen=True, slots=True)
class Pose:
    """picture = scale * rotation @ shape + centre, for column vectors."""

    rotation: Floats
    """(3, 3), determinant 1."""
    scale: float
    """Picture pixels of one unit of the shape."""
    centre: Floats
    """(3,) in picture pixels."""

    def apply(self, shape: Floats) -> Floats:
        """Shape (n, 3) to picture (n, 3)."""
        return self.turn(shape) + self.centre

    def turn(self, vectors: Floats) -> Floats:
        """Displacements (n, 3) of the shape to displacements in the picture."""
        turned: Floats = np.float32(self.scale) * (vectors @ self.rotation.T)
        return turned

    def invert(self, points: Floats) -> Floats:
        """Picture (n, 3) to shape (n, 3)."""
        centred: Floats = points - self.centre
        shape: Floats = np.float32(1 / self.scale) * (centred @ self.rotation)
        return shape

    @property
    def yaw(self) -> float:
        """Degrees the face is turned sideways as they are read, see FLATTENED; the sign is the side."""
        return math.degrees(math.atan2(-self.rotation[0, 2], math.hypot(self.rotation[0, 0], self.rotation[1, 0])))

    @property
    def pitch(self) -> float:
        """Degrees the face is tilted up or down."""
        return math.degrees(math.atan2(self.rotation[1, 2], self.rotation[2, 2]))

    @property
    def roll(self) -> float:
        """Radians clockwise from upright, in the picture."""
        return math.atan2(self.rotation[1, 0], self.rotation[0, 0])


def _rigidity() -> Floats:
    """(468,) how much a landmark tells of the pose: what speaks, blinks and frowns tells little."""
    shape = topology.canonical()
    weights = np.ones(len(shape), np.float32)
    mouth = shape[topology.OUTER_LIPS].mean(0)
    weights[shape[:, 1] > mouth[1] - 0.25] = 0.15
    for ring in (topology.RIGHT_EYE, topology.LEFT_EYE, topology.RIGHT_BROW, topology.LEFT_BROW):
        weights[ring] = 0.3
    share: Floats = weights / weights.sum()
    return share


RIGIDITY = _rigidity()


def fit(points: Floats, shape: Floats, weights: Floats = RIGIDITY) -> Pose:
    """Weighted least squares (Umeyama, 1991) of `shape` (468, 3) onto landmarks `points` (468, 3)."""
    shape_mean, points_mean = weights @ shape, weights @ points
    a, b = shape - shape_mean, points - points_mean
    weighted = a * weights[:, None]
    s, u, vt = cv2.SVDecomp(b.T @ weighted)  # OpenCV's takes a fifth of the time of numpy's for so small a matrix
    sign = np.array([1.0, 1.0, np.sign(cv2.determinant(u @ vt))], np.float32)
    rotation = (u * sign) @ vt
    scale = float(sign @ s[:, 0]) / max(float(np.vdot(weighted, a)), 1e-12)
    centre = points_mean - np.float32(scale) * rotation @ shape_mean
    return Pose(rotation.astype(np.float32), scale, centre.astype(np.float32))
