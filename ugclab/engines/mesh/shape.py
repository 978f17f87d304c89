"""Whose face it is, as geometry: what separates the avatar's shape from the clip's, computed once and worn in every
frame."""

from dataclasses import dataclass

import numpy as np

from ugclab.engines.mesh import pose, topology
from ugclab.engines.mesh.topology import Floats

STRENGTH = 0.8
"""How much of the difference is worn. Without it an identity that should be 0.51 away stays 0.63 away (dlib's
ResNet)."""
RIM = 0.45
"""The difference fades to nothing over this distance from the face's oval (canonical units; half a face is 1.4)."""
MAX_SHIFT = 0.16
"""No landmark moves further than this: a bound for odd avatars."""


@dataclass(frozen=True, slots=True)
class Delta:
    """Displacements in the face's own frame."""

    points: Floats
    """(468, 3) added to the clip's face; rigid within each eye and the mouth, so that expression survives."""
    right_eye: Floats
    left_eye: Floats
    mouth: Floats
    """(3,) each: how far the target's own eyes and mouth are carried."""


def neutral(faces: Floats) -> Floats:
    """The clip's own face at rest: (468, 3), the median over its less open mouths of landmarks (n, 468, 3), unposed."""
    reference = topology.canonical()
    for _ in range(2):
        shapes = np.stack([pose.fit(points, reference).invert(points) for points in faces])
        gaps = np.array([topology.openness(shape, topology.MOUTH_GAP) for shape in shapes])
        reference = np.median(shapes[gaps <= np.median(gaps)], axis=0).astype(np.float32)
    return reference


def identity_delta(avatar: Floats, clip: Floats, strength: float = STRENGTH) -> Delta:
    """What the avatar's shape (468, 3) has that the clip's (468, 3) has not."""
    aligned = pose.fit(avatar, clip).invert(avatar)
    difference = np.clip(aligned - clip, -MAX_SHIFT, MAX_SHIFT) * strength
    difference = (difference + difference[topology.mirror()] * np.array([-1, 1, 1], np.float32)) / 2
    difference *= _rim_fade()[:, None]

    groups = []
    carried = np.zeros(len(difference), bool)
    for ring in (topology.RIGHT_EYE, topology.LEFT_EYE, np.concatenate([topology.OUTER_LIPS, topology.INNER_LIPS])):
        mean = difference[ring].mean(0)
        members = _inside(ring)
        difference[members] = mean
        carried[members] = True
        groups.append(mean)
    # Smooth what lies between the rigid parts, or the skin next to them would shear.
    neighbours = topology.adjacency()
    for _ in range(4):
        smoothed = 0.5 * difference + 0.5 * neighbours @ difference
        difference = np.where(carried[:, None], difference, smoothed)
    return Delta(difference.astype(np.float32), groups[0], groups[1], groups[2])


def _rim_fade() -> Floats:
    shape = topology.canonical()[:, :2]
    rim = shape[topology.OVAL]
    distance = np.sqrt(((shape[:, None] - rim[None]) ** 2).sum(-1)).min(1)
    t = np.clip(distance / RIM, 0, 1)
    fade: Floats = (t * t * (3 - 2 * t)).astype(np.float32)
    return fade


def _inside(ring: topology.Ints) -> topology.Ints:
    """The landmarks of a ring and those within its slightly grown box."""
    shape = topology.canonical()[:, :2]
    low, high = shape[ring].min(0), shape[ring].max(0)
    middle, half = (low + high) / 2, (high - low) / 2 * 1.1
    return np.flatnonzero((np.abs(shape - middle) <= half).all(1))
