"""The mesh is one sheet without holes or folds, and symmetric where a face is."""

from collections import Counter

import numpy as np
import pytest

from ugclab.engines.mesh import topology
from ugclab.engines.mesh.topology import Ints


def directed_edges() -> Counter[tuple[int, int]]:
    return Counter((int(t[i]), int(t[(i + 1) % 3])) for t in topology.triangles() for i in range(3))


def test_the_mesh_is_one_sheet_whose_rim_is_the_oval() -> None:
    """Each inner edge has one triangle on either side, wound alike: else one of them is culled, and a hole is seen."""
    edges = directed_edges()
    assert max(edges.values()) == 1
    rim = {frozenset(edge) for edge in edges if edge[::-1] not in edges}
    oval = topology.OVAL.tolist()
    assert rim == {frozenset(pair) for pair in zip(oval, oval[1:] + oval[:1], strict=True)}


def test_nothing_of_the_mean_face_is_folded() -> None:
    corners = topology.canonical()[topology.triangles(), :2]
    along, across = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    areas = along[:, 0] * across[:, 1] - along[:, 1] * across[:, 0]
    # Between closed lips, under the nose and at the cheeks' rim triangles are seen from their edge.
    assert areas.min() > -0.002
    assert np.count_nonzero(areas < 0) < 30


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (topology.RIGHT_EYE, topology.LEFT_EYE),
        (topology.RIGHT_BROW, topology.LEFT_BROW),
        (topology.OVAL, np.roll(topology.OVAL[::-1], 1)),
        (topology.OUTER_LIPS, np.roll(topology.OUTER_LIPS[::-1], 11)),
        (topology.INNER_LIPS, np.roll(topology.INNER_LIPS[::-1], 11)),
    ],
    ids=["eyes", "brows", "oval", "outer lips", "inner lips"],
)
def test_features_mirror_into_each_other(one: Ints, other: Ints) -> None:
    assert topology.mirror()[one].tolist() == other.tolist()


def test_the_mean_face_is_its_own_mirror_image() -> None:
    mirror, face = topology.mirror(), topology.canonical()
    assert mirror[mirror].tolist() == list(range(len(face)))
    assert np.abs(face[mirror] * [-1, 1, 1] - face).max() < 1e-5
    # Neighbours stay neighbours, but for the few diagonals that the published tessellation draws the other way.
    mirrored = {(int(mirror[b]), int(mirror[a])) for a, b in directed_edges()}
    assert len(mirrored - set(directed_edges())) < 60
