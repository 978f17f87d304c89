"""468 landmarks of a face: MediaPipe's face mesh (Kartynnik et al., 2019) on LiteRT, and the window it looks
through."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ugclab.engines.mesh.detector import Detection
from ugclab.engines.mesh.interpreter import Model
from ugclab.engines.mesh.sampling import Floats, Picture, codes_of, to_rgb, window
from ugclab.engines.mesh.topology import bounds

SIZE = 192
COUNT = 468
MARGIN = 1.5  # the window's side over the face's longer one: what the model was trained on
RIGHT_EYE, LEFT_EYE = 33, 263  # outer eye corners: the line between them gives the roll


@dataclass(frozen=True, slots=True)
class Region:
    """A square window on a face, in picture pixels."""

    x: float
    y: float
    size: float
    angle: float
    """Radians clockwise from upright."""

    @classmethod
    def of_detection(cls, found: Detection) -> "Region":
        """The window for a face the detector found."""
        return cls(float(found.centre[0]), float(found.centre[1]), found.size * MARGIN, found.angle)

    @classmethod
    def of_landmarks(cls, points: Floats) -> "Region":
        """The window for a face whose landmarks (468, 2 or 3) are known."""
        low, high = bounds(points)
        eyes = points[LEFT_EYE, :2] - points[RIGHT_EYE, :2]
        angle = float(np.arctan2(eyes[1], eyes[0]))
        middle = (low + high) / 2
        return cls(float(middle[0]), float(middle[1]), float((high - low).max()) * MARGIN, angle)

    def shifted(self, dx: float, dy: float) -> "Region":
        """The same window elsewhere."""
        return Region(self.x + dx, self.y + dy, self.size, self.angle)

    def to_window(self, side: int = SIZE) -> Floats:
        """Affine (2, 3) from picture pixels to window pixels."""
        scale = side / self.size
        c, s = np.cos(self.angle) * scale, np.sin(self.angle) * scale
        return np.array(
            [[c, s, side / 2 - c * self.x - s * self.y], [-s, c, side / 2 + s * self.x - c * self.y]], np.float32
        )


@dataclass(frozen=True, slots=True)
class Face:
    """Landmarks of one face in one picture."""

    points: Floats
    """(468, 3): x and y in picture pixels, z in the same scale, growing away from the camera."""
    presence: float
    """The model's own belief, 0-1, that the window shows a face. It stays near 1 under a hand."""


class Landmarker:
    """Finds the landmarks in a window. One thread, about 1 ms."""

    def __init__(self, model: Path) -> None:
        self._model = Model(model)

    def see(self, picture: Picture, region: Region) -> Face:
        """Landmarks of the face in `region`; check `presence` before using them."""
        affine = region.to_window()
        rgb = to_rgb(window(picture, affine, (SIZE, SIZE)), codes_of(picture))
        raw, logit = self._model.run(rgb)
        inside = raw.reshape(COUNT, 3)
        scale = region.size / SIZE
        c, s = np.cos(region.angle) * scale, np.sin(region.angle) * scale
        x, y = inside[:, 0] - SIZE / 2, inside[:, 1] - SIZE / 2
        points = np.stack([c * x - s * y + region.x, s * x + c * y + region.y, inside[:, 2] * scale], axis=1)
        return Face(points.astype(np.float32), float(1 / (1 + np.exp(-np.clip(logit.reshape(-1)[0], -30, 30)))))
