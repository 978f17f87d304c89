"""What a photo shows of a face and is not to be seen of it, on a face of one tone."""

import cv2
import numpy as np

from tests.engines.mesh.test_composite import texture
from ugclab.engines.mesh import topology
from ugclab.engines.mesh.mending import without_dimples
from ugclab.engines.mesh.texture import LUMA, texture_points
from ugclab.engines.mesh.topology import Floats

LIPS = texture_points()[topology.OUTER_LIPS]
CORNERS = LIPS[[LIPS[:, 0].argmin(), LIPS[:, 0].argmax()]] + np.array([[-6, 0], [6, 0]], np.float32)


def smiling() -> Floats:
    """A dark end on either side of the lips."""
    face = texture()
    for x, y in CORNERS.astype(int).tolist():
        cv2.circle(face, (x, y), 4, (0.3, 0.2, 0.18), -1)
    return face


def ends(face: Floats) -> float:
    """Mean luma of both ends."""
    return float(np.mean([(face @ LUMA)[y - 2 : y + 3, x - 2 : x + 3].mean() for x, y in CORNERS.astype(int).tolist()]))


def test_the_ends_of_a_smile_are_taken_away() -> None:
    skin = ends(texture())
    assert ends(smiling()) < 0.6 * skin
    assert ends(without_dimples(smiling())) > 0.9 * skin


def test_a_mouth_at_rest_stays_as_it_is() -> None:
    """But for the shade of its lips' own edges."""
    assert np.abs(without_dimples(texture()) - texture()).mean() < 0.002


def test_a_moustache_is_no_smile() -> None:
    """It hangs down to the corners of the lips, and is dark there, too."""
    face = smiling()
    left, right = CORNERS[0], CORNERS[1]
    top = (left + right) / 2 - np.float32([0, 24])
    line = [left, left - np.float32([-12, 18]), top, right - np.float32([12, 18]), right]
    cv2.polylines(face, [np.rint(line).astype(np.int32)], False, (0.3, 0.2, 0.18), 18)
    assert np.array_equal(without_dimples(face), face)
