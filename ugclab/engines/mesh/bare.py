"""An avatar's texture without the glasses its wearer had on: skin from around them where they were.

The living eyes come from the footage, so what has to be taken away lies around them: rims, bridge, arms, and the shade
and reflections behind the lenses.
"""

import cv2
import numpy as np

from ugclab.engines.mesh import eyewear, topology
from ugclab.engines.mesh.texture import LUMA, fill, oval_mask, ring_mask, texture_points
from ugclab.engines.mesh.topology import Floats

MARGIN = 6.0
"""Px (of the texture) taken away around a line: its shadow and its gleam."""
DARK, BRIGHT = 0.7, 0.35
"""Differences in log-luma that no skin beside a rim has: where a frame is thick, or gleams."""
NEAR = 22
"""Px from a line within which that is looked for."""
BRIDGE = (15, 11)
"""Px (down, across) by which the bridge is widened: a clear one is seen by its lower edge only."""
SHADE = 0.15
"""A lens's shade in log-luma, against the other eye's, that is taken away wholly; less is taken in part."""


def without_glasses(texture: Floats) -> Floats:
    """Take the glasses out of a texture (HEIGHT, WIDTH, 3), RGB in [0, 1], of somebody who wears some."""
    points = texture_points()
    luma = texture @ LUMA
    lines = eyewear.find(luma, points)
    cover = np.maximum(eyewear.cover(lines, MARGIN), _thick(luma, lines))
    between = np.zeros_like(cover)
    rows, columns = points[[168, 197], 1].astype(int), points[[133, 362], 0].astype(int)
    between[rows[0] - 12 : rows[1], columns[0] : columns[1]] = 1
    cover = np.maximum(cover, _soft(cv2.dilate(cover * between, np.ones(BRIDGE))))
    # The living eyes come from the footage: nothing of these may run into the lids above and below.
    eyes = np.maximum(*(ring_mask(ring, (1.2, 1.7), 0.01) for ring in (topology.RIGHT_EYE, topology.LEFT_EYE)))
    return _without_shade(fill(texture, 1 - np.maximum(cover, eyes), (2, 4, 8, 16, 40)), lines)


def _thick(luma: Floats, lines: Floats) -> Floats:
    """(HEIGHT, WIDTH) what near the lines hangs together with them and is far from skin; brows and eyes are spared."""
    light = cv2.GaussianBlur(np.log(np.maximum(luma, 0.02)), (0, 0), 1.0)
    skin = float(np.median(light[oval_mask(0.8, 0.8, 0.8, 0.0) > 0.5]))
    near = cv2.dilate((lines > 0).astype(np.uint8), np.ones((2 * NEAR + 1, 2 * NEAR + 1))) > 0
    for ring, grow in (
        (topology.RIGHT_EYE, (1.1, 1.5)),
        (topology.LEFT_EYE, (1.1, 1.5)),
        (topology.RIGHT_BROW, (1.0, 1.0)),
        (topology.LEFT_BROW, (1.0, 1.0)),
    ):
        near &= ring_mask(ring, grow, 0.0) < 0.5
    odd = (((light < skin - DARK) | (light > skin + BRIGHT)) & near).astype(np.uint8)
    _, parts = cv2.connectedComponents(odd)
    touched = np.unique(parts[(lines > 0) & (odd > 0)])
    thick = np.isin(parts, touched[touched > 0]).astype(np.float32)
    thick = cv2.morphologyEx(thick, cv2.MORPH_CLOSE, np.ones((15, 15)))
    return _soft(cv2.dilate(thick, np.ones((5, 5))))


def _without_shade(texture: Floats, lines: Floats) -> Floats:
    """Where one lens is darker than the other it shades or mirrors something: take the other's broad tones."""
    outlines, _ = cv2.findContours((lines > 0).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    inside = np.zeros(lines.shape, np.float32)
    cv2.drawContours(inside, outlines, -1, 1.0, -1)
    inside = cv2.GaussianBlur(cv2.dilate(inside, np.ones((9, 9))), (0, 0), 5)
    skin = np.median(texture[oval_mask(0.8, 0.8, 0.8, 0.0) > 0.5], axis=0)
    broad = np.log(np.maximum(cv2.GaussianBlur(texture, (0, 0), 4), 0.02))
    # Its gleams are not taken with them.
    other = np.minimum(broad[:, ::-1], np.log(np.maximum(skin, 0.02)) + 0.1)
    share = inside * np.clip((other - broad)[..., 1] / SHADE, 0, 1)
    lit: Floats = np.clip(texture * np.exp(np.clip(other - broad, -0.8, 0.8) * share[..., None]), 0, 1)
    return lit


def _soft(mask: Floats) -> Floats:
    soft: Floats = cv2.GaussianBlur(mask, (0, 0), 1.5)
    return soft
