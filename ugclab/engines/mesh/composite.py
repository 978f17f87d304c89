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
from ugclab.engines.mesh.sampling import Codes, Picture, codes_of, to_yuv, window
from ugclab.engines.mesh.shape import Delta
from ugclab.engines.mesh.topology import Floats
from ugclab.engines.mesh.warp import inverse_map

GRID = (88, 104)
"""Cells (width, height) of the face grid: 3.4 px each for a face 300 px wide."""
GRID_SPAN = 3.05
"""Canonical units over the grid's width; a face is 2.7 wide."""
LIGHT_GRID = (44, 52)
MEMORY = 0.15
"""Share of a new frame in the running light: colour pumps without it."""
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
    return Masks(worn.oval_mask(0.80, 0.91, 0.94, 0.05), own, light, worn.above_brows(10))


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
        self._luma = self._chroma = self._soft = np.empty(0, np.float32)
        self._bands: list[Floats] = []
        self._tones = np.array([0, 235], np.float32)
        self._light: Floats | None = None
        self._hair: Floats | None = None
        self._crispness: Floats | None = None
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
        rect = _rectangle(mesh, to_grid, picture)
        if rect is None:
            return False
        on_grid = (mesh[:, :2] @ to_grid[:, :2].T + to_grid[:, 2]).astype(np.float32)
        looks, covered = inverse_map(on_grid, self._points, GRID, depth=mesh[:, 2])
        weights = cv2.remap(self._masks, looks, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        # Where the mesh ends against the background the mask must end softly too, wherever the texture's own mask is.
        edge = cv2.blur(cv2.blur(cv2.erode(covered.astype(np.float32), np.ones((5, 5))), (5, 5)), (5, 5))
        alpha = weights[..., 0] * edge * np.float32(strength)
        here = cv2.resize(window(picture, to_grid, GRID), LIGHT_GRID, interpolation=cv2.INTER_AREA)
        small = cv2.resize(weights, LIGHT_GRID, interpolation=cv2.INTER_AREA)
        seen = small[..., 2] * cv2.resize(covered.astype(np.float32), LIGHT_GRID, interpolation=cv2.INTER_AREA)
        black = 0.0 if picture.colour.full_range else 16.0
        here -= np.array([black, 128, 128], np.float32)
        hair = self._running_hair(here, seen, small[..., 3])
        alpha *= 1 - cv2.resize(hair, GRID, interpolation=cv2.INTER_LINEAR)
        light = self._running_light(here, looks, seen * (1 - hair), black)
        self._match_crispness(picture, rect, to_grid, looks, weights[..., 2], light)
        self._paint(picture, rect, to_grid, looks, alpha, weights[..., 1], light, pose)
        self._count += 1
        return True

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
        self._chroma = broad + np.float32(TINT) * (cv2.GaussianBlur(chroma, (0, 0), 1.0) - broad)
        self._soft = cv2.GaussianBlur(yuv, (0, 0), 3.0)

    def _running_hair(self, here: Floats, skin: Floats, forehead: Floats) -> Floats:
        """(LIGHT_GRID height, width) how likely the wearer's hair covers forehead and temples, running."""
        sure = skin * (1 - forehead)
        luma = np.log(np.maximum(here[..., 0], 4.0))
        tint = here[..., 1:] / np.maximum(here[..., :1], 12.0)
        features = np.dstack([luma, tint])
        total = max(float(sure.sum()), 1e-3)
        middle = (features * sure[..., None]).sum((0, 1)) / total
        spread = np.sqrt((((features - middle) ** 2) * sure[..., None]).sum((0, 1)) / total)
        spread = np.clip(spread, (0.15, 0.03, 0.03), (0.30, 0.08, 0.08))
        distance = (((features - middle) / spread) ** 2).sum(-1)
        hair = cv2.blur((np.clip((distance - 7) / 8, 0, 1) * forehead).astype(np.float32), (3, 3))
        self._hair = _running(self._hair, hair)
        return self._hair

    def _match_crispness(
        self,
        picture: Picture,
        rect: tuple[int, int, int, int],
        to_grid: Floats,
        looks: Floats,
        weight: Floats,
        light: Floats,
    ) -> None:
        """Bring the texture's fine detail to the footage's, by their energies on skin; now and then, running."""
        if self._count % 5:
            return
        scale = float(np.sqrt(abs(np.linalg.det(to_grid[:, :2]))))
        side = max(1.0, min(3.0, 1 / scale / 1.0))  # look at up to three pixels a cell
        size = (int(GRID[0] * side), int(GRID[1] * side))
        zoom = to_grid * np.float32(side)
        target = window(picture, zoom, size)[..., 0]
        maps = cv2.resize(looks, size, interpolation=cv2.INTER_LINEAR)
        gain = cv2.resize(light[..., 0], size, interpolation=cv2.INTER_LINEAR)
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

    def _running_light(self, here: Floats, looks: Floats, weight: Floats, black: float) -> Floats:
        """(LIGHT_GRID height, width, 3): gain of luma, and shifts of U/Y and V/Y, low-passed in space and time."""
        there = cv2.remap(
            self._soft, cv2.resize(looks, LIGHT_GRID, interpolation=cv2.INTER_AREA), None, cv2.INTER_LINEAR
        )
        w = weight[..., None]
        stats = np.concatenate([here, there - np.array([black, 128, 128], np.float32)], axis=2)
        broad = stats * w
        side = 9
        broad = np.dstack(
            [
                cv2.blur(cv2.blur(np.ascontiguousarray(broad[..., k : k + 3]), (side, side)), (side, side))
                for k in (0, 3)
            ]
        )
        total = cv2.blur(cv2.blur(w, (side, side)), (side, side))[..., None]
        mean = (stats * w).sum((0, 1)) / max(float(w.sum()), 1e-3)
        # Where no skin is near, the face's mean stands in.
        broad = (broad + 0.02 * mean) / (total + 0.02)
        ours, theirs = np.maximum(broad[..., 0], 2.0), np.maximum(broad[..., 3], 2.0)
        gain = np.clip(ours / theirs, *GAIN_LIMITS)
        light = np.dstack(
            [gain, broad[..., 1] / ours - broad[..., 4] / theirs, broad[..., 2] / ours - broad[..., 5] / theirs]
        )
        light = light.astype(np.float32)
        skin = here[..., 0][weight > 0.3]
        tones = np.percentile(skin, (2, 98)).astype(np.float32) if skin.size > 20 else np.array([0, 235], np.float32)
        self._light = _running(self._light, light)
        self._tones = _running(self._tones if self._count else None, tones)
        return self._light

    def _paint(
        self,
        picture: Picture,
        rect: tuple[int, int, int, int],
        to_grid: Floats,
        looks: Floats,
        alpha: Floats,
        own: Floats,
        light: Floats,
        pose: Pose,
    ) -> None:
        left, top, width, height = rect
        black = np.float32(0.0 if picture.colour.full_range else 16.0)
        scale = np.float32(1 << (picture.colour.bit_depth - 8))
        local = to_grid.copy()
        local[:, 2] += to_grid[:, 0] * left + to_grid[:, 1] * top
        inverse = cv2.invertAffineTransform(local)

        def spread(grid: Floats) -> Floats:
            out: Floats = cv2.warpAffine(grid, inverse, (width, height), flags=cv2.INTER_LINEAR)
            return out

        maps = spread(looks)
        blend = spread(cv2.merge([alpha, alpha * own]))
        shade = spread(cv2.resize(light, GRID, interpolation=cv2.INTER_LINEAR))

        y = picture.y[top : top + height, left : left + width]
        target = y.astype(np.float32) / scale if scale != 1 else y.astype(np.float32)
        face = cv2.remap(self._luma, maps, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        face = (face - black) * shade[..., 0]
        dark, bright = self._tones
        np.minimum(face, face * SHOULDER + np.float32(bright * (1 - SHOULDER)), out=face)
        np.maximum(face, face * TOE + np.float32(dark * (1 - TOE)), out=face)
        face += black
        carried = self._carried(target, rect, pose, 1)
        mixed = face + (carried - face) * (blend[..., 1] / np.maximum(blend[..., 0], 1e-4))
        result = target + (mixed - target) * blend[..., 0]
        _store(y, result, blend[..., 0], scale)

        maps, blend, shade = (np.ascontiguousarray(part[::2, ::2]) for part in (maps, blend, shade))
        luma = cv2.remap(self._soft, maps, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[..., 0] - black
        tint = cv2.remap(self._chroma, maps, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        keep = blend[..., 1] / np.maximum(blend[..., 0], 1e-4)
        for index, plane in enumerate((picture.u, picture.v)):
            part = plane[top // 2 : top // 2 + blend.shape[0], left // 2 : left // 2 + blend.shape[1]]
            target = part.astype(np.float32) / scale if scale != 1 else part.astype(np.float32)
            face = shade[..., 0] * ((tint[..., index] - 128) + shade[..., 1 + index] * luma) + 128
            carried = self._carried(target, rect, pose, 2)
            mixed = face + (carried - face) * keep
            _store(part, target + (mixed - target) * blend[..., 0], blend[..., 0], scale)

    def _carried(self, target: Floats, rect: tuple[int, int, int, int], pose: Pose, step: int) -> Floats:
        """The target with its eyes and mouth carried to where the avatar's are."""
        carried = target.copy()
        left, top = rect[0] / step, rect[1] / step
        for ring, shift, reach in (
            (topology.RIGHT_EYE, self._delta.right_eye, 1.1),
            (topology.LEFT_EYE, self._delta.left_eye, 1.1),
            (topology.OUTER_LIPS, self._delta.mouth, 0.5),
        ):
            move = pose.turn(shift[None])[0, :2] / step
            box = self._mesh_box(ring, reach, step) - np.array([left, top, left, top], np.float32)
            x0, y0 = np.maximum(np.floor(box[:2]).astype(int), 0)
            x1, y1 = np.minimum(np.ceil(box[2:]).astype(int), target.shape[::-1])
            if x1 - x0 < 2 or y1 - y0 < 2:
                continue
            affine = np.array([[1, 0, x0 - move[0]], [0, 1, y0 - move[1]]], np.float32)
            carried[y0:y1, x0:x1] = cv2.warpAffine(
                target,
                affine,
                (int(x1 - x0), int(y1 - y0)),
                flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                borderMode=cv2.BORDER_REPLICATE,
            )
        return carried

    def _mesh_box(self, ring: topology.Ints, reach: float, step: int) -> Floats:
        points = self._mesh[ring, :2]
        low, high = points.min(0), points.max(0)
        margin = (high - low).max() * reach * 0.5
        return np.concatenate([low - margin, high + margin]).astype(np.float32) / np.float32(step)


def _running(old: Floats | None, new: Floats) -> Floats:
    return new if old is None else old + np.float32(MEMORY) * (new - old)


def _store(plane: NDArray[np.generic], values: Floats, alpha: Floats, scale: np.float32) -> None:
    rounded = np.rint(values * scale)
    top = 255 if plane.dtype == np.uint8 else 256 * float(scale) - 1
    np.clip(rounded, 0, top, out=rounded)
    np.copyto(plane, rounded.astype(plane.dtype), where=alpha > 0)


def _grid_affine(pose: Pose) -> Floats:
    """(2, 3) from picture pixels to cells of the face grid, upright with the face."""
    scale = GRID[0] / (GRID_SPAN * pose.scale)
    c, s = np.cos(pose.roll) * scale, np.sin(pose.roll) * scale
    x, y = pose.centre[:2]
    return np.array(
        [[c, s, GRID[0] / 2 - c * x - s * y], [-s, c, GRID[1] / 2 - 0.02 * GRID[1] + s * x - c * y]], np.float32
    )


def _rectangle(mesh: Floats, to_grid: Floats, picture: Picture) -> tuple[int, int, int, int] | None:
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
