"""Wearing the face: warp the texture onto a frame's planes, take the scene's light, keep the wearer's eyes and mouth.

Everything that varies slowly (where the texture looks, masks, light) lives on a small grid that turns with the face;
only the final look-up and blend touch pixels, and only inside the face's rectangle of the YUV planes.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ugclab.engines.mesh import avatar as worn
from ugclab.engines.mesh import topology
from ugclab.engines.mesh.pose import Pose
from ugclab.engines.mesh.sampling import Codes, Picture, Plane, codes_of, to_yuv, window
from ugclab.engines.mesh.shape import Delta
from ugclab.engines.mesh.topology import Floats
from ugclab.engines.mesh.warp import inverse_map

GRID = (76, 90)
"""Cells (width, height) of the face grid: 4.5 px each for a face 300 px wide."""
GRID_SPAN = 3.05
"""Canonical units over the grid's width; a face is 2.7 wide."""
LIGHT_GRID = (44, 52)
LIGHT_EVERY = 2
MEMORY = 0.28
"""Share of a new look in the running light, every LIGHT_EVERY frames: colour pumps without it."""
LAMP = 0.08
"""A face whose brightness changes by this share within a frame is lit anew."""
LEVEL_MEMORY = 0.2
"""Share of a new frame in the running level, while nothing like that happens."""
CRISPNESS_EVERY = 10
GAIN_LIMITS = (0.4, 2.5)
BANDS = (1.6, 5.0, 14.0)
"""Standard deviations in texture px that part pores and lashes, wrinkles, folds, and form."""
CRISPNESS_LIMITS = ((0.3, 1.1), (0.45, 1.1), (0.6, 1.1))
"""Least and most of the avatar's pores, wrinkles and folds that are worn."""
SHOULDER = 0.35
"""Slope above the footage's own highlights: a brighter avatar would clip."""
TOE = 0.6
TINT = 0.5
"""Share of the avatar's local tints that is worn: redness doubles under a warm light."""
FADE_YAW = (40.0, 60.0)
FADE_PITCH = (35.0, 50.0)


@dataclass(frozen=True, slots=True)
class Masks:
    """Weights over the texture, (HEIGHT, WIDTH) each."""

    face: Floats
    own: Floats
    """Where the wearer's own eyes and mouth stay."""
    light: Floats
    """Where skin tells of the light: not on eyes, brows, lips."""
    forehead: Floats
    """Where the wearer's hair may hang into the face."""


def masks() -> Masks:
    """The masks every face shares: they lie in the texture, so they follow lids, lips and perspective."""
    points = worn.texture_points()
    own = np.zeros((worn.HEIGHT, worn.WIDTH), np.float32)
    for ring in (topology.RIGHT_EYE, topology.LEFT_EYE):
        corners = points[ring]
        width = float(np.ptp(corners[:, 0]))
        tilt = points[ring[8]] - points[ring[0]]
        angle = float(np.arctan2(tilt[1], tilt[0]))
        angle -= np.pi * round(angle / np.pi)
        own = np.maximum(own, worn.ellipse_mask(corners.mean(0), (0.60 * width, 0.32 * width), angle, 0.02))
    own = np.maximum(own, worn.ring_mask(topology.OUTER_LIPS, (1.06, 1.10), 0.02))
    features = np.zeros_like(own)
    for ring, grow in (
        (topology.RIGHT_EYE, (1.35, 2.6)),
        (topology.LEFT_EYE, (1.35, 2.6)),
        (topology.RIGHT_BROW, (1.1, 1.6)),
        (topology.LEFT_BROW, (1.1, 1.6)),
        (topology.OUTER_LIPS, (1.15, 1.35)),
    ):
        features = np.maximum(features, worn.ring_mask(ring, grow, 0.02))
    light = worn.oval_mask(0.86, 0.9, 0.94, 0.02) * (1 - features)
    return Masks(worn.oval_mask(0.80, 0.91, 0.94, 0.05), own, light, worn.above(worn.UPPER_BROWS, 10))


