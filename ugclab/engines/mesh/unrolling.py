"""From a photo to a texture: every pixel of the layout looked up in the photo, its hidden side taken from the other."""

import cv2
import numpy as np
from numpy.typing import NDArray

from ugclab.engines.mesh import topology
from ugclab.engines.mesh.texture import HEIGHT, WIDTH, texture_points
from ugclab.engines.mesh.topology import Floats
from ugclab.engines.mesh.warp import inverse_map

LARGEST = 1.1
"""How much wider than in its texture a face may be in the photo it is unrolled from."""


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
    """Where one side was turned away, take the other side's skin."""
    other, other_seen = texture[:, ::-1], seen[:, ::-1]
    share = np.clip((other_seen - seen - 0.15) / 0.35, 0, 1)[..., None]
    whole: Floats = texture * (1 - share) + other * share
    return whole
