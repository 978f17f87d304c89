"""Does somebody wear glasses? Their bridge is a thin line across the nose, where skin has none.

Glasses are before the face, so a swap covers the part of them inside it. The measure needs no weights: the light along
the nose, from between the eyes down to where its tip begins, averaged over its width, in logarithms; the sharpest thin
line in it (second difference after a blur of 1.2 px at 80 px between the outer eye corners), in percent.

Measured, the 70th percentile over every tenth frame of six seconds (a swap looks at every fifteenth). Clips with
glasses: thin rimless 1.5 (missed: as low as skin), thin metal frames 2.9 and 4.0, dark frames more than 12 (two clips),
drawn on 67. Clips without: of 14 people and a drawn figure the highest were 1.9 (a frown), 1.4 and 1.3. Photographs and
paintings: with glasses one, 15.8; 15 without, from 0.4 to 2.9. So few with glasses set the limits that more footage may
move them.
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
MIN_LINE = 2.3
"""From here on a clip's glasses are told: between 1.9 and 2.9."""
MIN_LINE_STILL = 5.0
"""The same for one photograph, whose light and grain nothing averages: between 2.9 and 15.8."""
MIN_VIEWS = 3
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


def worn(lines: NDArray[np.float32]) -> bool:
    """Whether a clip's person wears glasses, from views of all of it (NaN where nobody looked)."""
    seen = lines[~np.isnan(lines)]
    return len(seen) >= MIN_VIEWS and float(np.percentile(seen, SHARE, method="lower")) > MIN_LINE
