"""From mesh to map: for every cell of a grid over the face, where in the texture it looks."""

import cv2
import numpy as np
from numpy.typing import NDArray

from ugclab.engines.mesh import topology
from ugclab.engines.mesh.topology import Floats, Ints

REACH = 0.25
"""Cells a triangle is painted beyond its edges, so that no cell between two neighbours stays empty."""
LEAST_AREA = 0.2
"""Twice the cells below which a triangle is left out: it is thinner than its neighbours' reach, its affine noise."""
FLAT = np.float32(1e-3)
"""Cells that an edge rises at least: a flat one bounds no row."""
FAR = np.float32(1e9)


def inverse_map(
    points: Floats, targets: Floats, size: tuple[int, int], *, depth: Floats | None = None, cull: bool = True
) -> tuple[Floats, NDArray[np.bool_]]:
    """Rasterise the mesh at `points` and read off `targets`.

    `points` (468, 2) in grid cells, `targets` (468, 2) where each landmark lies in what will be sampled, `size`
    (width, height) of the grid, `depth` (468,) growing away from the camera: far triangles are painted first. Back
    faces are left out when `cull`. Returns the map (height, width, 2) and which cells are covered; the rest continue
    the mesh by its best affine.
    """
    tris = np.ascontiguousarray(topology.triangles().T)
    x, y = points[:, 0][tris], points[:, 1][tris]  # (3, n)
    area = (x[1] - x[0]) * (y[2] - y[0]) - (y[1] - y[0]) * (x[2] - x[0])
    chosen: Ints = np.flatnonzero((area if cull else np.abs(area)) > LEAST_AREA)
    if depth is not None:
        far = depth[tris].sum(0)[chosen]
        chosen = chosen[np.argsort(-far, kind="stable")]
    x, y, area, tris = x[:, chosen], y[:, chosen], area[chosen], tris[:, chosen]
    ids = _paint(x, y, area, size)

    # Per triangle the affine that takes grid cells to targets; the last one stands for all that lies outside.
    affines = np.empty((2, 3, len(chosen) + 1), np.float32)
    affines[..., -1] = _global_affine(points, targets)
    for axis, affine in enumerate(affines[..., :-1]):
        wanted = targets[:, axis][tris]
        along_a, along_b = wanted[1] - wanted[0], wanted[2] - wanted[0]
        affine[0] = (along_a * (y[2] - y[0]) - along_b * (y[1] - y[0])) / area
        affine[1] = (along_b * (x[1] - x[0]) - along_a * (x[2] - x[0])) / area
        affine[2] = wanted[0] - affine[0] * x[0] - affine[1] * y[0]
    columns = np.arange(size[0], dtype=np.float32)
    lines = np.arange(size[1], dtype=np.float32)[:, None]
    looks = [a[ids] * columns + b[ids] * lines + c[ids] for a, b, c in affines]
    return cv2.merge(looks), ids >= 0


def _paint(x: Floats, y: Floats, area: Floats, size: tuple[int, int]) -> Ints:
    """(height, width) which triangle with corners `x` and `y` (3, n) a cell's middle lies in, -1 for none.

    Later ones are painted over earlier ones. The rows of all triangles at once, each a span between bounds that the
    edges set: one call for each triangle costs several times as much.
    """
    width, height = size
    top = np.maximum(np.ceil(_least(y) - REACH), 0).astype(np.intp)
    rows = np.maximum(np.minimum(np.floor(_most(y) + REACH), height - 1).astype(np.intp) - top + 1, 0)
    owner = np.repeat(np.arange(len(area)), rows)
    y_of = np.arange(len(owner)) + (top - np.cumsum(rows) + rows)[owner]
    line = y_of.astype(np.float32)
    left, right = (_least(x) - REACH)[owner], (_most(x) + REACH)[owner]
    sides = np.sign(area)
    for a, b in ((0, 1), (1, 2), (2, 0)):
        # Inside an edge (dx, dy) from (ax, ay): dx (y - ay) - dy (x - ax) >= -reach, so it bounds x on one side.
        dx, dy = (x[b] - x[a]) * sides, (y[b] - y[a]) * sides
        steep = np.where(np.abs(dy) < FLAT, FLAT, dy)
        slope = dx / steep
        start = x[a] - slope * y[a] + np.float32(REACH) * np.sqrt(dx * dx + dy * dy) / steep
        bound = start[owner] + slope[owner] * line
        falling = (steep < 0)[owner]
        np.maximum(left, np.where(falling, bound, -FAR), out=left)
        np.minimum(right, np.where(falling, FAR, bound), out=right)
    begin = np.maximum(np.ceil(left), 0).astype(np.intp)
    count = np.maximum(np.minimum(np.floor(right), width - 1).astype(np.intp) - begin + 1, 0)
    cells = np.repeat(y_of * width + begin - np.cumsum(count) + count, count) + np.arange(count.sum())
    ids = np.full(height * width, -1, np.intp)
    ids[cells] = np.repeat(owner, count)
    return ids.reshape(height, width)


def _least(corners: Floats) -> Floats:
    least: Floats = np.minimum(np.minimum(corners[0], corners[1]), corners[2])
    return least


def _most(corners: Floats) -> Floats:
    most: Floats = np.maximum(np.maximum(corners[0], corners[1]), corners[2])
    return most


def _global_affine(points: Floats, targets: Floats) -> Floats:
    """(2, 3) from cells to targets."""
    design = np.ones((len(points), 3), np.float32)
    design[:, :2] = points
    _, solved = cv2.solve(design.T @ design, design.T @ targets, flags=cv2.DECOMP_CHOLESKY)
    affine: Floats = solved.T
    return affine
