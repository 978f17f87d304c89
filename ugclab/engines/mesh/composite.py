"""Wearing the face: warp the texture onto a frame's planes, lit by the scene, keeping the wearer's eyes and mouth.

Everything that varies slowly (where the texture looks, masks, light) lives on a small grid that turns with the face;
only the final look-up and blend touch pixels, and only inside the face's rectangle of the YUV planes.
"""

import cv2
import numpy as np

from ugclab.engines.mesh import topology
from ugclab.engines.mesh.light import GRID, SceneLight, grid_affine
from ugclab.engines.mesh.masks import BARE_EYES, EYES, masks
from ugclab.engines.mesh.material import Material
from ugclab.engines.mesh.pose import FLATTENED, Pose
from ugclab.engines.mesh.sampling import Picture, Plane
from ugclab.engines.mesh.shape import Delta
from ugclab.engines.mesh.spectacles import Spectacles
from ugclab.engines.mesh.texture import texture_points
from ugclab.engines.mesh.topology import Floats
from ugclab.engines.mesh.warp import inverse_map

SHOULDER = 0.35
"""Slope above the footage's own highlights: a brighter avatar would clip."""
TOE = 0.85
"""Slope below the footage's darkest skin."""
FADE_YAW = (40.0 * FLATTENED, 60.0 * FLATTENED)
FADE_PITCH = (35.0, 50.0)
"""Degrees between which a turned face fades from the swap to the source: beyond, a photo's other side would be seen."""

FEATHER, LIPS_REACH = 0.13, 0.2
"""How far an eye's mask is softened beyond its axes, in widths of an eye, and how far the mouth's own share goes beyond
its landmarks, in widths of a mouth."""

LIDS, MOST_TINT = 0.6, 15.0
"""Share of the difference in tint between the wearer's lids and the face round them that is taken off their eyes, and
the most of it, in 8-bit codes: lids painted, reddened or shaded by a lens stand out of another's skin."""


