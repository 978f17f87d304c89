"""Head masks: round the face with hair and chin, soft, still."""

from dataclasses import astuple

import numpy as np
import pytest

from tests.engines.mesh.people import Actor
from ugclab.engines.clips.head import Head, calmed, of_face
from ugclab.engines.mesh import topology
from ugclab.engines.mesh.topology import Floats


def face(x: float = 300, y: float = 250, width: float = 120, roll: float = 0.0) -> Floats:
    shape = topology.canonical()
    turn = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]], np.float32)
    points: Floats = (shape @ turn.T) * np.float32(width / np.ptp(shape[:, 0])) + np.array([x, y, 0], np.float32)
    return points


def test_all_of_the_face_and_the_hair_above_it_are_inside() -> None:
    points = face()
    mask = of_face(points).mask((0, 0, 600, 500))
    assert mask.min() == 0
    assert mask.max() == pytest.approx(1)
    for x, y in points[:, :2]:
        assert mask[int(y), int(x)] > 0.9
    crown = int(points[10, 1] - 0.35 * 120)
    assert mask[crown, 300] > 0.5
    assert mask[250, 300 + 90] > 0.3  # hair beside the face
    assert mask[480, 300] == 0


def test_its_edge_is_soft() -> None:
    mask = of_face(face()).mask((0, 0, 600, 500))
    assert np.abs(np.diff(mask, axis=1)).max() < 0.12
    assert np.abs(np.diff(mask, axis=0)).max() < 0.12


def test_it_turns_with_the_head() -> None:
    upright, tilted = of_face(face()), of_face(face(roll=0.5))
    assert tilted.angle - upright.angle == pytest.approx(0.5, abs=0.05)
    assert tilted.across == pytest.approx(upright.across, rel=0.02)


def test_nothing_of_the_mask_lies_outside_its_box() -> None:
    for roll in (0, 0.4, -0.9, 1.5):
        head = of_face(face(roll=roll))
        left, top, right, bottom = head.box
        ys, xs = np.nonzero(head.mask((0, 0, 600, 500)))
        assert left <= xs.min()
        assert xs.max() <= right
        assert top <= ys.min()
        assert ys.max() <= bottom


def test_a_canvas_shows_the_same_oval() -> None:
    head = of_face(face())
    small = head.on(np.array([[0.5, 0, 10], [0, 0.5, -20]], np.float32))
    assert small.mask((0, 0, 310, 230))[105, 160] == pytest.approx(head.mask((0, 0, 600, 500))[250, 300], abs=0.01)
    assert small.across == pytest.approx(head.across / 2)


def test_size_and_turn_are_calm_and_the_place_follows() -> None:
    rng = np.random.default_rng(1)
    heads = [Head(300 + 4 * n, 200, float(rng.normal(0, 0.05)), *(100 + rng.normal(0, 4, 3))) for n in range(60)]
    calm = calmed(heads, range(60))
    assert np.std(np.diff([h.across for h in calm])) < 0.15 * np.std(np.diff([h.across for h in heads]))
    assert max(abs(a.x - b.x) for a, b in zip(heads[5:-5], calm[5:-5], strict=True)) < 0.5


def test_nothing_is_smoothed_over_a_gap() -> None:
    heads = [Head(100, 100, 0, 50, 60, 40)] * 5 + [Head(500, 300, 0, 90, 99, 80)] * 5
    calm = calmed(heads, [0, 1, 2, 3, 4, 40, 41, 42, 43, 44])
    assert np.array([astuple(h) for h in calm]) == pytest.approx(np.array([astuple(h) for h in heads]))


def test_a_real_heads_hair_is_inside(talker: Actor) -> None:
    """The woman of the sample clip: everything that is coloured like her hair near her face."""
    points = talker.points
    width = float(np.ptp(points[topology.OVAL, 0]))
    head = of_face(points)
    crown = points[10, :2] - np.array([0, 0.3 * width])
    assert head.mask((0, 0, 2000, 2000))[int(crown[1]), int(crown[0])] > 0.9
