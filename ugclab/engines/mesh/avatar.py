"""The avatar photo made ready to wear: checked, unrolled into a texture, freed of its own light and hair."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from ugclab.engines.mesh import glasses, pose, topology
from ugclab.engines.mesh.bare import without_glasses
from ugclab.engines.mesh.detector import Detector
from ugclab.engines.mesh.landmarks import Landmarker, Region
from ugclab.engines.mesh.sampling import Still
from ugclab.engines.mesh.texture import (
    HEIGHT,
    LOWER_BROWS,
    LUMA,
    WIDTH,
    above,
    blur,
    fill,
    oval_mask,
    ring_mask,
    texture_points,
)
from ugclab.engines.mesh.topology import Floats
from ugclab.engines.mesh.warp import inverse_map
from ugclab.errors import AvatarError

MIN_FACE_PX = 64
"""Narrower faces carry no identity: 94 px is the smallest that was seen to work."""
MIN_DETAIL = 12.0
"""Variance of the Laplacian over the face at 128 px; sharp photographs have 100 to 2000, a face blurred by 4 px has
5."""
MAX_YAW = 55.0 * pose.FLATTENED
TURNED = 30.0 * pose.FLATTENED
"""From here on the far side of the photo is mostly made of the near one: worth a warning."""
ONE_SIDED = (0.18, 0.30)
"""Mean difference in log-luma of the two halves between which a face counts as lit from one side: 0.02 to 0.17 in 13 of
16 faces, 0.27 and 0.28 in two beside a window, 0.42 in a hard key light."""
WORTH_A_WORD = 0.5
SHADOW = 0.035
"""How finely, in face widths, left and right are evened out under such a light: a hard shadow's edge is no broader."""


@dataclass(frozen=True, slots=True)
class Avatar:
    """A face to wear."""

    shape: Floats
    """(468, 3) landmarks in the face's own frame, in units of the canonical shape."""
    texture: Floats
    """(HEIGHT, WIDTH, 3) RGB in [0, 1], evenly lit."""
    warnings: tuple[str, ...]
    bare: bool = False
    """Glasses were taken off it: what is around its eyes is guessed."""

    def save(self, path: Path) -> None:
        """Keep what was prepared."""
        np.savez(path, shape=self.shape, texture=self.texture, bare=self.bare)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Take up what `save` kept; its warnings were told then."""
        with np.load(path) as kept:
            return cls(kept["shape"], kept["texture"], (), bool(kept["bare"]))


def prepare(photo: NDArray[np.uint8], detector: Detector, landmarker: Landmarker) -> Avatar:
    """Make a photo (height, width, 3), uint8 RGB, ready. Raises AvatarError with what to do."""
    points, warnings = find_face(photo, detector, landmarker)
    face = pose.fit(points, topology.canonical())
    raw, seen = _unroll(photo, points)
    raw = _mirror_hidden(raw, seen)
    bare = glasses.bridge(Still.from_rgb(photo), points) > glasses.MIN_LINE_STILL
    if bare:
        raw = without_glasses(raw)
        warnings.append("the avatar wears glasses: they are taken off; a photo without them looks better")
    one_sided = _one_sided(raw)
    if one_sided > WORTH_A_WORD:
        warnings.append("the avatar is lit from one side, which is evened out: an evenly lit photo looks better")
    texture = _even_light(_fill_outside(raw), one_sided)
    return Avatar(face.invert(points), texture, tuple(warnings), bare)


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


def _unroll(photo: NDArray[np.uint8], points: Floats) -> tuple[Floats, Floats]:
    """Texture (HEIGHT, WIDTH, 3) in [0, 1] and how squarely each of its pixels was seen, 0-1."""
    layout = texture_points()
    grid, _ = inverse_map(layout, points[:, :2], (WIDTH, HEIGHT))
    texture = cv2.remap(
        photo.astype(np.float32) / 255, grid, None, interpolation=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    normals = _normals(points)
    facing = np.clip(-normals[:, 2:], 0, 1)
    seen, _ = inverse_map(layout, np.repeat(facing, 2, axis=1), (WIDTH, HEIGHT))
    visible = cv2.erode(np.clip(seen[..., 0], 0, 1), np.ones((9, 9)))
    return np.clip(texture, 0, 1), cv2.GaussianBlur(visible, (0, 0), 3)


def _normals(points: Floats) -> Floats:
    """(468, 3) unit normals, from the triangles around each landmark."""
    tris = topology.triangles()
    a, b, c = (points[tris[:, i]] for i in range(3))
    faces = np.cross(b - a, c - a)
    normals = np.zeros_like(points)
    for i in range(3):
        np.add.at(normals, tris[:, i], faces)
    normals = -normals  # z grows away from the camera; a frontal face looks towards -z
    unit: Floats = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-6)
    return unit


def _mirror_hidden(texture: Floats, seen: Floats) -> Floats:
    """Where one side was turned away, take the other side's skin."""
    other, other_seen = texture[:, ::-1], seen[:, ::-1]
    share = np.clip((other_seen - seen - 0.15) / 0.35, 0, 1)[..., None]
    whole: Floats = texture * (1 - share) + other * share
    return whole


