"""Stills of two people that can be put anywhere: footage whose truth is known to a fraction of a pixel."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from ugclab.engines.mesh.detector import Detector
from ugclab.engines.mesh.landmarks import Landmarker, Region
from ugclab.engines.mesh.sampling import Still
from ugclab.engines.mesh.topology import Floats
from ugclab.media.frames import read_frames
from ugclab.media.images import frame_rgb, read_image
from ugclab.media.probe import probe
from ugclab.sample import AVATAR, CLIP
from ugclab.schema.media import TimeRange

Image = NDArray[np.uint8]


def find(picture: Image, detector: Detector, landmarker: Landmarker) -> Floats:
    """Landmarks (468, 3) of the largest face of an RGB picture."""
    still = Still.from_rgb(picture)
    found = max(detector.find(still), key=lambda d: d.size)
    face = landmarker.see(still, Region.of_detection(found))
    return landmarker.see(still, Region.of_landmarks(face.points)).points


def middle(points: Floats) -> Floats:
    """The middle of a face's box, px."""
    return (points[:, :2].min(0) + points[:, :2].max(0)) / 2


def width(points: Floats) -> float:
    return float(np.ptp(points[:, 0]))


@dataclass(frozen=True)
class Actor:
    """A head with some background round it, fading out in an ellipse."""

    picture: Image
    points: Floats
    """(468, 3) landmarks in the picture."""

    @classmethod
    def from_clip(cls, detector: Detector, landmarker: Landmarker) -> Self:
        info = probe(CLIP)
        first = next(read_frames(CLIP, info, TimeRange(start=Fraction(0), end=Fraction(1, 5))))
        return cls._cut(frame_rgb(first), detector, landmarker)

    @classmethod
    def from_avatar(cls, detector: Detector, landmarker: Landmarker) -> Self:
        return cls._cut(read_image(AVATAR), detector, landmarker)

    @classmethod
    def _cut(cls, picture: Image, detector: Detector, landmarker: Landmarker) -> Self:
        points = find(picture, detector, landmarker)
        (x, y), reach = np.rint(middle(points)).astype(int), round(1.15 * width(points))
        padded = cv2.copyMakeBorder(picture, reach, reach, reach, reach, cv2.BORDER_REPLICATE)
        part = np.ascontiguousarray(padded[y : y + 2 * reach, x : x + 2 * reach])
        return cls(part, find(part, detector, landmarker))

    def play(self, canvas: Image, x: float, y: float, face_px: float, *, roll: float = 0.0) -> None:
        """Put the head onto an RGB canvas: the middle of its face at (x, y), `face_px` wide, leaning by `roll` rad."""
        scale = face_px / width(self.points)
        picture, centre = self.picture, middle(self.points)
        while scale < 0.5:
            picture = cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
            centre, scale = (centre + 0.5) / 2 - 0.5, scale * 2
        c, s = np.cos(roll) * scale, np.sin(roll) * scale
        place = np.array([[c, -s, 0], [s, c, 0]], np.float64)
        place[:, 2] = [x, y] - place[:, :2] @ centre
        size = canvas.shape[1::-1]
        head = cv2.warpAffine(picture, place, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        rows, columns = picture.shape[:2]
        oval = np.zeros((rows, columns), np.float32)
        cv2.ellipse(oval, (columns // 2, rows // 2), (int(0.40 * columns), int(0.45 * rows)), 0, 0, 360, 1.0, -1)
        oval = cv2.blur(oval, (columns // 12, rows // 12))
        share = cv2.warpAffine(oval, place, size, flags=cv2.INTER_LINEAR)
        canvas[:] = cv2.blendLinear(head, canvas, share, 1 - share)


def wall(columns: int = 640, rows: int = 400) -> Image:
    """A dull background with some structure, RGB."""
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
    plain = 120 + 25 * np.sin(x / 85) * np.cos(y / 65) + 20 * y / rows
    grain = cv2.GaussianBlur(np.random.default_rng(1).normal(0, 40, (rows, columns)).astype(np.float32), (0, 0), 2)
    return np.clip((plain + grain)[..., None] * np.array([0.93, 1.0, 1.05], np.float32), 0, 255).astype(np.uint8)
