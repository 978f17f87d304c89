"""The map from a grid to a texture: exact for affine meshes, near before far, nothing of what looks away."""

import numpy as np
import pytest

from ugclab.engines.mesh import topology
from ugclab.engines.mesh.topology import Floats
from ugclab.engines.mesh.warp import inverse_map

SIZE = (80, 96)


def on_grid(shape: Floats) -> Floats:
    """A mesh (468, 3) laid out over most of the grid."""
    return (shape[:, :2] * 27 + np.array([40, 48])).astype(np.float32)


def turned(yaw: float) -> Floats:
    """The mean face turned to the picture's right by `yaw` degrees."""
    c, s = np.cos(np.radians(yaw)), np.sin(np.radians(yaw))
    return (topology.canonical() @ np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]]).T).astype(np.float32)


def cells() -> Floats:
    return np.stack(np.meshgrid(np.arange(SIZE[0]), np.arange(SIZE[1])), axis=-1).astype(np.float32)


def test_a_mesh_on_itself_gives_the_identity() -> None:
    points = on_grid(topology.canonical())
    looks, covered = inverse_map(points, points, SIZE)
    assert looks.shape == (SIZE[1], SIZE[0], 2)
    assert looks.dtype == np.float32
    assert 0.3 < covered.mean() < 0.8
    assert np.abs(looks - cells()).max() < 0.01, "outside the mesh its best affine goes on"


@pytest.mark.parametrize("angle", [0.0, 0.4, -1.2])
def test_an_affine_of_the_mesh_gives_that_affine(angle: float) -> None:
    points = on_grid(topology.canonical())
    matrix = 3.7 * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    looks, _ = inverse_map(points, (points @ matrix.T + [120, -30]).astype(np.float32), SIZE)
    assert np.abs(looks - (cells() @ matrix.T + [120, -30])).max() < 0.1


def test_landmarks_look_at_their_targets() -> None:
    """A mesh that is bent, not only moved: each landmark's cell shows its own target."""
    points = on_grid(topology.canonical())
    targets = points + 4 * np.sin(points[:, ::-1] / 9).astype(np.float32)
    looks, covered = inverse_map(points, targets, SIZE)
    for landmark in (1, 4, 50, 280, 152, 10, 61, 291):
        x, y = np.rint(points[landmark]).astype(int)
        if covered[y, x]:
            expected = targets[landmark] + ([x, y] - points[landmark])
            assert np.abs(looks[y, x] - expected).max() < 0.8, landmark


def test_what_looks_away_is_left_out() -> None:
    points = on_grid(topology.canonical())
    away = points * [-1, 1] + np.array([80, 0], np.float32)
    _, covered = inverse_map(away, points, SIZE)
    assert covered.mean() < 0.01, "but for closed lips' folds"
    _, covered = inverse_map(away, points, SIZE, cull=False)
    assert covered.mean() > 0.3


def test_what_is_near_hides_what_is_far() -> None:
    """With the depth itself as target, a turned face shows its nearer surface wherever two lie over each other."""
    shape = turned(65.0)
    depth = shape[:, 2]
    targets = np.repeat(depth[:, None], 2, axis=1)
    near = inverse_map(on_grid(shape), targets, SIZE, depth=depth)[0][..., 0]
    far = inverse_map(on_grid(shape), targets, SIZE, depth=-depth)[0][..., 0]
    differ = np.abs(near - far) > 0.15
    assert differ.sum() > 20, "the nose must hide some of the cheek, or nothing is tested"
    assert (near < far)[differ].mean() > 0.9


def test_a_face_seen_from_the_side_covers_less() -> None:
    widths = [inverse_map(on_grid(turned(yaw)), on_grid(turned(0)), SIZE)[1].mean() for yaw in (0.0, 40.0, 75.0)]
    assert widths[0] > widths[1] > widths[2] > 0