class Wearer:
    """One face of one clip wearing one avatar; keeps the running light between frames."""

    def __init__(
        self,
        texture: Floats,
        delta: Delta,
        spectacles: Spectacles | None = None,
        *,
        share: Floats | None = None,
        bare: bool = False,
    ) -> None:
        """`texture`, `share` (None: all of it) and `bare` are Avatar's, `delta` the difference to the clip's face,
        `spectacles` what stays on it."""
        self._delta = delta
        self._spectacles = spectacles
        self._light = SceneLight()
        self._points = texture_points()
        self._room = _Room()
        eyes = BARE_EYES if bare else EYES
        shared = masks(eyes)
        self._material = Material(texture, shared.light)
        face = shared.face if share is None else shared.face * share
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
        moves: tuple[Floats, Floats],
        pose: Pose,
    ) -> None:
        """Look the face up and blend it in; `wearing` (GRID, 4) holds where to look, alpha and the own share."""
        left, top, width, height = rect
        material, light = self._material, self._light
        black = 0.0 if picture.colour.full_range else 16.0
        white, most = (255.0, 255.0) if picture.colour.full_range else (235.0, 240.0)
        scale = np.float32(1 << (picture.colour.bit_depth - 8))
        # From the grid to half the resolution, where chroma is, each sample between its four of luma; then twice that.
        half = ((width + 1) // 2, (height + 1) // 2)
        to_half = 2 * to_grid
        to_half[:, 2] = to_grid[:, 2] + to_grid[:, :2] @ np.array([left + 0.5, top + 0.5], np.float32)
        whole, halves, woven = self._room.planes(half)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        for grid, parts in ((wearing, halves[:4]), (light.pattern, halves[4:8])):
            cv2.split(cv2.warpAffine(grid, to_half, half, dst=woven, flags=flags), tuple(parts))
        map_x, map_y, alpha, own, gain = (
            cv2.resize(part, target.shape[::-1], dst=target)[:height, :width]
            for part, target in zip(halves[:5], whole, strict=False)
        )
        target, face, tone = (part[:height, :width] for part in whole[5:])

        if self._spectacles is not None:
            self._spectacles.spare(alpha, pose, (left, top))
            cv2.resize(alpha, half, dst=halves[2], interpolation=cv2.INTER_AREA)

        y = picture.y[top : top + height, left : left + width]
        target[...] = y
        cv2.remap(material.luma, map_x, map_y, cv2.INTER_LINEAR, dst=face, borderMode=cv2.BORDER_REPLICATE)
        face *= gain
        dark, bright = light.tones.tolist()
        for limit, knee, slope in ((np.minimum, bright, SHOULDER), (np.maximum, dark, TOE)):
            cv2.addWeighted(face, slope, face, 0, knee * (1 - slope), dst=tone)
            limit(face, tone, out=face)
        face += np.float32(black)
        # A glint on a brightened avatar would pass the coding's white, and in a 10-bit plane what 10 bits can hold.
        cv2.threshold(face, white, 0, cv2.THRESH_TRUNC, dst=face)
        if scale != 1:
            face *= scale
        moves = moves[0] - np.array([left, top, left, top], np.float32), moves[1]
        _keep_own(face[None], target[None], own, moves)
        blend(y, target, face, alpha)

        map_x, map_y, alpha, own, gain = halves[:5]
        tints, targets, colours = halves[5:7], halves[7:9], halves[9:11]
        cv2.remap(material.tint, map_x, map_y, cv2.INTER_LINEAR, dst=woven, borderMode=cv2.BORDER_REPLICATE)
        cv2.split(woven, tuple(halves[9:]))
        tints *= halves[11]
        colours *= light.saturation
        colours += tints
        colours *= gain
        colours += np.float32(128)
        np.clip(colours, np.float32(black), np.float32(most), out=colours)
        if scale != 1:
            colours *= scale
        chroma = [
            plane[top // 2 : top // 2 + half[1], left // 2 : left // 2 + half[0]] for plane in (picture.u, picture.v)
        ]
        for target, part in zip(targets, chroma, strict=True):
            target[...] = part
        moves = moves[0] * np.float32(0.5), moves[1] * np.float32(0.5)
        _keep_own(colours, targets, own, moves, most_tint=MOST_TINT * float(scale))
        for part, target, face in zip(chroma, targets, colours, strict=True):
            blend(part, target, face, alpha)

    def _moves(self, mesh: Floats, pose: Pose) -> tuple[Floats, Floats]:
        """Boxes (3, 4) x0, y0, x1, y1 round the wearer's eyes and mouth, and how far (3, 2) each is carried, in px."""
        delta = self._delta
        boxes = []
        for ring, reach in self._own:
            low, high = topology.bounds(mesh[ring])
            boxes.append(np.concatenate([low, high]) + reach * (high - low).max())
        shifts = pose.turn(np.stack([delta.right_eye, delta.left_eye, delta.mouth]))[:, :2]
        return np.stack(boxes), shifts


class _Room:
    """Memory to work in, kept from frame to frame: fresh from the system it would cost a quarter more."""

    def __init__(self) -> None:
        self._memory = np.empty(0, np.float32)

    def planes(self, half: tuple[int, int]) -> tuple[Floats, Floats, Floats]:
        """(8, 2 height, 2 width), (13, height, width) and (height, width, 4) for `half`, a (width, height)."""
        width, height = half
        size = width * height
        if len(self._memory) < 49 * size:
            self._memory = np.empty(49 * size * 5 // 4, np.float32)
        whole, halves, woven = np.split(self._memory[: 49 * size], (32 * size, 45 * size))
        return (
            whole.reshape(8, 2 * height, 2 * width),
            halves.reshape(13, height, width),
            woven.reshape(height, width, 4),
        )


def _keep_own(
    faces: Floats, targets: Floats, own: Floats, moves: tuple[Floats, Floats], most_tint: float = 0.0
) -> None:
    """Put the wearer's own eyes and mouth over the face, carried to where the avatar's are.

    `faces` and `targets` (n, height, width) are planes, `moves` is in their pixels. Eyes are shifted by up to
    `most_tint` towards what is round them.
    """
    boxes, shifts = moves
    low = np.maximum(np.floor(boxes[:, :2]), 0).astype(int)
    size = np.minimum(np.ceil(boxes[:, 2:]), own.shape[::-1]).astype(int) - low
    middles = low + (size - 1) / 2 - shifts
    limits = (most_tint, most_tint, 0.0)
    for (x, y), (width, height), middle, most in zip(
        low.tolist(), size.tolist(), middles.tolist(), limits, strict=True
    ):
        if width < 2 or height < 2:
            continue
        part = np.s_[y : y + height, x : x + width]
        share = own[part]
        for face, target in zip(faces, targets, strict=True):
            carried = cv2.getRectSubPix(target, (width, height), middle)
            carried -= face[part]
            if most:
                rim = share * (1 - share)
                apart = LIDS * float(np.vdot(carried, rim)) / max(float(rim.sum()), 1e-3)
                carried -= np.float32(min(max(apart, -most), most))
            carried *= share
            face[part] += carried


def blend(plane: Plane, target: Floats, face: Floats, alpha: Floats) -> None:
    """Write target + alpha (face - target) into the plane; where alpha is 0 a code value stays exactly what it was."""
    face -= target
    face *= alpha
    cv2.add(face, target, dst=plane, dtype=cv2.CV_8U if plane.dtype == np.uint8 else cv2.CV_16U)


def _rectangle(mesh: Floats, picture: Picture) -> tuple[int, int, int, int] | None:
    """Left, top, width, height of the pixels that may change: even, inside the picture."""
    low, high = topology.bounds(mesh)
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
