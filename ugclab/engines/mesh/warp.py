"""From mesh to map: for every cell of a grid over the face, where in the texture it looks."""

import cv2
import numpy as np
from numpy.typing import NDArray

from ugclab.engines.mesh import topology
from ugclab.engines.mesh.topology import Floats, Ints

SUBPIXEL_BITS = 4


def inverse_map(
    points: Floats, targets: Floats, size: tuple[int, int], *, depth: Floats | None = None, cull: bool = True
) -> tuple[Floats, NDArray[np.bool_]]:
    """Rasterise the mesh at `points` and read off `targets`.

    `points` (468, 2) in grid cells, `targets` (468, 2) where each landmark lies in what will be sampled, `size`
    (width, height) of the grid, `depth` (468,) growing away from the camera: far triangles are painted first. Back
    faces are left out when `cull`. Returns the map (height, width, 2) and which cells are covered; the rest continue
    the mesh by its best affine.
    """
    tris = topology.triangles()
    corners = points[tris]  # (n, 3, 2)
    edge_a, edge_b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = edge_a[:, 0] * edge_b[:, 1] - edge_a[:, 1] * edge_b[:, 0]
    chosen: Ints = np.flatnonzero(area > 1e-3) if cull else np.flatnonzero(np.abs(area) > 1e-3)
    if depth is not None:
        chosen = chosen[np.argsort(-depth[tris[chosen]].sum(1), kind="stable")]

    ids = np.full((size[1], size[0]), -1, np.int16)
    fixed = np.rint(corners * (1 << SUBPIXEL_BITS)).astype(np.int32)
    paint = cv2.fillConvexPoly
    for index, triangle in zip(chosen.tolist(), list(fixed[chosen]), strict=True):
        paint(ids, triangle, index, 8, SUBPIXEL_BITS)

    # Per triangle the affine that takes grid cells to targets: t = t0 + (p - p0) @ M.
    wanted = targets[tris]
    inverse_area = np.where(np.abs(area) > 1e-3, 1 / np.where(area == 0, 1, area), 0).astype(np.float32)
    along_a, along_b = wanted[:, 1] - wanted[:, 0], wanted[:, 2] - wanted[:, 0]
    dx = (along_a * edge_b[:, 1:] - along_b * edge_a[:, 1:]) * inverse_area[:, None]
    dy = (along_b * edge_a[:, :1] - along_a * edge_b[:, :1]) * inverse_area[:, None]
    base = wanted[:, 0] - dx * corners[:, 0, :1] - dy * corners[:, 0, 1:]
    affines = np.empty((len(tris) + 1, 6), np.float32)
    affines[:-1] = np.concatenate([dx, dy, base], axis=1)
    affines[-1] = _global_affine(points, targets)  # index -1: outside the mesh

    picked = affines[ids]
    x = np.arange(size[0], dtype=np.float32)[None, :, None]
    y = np.arange(size[1], dtype=np.float32)[:, None, None]
    return picked[..., 0:2] * x + picked[..., 2:4] * y + picked[..., 4:6], ids >= 0


def _global_affine(points: Floats, targets: Floats) -> Floats:
    design = np.column_stack([points, np.ones(len(points), np.float32)])
    solved = np.linalg.solve(design.T @ design, design.T @ targets)
    return solved.astype(np.float32).reshape(6)
