"""A face that was turned away: what of it was not seen is made of what was."""

import numpy as np

from ugclab.engines.mesh.texture import HEIGHT, LUMA, WIDTH, blur
from ugclab.engines.mesh.topology import Floats
from ugclab.engines.mesh.unrolling import _mirror_hidden

COLUMNS = np.linspace(-1, 1, WIDTH, dtype=np.float32)
SEEN = np.tile(np.clip(1 + 1.6 * np.minimum(COLUMNS, 0), 0, 1), (HEIGHT, 1))
"""The left was turned away."""


def lit(step: float) -> Floats:
    """Skin with pores, half a `step` (log) brighter on the left of the nose, and darker on its right."""
    pores = np.random.default_rng(1).normal(0, 0.05, (HEIGHT, WIDTH, 1)).astype(np.float32)
    return np.float32([0.5, 0.4, 0.35]) * np.exp(-step / 2 * np.tanh(COLUMNS / 0.1)[:, None] + pores)


def test_a_side_that_is_made_keeps_the_light_of_its_seam() -> None:
    """Of a shadow that begins at the nose's ridge, its mirror image would begin there, too: a bright line between."""
    for step in (0.5, -0.5):
        light = np.log(blur(_mirror_hidden(lit(step), SEEN) @ LUMA, 8)).mean(0)
        made, seen = light[WIDTH // 6 : WIDTH // 3].mean(), light[2 * WIDTH // 3 : -WIDTH // 6].mean()
        assert (made - seen) / step > 0.6, step


def test_what_was_not_seen_is_the_other_side_s() -> None:
    texture = lit(0.0)
    whole = _mirror_hidden(texture, SEEN)
    hidden, shown = np.s_[:, : WIDTH // 8], np.s_[:, WIDTH // 2 + 20 :]
    assert np.corrcoef(whole[hidden].ravel(), texture[:, ::-1][hidden].ravel())[0, 1] > 0.95
    assert np.array_equal(whole[shown], texture[shown])


def test_a_face_seen_from_the_front_stays_as_it_is() -> None:
    """Dark on one side, but seen as well there as on the other."""
    texture = lit(0.6)
    assert np.array_equal(_mirror_hidden(texture, np.full((HEIGHT, WIDTH), 0.8, np.float32)), texture)
