"""Wearing the face: warp the texture onto a frame's planes, lit by the scene, keeping the wearer's eyes and mouth.

Everything that varies slowly (where the texture looks, masks, light) lives on a small grid that turns with the face;
only the final look-up and blend touch pixels, and only inside the face's rectangle of the YUV planes.
"""

import cv2
import numpy as np

from ugclab.engines.mesh import texture as worn
from ugclab.engines.mesh import topology
from ugclab.engines.mesh.light import GRID, SceneLight, grid_affine
from ugclab.engines.mesh.masks import BARE_EYES, EYES, masks
from ugclab.engines.mesh.material import Material
from ugclab.engines.mesh.pose import FLATTENED, Pose
from ugclab.engines.mesh.sampling import Picture, Plane
from ugclab.engines.mesh.shape import Delta
from ugclab.engines.mesh.spectacles import Spectacles
from ugclab.engines.mesh.topology import Floats
from ugclab.engines.mesh.warp import inverse_map

SHOULDER = 0.35
"""Slope above the footage's own highlights: a brighter avatar would clip."""
TOE = 0.6
"""Slope below the footage's darkest skin."""
FADE_YAW = (40.0 * FLATTENED, 60.0 * FLATTENED)
FADE_PITCH = (35.0, 50.0)
"""Degrees between which a turned face fades from the swap to the source: beyond, a photo's other side would be seen."""

FEATHER, LIPS_REACH = 0.13, 0.2
"""How far an eye's mask is softened beyond its axes, in widths of an eye, and how far the mouth's own share goes beyond
its landmarks, in widths of a mouth."""


