"""Where glasses lie on a face seen from the front: their rims round each eye, the bridge, the arms.

No weights: glasses are lines that are darker or lighter than the skin on both of their sides. A rim is the closed line
round an eye, bridge and arm are the lines from rim to rim and from rim to temple, along which most of that difference
lies (dynamic programming). It finds a line wherever it is asked to: ask only where glasses are known to be worn.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from ugclab.engines.mesh import topology
from ugclab.engines.mesh.topology import Floats, Ints

HALF_AXES = (54.0, 44.0)
"""Of a middling rim, in texture px; an eye is 55 px wide there, a face 310."""
OUTSIDE_EYE, BELOW_EYE = 3.0, 11.0
"""How far the middle of a rim lies from that of the eye."""
PAIR = 0.6
"""How much the other eye's rim, mirrored, tells of this one's."""
BROW = 0.75
"""Share of a line's clearness that is not believed on a brow."""
RADII = np.linspace(0.58, 1.46, 89, dtype=np.float32)
"""Rims looked for, in shares of the middling one: within are lids and lashes, beyond brows, nose and cheeks."""
ANGLES = 120
REACHES = (2, 3, 4, 6, 8, 11)
"""How far to both sides (texture px) skin is looked for: from wire frames to acetate."""
THIN = REACHES[:3]
"""Those that tell a rim from the bags and folds under an eye."""
MOST = 0.6
"""Share of the lower rims that has to be clear for them to count as clear: gleams and noses break them."""
WIDE = 6.0
"""A line this wide must be twice as clear as a thin one: shadows and folds are broad."""
ENOUGH = 0.75
"""Skin begins at the least of them where the contrast is this share of its most."""
EDGE = np.float32(0.8)
"""Share of that distance which is the line's own half."""
FAINT = 0.03
"""A contrast (in log-luma) that counts half; twice it counts two thirds: the faint parts of a rim are parts of it."""
STRAY = 0.2
"""What it costs to be as far from the middling rim as it goes."""
STEEP, BEND = 3, 0.04
"""Steps a line may take between neighbours, and the price of each."""
RIM = 3
"""Px round unclear lenses that are their rim's, and how softly that ends: a rim may lie so far from where it is
found."""
ARM = (-26.0, 14.0)
"""Rows from the eye's corner in which an arm is looked for."""


def find(light: Floats, points: Floats) -> Floats:
    """(height, width) half the thickness in px of what glasses cover at each px of their lines, 0 elsewhere.

    `light` (height, width) is the luma in [0, 1] of an upright face with glasses, about 310 px wide, seen from the
    front, `points` (468, 2) its landmarks.
    """
    light = _logarithm(light)
    lines = np.zeros(light.shape, np.float32)
    rims = []
    for rim, reach, _ in _rims(light, points):
        _draw(lines, rim, reach, closed=True)
        rims.append(rim)
    inner = rims[0][:, 0].max(), rims[1][:, 0].min()
    bridge, thick = _across(light, inner[0] - 3, inner[1] + 3, (points[168, 1] - 6, points[197, 1]))
    _draw(lines, bridge, thick + 3)
    for rim, ring, side in ((rims[0], topology.RIGHT_EYE, 127), (rims[1], topology.LEFT_EYE, 356)):
        corner = points[ring[0]]
        outer = rim[np.argmin(np.abs(rim[:, 0] - points[side, 0])), 0]
        low, high = sorted((float(outer), float(points[side, 0])))
        _draw(lines, *_across(light, low - 3, high + 3, (corner[1] + ARM[0], corner[1] + ARM[1])))
    return lines


