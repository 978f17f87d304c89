"""What a still face's mouth, eyelids, brows and eyes can do.

Eyes and mouth are slits in the picture: around each of them the skin above and the skin below the slit are two layers,
each displaced by its own smooth field, and what shows between them (eyeball, teeth, the dark of the mouth) is a third.
All displacements are linear in a few parameters.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import RBFInterpolator

from sample_media.warp import Field, invert, sample

Points = NDArray[np.float32]
Controls = dict[tuple[float, float], tuple[float, float]]
"""Displacements, texture px, by the place they are known at."""

# Contours of the 468-point face mesh, from the picture's left to its right.
MOUTH_UPPER = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
MOUTH_LOWER = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)
LIP_ABOVE = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291)
LIP_BELOW = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291)
EYES_UPPER = ((33, 246, 161, 160, 159, 158, 157, 173, 133), (362, 398, 384, 385, 386, 387, 388, 466, 263))
EYES_LOWER = ((33, 7, 163, 144, 145, 153, 154, 155, 133), (362, 382, 381, 380, 374, 373, 390, 249, 263))
BROWS = ((70, 63, 105, 66, 107), (336, 296, 334, 293, 300))
JAW = {152: 0.92, 148: 0.9, 377: 0.9, 176: 0.82, 400: 0.82, 149: 0.7, 378: 0.7, 150: 0.55, 379: 0.55}
"""Share of the jaw's drop along its contour, chin to ear; the rest follows by symmetry of the mesh's numbering."""
JAW |= {136: 0.38, 365: 0.38, 172: 0.22, 397: 0.22, 58: 0.1, 288: 0.1, 132: 0.0, 361: 0.0}
CHIN = {18: 0.97, 200: 0.95, 199: 0.94, 175: 0.93}
CHEEKS = {205: 0.06, 425: 0.06, 50: 0.0, 280: 0.0, 101: 0.0, 330: 0.0, 2: 0.0, 98: 0.0, 327: 0.0, 117: 0.0, 346: 0.0}

JAW_DROP = 0.17
"""How far the lower lip falls when the jaw parameter is 1, in face widths."""
CORNER_SHARE = 0.12
"""How much of that the corners of the mouth follow."""


@dataclass(frozen=True, slots=True)
class Pose:
    """One frame's parameters; all zero is the still picture."""

    jaw: float = 0.0
    """0 as in the picture, 1 wide open."""
    close: float = 0.0
    """1 brings the lips together over whatever the picture shows between them."""
    narrow: float = 0.0
    """1 pulls the corners of the mouth in, as for an o; negative spreads them."""
    relax: float = 0.0
    """1 lets a smile go: the corners of the mouth fall."""
    lids: float = 0.0
    """1 shuts the eyes."""
    brows: float = 0.0
    gaze: tuple[float, float] = (0.0, 0.0)
    """Right and down, in eye widths."""
    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    """Degrees: to the picture's right, down, clockwise."""
    shift: tuple[float, float] = (0.0, 0.0)
    """The head's own sway, in face widths."""
    pan: tuple[float, float] = (0.0, 0.0)
    """The camera's drift, in output px."""
    zoom: float = 1.0