class Wearer:
    """One face of one clip wearing one avatar; keeps the running light between frames."""

    def __init__(
        self,
        texture: Floats,
        delta: Delta,
        spectacles: Spectacles | None = None,
        *,
        known: Floats | None = None,
        bare: bool = False,
    ) -> None:
        """`texture`, `known` (None: all of it) and `bare` are Avatar's, `delta` the difference to the clip's face,
        `spectacles` what stays on it."""
        self._delta = delta
        self._spectacles = spectacles
        self._light = SceneLight()
        self._points = worn.texture_points()
        self._memory = np.empty((8, 0), np.float32)
        eyes = BARE_EYES if bare else EYES
        shared = masks(eyes)
        self._material = Material(texture, shared.light)
        face = shared.face if known is None else shared.face * known
        # How far beyond its landmarks the wearer's own share of a feature goes to the left, up, right and down, in its
        # width; a closed eye's landmarks have no height.
        across, up, down = eyes[0] - 0.5 + FEATHER, eyes[1] - eyes[2] + FEATHER, eyes[1] + eyes[2] + FEATHER
        eye, lips = (np.array([-x, -y0, x, y1], np.float32) for x, y0, y1 in ((across, up, down), (LIPS_REACH,) * 3))
        self._own = ((topology.RIGHT_EYE, eye), (topology.LEFT_EYE, eye), (topology.OUTER_LIPS, lips))
        self._masks = cv2.merge([face, shared.own, shared.light, shared.forehead])

    def wear(self, picture: Picture, points: Floats, pose: Pose, strength: float = 1.0) -> bool:
        """Change `picture` in place. False (and untouched) where the face is turned too far, or out of the picture."""
        strength *= fade(abs(pose.yaw), FADE_YAW) * fade(abs(pose.pitch), FADE_PITCH)
        if strength < 0.02:
            return False
        mesh = points + pose.turn(self._delta.points)
        to_grid = grid_affine(pose)
        rect = _rectangle(mesh, picture)
        if rect is None:
            return False
        on_grid = (mesh[:, :2] @ to_grid[:, :2].T + to_grid[:, 2]).astype(np.float32)
        looks, covered = inverse_map(on_grid, self._points, GRID, depth=mesh[:, 2])
        weights = cv2.remap(self._masks, looks, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        # Where the mesh ends against the background the mask must end softly too, wherever the texture's own mask is.
        edge = cv2.blur(cv2.blur(cv2.erode(covered.astype(np.float32), np.ones((5, 5))), (5, 5)), (5, 5))
        material, light = self._material, self._light
        material.suit(picture)
        right, left = (
            points[ring, :2] @ to_grid[:, :2].T + to_grid[:, 2] for ring in (topology.RIGHT_BROW, topology.LEFT_BROW)
        )
        light.meet(picture, to_grid, looks, weights, covered, material.soft, (right, left))
        material.match(picture, to_grid, looks, weights[..., 2], light.gain)
        alpha = weights[..., 0] * edge * (1 - light.hair) * np.float32(strength)
        rect = _within(rect, alpha, to_grid)
        if rect is not None:
            wearing = cv2.merge([looks[..., 0], looks[..., 1], alpha, weights[..., 1]])
            self._paint(picture, rect, to_grid, wearing, self._moves(mesh, pose), pose)
        return True

    def _paint(
        self,
        picture: Picture,
        rect: tuple[int, int, int, int],
        to_grid: Floats,
        wearing: Floats,
        moves: list[tuple[Floats, Floats]],
        pose: Pose,
    ) -> None:
        """Look the face up and blend it in; `wearing` (GRID, 4) holds where to look, alpha and the own share."""
        left, top, width, height = rect
        material, light = self._material, self._light
        black = np.float32(0.0 if picture.colour.full_range else 16.0)
        white = np.float32(255.0 if picture.colour.full_range else 235.0)
        scale = np.float32(1 << (picture.colour.bit_depth - 8))
        # From the grid to half the resolution, where chroma is, each sample between its four of luma; then twice that.
        half = ((width + 1) // 2, (height + 1) // 2)
        to_half = 2 * to_grid
        to_half[:, 2] = to_grid[:, 2] + to_grid[:, :2] @ np.array([left + 0.5, top + 0.5], np.float32)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        halves = cv2.split(cv2.warpAffine(wearing, to_half, half, flags=flags))
        lit = cv2.split(cv2.warpAffine(light.pattern, to_half, half, flags=flags))
        room = self._room(2 * half[0], 2 * half[1])
        map_x, map_y, alpha, own, gain = (
            cv2.resize(part, target.shape[::-1], dst=target)[:height, :width]
            for part, target in zip((*halves, lit[0]), room, strict=False)
        )
        target, face, tone = (part[:height, :width] for part in room[5:])

        if self._spectacles is not None:
            self._spectacles.spare(alpha, pose, (left, top))
            cv2.resize(alpha, half, dst=halves[2], interpolation=cv2.INTER_AREA)

        y = picture.y[top : top + height, left : left + width]
        target[...] = y
        cv2.remap(material.luma, map_x, map_y, cv2.INTER_LINEAR, dst=face, borderMode=cv2.BORDER_REPLICATE)
        face -= black
        face *= gain
        dark, bright = light.tones
        for limit, knee, slope in ((np.minimum, bright, SHOULDER), (np.maximum, dark, TOE)):
            np.multiply(face, np.float32(slope), out=tone)
            tone += np.float32(knee * (1 - slope))
            limit(face, tone, out=face)
        face += black
        # A glint on a brightened avatar would pass the coding's white, and in a 10-bit plane what 10 bits can hold.
        np.minimum(face, white, out=face)
        if scale != 1:
            face *= scale
        moves = [(box - np.array([left, top, left, top], np.float32), shift) for box, shift in moves]
        _keep_own(face, target, own, moves, 1)
        blend(y, target, face, alpha)

        map_x, map_y, alpha, own = halves
        gain, *tints, _ = lit
        *colours, luma = cv2.split(
            cv2.remap(material.tint, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        )
        luma -= black
        for plane, face, tint in zip((picture.u, picture.v), colours, tints, strict=True):
            part = plane[top // 2 : top // 2 + half[1], left // 2 : left // 2 + half[0]]
            target = part.astype(np.float32)
            face -= 128
            face *= light.saturation
            tint *= luma
            face += tint
            face *= gain
            face += 128
            np.clip(face, black, 255.0 if picture.colour.full_range else 240.0, out=face)
            if scale != 1:
                face *= scale
            _keep_own(face, target, own, moves, 2)
            blend(part, target, face, alpha)

    def _room(self, width: int, height: int) -> Floats:
        """(8, height, width) to work in: memory fresh from the system for every frame would cost a quarter more."""
        if self._memory.shape[1] < height * width:
            self._memory = np.empty((8, height * width * 5 // 4), np.float32)
        return self._memory[:, : height * width].reshape(8, height, width)

    def _moves(self, mesh: Floats, pose: Pose) -> list[tuple[Floats, Floats]]:
        """Boxes (x0, y0, x1, y1) round the wearer's eyes and mouth, and how far (dx, dy) each is carried, in px."""
        delta = self._delta
        shifts = pose.turn(np.stack([delta.right_eye, delta.left_eye, delta.mouth]))[:, :2]
        moves = []
        for (ring, reach), shift in zip(self._own, shifts, strict=True):
            points = mesh[ring, :2]
            low, high = points.min(0), points.max(0)
            moves.append((np.concatenate([low, high]) + reach * (high - low).max(), shift))
        return moves


def _keep_own(face: Floats, target: Floats, own: Floats, moves: list[tuple[Floats, Floats]], step: int) -> None:
    """Put the wearer's own eyes and mouth over the face, carried to where the avatar's are (a plane of 1 / `step`)."""
    for box, shift in moves:
        x0, y0 = np.maximum(np.floor(box[:2] / step).astype(int), 0)
        x1, y1 = np.minimum(np.ceil(box[2:] / step).astype(int), target.shape[::-1])
        if x1 - x0 < 2 or y1 - y0 < 2:
            continue
        size = (int(x1 - x0), int(y1 - y0))
        middle = (x0 + (size[0] - 1) / 2 - float(shift[0]) / step, y0 + (size[1] - 1) / 2 - float(shift[1]) / step)
        carried = cv2.getRectSubPix(target, size, middle)
        part = face[y0:y1, x0:x1]
        carried -= part
        carried *= own[y0:y1, x0:x1]
        part += carried


def blend(plane: Plane, target: Floats, face: Floats, alpha: Floats) -> None:
    """Write target + alpha (face - target) into the plane; where alpha is 0 a code value stays exactly what it was."""
    face -= target
    face *= alpha
    face += target
    cv2.add(face, 0.0, dst=plane, dtype=cv2.CV_8U if plane.dtype == np.uint8 else cv2.CV_16U)


def _rectangle(mesh: Floats, picture: Picture) -> tuple[int, int, int, int] | None:
    """Left, top, width, height of the pixels that may change: even, inside the picture."""
    low, high = mesh[:, :2].min(0), mesh[:, :2].max(0)
    height, width = picture.y.shape
    left, top = (max(int(np.floor(v)) // 2 * 2, 0) for v in low)
    right = min((int(np.ceil(high[0])) + 2) // 2 * 2, width)
    bottom = min((int(np.ceil(high[1])) + 2) // 2 * 2, height)
    return (left, top, right - left, bottom - top) if right - left >= 8 and bottom - top >= 8 else None


def _within(rect: tuple[int, int, int, int], alpha: Floats, to_grid: Floats) -> tuple[int, int, int, int] | None:
    """The part of a rectangle in which anything is painted; None where nothing is."""
    x, y, width, height = cv2.boundingRect((alpha > 0).astype(np.uint8))
    if not width:
        return None
    # A cell's share reaches to its neighbours' middles.
    corners = np.array([[x - 1, y - 1], [x + width, y - 1], [x - 1, y + height], [x + width, y + height]], np.float32)
    inverse = cv2.invertAffineTransform(to_grid)
    placed = corners @ inverse[:, :2].T + inverse[:, 2]
    left, top = (max(int(v) // 2 * 2, edge) for v, edge in zip(np.floor(placed.min(0)), rect[:2], strict=True))
    right = min((int(np.ceil(placed[:, 0].max())) + 2) // 2 * 2, rect[0] + rect[2])
    bottom = min((int(np.ceil(placed[:, 1].max())) + 2) // 2 * 2, rect[1] + rect[3])
    return (left, top, right - left, bottom - top) if right - left >= 8 and bottom - top >= 8 else None


def fade(angle: float, limits: tuple[float, float]) -> float:
    """1 up to the first of two angles, 0 from the second on, smooth between them."""
    t = min(max((limits[1] - angle) / (limits[1] - limits[0]), 0.0), 1.0)
    return t * t * (3 - 2 * t)
