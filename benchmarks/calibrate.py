"""How much of a movement the landmark model reads on one face: its answer to a movement that is known.

The model reads less of some faces than of others. On the sample's wearer it reads a shut eye as two thirds open, on the
same eye among another skin as three fifths; of thin lips it reads half of what it reads of full ones, opened as wide.
The deviation of a result's readings over that of its source's is then the ratio of two scales, and no amplitude. So
eyes and mouths are closed by a known share in both pictures, by a warp; each scale is what the reading falls by.
"""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks import signals
from ugclab.engines.mesh.landmarks import Landmarker, Region
from ugclab.engines.mesh.sampling import Floats, Still

REMAINS = 0.6
"""Share of an opening that the warp leaves: with less the skin round it would fold."""
EYES = ((33, 133), (362, 263))
MOUTH = ((61, 291),)
EYE_REACH, MOUTH_REACH = (0.75, 0.34), (0.7, 0.4)
"""Half axes within which a feature is closed (then the skin stretches), in widths of it."""
WIDEST = 0.5
"""Share of the frames, those that are most open, that scales are taken from: a shut mouth cannot be closed."""
LEAST_ANSWER = 0.01
"""A mean answer below this is no scale: the feature never opens, or the model does not see it."""
LEAST_ASKED = 6
"""Fewer answers are no mean: single ones differ by a third."""

Answers = tuple[float, float]
"""Fall of the readings of eyes and mouth."""


def answers(landmarker: Landmarker, view: NDArray[np.uint8], mesh: Floats) -> Answers:
    """Fall of eye and mouth opening as both are closed in `view`, RGB with a face whose mesh is (468, 2) px of it."""
    fallen = []
    for pairs, middles, reach, opening in (
        (EYES, EYES, EYE_REACH, signals.eye_opening),
        (MOUTH, ((13, 14),), MOUTH_REACH, signals.mouth_opening),
    ):
        closed = view
        for (a, b), middle in zip(pairs, middles, strict=True):
            closed = close(closed, mesh[list(middle)].mean(0), mesh[b] - mesh[a], reach)
        fallen.append(_read(landmarker, view, mesh, opening) - _read(landmarker, closed, mesh, opening))
    return fallen[0], fallen[1]


def close(
    view: NDArray[np.uint8], middle: Floats, along: Floats, reach: tuple[float, float], remains: float = REMAINS
) -> NDArray[np.uint8]:
    """Leave `remains` of the height of what is open at `middle` (px), `along` being its width as a vector in px."""
    width = float(np.hypot(*along))
    c, s = (along / width).tolist()
    y, x = np.mgrid[: view.shape[0], : view.shape[1]].astype(np.float32)
    x, y = x - middle[0], y - middle[1]
    u, v = (c * x + s * y) / width, (c * y - s * x) / width
    further = (1 / remains - 1) * np.exp(-((u / reach[0]) ** 4) - (v / reach[1]) ** 4) * v * width
    looks = np.dstack([x + middle[0] - s * further, y + middle[1] + c * further]).astype(np.float32)
    return cv2.remap(view, looks, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


def _read(landmarker: Landmarker, view: NDArray[np.uint8], mesh: Floats, opening: Callable[[Floats], float]) -> float:
    region = Region.of_landmarks(np.column_stack([mesh, np.zeros(len(mesh), np.float32)]).astype(np.float32))
    return opening(landmarker.see(Still.from_rgb(view), region).points)


def amplitude(
    source: signals.Series, result: signals.Series, openings: signals.Series, fallen: NDArray[np.float64]
) -> float | None:
    """Deviation of the result over that of the source, each in units of its own scale.

    `fallen` (n, 2) are the answers on source and result of n frames, `openings` (n) the source's there. None where
    the source hardly moves, or where a scale cannot be had.
    """
    plain = signals.amplitude(source, result)
    wide = fallen[openings >= np.quantile(openings, 1 - WIDEST)] if len(openings) else fallen
    if plain is None or len(wide) < LEAST_ASKED:
        return None
    before, after = wide.mean(axis=0).tolist()
    if min(before, after) < LEAST_ANSWER:
        return None
    return float(plain * before / after)
