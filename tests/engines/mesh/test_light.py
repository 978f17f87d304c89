"""What hangs over a face, and what is its own: brows are no hair, unless a fringe covers them."""

import numpy as np
from numpy.typing import NDArray

from ugclab.engines.mesh import light

WIDTH, HEIGHT = light.LIGHT_GRID
BROW = np.array([[8, 16], [16, 15], [16, 18], [8, 19]], np.float32)


def face(dark: tuple[slice, slice]) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Likelihood of hair, and the brow's mask, for a forehead with something dark on it."""
    here = np.dstack([np.full((HEIGHT, WIDTH), value, np.float32) for value in (120, -8, 14)])
    here[dark] = (25, 0, 1)
    forehead = np.zeros((HEIGHT, WIDTH), np.float32)
    forehead[:26] = 1
    browed = light._browed([BROW])
    skin = np.ones_like(forehead) * (1 - browed)
    hair = light._hair_over(here, skin, forehead)
    return hair, hair * (1 - browed * light._bare_above(hair, browed)), browed


def test_the_wearer_s_own_brow_is_no_fringe() -> None:
    hair, left, browed = face(np.s_[15:19, 8:17])
    core = browed > 0.9
    assert core.sum() > 10
    assert hair[core].mean() > 0.6, "its darkness alone looks like hair"
    assert left[core].mean() < 0.1


def test_a_fringe_over_the_brow_stays() -> None:
    hair, left, browed = face(np.s_[:19, :])
    core = browed > 0.9
    assert left[core].mean() > 0.9 * hair[core].mean() > 0.5


def test_hair_beside_the_brow_is_left_alone() -> None:
    hair, left, _ = face(np.s_[:12, 30:])
    assert np.array_equal(hair[:12, 32:], left[:12, 32:])
    assert hair[:10, 32:].mean() > 0.6
