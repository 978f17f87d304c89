"""A still portrait set in motion: mouth, eyelids, gaze and head move, nothing tears.

The picture is one texture. Eyes and mouth are slits in it: around each of them the skin above and the skin below the
slit are two layers, each displaced by its own smooth field, and what shows between them (eyeball, teeth, the dark of
the mouth) is a third. The whole head then turns as a height field, its motion fading out over neck and background. All
displacements are linear in a few parameters, so a frame costs some small sums, one inversion by fixed point and one
resampling of the texture.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import RBFInterpolator

Points = NDArray[np.float32]
Field = NDArray[np.float32]
"""A displacement in texture px over the face region at half resolution: (rows, columns, 2)."""

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


@dataclass(frozen=True, slots=True)
class Still:
    """A picture, where its face is, and how much of the picture is filmed."""

    path: Path
    face: tuple[float, float, float]
    """Centre x, centre y and size of a rough square round the face, px."""
    zoom: float
    """Output px to a picture px."""
    centre: tuple[float, float]
    """Where in the picture the camera looks, px."""
    head: tuple[float, float, float, float]
    """The head with its hair or hat as an ellipse: centre x, centre y, half width, half height, px."""
    smiles: bool
    """Whether the picture shows teeth; they are drawn where it does not."""


def find_landmarks(image: NDArray[np.uint8], face: tuple[float, float, float], model: Path) -> Points:
    """Find the mesh in a BGR picture: (468, 3), px. The mean over shifted crops is steadier than one answer."""
    from ai_edge_litert.interpreter import Interpreter

    net = Interpreter(str(model), num_threads=1)
    net.allocate_tensors()
    entry = net.get_input_details()[0]["index"]
    mesh = next(o["index"] for o in net.get_output_details() if int(np.prod(o["shape"])) == 1404)
    x, y, size = face
    found: list[Points] = []
    for step in range(14):
        if step == 2:
            found.clear()  # the first two only centre the crop
        angle = step * 2.4
        wobble = 0.03 * size * (step > 1)
        centre = np.array([x + wobble * np.cos(angle), y + wobble * np.sin(angle)])
        scale = 192 / (size * (1 + 0.05 * np.sin(3 * angle) * (step > 1)))
        affine = np.array([[scale, 0, 96 - scale * centre[0]], [0, scale, 96 - scale * centre[1]]])
        crop = cv2.warpAffine(image, affine, (192, 192), flags=cv2.INTER_AREA)
        net.set_tensor(entry, crop[None, ..., ::-1].astype(np.float32) / 255)
        net.invoke()
        points = net.get_tensor(mesh).reshape(468, 3) / scale
        points[:, :2] += centre - 96 / scale
        found.append(points)
        if step < 2:
            low, high = points[:, :2].min(0), points[:, :2].max(0)
            (x, y), size = (low + high) / 2, float((high - low).max()) * 1.5
    return np.mean(found, axis=0).astype(np.float32)


class Portrait:
    """A still, prepared; `render` gives a frame of any pose."""

    def __init__(self, still: Still, model: Path, width: int = 1280, height: int = 720) -> None:
        picture = cv2.imread(str(still.path))
        if picture is None:
            raise FileNotFoundError(still.path)
        self.width, self.height = width, height
        zoom = still.zoom
        large = cv2.resize(picture, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_LANCZOS4)
        soft = cv2.GaussianBlur(large, (0, 0), zoom * 0.6)
        self.texture = cv2.addWeighted(large, 1.5, soft, -0.5, 0)
        landmarks = find_landmarks(picture, still.face, model)
        self.points = (landmarks + [0.5, 0.5, 0]) * zoom - [0.5, 0.5, 0]
        self.face_width = float(np.ptp(self.points[:, 0]))
        self._centre = np.array(still.centre) * zoom
        self._head = np.array(still.head) * zoom
        self._place_region()
        self._build_fields()
        self._build_layers(still.smiles)
        self._build_head()

    # The face region: everything that expression may touch, on a grid of every second px.

    def _place_region(self) -> None:
        f = self.face_width
        low, high = self.points[:, :2].min(0), self.points[:, :2].max(0)
        x0, y0 = (low - [0.25 * f, 0.2 * f]).astype(int)
        x1, y1 = (high + [0.25 * f, 0.75 * f]).astype(int)
        rows, columns = self.texture.shape[:2]
        self._box = (int(max(x0, 0)), int(max(y0, 0)), int(min(x1, columns)), int(min(y1, rows)))
        x0, y0, x1, y1 = self._box
        grid = np.mgrid[y0:y1:2, x0:x1:2].astype(np.float32)
        self._grid = np.stack([grid[1], grid[0]], axis=-1)
        rim = np.minimum.reduce(
            [self._grid[..., 0] - x0, x1 - self._grid[..., 0], self._grid[..., 1] - y0, y1 - self._grid[..., 1]]
        )
        self._window = np.clip(rim / (0.15 * f), 0, 1)[..., None]

    def _spread(self, controls: dict[tuple[float, float], tuple[float, float]]) -> Field:
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
        still: dict[tuple[float, float], tuple[float, float]] = {}
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

    def _lid_controls(self) -> tuple[dict, dict]:
        """Where the lids move when the eyes shut: the upper lid over the eyeball, the lower one hardly."""
        f = self.face_width
        anchors: dict[tuple[float, float], tuple[float, float]] = {}
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
        x0, y0, x1, y1 = self._box
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
        x0, y0, _, _ = self._box
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
            teeth = np.array([150, 186, 208], np.float32) * np.clip(shade, 0.1, 1)[..., None]
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

    def _build_head(self) -> None:
        """Make the head a height field, stiff inside, its motion fading over neck and background: every 8 px."""
        f = self.face_width
        rows, columns = self.texture.shape[:2]
        grid = np.mgrid[0 : rows + 8 : 8, 0 : columns + 8 : 8].astype(np.float32)
        self._head_grid = np.stack([grid[1], grid[0]], axis=-1)
        cx, cy, ax, ay = self._head
        ring = np.linspace(0, 2 * np.pi, 24, endpoint=False)
        around = np.concatenate(
            [np.stack([cx + k * ax * np.cos(ring), cy + k * ay * np.sin(ring)], 1) for k in (1, 1.6, 2.4)]
        )
        depth = np.repeat([0.5 * f, 0.6 * f, 0.6 * f], len(ring))
        low = self.points[:, :2].min(0)
        high = self.points[:, :2].max(0)
        outside = ~((around > low - 0.05 * f) & (around < high + 0.05 * f)).all(1)  # a chin may reach the ellipse
        z = self.points[:, 2] - float(self.points[[234, 454], 2].mean()) + 0.3 * f
        places = np.concatenate([self.points[:, :2], around[outside]]) / f
        spline = RBFInterpolator(places, np.concatenate([z, depth[outside]]), neighbors=60, smoothing=1e-3)
        self._depth = spline(self._head_grid.reshape(-1, 2) / f).reshape(self._head_grid.shape[:2])
        self._depth = cv2.GaussianBlur(self._depth.astype(np.float32), (0, 0), 1.0)
        away = np.linalg.norm((self._head_grid - [cx, cy]) / [ax, ay], axis=-1)
        self._stiff = _smooth((1.9 - away) / 0.85)
        self._pivot = np.array([cx, float(self.points[152, 1]) + 0.25 * f, 0.6 * f], np.float32)

    def render(self, pose: Pose) -> NDArray[np.uint8]:
        """Film one frame: BGR, (height, width, 3)."""
        where = self._texture_places(pose)
        frame = cv2.remap(self.texture, where, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
        x0, y0, x1, y1 = self._box
        inside = (
            (where[..., 0] > x0 + 1) & (where[..., 0] < x1 - 2) & (where[..., 1] > y0 + 1) & (where[..., 1] < y1 - 2)
        )
        rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
        part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        frame[part] = np.where(inside[part][..., None], self._render_face(where[part], pose), frame[part])
        return frame

    def _texture_places(self, pose: Pose) -> Field:
        """Where in the texture each px of the output lies, expression aside."""
        yaw, pitch, roll = np.radians([pose.yaw, pose.pitch, pose.roll])
        turn_y = np.array([[np.cos(yaw), 0, -np.sin(yaw)], [0, 1, 0], [np.sin(yaw), 0, np.cos(yaw)]])
        turn_x = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
        turn_z = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
        turn = (turn_z @ turn_x @ turn_y - np.eye(3)).astype(np.float32)[:2]
        solid = np.concatenate([self._head_grid, self._depth[..., None]], axis=-1) - self._pivot
        moved = (solid @ turn.T + np.array(pose.shift, np.float32) * self.face_width) * self._stiff[..., None]
        y, x = np.mgrid[0 : self.height + 8 : 8, 0 : self.width + 8 : 8].astype(np.float32)
        target = np.stack([x, y], axis=-1)
        centre = np.array([self.width / 2, self.height / 2])
        target = ((target - centre) / pose.zoom + self._centre - pose.pan).astype(np.float32)
        coarse = _invert(moved.astype(np.float32), target, np.zeros(2), 8.0)
        full_y, full_x = np.mgrid[0 : self.height, 0 : self.width].astype(np.float32) / 8
        return cv2.remap(coarse, full_x, full_y, cv2.INTER_LINEAR)

    def _render_face(self, where: Field, pose: Pose) -> NDArray[np.uint8]:
        """Resample the three layers and put them together."""
        x0, y0, _, _ = self._box
        origin = np.array([x0, y0], np.float32)
        weights = np.array([pose.jaw, pose.close, pose.narrow, pose.relax, pose.lids, pose.brows], np.float32)
        layers = []
        for fields in (self._above, self._below):
            moved = np.tensordot(weights, fields, axes=1)
            settled = _invert(moved, self._grid, origin, 2.0)
            layers.append(_sample(settled, (where - origin) / 2) - origin)
        above, below = layers
        gaze = self._gaze * np.array(pose.gaze, np.float32)
        between = where - origin - _sample(gaze, (where - origin) / 2)
        x0, y0, x1, y1 = self._box
        skin = self.texture[y0:y1, x0:x1]
        upper = _blend(_sample(skin, above), _sample(self._inside, between), _sample(self._mask_above, above))
        return _blend(_sample(skin, below), upper, _sample(self._mask_below, below))


def _blend(image: NDArray[np.uint8], other: NDArray[np.uint8], share: NDArray[np.float32]) -> NDArray[np.uint8]:
    return cv2.blendLinear(image, other, share, 1 - share)


def _smooth(t: NDArray) -> NDArray[np.float32]:
    """Ease from 0 to 1 over t = 0…1."""
    t = np.clip(t, 0, 1)
    return (t * t * (3 - 2 * t)).astype(np.float32)


def _sample(image: NDArray, places: Field) -> NDArray:
    """Look up an image bilinearly at (x, y) places."""
    return cv2.remap(image, places.astype(np.float32), None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _invert(moved: Field, target: Field, origin: NDArray, step: float, rounds: int = 6) -> Field:
    """Find p with p + moved(p) = target by fixed point; `moved` lies on a grid of `step` px from `origin`."""
    place = target
    for _ in range(rounds):
        place = target - _sample(moved, (place - origin) / step)
    return place.astype(np.float32)
