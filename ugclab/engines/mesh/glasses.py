"""Does somebody wear glasses? Their bridge is a thin line across the nose, their rims go round the eyes.

Glasses are before the face, so a swap covers the part of them inside it. The measures need no weights. The bridge: the
light along the nose, from between the eyes down to where its tip begins, averaged over its width, in logarithms; the
sharpest thin line in it (second difference after a blur of 1.2 px at 80 px between the outer eye corners), in percent.
The rims: how clear their lower halves are in the most frontal views (eyewear.clearness).

A clip is judged by both, a photograph by its bridge alone. Measured over up to eight seconds, a look at every fifteenth
frame; the bridge's 70th percentile, the rims' median, and both together as `evidence` has them:

| glasses | bridge | rims | together | | bare, the highest of 15 | bridge | rims | together |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
| clear acetate, turning | 3.9 | 0.05 | 0.83 | | eyes screwed up | 1.7 | 0.00 | 0.34 |
| thin rims, a pale bridge | 1.5 | 0.49 | 0.80 | | lit from above | 1.4 | 0.01 | 0.29 |
| wire frames | 4.1 | 0.64 | 1.45 | | eyeliner | 1.3 | 0.00 | 0.26 |
| dark frames, the least of three | 13.0 | 0.66 | 3.26 | | a still's wrinkles | 0.6 | 0.12 | 0.24 |

Over the first three seconds alone the least with glasses has 0.81, the most without 0.31. Shrunk to faces of 120 to
180 px the first two have 0.59 and 0.50 (missed by a hair), five bare ones 0.35 at most. Single pictures of 24 bare
faces and figures, grain, paint and all: bridges from 0.3 to 3.7 and a painted witch with 4.9, rims up to 0.33; two with
glasses: bridges 13.3 and 17.9, rims 0.70 and 0.81. So few with glasses set the limits that more footage may move them.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from ugclab.engines.mesh.landmarks import LEFT_EYE, RIGHT_EYE
from ugclab.engines.mesh.sampling import Picture, luma_window
from ugclab.engines.mesh.topology import Floats

EYES_PX = 80.0
"""Between the outer eye corners in the view."""
TOP, MIDDLE, LOWER, BOTTOM = 168, 6, 197, 195
"""Landmarks down the nose."""
HALF_WIDTH, MARGIN, BLUR = 4, 3, 1.2
SHARE = 70
"""The percentile of a clip's views that speaks for it: blinks and nods hide a bridge, little else makes one."""
LINES = 5.0
"""Percent of a bridge's line that tell as much as perfectly clear rims."""
ENOUGH = 0.5
"""Line and rims together from which on a clip's glasses are told."""
MIN_VIEWS = 3
ENOUGH_FEW = 0.7
"""The same for fewer than MIN_VIEWS, a preview or a moment: of 197 single views of the bare ones one reached 0.68, the
next 0.51; clear frames are missed in every third."""
MIN_LINE_STILL = 5.0
"""A line from which on an avatar's are told, whose light and grain nothing averages: between 4.9 and 13.3."""
MAX_YAW = 25.0
"""Degrees beyond which the nose's edge is what is seen."""


def bridge(picture: Picture, points: Floats) -> float:
    """Strength of the sharpest thin line across the nose of a face with landmarks `points` (468, 3), in percent."""
    eyes = points[LEFT_EYE, :2] - points[RIGHT_EYE, :2]
    length = max(float(np.hypot(*eyes)), 1.0)
    c, s = (eyes * EYES_PX / length**2).tolist()
    turn = np.array([[c, s], [-s, c]], np.float32)
    nose = points[[TOP, MIDDLE, LOWER, BOTTOM], :2] @ turn.T
    corner = np.array([(nose[1, 0] + nose[2, 0]) / 2 - HALF_WIDTH, nose[0, 1] - MARGIN], np.float32)
    rows = max(round(float(nose[3, 1] - nose[0, 1])), 1) + 2 * MARGIN + 1
    to_strip = np.column_stack([turn, -corner]).astype(np.float32)
    strip = luma_window(picture, to_strip, (2 * HALF_WIDTH + 1, rows))
    light = np.log(np.maximum(strip - 12, 8.0)).mean(axis=1, keepdims=True)
    smooth = cv2.GaussianBlur(light, (0, 0), BLUR).ravel()
    line = np.abs(np.diff(smooth, 2))[1:-1] * BLUR**2  # the outermost rows are the blur's own edge
    return float(line.max()) * 100


def worn(lines: NDArray[np.float32], rims: float) -> bool:
    """Whether a clip's person wears glasses, from the lines in views of all of it (NaN where nobody looked) and the
    clearness of his rims, 0-1 (eyewear.clearness)."""
    seen = lines[~np.isnan(lines)]
    enough = ENOUGH if len(seen) >= MIN_VIEWS else ENOUGH_FEW
    return bool(len(seen)) and evidence(seen, rims) > enough


def evidence(lines: NDArray[np.float32], rims: float) -> float:
    """What `worn` goes by: clear frames have weak rims and a bridge that gleams, wire rims may have a pale bridge."""
    return float(np.percentile(lines, SHARE, method="lower")) / LINES + rims