def _fill_outside(texture: Floats) -> Floats:
    """Replace hair, collar and background beyond 0.86 of the oval by skin carried outwards from inside it."""
    inside = oval_mask(0.86, 0.86, 0.9, 0.03)
    # Above the eyes only what looks like the cheeks, or is a brow, is face: a fringe is hair inside the oval.
    brows = np.maximum(*(ring_mask(ring, (1.12, 1.5), 0.015) for ring in (topology.RIGHT_BROW, topology.LEFT_BROW)))
    hair = above(LOWER_BROWS, 6) * (1 - _skin_likelihood(texture)) * (1 - brows)
    keep = inside * (1 - hair)
    return fill(texture, keep, (5, 12, 28, 70))


def _skin_likelihood(texture: Floats) -> Floats:
    """(HEIGHT, WIDTH) how much each pixel looks like the cheeks, nose and brow bridge, 0-1."""
    layout = texture_points()
    sample = np.zeros((HEIGHT, WIDTH), np.float32)
    for centre in (50, 280, 101, 330, 5, 195, 9, 8, 118, 347):
        cv2.circle(sample, tuple(int(v) for v in layout[centre]), 10, 1.0, -1)
    features = np.log(np.maximum(cv2.GaussianBlur(texture, (0, 0), 1.5), 0.02))
    features = np.dstack([features[..., 1], features[..., 0] - features[..., 1], features[..., 2] - features[..., 1]])
    chosen = features[sample > 0]
    middle = np.median(chosen, axis=0)
    spread = np.clip(1.48 * np.median(np.abs(chosen - middle), axis=0), (0.10, 0.05, 0.05), (0.20, 0.10, 0.10))
    distance = (((features - middle) / spread) ** 2).sum(-1)
    likelihood: Floats = np.clip((16 - distance) / 9, 0, 1).astype(np.float32)
    # Single dark strands belong to the hair around them.
    calm: Floats = cv2.GaussianBlur(cv2.erode(likelihood, np.ones((5, 5))), (0, 0), 4)
    return calm


def _one_sided(texture: Floats) -> float:
    """How much the light comes from one side, 0-1: by the mean difference of the halves, where no hair hangs."""
    width = float(np.ptp(texture_points()[topology.OVAL, 0]))
    inner = oval_mask(0.8, 0.8, 0.85, 0.02) * (1 - above(LOWER_BROWS, 6))
    light = np.log(np.maximum(texture @ LUMA, 0.03))
    broad = blur(light * inner, 0.05 * width) / np.maximum(blur(inner, 0.05 * width), 1e-3)
    lean = float(((broad[:, ::-1] - broad) * inner)[:, WIDTH // 2 :].sum() / inner[:, WIDTH // 2 :].sum())
    return float(np.clip((abs(lean) - ONE_SIDED[0]) / (ONE_SIDED[1] - ONE_SIDED[0]), 0, 1))


def _even_light(texture: Floats, one_sided: float) -> Floats:
    """Take the photo's light off: halve broad differences of brightness, even left and right, tame tinted patches.

    `one_sided` (0-1) is how hard the light is: left and right are then evened out down to the edges of its shadows.
    """
    layout = texture_points()
    width = float(np.ptp(layout[topology.OVAL, 0]))
    features = sum(
        ring_mask(ring, grow, 0.02)
        for ring, grow in (
            (topology.RIGHT_EYE, (1.3, 2.2)),
            (topology.LEFT_EYE, (1.3, 2.2)),
            (topology.OUTER_LIPS, (1.1, 1.2)),
            (topology.RIGHT_BROW, (1.05, 1.3)),
            (topology.LEFT_BROW, (1.05, 1.3)),
        )
    )
    weight = np.clip(1 - np.asarray(features, np.float32), 0.02, 1) * (0.05 + oval_mask(0.9, 0.9, 0.9, 0.02))
    luma = texture @ LUMA
    log_luma = np.log(np.maximum(luma, 0.03))

    def broad(values: Floats, sigma: float) -> Floats:
        return blur(values * weight, sigma) / blur(weight, sigma)

    sigma = 0.13 * width
    low = broad(log_luma, sigma)
    mirrored = np.clip(0.5 * (low[:, ::-1] - low), -0.7, 0.7)
    if one_sided:
        fine = broad(log_luma, SHADOW * width)
        mirrored += np.float32(one_sided) * (np.clip(0.5 * (fine[:, ::-1] - fine), -0.7, 0.7) - mirrored)
    even = low + mirrored
    level = float((even * weight).sum() / weight.sum())
    change = mirrored + 0.5 * (level - even)
    lit = texture * np.exp(change)[..., None]
    luma = np.maximum(lit @ LUMA, 0.02)
    chroma = lit / luma[..., None]
    if one_sided:
        tints = np.stack([broad(chroma[..., i], SHADOW * width) for i in range(3)], axis=-1)
        chroma += np.float32(0.5 * one_sided) * (tints[:, ::-1] - tints)
    mean = (chroma * weight[..., None]).sum((0, 1)) / weight.sum()
    patches = np.stack([broad(chroma[..., i], sigma) for i in range(3)], axis=-1)
    # Broad tints keep 0.25 of their deviation, what is left of the local ones 0.6: a blush doubles on pale skin.
    chroma = mean + 0.25 * (patches - mean) + 0.6 * (chroma - patches)
    chroma /= np.maximum(chroma @ LUMA, 0.05)[..., None]
    evened: Floats = np.clip(chroma * luma[..., None], 0, 1).astype(np.float32)
    return evened
