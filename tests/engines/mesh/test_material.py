"""The texture in the footage's codes: as crisp as the footage, and no single line far crisper than the rest."""

import cv2
import numpy as np

from tests.engines.mesh.test_composite import scene
from ugclab.engines.mesh.light import GRID
from ugclab.engines.mesh.masks import EYES, masks
from ugclab.engines.mesh.material import Material
from ugclab.engines.mesh.texture import HEIGHT, WIDTH, texture_points
from ugclab.engines.mesh.topology import Floats

CHEEK = 205


def creased() -> Floats:
    """Even skin with fine pores, and one deep line of 2 px down a cheek."""
    skin = np.full((HEIGHT, WIDTH, 3), (0.75, 0.55, 0.45), np.float32)
    skin *= 1 + np.random.default_rng(4).normal(0, 0.02, (HEIGHT, WIDTH, 1)).astype(np.float32)
    x, y = texture_points()[CHEEK].astype(int).tolist()
    cv2.line(skin, (x, y - 20), (x, y + 20), (0.25, 0.18, 0.15), 2)
    return skin


def depth(luma: Floats) -> float:
    """How much darker the line is than the cheek beside it, in codes."""
    x, y = texture_points()[CHEEK].astype(int).tolist()
    return float(luma[y - 10 : y + 10, x - 9 : x - 5].mean() - luma[y - 10 : y + 10, x].mean())


def worn(skin: Floats) -> Floats:
    """The luma that is worn on soft footage."""
    material, frame = Material(creased(), skin), scene()
    for plane in (frame.y, frame.u, frame.v):
        plane[...] = cv2.GaussianBlur(plane, (0, 0), 4)
    material.suit(frame)
    columns, rows = np.meshgrid(np.linspace(20, WIDTH - 20, GRID[0]), np.linspace(20, HEIGHT - 20, GRID[1]))
    looks = np.dstack([columns, rows]).astype(np.float32)
    to_grid = np.array([[0.5, 0, -40], [0, 0.5, -15]], np.float32)
    material.match(frame, to_grid, looks, np.ones(GRID[::-1], np.float32), np.ones(GRID[::-1], np.float32))
    return material.luma


def test_soft_footage_softens_a_deep_line_more_than_pores() -> None:
    skin = masks(EYES).light
    bounded, free = worn(skin), worn(np.zeros_like(skin))
    assert depth(bounded) < 0.6 * depth(free)
    elsewhere = np.s_[int(0.55 * HEIGHT) : int(0.6 * HEIGHT), int(0.4 * WIDTH) : int(0.45 * WIDTH)]
    assert bounded[elsewhere].std() > 0.7 * free[elsewhere].std()
