"""The face mesh itself: triangles, mirror pairs, a mean shape, and which landmarks make which feature.

`topology.npz` holds the 852 triangles of MediaPipe's published tessellation (Apache-2.0) plus 46 that close eyes and
mouth, all wound the same way; the mirror pairs, by where 174 pictures and their mirror images have the same landmark;
and a mean shape, averaged from the landmark model's own output on 24 people's frontal faces with closed mouths.
"""

from functools import cache
from importlib.resources import as_file, files

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.intp]
Floats = NDArray[np.float32]

OVAL = np.array(
    [
        "10",
        "338",
        "297",
        "332",
        "284",
        "251",
        "389",
        "356",
        "454",
        "323",
        "361",
        "288",
        "397",
        "365",
        "379",
        "378",
        "400",
        "377",
        "152",
        "148",
        "176",
        "149",
        "150",
        "136",
        "172",
        "58",
        "132",
        "93",
        "234",
        "127",
        "162",
        "21",
        "54",
        "103",
        "67",
        "109",
    ],
    dtype=np.intp,
)
RIGHT_EYE = np.array([33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7], dtype=np.intp)
LEFT_EYE = np.array([263, 466, 388, 387, 386, 385, 384, 398, 362, 382, 381, 380, 374, 373, 390, 249], dtype=np.intp)
OUTER_LIPS = np.array(
    [61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146], dtype=np.intp
)
INNER_LIPS = np.array(
    [78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95], dtype=np.intp
)
RIGHT_BROW = np.array([70, 63, 105, 66, 107, 55, 65, 52, 53, 46], dtype=np.intp)
LEFT_BROW = np.array([300, 293, 334, 296, 336, 285, 295, 282, 283, 276], dtype=np.intp)
# Upper and lower middle of the lips and lids, and the corners they are measured against.
MOUTH_GAP = (13, 14, 78, 308)
RIGHT_EYE_GAP = (159, 145, 33, 133)
LEFT_EYE_GAP = (386, 374, 263, 362)


def bounds(points: Floats) -> tuple[Floats, Floats]:
    """The least and the greatest (x, y) of landmarks (n, 2 or 3)."""
    rows = points[:, :2].T.copy()  # along the first axis it takes six times as long
    return rows.min(1), rows.max(1)


@cache
def _stored() -> dict[str, NDArray[np.generic]]:
    with as_file(files(__package__) / "topology.npz") as path, np.load(path) as archive:
        return {name: archive[name] for name in archive.files}


@cache
def triangles() -> Ints:
    """(898, 3) landmark indices; the cross product of an upright frontal face's triangle is positive (y grows down)."""
    return _stored()["triangles"].astype(np.intp)


@cache
def mirror() -> Ints:
    """(468,) the landmark on the other side of the face; its own index on the middle line."""
    return _stored()["mirror"].astype(np.intp)


@cache
def canonical() -> Floats:
    """(468, 3) a mean face, frontal, symmetric, centred; its root mean square radius is 1. y down, z away."""
    return _stored()["canonical"].astype(np.float32)


@cache
def adjacency() -> Floats:
    """(468, 468) row-normalised: each row averages a landmark's neighbours."""
    matrix = np.zeros((len(canonical()), len(canonical())), np.float32)
    for a, b, c in triangles():
        matrix[[a, b, c, b, c, a], [b, c, a, a, b, c]] = 1
    averaging: Floats = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
    return averaging


def openness(points: Floats, gap: tuple[int, int, int, int]) -> float:
    """How far lips or lids are apart, as a share of the corners' distance."""
    upper, lower, left, right = (points[i, :2] for i in gap)
    return float(np.linalg.norm(upper - lower) / max(float(np.linalg.norm(left - right)), 1e-6))
