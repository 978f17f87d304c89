"""What a photo did not show of a face, or is not to be seen of it, made from what it showed."""

import cv2
import numpy as np

from ugclab.engines.mesh import topology
from ugclab.engines.mesh.texture import HEIGHT, LUMA, WIDTH, blur, fill, oval_mask, ring_mask, texture_points
from ugclab.engines.mesh.topology import Floats

LASHES = 0.45
"""Difference in log-luma from the skin around, from which on something beside an eye belongs to the eye."""
DIMPLES = (0.22, 0.37)
"""How much darker than the skin around, in log-luma, the end of a smile is that is taken away in part and wholly."""
DIMPLE, ASIDE = 0.2, 0.06
"""Radius of where it may be, and how far beside the corner of the lips its middle lies, in widths of the mouth."""
MOUSTACHE = 0.2
"""How much darker than the cheeks, in log-luma, an upper lip with a moustache is: one has 0.28, of 27 bare ones none
more than 0.12."""

MOUSTACHED, CHEEKS = [92, 322], [50, 280]
"""Landmarks where a moustache is, and where none is."""


def mirrored(texture: Floats, known: Floats, trusted: Floats) -> tuple[Floats, Floats]:
    """Where a texture is not `known` or not `trusted` (HEIGHT, WIDTH, 0-1) take its other half, if that is: the whole,
    and where it is known then."""
    good = known * trusted
    taken = (1 - good) * good[:, ::-1]
    share = (taken / np.maximum(good + taken, 1e-3)).astype(np.float32)
    whole: Floats = np.maximum(good + taken, known)
    both: Floats = texture + (texture[:, ::-1] - texture) * share[..., None]
    return both, whole


def without_lashes(texture: Floats) -> Floats:
    """Take away what an avatar's eyes would leave around the wearer's: ends of lashes, dark sockets, the outlines of a
    drawing's larger eyes."""
    plain, zone = np.ones((HEIGHT, WIDTH), np.float32), np.zeros((HEIGHT, WIDTH), np.float32)
    for eye, brow in ((topology.RIGHT_EYE, topology.RIGHT_BROW), (topology.LEFT_EYE, topology.LEFT_BROW)):
        plain *= (1 - ring_mask(eye, (1.35, 2.4), 0.01)) * (1 - ring_mask(brow, (1.1, 1.5), 0.01))
        zone = np.maximum(zone, ring_mask(eye, (1.9, 3.4), 0.0) * (ring_mask(brow, (1.1, 1.5), 0.0) < 0.5))
    light, skin = _beside_skin(texture, plain, 0.8)
    odd = ((np.abs(light - skin) > LASHES) & (zone > 0.5)).astype(np.float32)
    soft = cv2.GaussianBlur(cv2.dilate(odd, np.ones((5, 5))), (0, 0), 1.5)
    return fill(texture, 1 - soft * zone, (2, 4, 8, 16))


def without_dimples(texture: Floats) -> Floats:
    """Take away the dark ends of an avatar's smile: they would lie beside the wearer's narrower mouth as dots."""
    lips = texture_points()[topology.OUTER_LIPS]
    width = float(np.ptp(lips[:, 0]))
    plain = 1 - ring_mask(topology.OUTER_LIPS, (1.1, 1.2), 0.01)
    light, skin = _beside_skin(texture, plain, 1.0)
    if _darker_lip(light) > MOUSTACHE:
        return texture
    ends = np.zeros((HEIGHT, WIDTH), np.float32)
    for corner in lips[[lips[:, 0].argmin(), lips[:, 0].argmax()]]:
        x = corner[0] + ASIDE * width * np.sign(corner[0] - WIDTH / 2)
        cv2.circle(ends, (round(float(x)), round(float(corner[1]))), round(DIMPLE * width), 1.0, -1)
    ends = cv2.GaussianBlur(ends, (0, 0), 4) * (1 - ring_mask(topology.OUTER_LIPS, (1.0, 1.0), 0.0))
    dark = np.clip((skin - light - DIMPLES[0]) / (DIMPLES[1] - DIMPLES[0]), 0, 1) * (ends > 0)
    soft = cv2.GaussianBlur(cv2.dilate(dark, np.ones((7, 7))), (0, 0), 2)
    return fill(texture, 1 - soft * ends, (3, 6, 12, 24))


def _beside_skin(texture: Floats, plain: Floats, sigma: float) -> tuple[Floats, Floats]:
    """Log-luma, blurred by `sigma` px, and that of the skin around, which is where a texture is `plain`."""
    light: Floats = np.log(np.maximum(cv2.GaussianBlur(texture @ LUMA, (0, 0), sigma), 0.03))
    weight: Floats = np.maximum(blur(plain, 18), 1e-3)
    return light, blur(light * plain, 18) / weight


def _darker_lip(light: Floats) -> float:
    """How much darker the upper lip is than the cheeks, in log-luma, at the lighter of its two sides."""
    lip, cheeks = (
        [light[y - 6 : y + 7, x - 6 : x + 7].mean() for x, y in texture_points()[spots].astype(int).tolist()]
        for spots in (MOUSTACHED, CHEEKS)
    )
    return float(np.mean(cheeks) - max(lip))


def fill_outside(texture: Floats, known: Floats) -> Floats:
    """Replace hair, collar and background by skin carried outwards from the face."""
    return fill(texture, oval_mask(0.86, 0.86, 0.9, 0.03) * known, (5, 12, 28, 70))
