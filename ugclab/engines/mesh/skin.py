"""Which pixels of an avatar's texture are its face: hair, hats, hands and what is behind it lie over the edge of it.

No weights: skin has one tint, and its light changes slowly over a face. Both are fitted to what is surely skin, by a
plane and a curved surface, and to what turns out to be; what differs and hangs together with the outside of the face is
not face. A brow that something covers from above is not one either.
"""

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from ugclab.engines.mesh import topology
from ugclab.engines.mesh.texture import (
    HEIGHT,
    LOWER_BROWS,
    UPPER_BROWS,
    WIDTH,
    above,
    blur,
    features_mask,
    oval_mask,
    ring_mask,
    texture_points,
)
from ugclab.engines.mesh.topology import Floats

FAR = 4.0
"""Standard deviations from which on a pixel is not skin."""
NEAR = 3.0
"""Standard deviations within which a pixel is skin for sure."""
SPREAD = ((0.10, 0.20), (0.04, 0.09), (0.05, 0.10))
"""Least and most a standard deviation is taken for: of log G, log R/G, log B/G."""
WORSE = (1.0, 2.5)
"""By how many standard deviations one half of a face may be further from skin than the other before it is replaced, in
part and wholly."""
LEAST = 100
"""Pixels of those that must be like skin for another round: fewer say nothing of its light."""
ROUNDS, STEP = 2, 4
"""How often, and on each how many-th pixel and row, skin is fitted anew."""
BROW_BAND = 16
"""Px above a brow in which is looked for what hangs over it; a brow is about 20 px high."""
HUNG = 0.25
"""Share of that band."""
WHOLE = 0.4
"""Share of a brow that is covered, from which on all of it counts as covered: half a brow is worse than none."""
MARGIN = 11
"""Px taken away around what is not face: strands end softly."""


@dataclass(frozen=True, slots=True)
class Skin:
    """The skin of a texture, fitted."""

    apart: Floats
    """(HEIGHT, WIDTH) how far each pixel is from it, in standard deviations."""
    lean: float
    """Mean difference in log-luma of the halves of its light: positive where the right of the picture is brighter."""


