"""The difference of two faces: nothing for the same face, rigid where expression lives, even, and bounded."""

import numpy as np
import pytest

from tests.engines.mesh.test_pose import rotation
from ugclab.engines.mesh import shape, topology
from ugclab.engines.mesh.shape import MAX_SHIFT, STRENGTH, identity_delta, neutral
from ugclab.engines.mesh.topology import Floats

CANONICAL = topology.canonical()


def broad() -> Floats:
    """A broader nose, a lower mouth, eyes further apart, none of which a pose explains."""
    other = CANONICAL.copy()
    nose = np.linalg.norm(other[:, :2] - other[1, :2], axis=1) < 0.3
    other[nose, 0] *= 1.4
    other[topology.OUTER_LIPS, 1] += 0.06
    other[topology.INNER_LIPS, 1] += 0.06
    other[topology.LEFT_EYE, 0] += 0.05
    other[topology.RIGHT_EYE, 0] -= 0.05
    return other


def test_a_face_has_nothing_another_has_not_when_it_is_the_same() -> None:
    delta = identity_delta(CANONICAL, CANONICAL)
    assert np.abs(delta.points).max() < 1e-5
    assert max(np.abs(part).max() for part in (delta.right_eye, delta.left_eye, delta.mouth)) < 1e-5
    moved = (3 * CANONICAL @ rotation(20, 5, -9).T + [4, 5, 6]).astype(np.float32)
    assert np.abs(identity_delta(moved, CANONICAL).points).max() < 1e-3, "a pose is no shape"


def test_eyes_and_mouth_are_carried_whole() -> None:
    """Their landmarks keep their distances, so an open mouth stays as open as it was."""
    delta = identity_delta(broad(), CANONICAL)
    lips = np.concatenate([topology.OUTER_LIPS, topology.INNER_LIPS])
    for ring, carried in (
        (topology.RIGHT_EYE, delta.right_eye),
        (topology.LEFT_EYE, delta.left_eye),
        (lips, delta.mouth),
    ):
        assert np.abs(delta.points[ring] - carried).max() < 1e-6
    assert delta.mouth[1] > 0.02
    assert delta.left_eye[0] > 0.01 > -0.01 > delta.right_eye[0]


def test_both_sides_differ_alike() -> None:
    lopsided = CANONICAL.copy()
    lopsided[topology.LEFT_BROW, 1] -= 0.1  # an expression, or a photo not quite from the front
    points = identity_delta(lopsided, CANONICAL).points
    # The tessellation is not quite symmetric itself, so smoothing over neighbours leaves a little.
    assert np.abs(points - points[topology.mirror()] * [-1, 1, 1]).max() < 0.01
    assert np.abs(points[topology.RIGHT_BROW]).max() > 0.02


def test_an_odd_avatar_moves_nothing_too_far_and_the_rim_not_at_all() -> None:
    odd = CANONICAL.copy()
    odd[CANONICAL[:, 1] > 0.3] *= 2.5
    points = identity_delta(odd, CANONICAL).points
    assert 0.02 < np.abs(points).max() <= MAX_SHIFT * STRENGTH + 1e-6
    assert np.abs(points[topology.OVAL]).max() < 0.03


def test_strength_scales_it() -> None:
    half, whole = (identity_delta(broad(), CANONICAL, strength).points for strength in (0.5, 1.0))
    assert np.abs(whole - 2 * half).max() < 1e-5
    assert np.abs(whole).max() > 0.03


def test_rest_is_neither_pose_nor_speech() -> None:
    """Frames of one person, turned here and there, speaking in a third of them."""
    rng = np.random.default_rng(11)
    faces = []
    for number in range(30):
        face = broad()
        if number % 3 == 0:
            face[topology.MOUTH_GAP[1]] += [0, 0.15, 0]
            face[CANONICAL[:, 1] > 0.75] += [0, 0.15, 0]
        turn = rotation(*rng.uniform(-15, 15, 3))
        faces.append(rng.uniform(50, 150) * face @ turn.T + rng.uniform(0, 500, 3))
    rest = neutral(np.array(faces, np.float32))
    difference = shape.identity_delta(broad(), rest).points
    assert np.abs(difference).max() < 0.02
    assert topology.openness(rest, topology.MOUTH_GAP) == pytest.approx(
        topology.openness(broad(), topology.MOUTH_GAP), abs=0.02
    )
