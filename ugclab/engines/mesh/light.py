"""The scene's light on one face, running: a level, a pattern, tones, colour, and the hair that hangs over it.

All of it lives on a small grid that turns with the face, so that running means running in the face's own frame.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from ugclab.engines.mesh.pose import Pose
from ugclab.engines.mesh.sampling import Picture, window
from ugclab.engines.mesh.topology import Floats

GRID = (76, 90)
"""Cells (width, height) of the face grid: 4.5 px each for a face 300 px wide."""
GRID_SPAN = 3.05
"""Canonical units over the grid's width; a face is 2.7 wide."""
LIGHT_GRID = (44, 52)
"""Cells of the coarser grid on which light is compared."""
LIGHT_EVERY = 3
MEMORY = 0.39
"""Share of a new look in the running light, every LIGHT_EVERY frames: colour pumps without it."""
LAMP = 0.08
"""A face whose brightness changes by this share within a frame is lit anew."""
LEVEL_MEMORY = 0.2
"""Share of a new frame in the running level, while nothing like that happens."""
GAIN_LIMITS = (0.5, 2.0)
"""How far the light of one place may differ from the whole face's: beyond it blotches, not light."""
ABOVE = 5
"""Cells of LIGHT_GRID from a brow up to where a fringe would hang: a third of a forehead."""
FRINGE = 0.3
"""How likely hair there must be for a brow to be left as it is."""


class SceneLight:
    """What one face of one clip is lit by. Call `meet` for each frame, in order; then read it."""

    def __init__(self) -> None:
        self._count = 0
        self._level = 0.0
        self._pattern = np.empty(0, np.float32)
        self._tones = np.empty(0, np.float32)
        self.saturation = np.ones(1, np.float32)
        """How much of the avatar's colour the footage has room for, 0-1."""
        self.hair = np.empty(0, np.float32)
        """(GRID height, width) how likely the wearer's hair covers forehead and temples."""

    @property
    def gain(self) -> Floats:
        """(GRID height, width) that takes the avatar's luma to the scene's."""
        gain: Floats = np.float32(self._level) * self._pattern[..., 0]
        return gain

    @property
    def pattern(self) -> Floats:
        """(GRID height, width, 4) the gain, shifts of U / Y and V / Y, and nothing: four planes are warped fastest."""
        pattern: Floats = cv2.merge([self.gain, self._pattern[..., 1], self._pattern[..., 2], self.hair])
        return pattern

    @property
    def tones(self) -> Floats:
        """(2,) the darkest and brightest skin, in 8-bit codes above black."""
        return self._tones * np.float32(self._level)

    def meet(
        self,
        picture: Picture,
        to_grid: Floats,
        looks: Floats,
        weights: Floats,
        covered: NDArray[np.bool_],
        soft: Floats,
        brows: tuple[Floats, Floats],
    ) -> None:
        """Bring all of it up to date with a frame.

        `looks` (GRID) says where the texture looks, `weights` (GRID, 4) are its masks there, `covered` where the mesh
        is, `soft` is the texture without detail, in YUV; `brows` are the outlines (n, 2) of the wearer's own, on the
        grid.
        """
        self._level = self._running_level(picture, to_grid, weights[..., 2] * covered)
        if self._count % LIGHT_EVERY == 0:
            self._look(picture, to_grid, looks, weights, covered, soft, brows)
        self._count += 1

    def _running_level(self, picture: Picture, to_grid: Floats, skin: Floats) -> float:
        """The face's brightness in one number: the mean luma above black of its skin, in 8-bit codes.

        Small changes are a moving face and noise, and are averaged; a large one is a lamp, and is followed at once.
        """
        shrink = np.float32(LIGHT_GRID[0] / GRID[0])
        luma = cv2.warpAffine(picture.y, to_grid * shrink, LIGHT_GRID, borderMode=cv2.BORDER_REPLICATE)
        weight = cv2.resize(skin, LIGHT_GRID)
        mean = float(np.vdot(weight, luma.astype(np.float32))) / max(float(weight.sum()), 1e-3)
        scale = 1 << (picture.colour.bit_depth - 8)
        level = max(mean / scale - (0.0 if picture.colour.full_range else 16.0), 4.0)
        if self._count:
            share = min(max(abs(level / self._level - 1) / LAMP, LEVEL_MEMORY), 1.0)
            level = self._level + share * (level - self._level)
        return level

    def _look(
        self,
        picture: Picture,
        to_grid: Floats,
        looks: Floats,
        weights: Floats,
        covered: NDArray[np.bool_],
        soft: Floats,
        brows: tuple[Floats, Floats],
    ) -> None:
        """Compare the frame with the texture.

        Light and tones are kept relative to the face's level of luma: a lamp switched on is followed at once, while the
        pattern of the light, which is noisy, is averaged.
        """
        black = 0.0 if picture.colour.full_range else 16.0
        shrink = np.float32(LIGHT_GRID[0] / GRID[0])
        here = window(picture, to_grid * shrink, LIGHT_GRID) - np.array([black, 128, 128], np.float32)
        small = cv2.resize(weights, LIGHT_GRID)
        seen = small[..., 2] * cv2.resize(covered.astype(np.float32), LIGHT_GRID)
        browed = _browed([outline * shrink for outline in brows])
        seen *= 1 - browed
        hair = _hair_over(here, seen, small[..., 3])
        hair *= 1 - browed * _bare_above(hair, browed)
        there = cv2.remap(soft, cv2.resize(looks, LIGHT_GRID), None, cv2.INTER_LINEAR)
        there -= np.array([black, 128, 128], np.float32)
        weight = seen * (1 - hair)
        saturation = np.array([_saturation(here, there, weight)], np.float32)
        there[..., 1:] *= saturation
        pattern = _pattern(here, there, weight)
        pattern[..., 0] /= self._level
        skin = here[..., 0][seen > 0.3] / np.float32(self._level)
        tones = _tones(skin) if skin.size > 20 else np.array([0, 3], np.float32)
        first = self._count == 0
        for name, new in (
            ("_tones", tones),
            ("saturation", saturation),
            ("hair", cv2.resize(hair, GRID, interpolation=cv2.INTER_LINEAR)),
            ("_pattern", cv2.resize(pattern, GRID, interpolation=cv2.INTER_LINEAR)),
        ):
            old = getattr(self, name)
            setattr(self, name, new if first else old + np.float32(MEMORY) * (new - old))


