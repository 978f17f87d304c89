"""Painting what the network drew onto a frame: inside the face only, in the footage's light, as sharp as the footage.

The network sees and draws 128 px. A face 300 px wide has detail that such a crop cannot hold, so what the frame has
beyond its own crop is added back where the network left the skin's structure alone, and what it drew anew is sharpened
by as much as the frame is sharper than its crop. Light is taken from the footage in broad patches, running.
"""

import cv2
import numpy as np

from ugclab.engines.inswapper import identity
from ugclab.engines.inswapper.runtime import Network
from ugclab.engines.mesh import topology
from ugclab.engines.mesh.composite import FADE_PITCH, FADE_YAW, blend, fade
from ugclab.engines.mesh.pose import Pose
from ugclab.engines.mesh.sampling import Floats, Picture, Plane, codes_of, to_rgb, to_yuv, window
from ugclab.engines.mesh.spectacles import Spectacles

SIDE = 128
"""Px of the crop the network sees and draws."""
OVAL = (0.86, 0.92, 0.95)
"""How far the face's oval is drawn in at its top, sides and chin, about the nose: beyond them are hair and collar."""
SOFT = 9
"""Crop px of the two boxes that soften the oval's edge."""
BORDER = 5
"""Crop px at its edge that are never painted: networks draw their borders badly."""
LIGHT_SIGMA = 12.0
"""Crop px below which a difference of brightness or tint is the face's own, and above which it is light."""
LIGHT_LIMITS = np.array([40.0, 14.0, 14.0], np.float32)
"""8-bit codes of Y, U and V by which light is corrected at most."""
MEMORY = 0.25
"""Share of a new frame in the running light and detail: both flicker without it."""
FINE_SIGMA = 1.2
"""Crop px of the detail whose energy is matched."""
DETAIL_LIMITS = (0.4, 1.15)
SHARPEN_LIMIT = 0.8
MOVED = 5.0
"""8-bit codes by which the network's fine structure must differ from the frame's for half of the frame's own detail to
be left out: two structures over each other are a ghost."""
FEATURES_MOVED = 0.3
"""Share of that in eyes, brows, nostrils and lips, which are to come from the network."""


