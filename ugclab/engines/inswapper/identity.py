"""Who the avatar is, as 512 numbers, and the crops that InsightFace's networks were trained on.

The crops lie on five points: eyes, nose, corners of the mouth. InsightFace takes them from its own detector; here they
come from the mesh's 468 landmarks, which are smoothed over time already.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ugclab.engines.inswapper.runtime import Network
from ugclab.engines.mesh import topology
from ugclab.engines.mesh.sampling import Floats, Still, codes_of, to_rgb, window
from ugclab.errors import AvatarError

RECOGNISED_PX = 112
"""Side of the crop that the recognition network sees."""
LATENT = 512
FIVE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]], np.float32
)
"""Eyes, nose and corners of the mouth in that crop: ArcFace's alignment (Deng et al., 2019)."""
WIDER_PX = 8.0
"""In the 128 px crop of the swapping network they lie as far to the right: it sees the cheeks as well."""
NOSE, MOUTH_RIGHT, MOUTH_LEFT = 4, 61, 291


def five_points(points: Floats) -> Floats:
    """(5, 2) of landmarks (468, 3): the eye on the picture's left first."""
    eyes = [points[ring, :2].mean(0) for ring in (topology.RIGHT_EYE, topology.LEFT_EYE)]
    return np.stack([*eyes, *points[[NOSE, MOUTH_RIGHT, MOUTH_LEFT], :2]]).astype(np.float32)


def to_crop(points: Floats, template: Floats) -> Floats:
    """(2, 3) that takes the picture to the crop: the least-squares similarity (Umeyama, 1991) of the five points."""
    five = five_points(points).astype(np.float64)
    middle, goal = five.mean(0), template.mean(0).astype(np.float64)
    a, b = five - middle, template - goal
    spread = float((a * a).sum())
    # In the plane the best turn and scale are one complex number: sum(conj(a) b) / sum(|a|^2).
    c = float((a * b).sum()) / spread
    s = float((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum()) / spread
    linear = np.array([[c, -s], [s, c]])
    return np.column_stack([linear, goal - linear @ middle]).astype(np.float32)


def swap_template(side: int) -> Floats:
    """(5, 2) in the swapping network's crop, `side` px wide."""
    return (FIVE + np.array([WIDER_PX, 0], np.float32)) * np.float32(side / 128)


@dataclass(frozen=True, slots=True)
class Identity:
    """A face without its picture."""

    embedding: Floats
    """(512,) of unit length."""

    def latent(self, emap: Floats) -> Floats:
        """(1, 512) of unit length, as the swapping network takes it; `emap` is the matrix its file carries."""
        turned = self.embedding @ emap
        length = float(np.linalg.norm(turned))
        return (turned / np.float32(max(length, 1e-12)))[None].astype(np.float32)

    def save(self, path: Path) -> None:
        """Keep it."""
        np.save(path, self.embedding)

    @classmethod
    def load(cls, path: Path) -> "Identity":
        """Take up what `save` kept."""
        return cls(np.load(path))


def recognise(photo: NDArray[np.uint8], points: Floats, network: Network) -> Identity:
    """Read who a photo (height, width, 3), uint8 RGB, shows at landmarks `points`. Raises AvatarError."""
    still = Still.from_rgb(photo)
    size = (RECOGNISED_PX, RECOGNISED_PX)
    rgb = to_rgb(window(still, to_crop(points, FIVE), size, fill=0.0), codes_of(still))
    vector = network.run(planes_first((rgb * 255 - 127.5) / 127.5))[0]
    length = float(np.linalg.norm(vector))
    if not np.isfinite(length) or length < 1e-6:
        raise AvatarError("nobody can be recognised in the avatar", hint="use a sharp photo that looks at the camera")
    return Identity((vector / np.float32(length)).astype(np.float32))


def planes_first(rgb: Floats) -> Floats:
    """(1, 3, height, width) of (height, width, 3)."""
    stacked: Floats = np.ascontiguousarray(np.stack(cv2.split(rgb))[None], np.float32)
    return stacked
