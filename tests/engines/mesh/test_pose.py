"""The similarity between the mean face and landmarks: recovered exactly, with the signs its docstrings give."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ugclab.engines.mesh import pose, topology
from ugclab.engines.mesh.topology import Floats

NOSE = 1


def rotation(yaw: float, pitch: float, roll: float) -> Floats:
    """Turned to the picture's right, up, and clockwise, in this order of application: pitch, yaw, roll; degrees."""
    y, p, r = np.radians([yaw, pitch, roll])
    about_y = np.array([[np.cos(y), 0, -np.sin(y)], [0, 1, 0], [np.sin(y), 0, np.cos(y)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(p), np.sin(p)], [0, -np.sin(p), np.cos(p)]])
    about_z = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    return (about_z @ about_y @ about_x).astype(np.float32)


@given(
    st.floats(-60, 60),
    st.floats(-40, 40),
    st.floats(-80, 80),
    st.floats(10, 500),
    st.floats(-200, 2000),
    st.floats(-200, 2000),
)
def test_a_known_similarity_is_recovered(
    yaw: float, pitch: float, roll: float, scale: float, x: float, y: float
) -> None:
    shape, turn = topology.canonical(), rotation(yaw, pitch, roll)
    points = (scale * shape @ turn.T + [x, y, 5.0]).astype(np.float32)
    found = pose.fit(points, shape)
    assert np.abs(found.rotation - turn).max() < 1e-3
    assert np.linalg.det(found.rotation) == pytest.approx(1, abs=1e-3)
    assert found.scale == pytest.approx(scale, rel=1e-3)
    assert found.centre == pytest.approx([x, y, 5], abs=1e-3 * scale + 0.01)
    assert np.abs(found.apply(shape) - points).max() < 1e-3 * scale + 0.01
    assert np.abs(found.invert(points) - shape).max() < 2e-3


@pytest.mark.parametrize("angle", [-35.0, -10.0, 10.0, 35.0])
def test_signs(angle: float) -> None:
    shape = topology.canonical()
    right = pose.fit(shape @ rotation(angle, 0, 0).T, shape)
    assert right.yaw == pytest.approx(angle, abs=0.1)
    assert np.sign(right.apply(shape)[NOSE, 0]) == np.sign(angle), "to the picture's right is positive"
    up = pose.fit(shape @ rotation(0, angle, 0).T, shape)
    assert up.pitch == pytest.approx(angle, abs=0.1)
    assert np.sign(shape[NOSE, 1] - up.apply(shape)[NOSE, 1]) == np.sign(angle), "up is positive"
    clockwise = pose.fit(shape @ rotation(0, 0, angle).T, shape)
    assert np.degrees(clockwise.roll) == pytest.approx(angle, abs=0.1)
    assert np.sign(clockwise.apply(shape)[10, 0]) == np.sign(angle), "a forehead that leans right is clockwise"


def test_speaking_hardly_changes_the_pose() -> None:
    shape = topology.canonical()
    points = shape @ rotation(12, -6, 4).T * 100
    quiet = pose.fit(points, shape)
    jaw = points.copy()
    jaw[shape[:, 1] > shape[topology.OUTER_LIPS, 1].mean()] += [0, 12, 0]  # 12 px of a face 270 px wide
    speaking = pose.fit(jaw, shape)
    assert abs(speaking.yaw - quiet.yaw) < 1
    assert abs(speaking.pitch - quiet.pitch) < 2.5
    assert speaking.scale == pytest.approx(quiet.scale, rel=0.025)


def test_a_mirrored_face_is_not_turned_inside_out() -> None:
    shape = topology.canonical()
    found = pose.fit(shape * [-1, 1, 1], shape)
    assert np.linalg.det(found.rotation) == pytest.approx(1, abs=1e-3)