class Painter:
    """One face of one clip worn through the network; keeps the running light and detail between frames."""

    def __init__(self, network: Network, latent: Floats, spectacles: Spectacles | None = None) -> None:
        """`network` takes a crop and `latent` (1, 512); `spectacles` is what stays of the wearer's face."""
        self._network = network
        self._latent = latent
        self._spectacles = spectacles
        self._template = identity.swap_template(SIDE)
        self._light: Floats = np.zeros((SIDE, SIDE, 3), np.float32)
        self._detail: Floats = np.zeros(1, np.float32)
        self._crisp: Floats = np.zeros(1, np.float32)
        self._met = False

    def wear(self, picture: Picture, points: Floats, pose: Pose, strength: float = 1.0) -> bool:
        """Change `picture` in place. False (and untouched) where the face is turned too far, or out of the picture."""
        strength *= fade(abs(pose.yaw), FADE_YAW) * fade(abs(pose.pitch), FADE_PITCH)
        if strength < 0.02:
            return False
        affine = identity.to_crop(points, self._template)
        on_crop = points[:, :2] @ affine[:, :2].T + affine[:, 2]
        mask = face_mask(on_crop)
        rect = _rectangle(mask, affine, picture)
        if rect is None:
            return False
        features = feature_mask(on_crop)
        seen = window(picture, affine, (SIDE, SIDE))
        drawn = self._draw(picture, seen)
        scale = 1 / float(np.sqrt(abs(np.linalg.det(affine[:, :2]))))
        drawn = self._match(seen, drawn, mask, features)
        own = _own_detail(seen, drawn, features)
        if scale < 0.8:  # the crop is enlarged: taps further apart than its px would alias
            drawn, seen = (cv2.GaussianBlur(part, (0, 0), 0.35 / scale) for part in (drawn, seen))
        self._paint(picture, rect, affine, (seen, drawn, mask * np.float32(strength), own, features), pose)
        self._met = True
        return True

    def _draw(self, picture: Picture, seen: Floats) -> Floats:
        """What the network makes of a crop: both (SIDE, SIDE, 3) YUV in 8-bit codes."""
        conversion = codes_of(picture)
        (drawn,) = self._network.run(identity.planes_first(to_rgb(seen, conversion)), self._latent)
        rgb = np.clip(np.nan_to_num(cv2.merge(list(drawn))), 0, 1)
        return to_yuv(rgb, conversion)

    def _match(self, seen: Floats, drawn: Floats, mask: Floats, features: Floats) -> Floats:
        """Bring light and fine detail of what was drawn to what was seen."""
        weight = mask * (1 - features) + np.float32(1e-3) * mask
        shares = cv2.merge([weight] * 3)
        total = max(float(weight.sum()), 1e-3)
        difference = seen - drawn
        mean = (difference * shares).sum((0, 1)) / total
        # Where no skin is near, the face's mean stands in.
        broad = cv2.GaussianBlur(difference * shares, (0, 0), LIGHT_SIGMA)
        near = cv2.GaussianBlur(weight, (0, 0), LIGHT_SIGMA)[..., None]
        light = np.clip((broad + np.float32(0.02) * mean) / (near + np.float32(0.02)), -LIGHT_LIMITS, LIGHT_LIMITS)
        self._light = self._running(self._light, light.astype(np.float32))
        lit = drawn + self._light

        soft = cv2.GaussianBlur(lit[..., 0], (0, 0), FINE_SIGMA)
        fine = lit[..., 0] - soft
        theirs = seen[..., 0] - cv2.GaussianBlur(seen[..., 0], (0, 0), FINE_SIGMA)
        ratio = _deviation(theirs, mask) / max(_deviation(fine, mask), 0.05)
        self._detail = self._running(self._detail, np.clip(np.array([ratio], np.float32), *DETAIL_LIMITS))
        lit[..., 0] = soft + self._detail * fine
        return lit

    def _paint(
        self,
        picture: Picture,
        rect: tuple[int, int, int, int],
        affine: Floats,
        crop: tuple[Floats, Floats, Floats, Floats, Floats],
        pose: Pose,
    ) -> None:
        """Blend the crop into the planes of `rect` (left, top, width, height)."""
        left, top, width, height = rect
        seen, drawn, mask, own, features = crop
        bits = 1 << (picture.colour.bit_depth - 8)
        place = affine.copy()
        place[:, 2] += affine[:, :2] @ np.array([left, top], np.float32)
        alpha = np.clip(_spread(mask, place, (width, height)), 0, 1)
        if self._spectacles is not None:
            self._spectacles.spare(alpha, pose, (left, top))
        luma = picture.y[top : top + height, left : left + width]
        target = luma.astype(np.float32) / np.float32(bits)
        beyond = target - _spread(seen[..., 0], place, (width, height), cv2.INTER_CUBIC)
        sharpened = self._sharpened(drawn[..., 0], beyond * alpha, seen[..., 0], mask, features * (1 - own))
        face = _spread(sharpened, place, (width, height), cv2.INTER_CUBIC)
        face += beyond * _spread(own, place, (width, height))
        _write(luma, target, face, alpha, bits)

        # A chroma sample lies between four luma samples.
        half = (width // 2, height // 2)
        place = np.column_stack([affine[:, :2] * 2, affine[:, :2] @ np.array([left + 0.5, top + 0.5]) + affine[:, 2]])
        place = place.astype(np.float32)
        alpha = cv2.resize(alpha, half, interpolation=cv2.INTER_AREA)
        for index, plane in enumerate((picture.u, picture.v), 1):
            part = plane[top // 2 : top // 2 + half[1], left // 2 : left // 2 + half[0]]
            target = part.astype(np.float32) / np.float32(bits)
            beyond = (target - _spread(seen[..., index], place, half)) * _spread(own, place, half)
            _write(part, target, _spread(drawn[..., index], place, half) + beyond, alpha, bits)

    def _sharpened(self, drawn: Floats, beyond: Floats, seen: Floats, mask: Floats, anew: Floats) -> Floats:
        """Raise the drawn luma's finest detail in features drawn `anew` by what the frame has beyond its crop."""
        finest = drawn - cv2.GaussianBlur(drawn, (0, 0), 1.0)
        theirs = seen - cv2.GaussianBlur(seen, (0, 0), 1.0)
        crisp = _deviation(beyond, (beyond != 0).astype(np.float32)) / max(_deviation(theirs, mask), 0.5)
        self._crisp = self._running(self._crisp, np.array([min(crisp, SHARPEN_LIMIT)], np.float32))
        raised: Floats = drawn + self._crisp * finest * anew
        return raised

    def _running(self, old: Floats, new: Floats) -> Floats:
        running: Floats = old + np.float32(MEMORY) * (new - old) if self._met else new
        return running


def face_mask(points: Floats) -> Floats:
    """(SIDE, SIDE) how much of each px of the crop is painted, 0-1, for landmarks `points` (468, 2) in the crop."""
    rim = points[topology.OVAL]
    middle = points[[1, 6, 168]].mean(0)
    top, sides, chin = OVAL
    away = rim - middle
    drawn_in = away * np.column_stack([np.full(len(rim), sides), np.where(away[:, 1] < 0, top, chin)])
    soft = _soft(_polygon(drawn_in + middle), SOFT)
    # However the oval is softened, nothing beyond the face itself is painted.
    edge = _soft(cv2.erode(_polygon(rim), np.ones((5, 5), np.uint8)), 5)
    mask = soft * edge
    ramp = np.clip((np.arange(SIDE, dtype=np.float32) - BORDER + 1) / SOFT, 0, 1)
    ramp = np.minimum(ramp, ramp[::-1])
    mask *= ramp * ramp[:, None]
    mask[mask < 1 / 256] = 0
    return mask


def feature_mask(points: Floats) -> Floats:
    """(SIDE, SIDE) where eyes, brows, nostrils and lips are, softly: what the network draws anew."""
    mask = np.zeros((SIDE, SIDE), np.float32)
    rings: tuple[tuple[topology.Ints, tuple[float, float]], ...] = (
        (topology.RIGHT_EYE, (1.5, 2.4)),
        (topology.LEFT_EYE, (1.5, 2.4)),
        (topology.RIGHT_BROW, (1.15, 1.8)),
        (topology.LEFT_BROW, (1.15, 1.8)),
        (topology.OUTER_LIPS, (1.15, 1.3)),
        (NOSTRILS, (1.3, 1.6)),
    )
    for ring, grow in rings:
        low, high = points[ring].min(0), points[ring].max(0)
        middle, half = (low + high) / 2, np.maximum((high - low) / 2 * np.array(grow), 2.0)
        corners = ((float(middle[0]), float(middle[1])), (2 * float(half[0]), 2 * float(half[1])), 0.0)
        cv2.ellipse(mask, corners, 1.0, -1, cv2.LINE_AA)
    return _soft(mask, 5)


NOSTRILS = np.array([98, 97, 2, 326, 327, 4], dtype=np.intp)


def _own_detail(seen: Floats, drawn: Floats, features: Floats) -> Floats:
    """(SIDE, SIDE) how much of the frame's own detail beyond the crop stays, 0-1: where structure was left alone."""
    change = np.asarray(drawn[..., 0] - seen[..., 0])
    change = cv2.GaussianBlur(np.abs(change - cv2.GaussianBlur(change, (0, 0), 4.0)), (0, 0), 1.5)
    limit = np.float32(MOVED) * (1 - np.float32(1 - FEATURES_MOVED) * features)
    alone: Floats = 1 / (1 + (change / limit) ** 2)
    return alone


def _polygon(points: Floats) -> Floats:
    mask = np.zeros((SIDE, SIDE), np.float32)
    cv2.fillPoly(mask, [np.rint(points * 16).astype(np.int32)], 1.0, cv2.LINE_AA, 4)
    return mask


def _soft(mask: Floats, side: int) -> Floats:
    soft: Floats = cv2.blur(cv2.blur(mask, (side, side)), (side, side))
    return soft


def _spread(crop: Floats, place: Floats, size: tuple[int, int], how: int = cv2.INTER_LINEAR) -> Floats:
    """See the crop from the picture: `place` (2, 3) takes a px of the wanted `size` to the crop."""
    flags = how | cv2.WARP_INVERSE_MAP
    spread: Floats = cv2.warpAffine(
        np.ascontiguousarray(crop), place, size, flags=flags, borderMode=cv2.BORDER_REPLICATE
    )
    return spread


def _write(plane: Plane, target: Floats, face: Floats, alpha: Floats, bits: int) -> None:
    """Blend into a plane of code values; where alpha is 0 a value stays what it was."""
    np.clip(face, 0, 255, out=face)
    if bits != 1:
        face *= bits
        target *= bits
    blend(plane, target, face, alpha)


def _deviation(values: Floats, weight: Floats) -> float:
    """Root mean square of what has no mean, weighted."""
    return float(np.sqrt((values * values * weight).sum() / max(float(weight.sum()), 1e-3)))


def _rectangle(mask: Floats, affine: Floats, picture: Picture) -> tuple[int, int, int, int] | None:
    """Left, top, width, height of the px that may change: even, inside the picture; None where too few are."""
    x, y, width, height = cv2.boundingRect((mask > 0).astype(np.uint8))
    if not width:
        return None
    corners = np.array([[x - 1, y - 1], [x + width, y - 1], [x - 1, y + height], [x + width, y + height]], np.float32)
    inverse = cv2.invertAffineTransform(affine)
    placed = corners @ inverse[:, :2].T + inverse[:, 2]
    rows, columns = picture.y.shape
    left, top = (max(int(v) // 2 * 2, 0) for v in np.floor(placed.min(0)))
    right = min((int(np.ceil(placed[:, 0].max())) + 2) // 2 * 2, columns // 2 * 2)
    bottom = min((int(np.ceil(placed[:, 1].max())) + 2) // 2 * 2, rows // 2 * 2)
    return (left, top, right - left, bottom - top) if right - left >= 8 and bottom - top >= 8 else None