def _hair_over(here: Floats, skin: Floats, forehead: Floats) -> Floats:
    """(LIGHT_GRID height, width) how likely the wearer's hair covers forehead and temples."""
    sure = (skin * (1 - forehead)).ravel()
    luma, *tints = cv2.split(here)
    brightness = np.maximum(luma, 12.0)
    features = np.stack([np.log(np.maximum(luma, 4.0)), *(tint / brightness for tint in tints)]).reshape(3, -1)
    total = max(float(sure.sum()), 1e-3)
    apart = features - (features @ sure / total)[:, None]
    apart *= apart
    spread = np.clip(np.sqrt(apart @ sure / total), (0.15, 0.03, 0.03), (0.30, 0.08, 0.08))
    distance = ((spread**-2).astype(np.float32) @ apart).reshape(skin.shape)
    hair: Floats = cv2.blur(np.clip((distance - 7) / 8, 0, 1) * forehead, (3, 3))
    return hair


def _browed(outlines: list[Floats]) -> Floats:
    """(LIGHT_GRID height, width) where the wearer's own brows are, softly: neither light nor a fringe."""
    mask = np.zeros(LIGHT_GRID[::-1], np.uint8)
    for outline in outlines:
        cv2.fillPoly(mask, [np.rint(outline * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    soft: Floats = cv2.blur(cv2.dilate(mask, np.ones((3, 3))), (3, 3)).astype(np.float32) / 255
    return soft


def _bare_above(hair: Floats, browed: Floats) -> Floats:
    """(LIGHT_GRID height, width) 1 where the skin above is free, 0 under a fringe: there a brow may be hair as well."""
    middle = np.s_[: LIGHT_GRID[1] - ABOVE]
    higher = np.zeros_like(hair)
    higher[ABOVE:] = cv2.blur(hair * (1 - browed), (5, 5))[middle]
    bare: Floats = np.clip(1 - higher / FRINGE, 0, 1)
    return bare


def _tones(skin: Floats) -> Floats:
    """(2,) the 2nd and the 98th percentile."""
    ranked = np.sort(skin)
    last = len(ranked) - 1
    return ranked[[round(0.02 * last), round(0.98 * last)]]


def _saturation(here: Floats, there: Floats, weight: Floats) -> float:
    """How much of the avatar's colour the footage has room for, 0-1: none in black and white."""
    ours, theirs = (weight.ravel() @ np.abs(part).reshape(-1, 3) for part in (here, there))
    return float(np.clip(ours[1:].sum() * theirs[0] / max(theirs[1:].sum() * ours[0], 1e-3), 0, 1))


def _pattern(here: Floats, there: Floats, weight: Floats) -> Floats:
    """(height, width, 3): gain of luma, and shifts of U/Y and V/Y, from the avatar's skin to the footage's, low-passed.

    Scaling R, G and B each by its own gain is, for skin's small chroma, a gain of luma and a shift of chroma in
    proportion to luma: highlights take the lamp's tint, blacks stay black.
    """
    side = 9
    stats = (
        np.stack([*cv2.split(here), *cv2.split(there), np.ones_like(weight)]) * weight
    )  # by planes: a third the time
    mean = stats.sum((1, 2))
    mean /= max(float(mean[6]), 1e-3)
    broad = np.stack(cv2.split(_box(cv2.merge(tuple(stats)), side)))
    # Where no skin is near, the face's mean stands in.
    broad = (broad[:6] + 0.02 * mean[:6, None, None]) / (broad[6] + 0.02)
    ours, theirs = np.maximum(broad[0], 2.0), np.maximum(broad[3], 2.0)
    tints = broad[1:3] / ours - broad[4:6] / theirs
    whole = max(float(mean[0]), 1.0) / max(float(mean[3]), 1.0)
    pattern: Floats = cv2.merge([np.clip(ours / theirs / whole, *GAIN_LIMITS) * np.float32(whole), *tints])
    return pattern


def _box(values: Floats, side: int) -> Floats:
    """Two box filters, as good as a Gaussian here and a third of its price."""
    twice: Floats = cv2.blur(cv2.blur(values, (side, side)), (side, side))
    return twice


def grid_affine(pose: Pose) -> Floats:
    """(2, 3) from picture pixels to cells of the face grid, upright with the face."""
    scale = GRID[0] / (GRID_SPAN * pose.scale)
    c, s = np.cos(pose.roll) * scale, np.sin(pose.roll) * scale
    x, y = pose.centre[:2]
    return np.array(
        [[c, s, GRID[0] / 2 - c * x - s * y], [-s, c, GRID[1] / 2 - 0.02 * GRID[1] + s * x - c * y]], np.float32
    )
