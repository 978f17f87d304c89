"""A photo lit from one side: its darker half takes the light of the brighter one.

A hard light's shadows have edges beside the nose and down the cheek which no broad evening takes away. The brighter
half has few of them, so its light, mirrored, stands for both; each half keeps its own brow, moles and wrinkles. (The
brighter half twice leaves no edge at all, and costs 0.05 of identity by dlib's ResNet, on five avatars of six.)
"""

import cv2
import numpy as np

from ugclab.engines.mesh import skin
from ugclab.engines.mesh.texture import LUMA, WIDTH, blur, oval_mask
from ugclab.engines.mesh.topology import Floats

LEAN = (0.10, 0.20)
"""Mean difference in log-luma of the two halves' light (`Skin.lean`) between which this sets in: of 18 photos and
paintings ten have 0.00 to 0.17, eight 0.23 to 0.45."""
HARD = 0.25
"""From here on it is worth a word."""
FINE, BROAD = 10.0, 25.0
"""Standard deviations in px of what counts as light: on skin, and where features leave little of it."""
MOST = 0.8
"""Of what is added in logarithms."""
TRACE = 0.2
"""Difference in log-luma from the other half which is no wrinkle or mole but what is left of a shadow's edge."""
SEAM = 8.0
"""Px over which one half of a texture passes into the other."""
VALLEY, DEEPEST = 22, 0.5
"""Half the width in px of what is lifted in the middle, where the light began to fall, and how much of it at most."""


def evened(texture: Floats, known: Floats, lean: float) -> Floats:
    """Take a light from one side off a texture (HEIGHT, WIDTH, 3) whose face is `known` (HEIGHT, WIDTH, 0-1)."""
    strength = float(np.clip((abs(lean) - LEAN[0]) / (LEAN[1] - LEAN[0]), 0, 1))
    if not strength:
        return texture
    darker = np.clip((np.arange(WIDTH, dtype=np.float32) - (WIDTH - 1) / 2) / SEAM + 0.5, 0, 1)
    share = strength * (darker[::-1] if lean > 0 else darker)[None, :, None]
    weight = known * (1 - skin.features()) * oval_mask(0.95, 0.95, 0.95, 0.0) + np.float32(1e-4)
    logs = np.log(np.maximum(texture, 0.02))
    fine, broad = (blur(logs * weight[..., None], sigma) / blur(weight, sigma)[..., None] for sigma in (FINE, BROAD))
    light = broad + (fine - broad) * np.clip(4 * blur(weight, FINE), 0, 1)[..., None]
    lit = np.minimum(texture * np.exp(np.clip(light[:, ::-1] - light, -MOST, MOST) * share), 1)
    return _lifted(_without_edges(lit, known, share), strength)


def _without_edges(lit: Floats, known: Floats, share: Floats) -> Floats:
    """Where the edge of a shadow left a trace on skin, take the other half's."""
    logs = cv2.GaussianBlur(np.log(np.maximum(lit @ LUMA, 0.02)), (0, 0), 2.0)
    trace = (np.abs(logs - logs[:, ::-1]) > TRACE).astype(np.float32) * (1 - skin.features())
    trace *= known * known[:, ::-1]
    soft = cv2.GaussianBlur(cv2.dilate(trace, np.ones((7, 7))), (0, 0), 3)[..., None] * share
    clean: Floats = lit + (lit[:, ::-1] - lit) * soft
    return clean


def _lifted(texture: Floats, strength: float) -> Floats:
    """Fill the dark, tinted valley down the middle up to what lies on its sides."""
    light = np.log(np.maximum(cv2.GaussianBlur(texture, (0, 0), 3, sigmaY=8), 0.02))
    left = (WIDTH - 1) // 2 - VALLEY
    valley = np.s_[:, left : WIDTH - left]
    sides = (light[:, left : left + 1] + light[:, WIDTH - 1 - left : WIDTH - left]) / 2
    missing = np.clip(sides - light[valley], 0, DEEPEST)
    window = strength * np.minimum(2 * np.hanning(missing.shape[1] + 2)[1:-1], 1)
    lifted = texture.copy()
    lifted[valley] *= np.exp(missing * window[:, None].astype(np.float32))
    even: Floats = np.minimum(lifted, 1)
    return even