def fit(texture: Floats) -> Skin:
    """Fit the skin of a texture (HEIGHT, WIDTH, 3), RGB in [0, 1]."""
    logs = np.log(np.maximum(cv2.GaussianBlur(texture, (0, 0), 1.5), 0.02))
    green = logs[..., 1]
    looks = np.dstack([green, logs[..., 0] - green, logs[..., 2] - green])
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    x, y = (columns - WIDTH / 2) / (WIDTH / 2), (rows - HEIGHT / 2) / (WIDTH / 2)
    curved = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1)
    plain = 1 - features()
    inside = oval_mask(0.86, 0.88, 0.92, 0.0) * plain > 0.5
    # Cheeks, nose and chin first, by planes; then whatever is like them, whose light may be curved.
    sure = oval_mask(0.45, 0.72, 0.85, 0.0) * plain * (1 - above(LOWER_BROWS, 1)) > 0.5
    few = np.s_[::STEP, ::STEP]
    apart, light = _fitted(looks[few], curved[few], sure[few], looks, curved, degree=3)
    for _ in range(ROUNDS):
        sure = (sure | inside) & (apart < NEAR)
        if np.count_nonzero(sure[few]) < LEAST:
            break
        apart, light = _fitted(looks[few], curved[few], sure[few], looks, curved, degree=6)
    inner = oval_mask(0.8, 0.8, 0.85, 0.0)[:, WIDTH // 2 :]
    half = (light - light[:, ::-1])[:, WIDTH // 2 :]
    return Skin(apart, float((half * inner).sum() / inner.sum()))


def _fitted(
    few: Floats, basis: Floats, sure: NDArray[np.bool_], looks: Floats, curved: Floats, degree: int
) -> tuple[Floats, Floats]:
    """Skin.apart and the fitted log-luma, of `looks` (HEIGHT, WIDTH, 3), by its `few` that are `sure`; tints by a
    plane, light by as many terms as its `degree`."""
    square = np.zeros(looks.shape[:2], np.float32)
    fits = []
    for index, limits in enumerate(SPREAD):
        terms = 3 if index else degree
        weights, spread = _robust(basis[sure][:, :terms], few[..., index][sure])
        fits.append(curved[..., :terms] @ weights)
        square += ((looks[..., index] - fits[-1]) / np.float32(np.clip(spread, *limits))) ** 2
    return np.sqrt(square), fits[0]


def face(skin: Skin) -> Floats:
    """(HEIGHT, WIDTH) how surely a pixel is face, and nothing before it or beside it: 0-1."""
    odd = (skin.apart > FAR) & (features() < 0.5) & (_core() < 0.5)
    odd &= np.arange(HEIGHT)[:, None] < texture_points()[topology.OUTER_LIPS, 1].mean()
    outside = oval_mask(0.97, 0.97, 0.97, 0.0) < 0.5
    _, parts = cv2.connectedComponents((odd | outside).astype(np.uint8))
    over = ((parts == parts[0, 0]) & odd).astype(np.float32)
    over = np.maximum(over, _fringe(over))
    over = np.maximum(over, _hung_over(over))
    over = cv2.dilate(over, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (MARGIN, MARGIN)))
    free: Floats = 1 - cv2.GaussianBlur(over * (1 - _core()), (0, 0), MARGIN / 2)
    return free


def like_skin(skin: Skin) -> Floats:
    """(HEIGHT, WIDTH) 1, and less where the other half of a face is more like skin than this one: a hand at a cheek, a
    reflection, what `face` could not tell from it."""
    broad = blur(skin.apart, 6)
    worse = np.clip((broad - broad[:, ::-1] - WORSE[0]) / (WORSE[1] - WORSE[0]), 0, 1)
    like: Floats = 1 - cv2.GaussianBlur(worse * (1 - np.maximum(_core(), features())), (0, 0), 4)
    return like


def wearable(known: Floats) -> Floats:
    """(HEIGHT, WIDTH) 1, and 0 on brows of which too little is `known`: skin can be filled in, a brow cannot."""
    hidden = np.zeros((HEIGHT, WIDTH), np.float32)
    for ring, side in ((topology.RIGHT_BROW, np.s_[:, : WIDTH // 2]), (topology.LEFT_BROW, np.s_[:, WIDTH // 2 :])):
        brow = ring_mask(ring, (1.0, 1.0), 0.0)
        if float((known * brow).sum()) < (1 - WHOLE) * float(brow.sum()):
            hidden[side] = _brows()[side]
    worn: Floats = 1 - cv2.GaussianBlur(cv2.dilate(hidden, np.ones((MARGIN, MARGIN))), (0, 0), MARGIN / 2)
    return worn


def _brows() -> Floats:
    """(HEIGHT, WIDTH) 1 on the brows and between them."""
    brows: Floats = cv2.dilate(above(LOWER_BROWS, 1) - above(UPPER_BROWS, 1), np.ones((9, 1)))
    return brows


@cache
def _core() -> Floats:
    """(HEIGHT, WIDTH) 1 on the middle of a face below its brows, and on its eyes: a shadow may reach there, hair hardly
    does."""
    core = oval_mask(0.6, 0.5, 0.8, 0.0) * (1 - above(LOWER_BROWS, 1))
    for ring in (topology.RIGHT_EYE, topology.LEFT_EYE):
        core = np.maximum(core, ring_mask(ring, (1.3, 2.4), 0.0) * (1 - above(LOWER_BROWS, 1)))
    return core


def _fringe(over: Floats) -> Floats:
    """(HEIGHT, WIDTH) 1 above whatever hangs into the forehead: hair comes from above, skin between it is hair."""
    forehead = over * above(UPPER_BROWS, 1)
    hanging: Floats = np.maximum.accumulate(forehead[::-1])[::-1]
    return hanging


def _hung_over(over: Floats) -> Floats:
    """(HEIGHT, WIDTH) 1 on the parts of brows above which something hangs."""
    forehead = above(UPPER_BROWS, 1)
    band = forehead - np.roll(forehead, -BROW_BAND, axis=0)
    covered = cv2.blur(((over * band).sum(0) / BROW_BAND)[None].astype(np.float32), (15, 1))[0] > HUNG
    for ring in (topology.RIGHT_BROW, topology.LEFT_BROW):
        ends = texture_points()[ring, 0]
        brow = slice(int(ends.min()) - 6, int(ends.max()) + 7)
        if covered[brow].mean() > WHOLE:
            covered[brow] = True
    hung: Floats = _brows() * covered
    return hung


@cache
def features() -> Floats:
    """(HEIGHT, WIDTH) 1 on eyes, brows, nostrils and lips, which are face and no skin."""
    mask = features_mask((1.35, 2.4), (1.1, 1.5), (1.15, 1.5), 0.01)
    for nostril in (98, 327, 2):
        cv2.circle(mask, tuple(int(v) for v in texture_points()[nostril]), 16, 1.0, -1)
    return mask


def _robust(basis: Floats, values: Floats) -> tuple[Floats, float]:
    """Least squares that a few odd ones do not sway (Cauchy's weights): coefficients, and a standard deviation."""
    weight = np.ones_like(values)
    for _ in range(8):
        weighted = basis * weight[:, None]
        found = np.linalg.lstsq(basis.T @ weighted, weighted.T @ values, rcond=None)[0].astype(np.float32)
        off = values - basis @ found
        spread = max(1.48 * float(np.median(np.abs(off))), 0.03)
        weight = (1 / (1 + (off / (2 * spread)) ** 2)).astype(np.float32)
    return found, spread
