"""Who an analysis saw, from left to right as `--face index:N` counts them, and a picture of each.

How an engine keeps what it saw is its own affair: here is who can read it. Of other engines' analyses nothing is said.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import cv2
import numpy as np
from numpy.typing import NDArray

from ugclab.engines.base import Analysis, Source
from ugclab.engines.mesh import choosing
from ugclab.engines.mesh.records import Records
from ugclab.media.images import frame_rgb
from ugclab.pipeline.moments import frame_at
from ugclab.schema.media import MediaInfo

PICTURE_PX = 112
MARGIN = 1.8
"""Side of a person's picture, in widths of the face: hair and chin are in it."""


@dataclass(frozen=True, slots=True)
class Sighted:
    """Somebody the analysis saw."""

    share: float
    """Of the frames that were looked at."""
    width_px: float
    """Of the face, median."""
    time: Fraction
    """Of a frame that shows it well: large, and turned to the camera."""
    box: tuple[float, float, float]
    """Middle and width of the face in that frame, px."""


def people_of(analysis: Analysis, info: MediaInfo) -> list[Sighted]:
    """Everybody worth counting; empty for an analysis nobody here can read."""
    if analysis.engine != "mesh":
        return []
    records = Records(analysis.folder)
    looked_at = sum(part.frames for part in analysis.ranges)
    found = []
    for person in choosing.people(records.index, {}):
        rows = records.index[records.index["track"] == person.track]
        straight = np.cos(np.radians(rows["yaw"])) * np.cos(np.radians(rows["pitch"]))
        best = rows[int(np.argmax(rows["size"] * straight**4 * np.where(rows["hand"], 0.5, 1.0)))]
        time = max(int(records.stamps[best["frame"]]) * info.time_base - info.start, Fraction(0))
        box = (float(best["x"]), float(best["y"]), float(best["size"]))
        found.append(Sighted(person.frames / max(looked_at, 1), person.size, time, box))
    return found


def portraits(source: Source, people: Sequence[Sighted]) -> list[NDArray[np.uint8]]:
    """Each person's face as uint8 RGB of shape (PICTURE_PX, PICTURE_PX, 3); HDR is tone-mapped."""
    info = source.info
    made = []
    for person in people:
        rgb = frame_rgb(frame_at(source.path, info, person.time, tone_map=info.colour.hdr))
        x, y, width = person.box
        zoom = PICTURE_PX / (MARGIN * width)
        window = np.array([[zoom, 0, PICTURE_PX / 2 - zoom * x], [0, zoom, PICTURE_PX / 2 - zoom * y]], np.float32)
        if zoom < 0.5:  # bilinear taps would alias
            shrink = 2 * zoom
            rgb = cv2.resize(rgb, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
            window[:, :2] /= shrink
        made.append(cv2.warpAffine(rgb, window, (PICTURE_PX, PICTURE_PX), borderMode=cv2.BORDER_REPLICATE))
    return made
