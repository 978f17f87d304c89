"""Taking a photo's own light off a face: what is left is lit by the footage."""

import numpy as np

from ugclab.engines.mesh import topology
from ugclab.engines.mesh.texture import LUMA, blur, features_mask, oval_mask, texture_points
from ugclab.engines.mesh.topology import Floats


def even_light(texture: Floats, known: Floats) -> Floats:
    """Halve a texture's broad differences of brightness, even left and right, tame tinted patches.

    `texture` (HEIGHT, WIDTH, 3) is RGB in [0, 1], `known` (HEIGHT, WIDTH) says where it shows the face, 0-1.
    """
    layout = texture_points()
    width = float(np.ptp(layout[topology.OVAL, 0]))
    features = features_mask((1.3, 2.2), (1.05, 1.3), (1.1, 1.2), 0.02)
    weight = np.clip(1 - features, 0.02, 1) * (0.05 + oval_mask(0.9, 0.9, 0.9, 0.02))
    weight = weight * (0.01 + known)
    luma = texture @ LUMA
    log_luma = np.log(np.maximum(luma, 0.03))

    def broad(values: Floats, sigma: float) -> Floats:
        return blur(values * weight, sigma) / blur(weight, sigma)

    sigma = 0.13 * width
    low = broad(log_luma, sigma)
    mirrored = np.clip(0.5 * (low[:, ::-1] - low), -0.7, 0.7)
    even = low + mirrored
    level = float((even * weight).sum() / weight.sum())
    change = mirrored + 0.5 * (level - even)
    lit = texture * np.exp(change)[..., None]
    luma = np.maximum(lit @ LUMA, 0.02)
    chroma = lit / luma[..., None]
    mean = (chroma * weight[..., None]).sum((0, 1)) / weight.sum()
    patches = np.stack([broad(chroma[..., i], sigma) for i in range(3)], axis=-1)
    # Broad tints keep 0.25 of their deviation, what is left of the local ones 0.6: a blush doubles on pale skin.
    chroma = mean + 0.25 * (patches - mean) + 0.6 * (chroma - patches)
    chroma /= np.maximum(chroma @ LUMA, 0.05)[..., None]
    evened: Floats = np.clip(chroma * luma[..., None], 0, 1).astype(np.float32)
    return evened