class Wearer:
    """One face of one clip wearing one avatar; keeps the running light between frames."""

    def __init__(self, texture: Floats, delta: Delta) -> None:
        """`texture` is Avatar.texture, `delta` the difference to the clip's face."""
        self._rgb = texture
        self._delta = delta
        self._points = worn.texture_points()
        shared = masks()
        self._masks = cv2.merge([shared.face, shared.own, shared.light, shared.forehead])
        self._codes: Codes | None = None
        self._luma = self._tint = self._soft = np.empty(0, np.float32)
        self._bands: list[Floats] = []
        self._tones = np.array([0, 235], np.float32)
        self._light = self._hair = np.empty(0, np.float32)
        self._crispness: Floats | None = None
        self._level = 0.0
        self._count = 0
        self._mesh = np.empty((0, 3), np.float32)

    def wear(self, picture: Picture, points: Floats, pose: Pose, strength: float = 1.0) -> bool:
        """Change `picture` in place. False (and untouched) where the face is turned too far, or out of the picture."""
        strength *= _fade(abs(pose.yaw), FADE_YAW) * _fade(abs(pose.pitch), FADE_PITCH)
        if strength < 0.02:
            return False
        self._prepare(picture)
        mesh = self._mesh = points + pose.turn(self._delta.points)
        to_grid = _grid_affine(pose)
        rect = _rectangle(mesh, picture)
        if rect is None:
            return False
        on_grid = (mesh[:, :2] @ to_grid[:, :2].T + to_grid[:, 2]).astype(np.float32)
        looks, covered = inverse_map(on_grid, self._points, GRID, depth=mesh[:, 2])
        weights = cv2.remap(self._masks, looks, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        # Where the mesh ends against the background the mask must end softly too, wherever the texture's own mask is.
        edge = cv2.blur(cv2.blur(cv2.erode(covered.astype(np.float32), np.ones((5, 5))), (5, 5)), (5, 5))
        alpha = weights[..., 0] * edge * np.float32(strength)
        level = self._running_level(picture, rect)
        if self._count % LIGHT_EVERY == 0:
            self._look(picture, to_grid, looks, weights, covered, level)
        gain = np.float32(level) * self._light[..., 0]
        if self._count % CRISPNESS_EVERY == 0:
            self._match_crispness(picture, to_grid, looks, weights[..., 2], gain)
        alpha *= 1 - self._hair
        blend = (alpha, np.ascontiguousarray(weights[..., 1]), gain)
        self._paint(picture, rect, to_grid, looks, blend, self._tones * np.float32(level), pose)
        self._count += 1
        return True

    def _running_level(self, picture: Picture, rect: tuple[int, int, int, int]) -> float:
        """The face's brightness in one number: the mean luma above black of its upper middle, in 8-bit codes.

        Small changes are a moving face and noise, and are averaged; a large one is a lamp, and is followed at once.
        """
        left, top, width, height = rect
        inner = picture.y[top + height // 6 : top + 2 * height // 3 : 3, left + width // 5 : left + 4 * width // 5 : 3]
        scale = 1 << (picture.colour.bit_depth - 8)
        level = max(float(inner.mean()) / scale - (0.0 if picture.colour.full_range else 16.0), 4.0)
        if self._count:
            share = min(max(abs(level / self._level - 1) / LAMP, LEVEL_MEMORY), 1.0)
            level = self._level + share * (level - self._level)
        self._level = level
        return level

    def _look(
        self,
        picture: Picture,
        to_grid: Floats,
        looks: Floats,
        weights: Floats,
        covered: NDArray[np.bool_],
        level: float,
    ) -> None:
        """Bring the running light, tones and hair up to date with this frame.

        Light and tones are kept relative to the face's level of luma: a lamp switched on is followed at once, while the
        pattern of the light, which is noisy, is averaged.
        """
        black = 0.0 if picture.colour.full_range else 16.0
        shrink = np.float32(LIGHT_GRID[0] / GRID[0])
        here = window(picture, to_grid * shrink, LIGHT_GRID) - np.array([black, 128, 128], np.float32)
        small = cv2.resize(weights, LIGHT_GRID, interpolation=cv2.INTER_AREA)
        seen = small[..., 2] * cv2.resize(covered.astype(np.float32), LIGHT_GRID, interpolation=cv2.INTER_AREA)
        hair = self._hair_over(here, seen, small[..., 3])
        there = cv2.remap(
            self._soft, cv2.resize(looks, LIGHT_GRID, interpolation=cv2.INTER_AREA), None, cv2.INTER_LINEAR
        )
        there -= np.array([black, 128, 128], np.float32)
        light = _light(here, there, seen * (1 - hair))
        light[..., 0] /= level
        skin = here[..., 0][seen > 0.3] / np.float32(level)
        tones = np.percentile(skin, (2, 98)).astype(np.float32) if skin.size > 20 else np.array([0, 3], np.float32)
        first = self._count == 0
        self._tones = _running(None if first else self._tones, tones)
        self._hair = _running(None if first else self._hair, cv2.resize(hair, GRID, interpolation=cv2.INTER_LINEAR))
        self._light = _running(None if first else self._light, cv2.resize(light, GRID, interpolation=cv2.INTER_LINEAR))

    def _prepare(self, picture: Picture) -> None:
        conversion = codes_of(picture)
        if conversion is self._codes:
            return
        yuv = to_yuv(self._rgb, conversion)
        self._codes = conversion
        luma = np.ascontiguousarray(yuv[..., 0])
        layers = [luma, *(cv2.GaussianBlur(luma, (0, 0), sigma) for sigma in BANDS)]
        self._bands = [layers[i] - layers[i + 1] for i in range(len(BANDS))] + [layers[-1]]
        self._luma = luma
        chroma = np.ascontiguousarray(yuv[..., 1:])
        broad = cv2.GaussianBlur(chroma, (0, 0), 14.0)
        tint = broad + np.float32(TINT) * (cv2.GaussianBlur(chroma, (0, 0), 1.0) - broad)
        self._soft = cv2.GaussianBlur(yuv, (0, 0), 3.0)
        self._tint = np.dstack([tint, self._soft[..., 0]])

    @staticmethod
    def _hair_over(here: Floats, skin: Floats, forehead: Floats) -> Floats:
        """(LIGHT_GRID height, width) how likely the wearer's hair covers forehead and temples."""
        sure = skin * (1 - forehead)
        luma = np.log(np.maximum(here[..., 0], 4.0))
        tint = here[..., 1:] / np.maximum(here[..., :1], 12.0)
        features = np.dstack([luma, tint])
        total = max(float(sure.sum()), 1e-3)
        middle = (features * sure[..., None]).sum((0, 1)) / total
        spread = np.sqrt((((features - middle) ** 2) * sure[..., None]).sum((0, 1)) / total)
        spread = np.clip(spread, (0.15, 0.03, 0.03), (0.30, 0.08, 0.08))
        distance = (((features - middle) / spread) ** 2).sum(-1)
        hair: Floats = cv2.blur((np.clip((distance - 7) / 8, 0, 1) * forehead).astype(np.float32), (3, 3))
        return hair

    def _match_crispness(self, picture: Picture, to_grid: Floats, looks: Floats, weight: Floats, light: Floats) -> None:
        """Bring the texture's fine detail to the footage's, by their energies on skin; now and then, running."""
        scale = float(np.sqrt(abs(np.linalg.det(to_grid[:, :2]))))
        side = max(1.0, min(3.0, 1 / scale / 1.0))  # look at up to three pixels a cell
        size = (int(GRID[0] * side), int(GRID[1] * side))
        zoom = to_grid * np.float32(side)
        target = window(picture, zoom, size)[..., 0]
        maps = cv2.resize(looks, size, interpolation=cv2.INTER_LINEAR)
        gain = cv2.resize(light, size, interpolation=cv2.INTER_LINEAR)
        skin = cv2.resize(weight, size, interpolation=cv2.INTER_LINEAR) ** 2
        total = max(float(skin.sum()), 1e-3)
        # The bands in pixels of this view, from their size in the texture.
        span = float(np.ptp(self._points[:, 0])) / (size[0] * 0.88)
        ratios = []
        layers = [target, *(cv2.GaussianBlur(target, (0, 0), max(sigma / span, 0.4)) for sigma in BANDS)]
        for i, limits in enumerate(CRISPNESS_LIMITS):
            band, mine = layers[i] - layers[i + 1], self._bands[i]
            ours = cv2.remap(mine, maps, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) * gain
            ratio = np.sqrt(
                float((band * band * skin).sum() / total) / max(float((ours * ours * skin).sum() / total), 1e-3)
            )
            ratios.append(np.clip(1.05 * ratio, *limits))
        crispness = np.array(ratios, np.float32)
        old = self._crispness
        new = crispness if old is None else old + np.float32(0.3) * (crispness - old)
        if old is None or np.abs(new - old).max() > 0.01:
            self._crispness = new
            self._luma = self._bands[-1].copy()
            for share, detail in zip(new, self._bands, strict=False):
                self._luma += share * detail

    def _paint(
        self,
        picture: Picture,
        rect: tuple[int, int, int, int],
        to_grid: Floats,
        looks: Floats,
        blend: tuple[Floats, Floats, Floats],
        tones: Floats,
        pose: Pose,
    ) -> None:
        """Look the face up at full resolution and blend it in; `blend` holds alpha, the own share and the gain."""
        left, top, width, height = rect
        black = np.float32(0.0 if picture.colour.full_range else 16.0)
        local = to_grid.copy()
        local[:, 2] += to_grid[:, 0] * left + to_grid[:, 1] * top
        inverse = cv2.invertAffineTransform(local)
        maps = cv2.warpAffine(looks, inverse, (width, height), flags=cv2.INTER_LINEAR)
        alpha, own, gain = (cv2.warpAffine(part, inverse, (width, height), flags=cv2.INTER_LINEAR) for part in blend)

        y = picture.y[top : top + height, left : left + width]
        target = y.astype(np.float32)
        scale = np.float32(1 << (picture.colour.bit_depth - 8))
        face = cv2.remap(self._luma, maps, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        face -= black
        face *= gain
        dark, bright = tones
        np.minimum(face, face * SHOULDER + np.float32(bright * (1 - SHOULDER)), out=face)
        np.maximum(face, face * TOE + np.float32(dark * (1 - TOE)), out=face)
        # A glint on a brightened avatar would pass the coding's white, and in a 10-bit plane what 10 bits can hold.
        np.minimum(face, np.float32(255.0 if picture.colour.full_range else 219.0), out=face)
        face += black
        if scale != 1:
            face *= scale
        moves = self._moves(pose, left, top)
        _keep_own(face, target, own, moves, 1)
        _blend(y, target, face, alpha)

        # Chroma: every second cell of the same maps, and the tint it needs from the grid.
        maps, alpha, own, gain = (np.ascontiguousarray(part[::2, ::2]) for part in (maps, alpha, own, gain))
        half = inverse / 2
        tints = cv2.warpAffine(self._light[..., 1:], half, alpha.shape[::-1], flags=cv2.INTER_LINEAR)
        looked = cv2.remap(self._tint, maps, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        luma = looked[..., 2] - black
        for index, plane in enumerate((picture.u, picture.v)):
            part = plane[top // 2 : top // 2 + alpha.shape[0], left // 2 : left // 2 + alpha.shape[1]]
            target = part.astype(np.float32)
            face = gain * ((looked[..., index] - 128) + tints[..., index] * luma) + 128
            np.clip(face, black, 255.0 if picture.colour.full_range else 240.0, out=face)
            if scale != 1:
                face *= scale
            _keep_own(face, target, own, moves, 2)
            _blend(part, target, face, alpha)

    def _moves(self, pose: Pose, left: int, top: int) -> list[tuple[Floats, Floats]]:
        """Boxes (x0, y0, x1, y1) round the wearer's eyes and mouth, and how far (dx, dy) each is carried, in px."""
        delta = self._delta
        shifts = pose.turn(np.stack([delta.right_eye, delta.left_eye, delta.mouth]))[:, :2]
        moves = []
        for ring, shift in zip((topology.RIGHT_EYE, topology.LEFT_EYE, topology.OUTER_LIPS), shifts, strict=True):
            points = self._mesh[ring, :2] - np.array([left, top], np.float32)
            low, high = points.min(0), points.max(0)
            margin = 0.45 * (high - low).max()
            moves.append((np.concatenate([low - margin, high + margin]), shift))
        return moves


def _keep_own(face: Floats, target: Floats, own: Floats, moves: list[tuple[Floats, Floats]], step: int) -> None:
    """Put the wearer's own eyes and mouth over the face, carried to where the avatar's are (a plane of 1 / `step`)."""
    for box, shift in moves:
        x0, y0 = np.maximum(np.floor(box[:2] / step).astype(int), 0)
        x1, y1 = np.minimum(np.ceil(box[2:] / step).astype(int), target.shape[::-1])
        if x1 - x0 < 2 or y1 - y0 < 2:
            continue
        affine = np.array([[1, 0, x0 - shift[0] / step], [0, 1, y0 - shift[1] / step]], np.float32)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        carried = cv2.warpAffine(
            target, affine, (int(x1 - x0), int(y1 - y0)), flags=flags, borderMode=cv2.BORDER_REPLICATE
        )
        part = face[y0:y1, x0:x1]
        carried -= part
        carried *= own[y0:y1, x0:x1]
        part += carried


def _blend(plane: Plane, target: Floats, face: Floats, alpha: Floats) -> None:
    """Write target + alpha (face - target) into the plane; where alpha is 0 a code value stays exactly what it was."""
    face -= target
    face *= alpha
    face += target
    plane[...] = cv2.add(face, 0.0, dtype=cv2.CV_8U if plane.dtype == np.uint8 else cv2.CV_16U)


def _light(here: Floats, there: Floats, weight: Floats) -> Floats:
    """(height, width, 3): gain of luma, and shifts of U/Y and V/Y, from the avatar's skin to the footage's, low-passed.

    Scaling R, G and B each by its own gain is, for skin's small chroma, a gain of luma and a shift of chroma in
    proportion to luma: highlights take the lamp's tint, blacks stay black.
    """
    side = 9
    stats = np.concatenate([here, there], axis=2)
    stats *= weight[..., None]
    mean = stats.sum((0, 1)) / max(float(weight.sum()), 1e-3)
    broad = np.dstack([_box(part, side) for part in (stats[..., :3], stats[..., 3:])])
    # Where no skin is near, the face's mean stands in.
    broad = (broad + 0.02 * mean) / (_box(weight, side)[..., None] + 0.02)
    ours, theirs = np.maximum(broad[..., 0], 2.0), np.maximum(broad[..., 3], 2.0)
    tints = broad[..., 1:3] / ours[..., None] - broad[..., 4:6] / theirs[..., None]
    return np.dstack([np.clip(ours / theirs, *GAIN_LIMITS), tints]).astype(np.float32)


def _box(values: Floats, side: int) -> Floats:
    """Two box filters, as good as a Gaussian here and a third of its price."""
    twice: Floats = cv2.blur(cv2.blur(np.ascontiguousarray(values), (side, side)), (side, side))
    return twice


def _running(old: Floats | None, new: Floats) -> Floats:
    return new if old is None else old + np.float32(MEMORY) * (new - old)


def _grid_affine(pose: Pose) -> Floats:
    """(2, 3) from picture pixels to cells of the face grid, upright with the face."""
    scale = GRID[0] / (GRID_SPAN * pose.scale)
    c, s = np.cos(pose.roll) * scale, np.sin(pose.roll) * scale
    x, y = pose.centre[:2]
    return np.array(
        [[c, s, GRID[0] / 2 - c * x - s * y], [-s, c, GRID[1] / 2 - 0.02 * GRID[1] + s * x - c * y]], np.float32
    )


def _rectangle(mesh: Floats, picture: Picture) -> tuple[int, int, int, int] | None:
    """Left, top, width, height of the pixels that may change: even, inside the picture."""
    low, high = mesh[:, :2].min(0), mesh[:, :2].max(0)
    height, width = picture.y.shape
    left, top = (max(int(np.floor(v)) // 2 * 2, 0) for v in low)
    right = min((int(np.ceil(high[0])) + 2) // 2 * 2, width)
    bottom = min((int(np.ceil(high[1])) + 2) // 2 * 2, height)
    return (left, top, right - left, bottom - top) if right - left >= 8 and bottom - top >= 8 else None


def _fade(angle: float, limits: tuple[float, float]) -> float:
    t = min(max((limits[1] - angle) / (limits[1] - limits[0]), 0.0), 1.0)
    return t * t * (3 - 2 * t)
