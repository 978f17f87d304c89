"""From a photo to a texture: every pixel of the layout looked up in the photo, its hidden side taken from the other."""

import cv2
import numpy as np
from numpy.typing import NDArray

from ugclab.engines.mesh import topology
from ugclab.engines.mesh.texture import HEIGHT, LUMA, WIDTH, blur, fill, texture_points
from ugclab.engines.mesh.topology import Floats
from ugclab.engines.mesh.warp import inverse_map

LARGEST = 1.1
"""How much wider than in its texture a face may be in the photo it is unrolled from."""
SHOWN = (0.05, 0.15)
"""How squarely a pixel has to be seen to be used: not at all, and wholly. Up to 0.45 instead costs photos turned by 10
to 14 degrees 0.03 to 0.07 of identity: a nose that is seen a little is better than its mirror image."""
BETTER = 0.2
"""How much more squarely its mirror image has to be seen to be taken instead."""
DIM = 2.5
"""Power of its light, beside the other half's, by which a pixel counts as less seen."""
FINE, BROAD = 4.0, 8.0
"""Standard deviations in px of the passage from one half to the other, and of what counts as light."""
TAKEN, MOST = 0.8, 0.7
"""Share of the difference in light that the mirror image takes over, and the most of it, in logarithms."""


def unroll(photo: NDArray[np.uint8], points: Floats) -> Floats:
    """(HEIGHT, WIDTH, 3) RGB in [0, 1] of a photo (height, width, 3), uint8, with landmarks `points` (468, 3), px."""
    texture, seen = _looked_up(*_reduced(photo, points))
    return _mirror_hidden(texture, seen)


def _reduced(photo: NDArray[np.uint8], points: Floats) -> tuple[NDArray[np.uint8], Floats]:
    """A photo whose face is hardly wider than its texture, and its landmarks: what is finer would be grain there."""
    scale = LARGEST * float(np.ptp(texture_points()[:, 0])) / float(np.ptp(points[:, 0]))
    if scale >= 1:
        return photo, points
    size = (round(photo.shape[1] * scale), round(photo.shape[0] * scale))
    small = cv2.resize(photo, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
    ratio = np.array([size[0] / photo.shape[1], size[1] / photo.shape[0]], np.float32)
    moved = points.copy()
    moved[:, :2] = (points[:, :2] + 0.5) * ratio - 0.5
    moved[:, 2] *= np.float32(scale)
    return small, moved


def _looked_up(photo: NDArray[np.uint8], points: Floats) -> tuple[Floats, Floats]:
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
    """Where one side was turned away, take the other side's skin, in the light of this one.

    Without the light, a crease runs down the nose. A dark side gives way sooner: to be lit, it would be grainy.
    """
    other, better = texture[:, ::-1], seen[:, ::-1] - seen
    light = np.log(np.maximum(blur(texture @ LUMA, BROAD), 0.03))
    shown = seen * np.exp(DIM * np.minimum(light - light[:, ::-1], 0))
    hidden = np.clip((SHOWN[1] - shown) / (SHOWN[1] - SHOWN[0]), 0, 1) * np.clip(better / BETTER, 0, 1)
    share = blur(hidden.astype(np.float32), FINE)
    logs = np.log(np.maximum(cv2.GaussianBlur(texture, (0, 0), FINE), 0.03))
    known = (1 - share) ** 2 * np.minimum(seen / SHOWN[1], 1)
    apart = fill(np.clip(logs - logs[:, ::-1], -MOST, MOST), known, (6, 12, 24, 48))
    lit = np.minimum(other * np.exp(TAKEN * apart), 1)
    whole: Floats = texture + (lit - texture) * share[..., None]
    return whole
