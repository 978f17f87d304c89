"""The avatar's texture in the footage's own code values, as crisp as the footage is."""

import cv2
import numpy as np

from ugclab.engines.mesh.light import GRID
from ugclab.engines.mesh.sampling import Codes, Picture, codes_of, luma_window, to_yuv
from ugclab.engines.mesh.texture import blur, texture_points
from ugclab.engines.mesh.topology import Floats

CRISPNESS_EVERY = 15
BANDS = (1.6, 5.0, 14.0)
"""Standard deviations in texture px that part pores and lashes, wrinkles, folds, and form."""
CRISPNESS_LIMITS = ((0.3, 1.1), (0.45, 1.1), (0.6, 1.1))
"""Least and most of the avatar's pores, wrinkles and folds that are worn."""
CRACKS, DEEPEST = 2, 1.5
"""The bands in which lines are bounded on skin, finest first, and at how many standard deviations."""
SOFTER = np.float32(0.3)
"""How much softer than the photo the footage is where they are bounded wholly; they stay where it is as crisp."""
TINT = 0.5
"""Share of the avatar's local tints that is worn: redness doubles under a warm light."""


class Material:
    """A texture ready to be looked up."""

    def __init__(self, texture: Floats, skin: Floats) -> None:
        """`texture` (height, width, 3) is RGB in [0, 1], `skin` (height, width) says where it is skin, 0-1."""
        self._rgb = texture
        self._skin = skin
        self._codes: Codes | None = None
        self._details: list[Floats] = []
        self._cracks: list[Floats] = []
        self._form = np.empty(0, np.float32)
        self._crispness: Floats | None = None
        self._count = 0
        self.luma = np.empty(0, np.float32)
        """(height, width) in 8-bit codes above black, with the footage's share of detail."""
        self.tint = np.empty(0, np.float32)
        """(height, width, 4) U and V from neutral, the luma above black they go with, without fine detail, and nothing:
        four planes are warped fastest."""
        self.soft = np.empty(0, np.float32)
        """(height, width, 3) YUV, blurred: what light is compared with."""

    def suit(self, picture: Picture) -> None:
        """Turn the texture into the picture's code values, if it was not yet."""
        conversion = codes_of(picture)
        if conversion is self._codes:
            return
        yuv = to_yuv(self._rgb, conversion)
        self._codes = conversion
        black = np.float32(0.0 if picture.colour.full_range else 16.0)
        luma = yuv[..., 0] - black
        layers = [luma, *(blur(luma, sigma) for sigma in BANDS)]
        details = [layers[i] - layers[i + 1] for i in range(len(BANDS))]
        self._details, self._form = details, layers[-1]
        self._cracks = [detail - self._without_cracks(detail) for detail in details[:CRACKS]]
        self.luma = luma
        self.soft = blur(yuv, 3.0)
        tints = []
        for index in (1, 2):
            chroma = yuv[..., index] - np.float32(128)
            broad = blur(chroma, 14.0)
            tints.append(cv2.addWeighted(broad, 1 - TINT, blur(chroma, 1.0), TINT, 0))
        broad = self.soft[..., 0] - black
        self.tint = cv2.merge([*tints, broad, broad])

    def _without_cracks(self, detail: Floats) -> Floats:
        """A crease far deeper than the rest of the skin stays a hard line however soft the footage: bound it."""
        rms = float(np.sqrt((detail * detail * self._skin).sum() / max(float(self._skin.sum()), 1e-3)))
        deepest = np.float32(max(DEEPEST * rms, 1e-3))
        bounded = deepest * np.tanh(detail / deepest)
        even: Floats = detail + (bounded - detail) * self._skin
        return even

    def match(self, picture: Picture, to_grid: Floats, looks: Floats, weight: Floats, gain: Floats) -> None:
        """Bring the texture's fine detail to the footage's, by their energies on skin; now and then, running.

        `looks` and `gain` are on the face grid that `to_grid` leads to, `weight` (GRID) says where skin is.
        """
        self._count += 1
        if self._count % CRISPNESS_EVERY != 1:
            return
        scale = float(np.sqrt(abs(np.linalg.det(to_grid[:, :2]))))
        side = max(1.0, min(3.0, 1 / scale / 1.0))  # look at up to three pixels a cell
        size = (int(GRID[0] * side), int(GRID[1] * side))
        zoom = to_grid * np.float32(side)
        target = luma_window(picture, zoom, size)
        maps = cv2.resize(looks, size, interpolation=cv2.INTER_LINEAR)
        lit = cv2.resize(gain, size, interpolation=cv2.INTER_LINEAR)
        skin = cv2.resize(weight, size, interpolation=cv2.INTER_LINEAR) ** 2
        total = max(float(skin.sum()), 1e-3)
        # The bands in pixels of this view, from their size in the texture.
        span = float(np.ptp(texture_points()[:, 0])) / (size[0] * 0.88)
        ratios = []
        layers = [target, *(blur(target, max(sigma / span, 0.4)) for sigma in BANDS)]
        for i, limits in enumerate(CRISPNESS_LIMITS):
            band, mine = layers[i] - layers[i + 1], self._details[i]
            ours = cv2.remap(mine, maps, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) * lit
            ratio = np.sqrt(np.vdot(band * band, skin) / total / max(np.vdot(ours * ours, skin) / total, 1e-3))
            ratios.append(np.clip(1.05 * ratio, *limits))
        crispness = np.array(ratios, np.float32)
        old = self._crispness
        new = crispness if old is None else old + np.float32(0.3) * (crispness - old)
        if old is None or np.abs(new - old).max() > 0.01:
            self._crispness = new
            self.luma = self._form.copy()
            for share, detail in zip(new, self._details, strict=True):
                self.luma += share * detail
            for share, crack in zip(new, self._cracks, strict=False):
                softer = np.clip((1 - share) / SOFTER, 0, 1)
                self.luma -= softer * share * crack
