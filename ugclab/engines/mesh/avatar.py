"""The avatar photo made ready to wear: checked, unrolled into a texture, freed of its own light and hair."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from ugclab.engines.mesh import glasses, one_sided, pose, skin, topology
from ugclab.engines.mesh.bare import without_glasses
from ugclab.engines.mesh.detector import Detector
from ugclab.engines.mesh.evening import even_light
from ugclab.engines.mesh.landmarks import Landmarker, Region
from ugclab.engines.mesh.mending import fill_outside, mirrored, without_dimples, without_lashes
from ugclab.engines.mesh.sampling import Still
from ugclab.engines.mesh.topology import Floats
from ugclab.engines.mesh.unrolling import unroll
from ugclab.errors import AvatarError

MIN_FACE_PX = 64
"""Narrower faces carry no identity: 94 px is the smallest that was seen to work."""
MIN_DETAIL = 12.0
"""Variance of the Laplacian over the face at 128 px; sharp photographs have 100 to 2000, a face blurred by 4 px has
5."""
MAX_YAW = 55.0 * pose.FLATTENED
TURNED = 30.0 * pose.FLATTENED
"""From here on the far side of the photo is mostly made of the near one: worth a warning."""
GRIMACE = 0.25
"""Opening of the lips, in widths of the mouth, from which on cheeks and chin are drawn with it: smiles have 0.2."""


@dataclass(frozen=True, slots=True)
class Avatar:
    """A face to wear."""

    shape: Floats
    """(468, 3) landmarks in the face's own frame, in units of the canonical shape."""
    texture: Floats
    """(HEIGHT, WIDTH, 3) RGB in [0, 1], evenly lit."""
    share: Floats
    """(HEIGHT, WIDTH) 1, and 0 on brows that something covered in the photo: there the wearer's own stay."""
    warnings: tuple[str, ...]
    bare: bool = False
    """Glasses were taken off it: what is around its eyes is guessed."""

    def save(self, path: Path) -> None:
        """Keep what was prepared."""
        np.savez(path, shape=self.shape, texture=self.texture, share=self.share, bare=self.bare)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Take up what `save` kept; its warnings were told then."""
        with np.load(path) as kept:
            return cls(kept["shape"], kept["texture"], kept["share"], (), bool(kept["bare"]))


def prepare(photo: NDArray[np.uint8], detector: Detector, landmarker: Landmarker) -> Avatar:
    """Make a photo (height, width, 3), uint8 RGB, ready. Raises AvatarError with what to do."""
    points, warnings = find_face(photo, detector, landmarker)
    face = pose.fit(points, topology.canonical())
    shape = face.invert(points)
    if topology.openness(shape, topology.MOUTH_GAP) > GRIMACE:
        warnings.append("the avatar's mouth is wide open: a relaxed face looks better")
    raw = unroll(photo, points)
    bare = glasses.bridge(Still.from_rgb(photo), points) > glasses.MIN_LINE_STILL
    if bare:
        raw = without_glasses(raw)
        warnings.append("the avatar wears glasses: they are taken off; a photo without them looks better")
    looks = skin.fit(raw)
    known, trusted = skin.face(looks), skin.like_skin(looks)
    if abs(looks.lean) > one_sided.HARD:
        warnings.append("the avatar is lit from one side, which is evened out: an evenly lit photo looks better")
        trusted = np.ones_like(known)
    even = even_light(one_sided.evened(raw, known, looks.lean), known)
    texture, known = mirrored(even, known, trusted)
    share = skin.wearable(known)
    if share.min() < 0.5:
        warnings.append("the avatar's brows are covered: the footage's own stay; a photo that shows them looks better")
    return Avatar(shape, without_dimples(without_lashes(fill_outside(texture, known))), share, tuple(warnings), bare)


def find_face(photo: NDArray[np.uint8], detector: Detector, landmarker: Landmarker) -> tuple[Floats, list[str]]:
    """Landmarks (468, 3) of the one face of a photo, px, and what to tell of it. Raises AvatarError with what to do."""
    points, warnings = _find(photo, detector, landmarker)
    yaw = abs(pose.fit(points, topology.canonical()).yaw)
    if yaw > TURNED:
        warnings.append("the avatar's face is turned: a photo that looks at the camera looks better")
    if yaw > MAX_YAW:
        raise AvatarError(
            f"the avatar's face is turned by {yaw / pose.FLATTENED:.0f} degrees",
            hint="use a photo that looks at the camera",
        )
    return points, warnings


def _find(photo: NDArray[np.uint8], detector: Detector, landmarker: Landmarker) -> tuple[Floats, list[str]]:
    height, width = photo.shape[:2]
    if min(height, width) < MIN_FACE_PX:
        raise AvatarError(
            f"the avatar is only {width}x{height} px", hint="use a photo whose face is 150 px wide or more"
        )
    still = Still.from_rgb(photo)
    faces = []
    for found in detector.find(still, thorough=False):
        face = landmarker.see(still, Region.of_detection(found))
        if face.presence > 0.5:
            faces.append(landmarker.see(still, Region.of_landmarks(face.points)))
    faces = [face for face in faces if face.presence > 0.5]
    if not faces:
        raise AvatarError(
            "no face was found in the avatar", hint="use a sharp photo of one face that looks at the camera"
        )
    widths = sorted((_width(face.points) for face in faces), reverse=True)
    if len(widths) > 1 and widths[1] > 0.5 * widths[0]:
        raise AvatarError(f"the avatar shows {len(widths)} faces", hint="crop the photo to the one that is meant")
    points = max(faces, key=lambda face: _width(face.points)).points
    if widths[0] < MIN_FACE_PX:
        raise AvatarError(
            f"the avatar's face is only {widths[0]:.0f} px wide", hint="use a photo whose face is 150 px wide or more"
        )
    detail = _detail(still, points)
    if detail < MIN_DETAIL:
        raise AvatarError("the avatar's face is blurred", hint="use a sharper photo")
    warnings = []
    if widths[0] < 120:
        warnings.append(f"the avatar's face is only {widths[0]:.0f} px wide: 150 or more look better")
    return points, warnings


def _width(points: Floats) -> float:
    return float(np.ptp(points[:, 0]))


def _detail(still: Still, points: Floats) -> float:
    region = Region.of_landmarks(points)
    window = cv2.warpAffine(still.y, region.to_window(192), (192, 192), flags=cv2.INTER_AREA)
    return float(cv2.Laplacian(window[32:160, 32:160], cv2.CV_32F).var())
