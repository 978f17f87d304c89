"""What is measured on faces, as pure functions of landmarks and brightness.

Landmarks of the 468-point mesh are (468, 3), those of dlib (68, 2), both in px of any scale: every measure is a ratio.
"""

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.floating]
Series = NDArray[np.float64]

EYES = (((33, 133), ((160, 144), (159, 145), (158, 153))), ((263, 362), ((387, 373), (386, 374), (385, 380))))
BROWS = ((105, 159), (66, 158), (334, 386), (296, 385))
LIPS = (
    *(61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 185, 40, 39, 37, 0, 267, 269, 270, 409),
    *(78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 191, 80, 81, 82, 13, 312, 311, 310, 415),
)
LIDS = (
    *(33, 246, 161, 160, 159, 158, 157, 173, 133, 7, 163, 144, 145, 153, 154, 155),
    *(263, 466, 388, 387, 386, 385, 384, 398, 362, 249, 390, 373, 374, 380, 381, 382),
)
RIGID = tuple(i for i in range(468) if i not in set(LIPS) | set(LIDS))
"""The mesh without lips and lids."""
ANCHORS = (33, 133, 362, 263, 168, 6, 1, 2, 61, 291)
"""Corners of eyes and mouth, bridge and tip of the nose: where a face is, whatever its shape."""
OVAL = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)


def _distance(points: Points, a: int, b: int) -> float:
    return float(np.linalg.norm(points[a] - points[b]))


def face_width(mesh: Points) -> float:
    """Distance between the two sides of the face, in depth too: turning the head does not change it."""
    return _distance(mesh, 234, 454)


def mouth_opening(mesh: Points) -> float:
    """Mean gap between the inner lips over the distance between the outer corners of the eyes."""
    gaps = [_distance(mesh, a, b) for a, b in ((13, 14), (82, 87), (312, 317))]
    return float(np.mean(gaps)) / _distance(mesh, 33, 263)


def eye_opening(mesh: Points) -> float:
    """Mean gap between the lids over the eye's width, mean of both eyes."""
    return float(
        np.mean([np.mean([_distance(mesh, *pair) for pair in lids]) / _distance(mesh, *width) for width, lids in EYES])
    )


def brow_height(mesh: Points) -> float:
    """Mean distance between brows and upper lids over the distance between the outer corners of the eyes."""
    return float(np.mean([_distance(mesh, *pair) for pair in BROWS])) / _distance(mesh, 33, 263)


def mouth_opening_68(points: Points) -> float:
    """Measure the mouth as `mouth_opening` does, on dlib's points."""
    gaps = [_distance(points, a, b) for a, b in ((61, 67), (62, 66), (63, 65))]
    return float(np.mean(gaps)) / _distance(points, 36, 45)


def eye_opening_68(points: Points) -> float:
    """Measure the eyes as `eye_opening` does, on dlib's points."""
    right = (_distance(points, 37, 41) + _distance(points, 38, 40)) / 2 / _distance(points, 36, 39)
    left = (_distance(points, 43, 47) + _distance(points, 44, 46)) / 2 / _distance(points, 42, 45)
    return (right + left) / 2


def correlation(source: Series, result: Series) -> float | None:
    """Pearson's r of two series; None where either hardly moves (deviation under 0.004) or is too short."""
    if len(source) < 10 or source.std() < 0.004 or result.std() < 1e-9:
        return None
    return float(np.corrcoef(source, result)[0, 1])


def amplitude(source: Series, result: Series) -> float | None:
    """Deviation of the result over that of the source; None where the source hardly moves."""
    if len(source) < 10 or source.std() < 0.004:
        return None
    return float(result.std() / source.std())


def second_differences(values: NDArray[np.floating], frames: NDArray[np.int64]) -> NDArray[np.floating]:
    """Take x[n-1] - 2 x[n] + x[n+1] along the first axis, only where three frames follow each other."""
    if len(values) < 3:
        return values[:0]
    inner = (np.diff(frames)[:-1] == 1) & (np.diff(frames)[1:] == 1)
    return (values[:-2] - 2 * values[1:-1] + values[2:])[inner]


def jitter(meshes: NDArray[np.floating], frames: NDArray[np.int64]) -> float:
    """Root mean square of the second difference in time of the mesh's x and y without lips and lids, in face widths.

    `meshes` is (n, 468, 3), `frames` the frames' numbers. Smooth motion hardly has a second difference; shaking does.
    """
    if len(meshes) < 3:
        return float("nan")
    width = float(np.mean([face_width(mesh) for mesh in meshes]))
    shaking = second_differences(meshes[:, list(RIGID), :2] / width, frames)
    return float(np.sqrt((shaking**2).sum(-1).mean()))


def flicker(luma: Series, frames: NDArray[np.int64]) -> float:
    """Root mean square of the second difference in time of the face's mean luma, in 8-bit code values."""
    return float(np.sqrt((second_differences(luma, frames) ** 2).mean())) if len(luma) >= 3 else float("nan")


def displacement(source: Points, result: Points) -> float:
    """Distance of a face from where it should be: the anchors' mean shift, in face widths."""
    shift = (result[list(ANCHORS), :2] - source[list(ANCHORS), :2]).mean(0)
    return float(np.linalg.norm(shift)) / face_width(source)