def clearness(light: Floats, points: Floats) -> float:
    """How clear the lower halves of the rims are that would be found, 0-1: what most of their length reaches.

    `light` and `points` are those of `find`, of anybody: above the eyes brows, lids and lashes are lines, too, below
    them a bare face has wrinkles here and there.
    """
    light = _logarithm(light)
    seen = [
        _contrast(light, rim[ANGLES // 2 :, None], across[ANGLES // 2 :], THIN)[0]
        for rim, _, across in _rims(light, points)
    ]
    return float(np.percentile(np.concatenate(seen), 100 * (1 - MOST)))


def lenses(light: Floats, points: Floats) -> Floats:
    """(height, width) 1 where the lenses and rims are that `find` found, softly 0 around them.

    For rims that are not clear: their tops are taken to be as far up as their bottoms are down, unless they are found
    further up. Lids and brows hide them there.
    """
    mask = np.zeros(light.shape, np.uint8)
    for (rim, _, _), ring in zip(
        _rims(_logarithm(light), points), (topology.RIGHT_EYE, topology.LEFT_EYE), strict=True
    ):
        lower = rim[ANGLES // 2 :]
        upper = lower[::-1].copy()
        upper[:, 1] = 2 * (points[ring, 1].mean() + BELOW_EYE) - upper[:, 1]
        for outline in (rim, np.concatenate([lower, upper])):
            cv2.fillPoly(mask, [np.rint(outline).astype(np.int32)], 1)
    return _soften(cv2.dilate(mask, np.ones((2 * RIM + 1, 2 * RIM + 1))), RIM)


def _logarithm(light: Floats) -> Floats:
    smooth: Floats = cv2.GaussianBlur(np.log(np.maximum(light, 0.03)), (0, 0), 1.0)
    return smooth


def _rims(light: Floats, points: Floats) -> list[tuple[Floats, Floats, Floats]]:
    """Of the right eye and the left: the rim (ANGLES, 2), half its thickness (ANGLES,), unit vectors across it
    (ANGLES, 1, 2)."""
    plain = _beside_brows(light.shape, points)
    looks = []
    for ring, outwards in ((topology.RIGHT_EYE, -1), (topology.LEFT_EYE, 1)):
        places, across = _spokes(points[ring].mean(0), outwards)
        strength, reach = _contrast(light, places, across)
        looks.append((places, across, strength * cv2.remap(plain, places, None, cv2.INTER_LINEAR), reach))
    prior = STRAY * ((RADII - 1) / (RADII[-1] - 1)) ** 2
    rims = []
    at = np.arange(ANGLES)
    for (places, across, strength, reach), (_, _, other, _) in zip(looks, looks[::-1], strict=True):
        gain = strength + PAIR * cv2.blur(other, (5, 1)) - prior
        best = _best_path(np.concatenate([gain] * 3))[ANGLES : 2 * ANGLES]
        rims.append((places[at, best], reach[at, best], across))
    return rims


def _beside_brows(shape: tuple[int, ...], points: Floats) -> Floats:
    """(height, width) 1, and less on brows: they are lines too, and their own."""
    mask = np.zeros(shape, np.float32)
    for ring in (topology.RIGHT_BROW, topology.LEFT_BROW):
        cv2.fillPoly(mask, [np.rint(points[ring]).astype(np.int32)], BROW)
    plain: Floats = 1 - cv2.GaussianBlur(cv2.dilate(mask, np.ones((5, 5))), (0, 0), 2)
    return plain


def cover(lines: Floats, margin: float) -> Floats:
    """(height, width) 1 on the glasses `find` found and `margin` px around them, softly 0 elsewhere."""
    mask = np.zeros(lines.shape, np.uint8)
    for half in np.unique(lines[lines > 0]):
        side = 2 * int(np.ceil(half + margin)) + 1
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
        np.maximum(mask, cv2.dilate((lines == half).astype(np.uint8), kernel), out=mask)
    return _soften(mask, 1.5)


def _soften(mask: NDArray[np.uint8], sigma: float) -> Floats:
    soft: Floats = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), sigma)
    return soft


def _spokes(eye: Floats, outwards: int) -> tuple[Floats, Floats]:
    """Places (ANGLES, radii, 2) round an eye, from its outer side over its top, and (ANGLES, 1, 2) unit vectors."""
    turn = np.linspace(0, 2 * np.pi, ANGLES, endpoint=False, dtype=np.float32)
    spokes = np.stack([np.cos(turn) * HALF_AXES[0] * outwards, -np.sin(turn) * HALF_AXES[1]], axis=-1)
    middle = eye + np.array([outwards * OUTSIDE_EYE, BELOW_EYE], np.float32)
    places = (middle + RADII[None, :, None] * spokes[:, None]).astype(np.float32)
    return places, (spokes / np.linalg.norm(spokes, axis=1, keepdims=True))[:, None]


def _across(light: Floats, left: float, right: float, rows: tuple[float, float]) -> tuple[Floats, Floats]:
    """The line from column to column within some rows: (n, 2) px, and half its thickness."""
    columns = np.arange(np.floor(left), np.ceil(right) + 1, dtype=np.float32)
    lines = np.arange(np.floor(rows[0]), np.ceil(rows[1]) + 1, dtype=np.float32)
    places = np.stack(np.broadcast_arrays(columns[:, None], lines[None]), axis=-1)
    strength, reach = _contrast(light, places, np.array([0, 1], np.float32))
    best = _best_path(strength)
    at = np.arange(len(columns))
    return places[at, best], reach[at, best]


def _contrast(
    light: Floats, places: Floats, across: Floats, reaches: tuple[int, ...] = REACHES
) -> tuple[Floats, Floats]:
    """How much places (n, m, 2) differ from both sides `across` them, 0-1, and how far away those begin."""

    def look(at: Floats) -> Floats:
        seen: Floats = cv2.remap(light, at.astype(np.float32), None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return seen

    here = look(places)
    found = []
    for distance in reaches:
        one, other = (look(places + sign * distance * across) - here for sign in (-1, 1))
        line = np.maximum(np.minimum(one, other), np.minimum(-one, -other))
        found.append(np.maximum(line / (1 + (distance / WIDE) ** 2), 0))
    at_each = np.stack(found)
    best = at_each.max(0)
    reach = EDGE * np.array(reaches, np.float32)[(at_each >= ENOUGH * best).argmax(0)]
    return best / (best + FAINT), reach


def _best_path(gain: Floats) -> Ints:
    """For each row of (n, m) a column, neighbours at most STEEP apart, with the largest sum."""
    padded = np.pad(gain, ((0, 0), (STEEP, STEEP)), constant_values=-np.inf)
    total = padded[:, STEEP:-STEEP]
    reached = np.lib.stride_tricks.sliding_window_view(padded, 2 * STEEP + 1, axis=1)
    came = np.zeros(gain.shape, np.intp)
    columns = np.arange(gain.shape[1])
    price = BEND * np.abs(np.arange(-STEEP, STEEP + 1, dtype=np.float32))
    for row in range(1, len(gain)):
        choices = reached[row - 1] - price
        step = choices.argmax(1)
        total[row] += choices[columns, step]
        came[row] = step - STEEP
    path = np.empty(len(gain), np.intp)
    path[-1] = int(total[-1].argmax())
    for row in range(len(gain) - 1, 0, -1):
        path[row - 1] = path[row] + came[row, path[row]]
    return path


def _draw(lines: Floats, path: Floats, thick: Floats, *, closed: bool = False) -> None:
    """Note half the thickness along a path; of neighbours the median, so that one wrinkle makes no blob."""
    count, near = len(path), 4
    padded = np.pad(thick, near, mode="wrap") if closed else np.pad(thick, near, mode="edge")
    calm = np.median(np.lib.stride_tricks.sliding_window_view(padded, 2 * near + 1), axis=1)
    ends = np.rint(path * 16).astype(np.int32)
    for i in range(count if closed else count - 1):
        cv2.line(lines, ends[i].tolist(), ends[(i + 1) % count].tolist(), float(calm[i]), 1, cv2.LINE_8, 4)
