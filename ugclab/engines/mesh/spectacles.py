"""The glasses somebody wears through a clip: found once in what many of its frames show, then kept in each.

Glasses lie in a plane before the face, so they are looked at in that plane: seen from the front they hold still while
the head turns, and the median of some views shows them and nothing that moves.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ugclab.engines.mesh import eyewear, glasses, topology
from ugclab.engines.mesh.landmarks import Region
from ugclab.engines.mesh.pose import Pose, fit
from ugclab.engines.mesh.sampling import Picture, luma_window
from ugclab.engines.mesh.topology import Floats

SIZE = (352, 240)
"""Px (width, height) of the plane's picture; the face is FACE_PX wide in it."""
FACE_PX = 310.0
ROOT = 168
"""Landmark at the nose's root, in the picture's middle."""
BEHIND = 0.15
"""How far the plane lies behind the nose's root, in canonical units: where the rims of four clips are sharpest (the
landmark model's depth is flat)."""
VIEWS = 24
VIEW_PX = 448
BAND = slice(90, 290)
"""Rows of a view that hold the eyes; a face is 300 px high in it."""
ENOUGH_VIEWS = 3
"""So many are taken however far they are turned."""
JUDGED = 3
"""Views whose rims are looked for; 8 ms each."""
CLEAR = 0.58
"""Rims below this (eyewear.clearness) cannot be cut out: whatever is drawn behind them shows where they are not, as
rings and ghosts. So what is inside them stays, too. Clear acetate has 0.05, thin metal 0.49, wire 0.64,
dark frames 0.66 and more."""
MARGIN = 0.5
"""Px kept round the glasses."""


@dataclass(frozen=True, slots=True)
class Spectacles:
    """What of a picture is the wearer's glasses."""

    cover: NDArray[np.uint8]
    """(height, width) of the plane's picture, 255 where they are."""
    rest: Floats
    """(468, 3) the wearer's face at rest."""

    def spare(self, alpha: Floats, pose: Pose, corner: tuple[int, int]) -> None:
        """Take the glasses of a face at `pose` out of `alpha` (height, width), whose first px is the picture's
        `corner` (left, top)."""
        rows = np.flatnonzero(self.cover.any(axis=1))
        if not len(rows):
            return
        first, last = int(rows[0]) - 1, int(rows[-1]) + 2
        affine = to_picture(pose, self.rest)
        ends = np.array([[x, y, 1] for x in (-1, SIZE[0]) for y in (first, last)], np.float32) @ affine.T - corner
        x0, y0 = np.maximum(np.floor(ends.min(0)), 0).astype(int).tolist()
        x1, y1 = np.minimum(np.ceil(ends.max(0)) + 1, alpha.shape[::-1]).astype(int).tolist()
        if x1 <= x0 or y1 <= y0:
            return
        affine[:, 2] -= (corner[0] + x0, corner[1] + y0)
        kept = cv2.warpAffine(self.cover, affine, (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR)
        part = alpha[y0:y1, x0:x1]
        part[...] = cv2.multiply(part, cv2.bitwise_not(kept), scale=1 / 255, dtype=cv2.CV_32F)


@dataclass(frozen=True, slots=True)
class Look:
    """A person's face in the plane of the glasses he may wear, as many frames show it."""

    light: Floats
    """(height, width) of the plane's picture: luma, 0-1."""
    points: Floats
    """(468, 2) its landmarks."""

    rims: float
    """How clear rims are in the views, 0-1: the median of eyewear.clearness."""

    @property
    def clear(self) -> bool:
        """Whether they can be cut out."""
        return self.rims >= CLEAR

    def cover(self) -> NDArray[np.uint8]:
        """Spectacles.cover of somebody who wears some: their lines, and what is inside them if they are not clear."""
        cover = eyewear.cover(eyewear.find(self.light, self.points), MARGIN)
        if not self.clear:
            cover = np.maximum(cover, eyewear.lenses(self.light, self.points))
        return np.rint(cover * 255).astype(np.uint8)


@dataclass(frozen=True, slots=True)
class _View:
    turned: float
    """Degrees sideways."""
    luma: NDArray[np.uint8]
    affine: Floats
    """(2, 3) from the picture to `luma`."""
    points: Floats


class Views:
    """Some views of each person, as frontal as there were."""

    def __init__(self) -> None:
        self._views: dict[int, list[_View]] = {}

    def add(self, track: int, picture: Picture, points: Floats) -> None:
        """Note how a face with landmarks `points` (468, 3) looks, unless VIEWS were more frontal."""
        views = self._views.setdefault(track, [])
        turned = abs(fit(points, topology.canonical()).yaw)
        if turned >= glasses.MAX_YAW or (len(views) == VIEWS and turned >= views[-1].turned):
            return
        affine = Region.of_landmarks(points).to_window(VIEW_PX)
        affine[:, 2] -= (0, BAND.start)
        luma = luma_window(picture, affine, (VIEW_PX, BAND.stop - BAND.start))
        views.append(_View(turned, np.clip(luma, 0, 255).astype(np.uint8), affine, points.copy()))
        views.sort(key=lambda view: view.turned)
        del views[VIEWS:]

    def look(self, tracks: list[int], rest: Floats) -> Look | None:
        """See a person with a face `rest` (468, 3) at rest; None where nobody looked from the front.

        The more frontal half of the views: a plane is no pair of glasses, the further turned the less.
        """
        views = sorted((view for track in tracks for view in self._views.get(track, [])), key=lambda view: view.turned)
        if not views:
            return None
        seen = []
        for view in views[: max(len(views) // 2, ENOUGH_VIEWS)]:
            linear = view.affine[:, :2] @ to_picture(fit(view.points, rest), rest)
            linear[:, 2] += view.affine[:, 2]
            flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
            seen.append(cv2.warpAffine(view.luma, linear, SIZE, flags=flags, borderMode=cv2.BORDER_REPLICATE))
        front = _from_front(rest)
        # Each in its own place: in the middle one of small faces thin rims are washed out (0.12 instead of 0.29).
        rims = [eyewear.clearness(light.astype(np.float32) / 255, front) for light in seen[:JUDGED]]
        still = np.median(np.stack(seen), axis=0).astype(np.float32) / 255
        return Look(still, front, float(np.median(rims)))


def to_picture(pose: Pose, rest: Floats) -> Floats:
    """(2, 3) from the plane's picture to the picture with the face at `pose`."""
    scale, origin = _layout(rest)
    axes = pose.turn(np.eye(3, dtype=np.float32))[:, :2]
    linear = axes[:2].T / np.float32(scale)
    offset = pose.centre[:2] + (rest[ROOT, 2] + BEHIND) * axes[2] - linear @ origin
    return np.column_stack([linear, offset]).astype(np.float32)


def _layout(rest: Floats) -> tuple[float, Floats]:
    scale = FACE_PX / float(np.ptp(rest[:, 0]))
    middle = np.array([SIZE[0] / 2, SIZE[1] / 3], np.float32)
    return scale, middle - np.float32(scale) * rest[ROOT, :2]


def _from_front(rest: Floats) -> Floats:
    scale, origin = _layout(rest)
    return (rest[:, :2] * np.float32(scale) + origin).astype(np.float32)
