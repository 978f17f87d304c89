import numpy as np
import pytest

from benchmarks import signals

RNG = np.random.default_rng(3)


def face(gap: float = 0.0, lids: float = 2.0) -> np.ndarray:
    """A mesh whose outer eye corners are 10 apart and whose sides are 20 apart."""
    mesh = RNG.normal(size=(468, 3)) * 0.01
    mesh[33], mesh[133], mesh[362], mesh[263] = (-5, 0, 0), (-1, 0, 0), (1, 0, 0), (5, 0, 0)
    mesh[234], mesh[454] = (-6, 3, 8), (6, 3, -8)
    for upper, lower, x in ((13, 14, 0), (82, 87, -1), (312, 317, 1)):
        mesh[upper], mesh[lower] = (x, 8, 0), (x, 8 + gap, 0)
    for _, pairs in signals.EYES:
        for upper, lower in pairs:
            mesh[upper], mesh[lower] = (0, -lids / 2, 0), (0, lids / 2, 0)
    return mesh


def test_openings_are_ratios() -> None:
    assert signals.mouth_opening(face(gap=2)) == pytest.approx(0.2)
    assert signals.eye_opening(face(lids=2)) == pytest.approx(0.5)
    assert signals.face_width(face()) == pytest.approx(20), "a turned face keeps its width"


def test_openings_ignore_scale_and_place() -> None:
    mesh = face(gap=2)
    assert signals.mouth_opening(mesh * 7 + 100) == pytest.approx(signals.mouth_opening(mesh))
    assert signals.eye_opening(mesh * 7 + 100) == pytest.approx(signals.eye_opening(mesh))


def test_correlation_needs_something_to_correlate() -> None:
    moving = np.sin(np.arange(50))
    assert signals.correlation(moving, 3 * moving + 1) == pytest.approx(1)
    assert signals.amplitude(moving, 0.5 * moving) == pytest.approx(0.5)
    assert signals.correlation(np.full(50, 0.3), moving) is None
    assert signals.correlation(moving, np.full(50, 0.3)) is None, "a frozen face has no correlation"
    assert signals.amplitude(moving, np.full(50, 0.3)) == pytest.approx(0, abs=1e-12)
    assert signals.correlation(moving[:5], moving[:5]) is None


def test_second_differences_do_not_cross_gaps() -> None:
    values = np.array([0.0, 1, 2, 3, 100, 101, 102])
    frames = np.array([0, 1, 2, 3, 50, 51, 52])
    assert signals.second_differences(values, frames).tolist() == [0, 0, 0]
    assert signals.second_differences(values[:2], frames[:2]).size == 0


def test_jitter_sees_shaking_and_not_smooth_motion() -> None:
    mesh = face()
    frames = np.arange(20)
    smooth = np.stack([mesh + np.array([0.3 * i, 0, 0]) for i in frames])
    assert signals.jitter(smooth, frames) == pytest.approx(0, abs=1e-12)
    shaking = np.stack([mesh + np.array([0.1 * (-1) ** i, 0, 0]) for i in frames])
    assert signals.jitter(shaking, frames) == pytest.approx(0.4 / 20), "x jumps by 0.2 and back: 0.4 over the width"


def test_jitter_leaves_lips_and_lids_out() -> None:
    mesh = face()
    meshes = np.stack([mesh] * 9)
    meshes[::2, [*signals.LIPS, *signals.LIDS]] += 5
    assert signals.jitter(meshes, np.arange(9)) == pytest.approx(0, abs=1e-12)


def test_flicker() -> None:
    assert signals.flicker(np.array([100.0, 101, 102, 103]), np.arange(4)) == 0
    assert signals.flicker(np.array([100.0, 102, 100, 102]), np.arange(4)) == pytest.approx(4)


def test_displacement() -> None:
    assert signals.displacement(face(), face() + np.array([2, 0, 0])) == pytest.approx(0.1, abs=0.005)