class Expression:
    """The moving parts of one face in a texture; `render` composes them for a pose."""

    def __init__(self, texture: NDArray[np.uint8], points: Points, *, has_teeth: bool) -> None:
        """Prepare a face whose mesh (468, 3) lies at `points`, texture px; teeth are drawn if it shows none."""
        self.texture = texture
        self.points = points
        self.face_width = float(np.ptp(points[:, 0]))
        self._place_region()
        self._build_fields()
        self._build_layers(has_teeth)

    # The face region: everything that expression may touch, on a grid of every second px.

    def _place_region(self) -> None:
        f = self.face_width
        low, high = self.points[:, :2].min(0), self.points[:, :2].max(0)
        x0, y0 = (low - [0.25 * f, 0.2 * f]).astype(int)
        x1, y1 = (high + [0.25 * f, 0.75 * f]).astype(int)
        rows, columns = self.texture.shape[:2]
        self.box = (int(max(x0, 0)), int(max(y0, 0)), int(min(x1, columns)), int(min(y1, rows)))
        x0, y0, x1, y1 = self.box
        grid = np.mgrid[y0:y1:2, x0:x1:2].astype(np.float32)
        self._grid = np.stack([grid[1], grid[0]], axis=-1)
        rim = np.minimum.reduce(
            [self._grid[..., 0] - x0, x1 - self._grid[..., 0], self._grid[..., 1] - y0, y1 - self._grid[..., 1]]
        )
        self._window = np.clip(rim / (0.15 * f), 0, 1)[..., None]

    def _spread(self, controls: Controls) -> Field:
        """Spread displacements known at some places smoothly over the region, fading to none at its rim."""
        places = np.array(list(controls), dtype=float) / self.face_width
        values = np.array(list(controls.values()), dtype=float)
        spline = RBFInterpolator(places, values, kernel="thin_plate_spline", smoothing=1e-4)
        flat = spline(self._grid.reshape(-1, 2) / self.face_width)
        return (flat.reshape(self._grid.shape) * self._window).astype(np.float32)

    def _at(self, index: int) -> tuple[float, float]:
        return float(self.points[index, 0]), float(self.points[index, 1])

    def _build_fields(self) -> None:
        """Make each parameter's displacement, once for the skin above the slits and once for that below."""
        f = self.face_width
        mouth = self.points[list(MOUTH_UPPER + MOUTH_LOWER), :2].mean(0)
        left, right = self.points[78, :2], self.points[308, :2]
        drop = JAW_DROP * f
        still: Controls = {}
        for dx in (-0.75, -0.4, 0.0, 0.4, 0.75):
            still[float(mouth[0] + dx * f), float(mouth[1] - 0.75 * f)] = (0.0, 0.0)
            still[float(mouth[0] + dx * f), float(mouth[1] + 1.05 * f)] = (0.0, 0.0)
        for index, share in CHEEKS.items():
            still[self._at(index)] = (0.0, share * drop)
        jaw_rest = dict(still)
        calm = dict.fromkeys(still, (0.0, 0.0))  # the same places, not moving at all
        for side, corner in ((-1, left), (1, right)):
            for far, share in ((0.0, 1.0), (0.06, 0.8), (0.13, 0.5), (0.22, 0.2), (0.34, 0.0)):
                place = (float(corner[0] + side * far * f), float(corner[1]))
                jaw_rest[place] = (-side * 0.1 * drop * share, CORNER_SHARE * drop * share)
                calm[place] = (0.0, 0.0)

        def profile(count: int) -> NDArray[np.float64]:
            return (1 - np.linspace(-1, 1, count) ** 2) ** 0.7

        jaw_above, jaw_below = dict(jaw_rest), dict(jaw_rest)
        close_above, close_below = dict(calm), dict(calm)
        gap = self.points[list(MOUTH_LOWER), 1] - self.points[list(MOUTH_UPPER), 1]
        for row, (inner, outer) in enumerate(((MOUTH_UPPER, LIP_ABOVE), (MOUTH_LOWER, LIP_BELOW))):
            jaw_side, close_side = ((jaw_above, close_above), (jaw_below, close_below))[row]
            for contour in (inner, outer):
                for i, bend in enumerate(profile(11)):
                    if i in (0, 10):
                        continue
                    share = CORNER_SHARE + (1 - CORNER_SHARE) * bend if row else CORNER_SHARE * (1 - bend) - 0.1 * bend
                    jaw_side[self._at(contour[i])] = (0.0, drop * share)
                    towards = -0.62 if row else 0.42  # they overlap a little: no sliver stays open
                    close_side[self._at(contour[i])] = (
                        0.0,
                        float(gap[i]) * towards * (1.0 if contour is inner else 0.8),
                    )
        for index, share in (JAW | CHIN).items():
            jaw_below[self._at(index)] = (0.0, drop * share)
            close_below[self._at(index)] = (0.0, 0.0)
        for dx, dy, share in (
            (-0.3, 0.3, 0.2),
            (0, 0.3, 0.3),
            (0.3, 0.3, 0.2),
            (-0.3, 0.55, 0),
            (0, 0.55, 0),
            (0.3, 0.55, 0),
        ):
            jaw_below[self._at(152)[0] + dx * f, self._at(152)[1] + dy * f] = (0.0, drop * share)

        narrow, relax = dict(calm), dict(calm)
        for contour in (MOUTH_UPPER, MOUTH_LOWER, LIP_ABOVE, LIP_BELOW):
            for i, index in enumerate(contour):
                x, y = self._at(index)
                narrow[x, y] = (-(x - float(mouth[0])) * 0.2, 0.0)
                fall = 0.052 * abs(i - 5) ** 2 / 25 - 0.012
                relax[x, y] = (-(x - float(mouth[0])) * 0.06, fall * f)
        for index, share in {205: 0.015, 425: 0.015, 50: 0.008, 280: 0.008}.items():
            relax[self._at(index)] = (0.0, share * f)
        for side, corner in ((-1, left), (1, right)):
            for far, fall in ((0.06, 0.028), (0.13, 0.014), (0.22, 0.006), (0.34, 0.0)):
                relax[float(corner[0] + side * far * f), float(corner[1])] = (0.0, fall * f)

        lids_above, lids_below = self._lid_controls()
        brows = dict.fromkeys(calm, (0.0, 0.0))
        for index in (*EYES_UPPER[0], *EYES_UPPER[1], 6, 197, 127, 356, 234, 454):
            brows[self._at(index)] = (0.0, 0.0)
        for group in BROWS:
            for index in group:
                x, y = self._at(index)
                brows[x, y] = (0.0, -0.03 * f)
                brows[x, y - 0.12 * f] = (0.0, -0.02 * f)
                brows[x, y - 0.35 * f] = (0.0, 0.0)
        self._above = np.stack([self._spread(c) for c in (jaw_above, close_above, narrow, relax, lids_above, brows)])
        self._below = np.stack([self._spread(c) for c in (jaw_below, close_below, narrow, relax, lids_below, brows)])

    def _lid_controls(self) -> tuple[Controls, Controls]:
        """Where the lids move when the eyes shut: the upper lid over the eyeball, the lower one hardly."""
        f = self.face_width
        anchors: Controls = {}
        for index in (
            *BROWS[0],
            *BROWS[1],
            6,
            168,
            197,
            195,
            4,
            50,
            280,
            205,
            425,
            127,
            356,
            10,
            152,
            61,
            291,
            234,
            454,
        ):
            anchors[self._at(index)] = (0.0, 0.0)
        for x, y in list(anchors):
            anchors[x, y - 1.2 * f] = (0.0, 0.0)
        above, below = dict(anchors), dict(anchors)
        for upper, lower in zip(EYES_UPPER, EYES_LOWER, strict=True):
            low = self._lower_lid(lower)
            for index in upper:
                x, y = self._at(index)
                down = float(np.interp(x, low[:, 0], low[:, 1])) - y
                above[x, y] = (0.0, 0.97 * down)
                above[x, y - 0.035 * f] = (0.0, 0.66 * down)
                above[x, y + 0.15 * f] = (0.0, 0.0)
                below[x, y - 0.1 * f] = (0.0, 0.0)
            for index in lower:
                x, y = self._at(index)
                up = y - float(np.interp(x, self.points[list(upper), 0], self.points[list(upper), 1]))
                below[x, y] = (0.0, -0.08 * up)
                below[x, y + 0.07 * f] = (0.0, 0.0)
        return above, below

    def _lower_lid(self, contour: tuple[int, ...]) -> NDArray[np.float64]:
        """Take the lower lid's rim a little below the mesh's contour, which runs through the white of the eye."""
        rim = self.points[list(contour), :2].astype(float)
        rim[:, 1] += 0.01 * self.face_width * (1 - np.linspace(-1, 1, len(rim)) ** 4)
        return rim

    # What is skin above a slit, skin below it, and what shows between.

    def _build_layers(self, has_teeth: bool) -> None:
        x0, y0, x1, y1 = self.box
        f = self.face_width
        shape = (y1 - y0, x1 - x0)
        below = np.zeros(shape, np.uint8)
        hidden = np.zeros(shape, np.uint8)

        def draw(mask: NDArray[np.uint8], outline: list[NDArray]) -> None:
            points = np.concatenate(outline) - [x0, y0]
            cv2.fillPoly(mask, [np.round(points * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)

        slits = [(MOUTH_UPPER, MOUTH_LOWER, 1.2, 0.5)] + [
            (u, v, 0.09, 0.06) for u, v in zip(EYES_UPPER, EYES_LOWER, strict=True)
        ]
        for upper_index, lower_index, depth, reach in slits:
            upper = self.points[list(upper_index), :2].astype(float)
            lower = self.points[list(lower_index), :2].astype(float)
            if lower_index in EYES_LOWER:
                lower = self._lower_lid(lower_index)
            left, right = lower[:1], lower[-1:]
            draw(
                below,
                [
                    left - [reach * f, 0],
                    lower,
                    right + [reach * f, 0],
                    right + [reach * f, depth * f],
                    left + [-reach * f, depth * f],
                ],
            )
            draw(hidden, [upper, right + [0, min(depth, 0.6) * f], left + [0, min(depth, 0.6) * f]])
        sigma = 0.006 * f
        self._mask_below = cv2.GaussianBlur(below, (0, 0), sigma).astype(np.float32) / 255
        self._mask_above = 1 - cv2.GaussianBlur(hidden, (0, 0), sigma).astype(np.float32) / 255
        self._inside = self.texture[y0:y1, x0:x1].copy()
        self._build_mouth(has_teeth)
        self._gaze = self._build_gaze()

    def _build_mouth(self, has_teeth: bool) -> None:
        """Paint what an open mouth shows: the picture's upper teeth or drawn ones, and the dark below them."""
        x0, y0, _, _ = self.box
        f = self.face_width
        rows, columns = self._inside.shape[:2]
        y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
        x, y = x + x0, y + y0
        upper = self.points[list(MOUTH_UPPER), :2]
        lower = self.points[list(MOUTH_LOWER), :2]
        top = np.interp(x[0], upper[:, 0], upper[:, 1]).astype(np.float32)
        bottom = np.interp(x[0], lower[:, 0], lower[:, 1]).astype(np.float32)
        across = np.clip((x - upper[0, 0]) / (upper[-1, 0] - upper[0, 0]) * 2 - 1, -1.2, 1.2)
        if has_teeth:
            edge = bottom - 0.004 * f  # their lower edge follows the lip they rest on
            inner = np.clip(y, top + 0.012 * f, edge)  # above it the topmost row goes on upwards
            teeth = cv2.remap(self.texture, x, inner.astype(np.float32), cv2.INTER_LINEAR).astype(np.float32)
        else:
            edge = top + 0.045 * f * np.sqrt(np.clip(1 - across[0] ** 2, 0, 1))
            shade = 0.85 - 0.75 * across**2 - 0.1 * (np.abs(np.sin(across * 12)) > 0.98)
            teeth = np.array([128, 172, 204], np.float32) * np.clip(shade, 0.1, 1)[..., None]
        shadow = np.clip((y - top) / (0.035 * f), 0, 1) * 0.35 + 0.65  # the lip's, on the teeth
        deep = np.clip((y - edge) / (0.22 * f), 0, 1)[..., None]
        dark = np.array([26, 20, 38], np.float32) * (1 - deep) + np.array([62, 58, 122], np.float32) * deep
        share = np.clip((edge - y) / (0.012 * f) + 0.5, 0, 1)[..., None]
        plate = teeth * shadow[..., None] * share + dark * (1 - share)
        corner = np.clip((1.02 - np.abs(across)) / 0.25, 0, 1)[..., None]
        plate = plate * (0.35 + 0.65 * corner)
        near = (np.abs(across) < 1.15) & (y > top - 0.15 * f) & (y < bottom + 0.7 * f)
        self._inside[near] = np.clip(plate, 0, 255).astype(np.uint8)[near]

    def _build_gaze(self) -> Field:
        """Make the eyeballs' displacement for a gaze of one eye width: the iris as a whole, the corners not at all."""
        field = np.zeros((*self._grid.shape[:2], 1), np.float32)
        for upper, lower in zip(EYES_UPPER, EYES_LOWER, strict=True):
            corners = self.points[[upper[0], upper[-1]], :2]
            width = float(np.linalg.norm(corners[1] - corners[0]))
            centre = self.points[list(upper + lower), :2].mean(0)
            away = np.linalg.norm((self._grid - centre) / [width * 0.5, width * 0.4], axis=-1)
            field[..., 0] += width * np.clip((1.15 - away) / 0.7, 0, 1)
        return field

    def render(self, where: Field, pose: Pose) -> NDArray[np.uint8]:
        """Resample the three layers and put them together."""
        x0, y0, _, _ = self.box
        origin = np.array([x0, y0], np.float32)
        weights = np.array([pose.jaw, pose.close, pose.narrow, pose.relax, pose.lids, pose.brows], np.float32)
        layers = []
        for fields in (self._above, self._below):
            moved = np.tensordot(weights, fields, axes=1)
            settled = invert(moved, self._grid, origin, 2.0)
            layers.append(sample(settled, (where - origin) / 2) - origin)
        above, below = layers
        gaze = self._gaze * np.array(pose.gaze, np.float32)
        between = where - origin - sample(gaze, (where - origin) / 2)
        x0, y0, x1, y1 = self.box
        skin = self.texture[y0:y1, x0:x1]
        upper = _blend(sample(skin, above), sample(self._inside, between), sample(self._mask_above, above))
        return _blend(sample(skin, below), upper, sample(self._mask_below, below))


def _blend(image: NDArray[np.uint8], other: NDArray[np.uint8], share: NDArray[np.float32]) -> NDArray[np.uint8]:
    return cv2.blendLinear(image, other, share, 1 - share)
