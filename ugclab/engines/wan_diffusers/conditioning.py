"""What the model is shown of a segment, from our own tracker: pose, face, background and mask, a picture a frame each.

The pose is drawn from the face alone: eyes, ears, nose, and a neck and shoulders that are guessed from where they would
be. It tells the model where the head is and how it leans, and nothing of arms and hands; since only the head is drawn
and the body is given as background, no more is asked of it. The face pictures carry the expression.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from ugclab.engines.base import Image, SegmentContext
from ugclab.engines.clips.composing import drawn
from ugclab.engines.clips.crop import Crop
from ugclab.engines.clips.looking import Sight, canvases
from ugclab.engines.clips.timing import Sampling
from ugclab.engines.mesh import topology
from ugclab.engines.mesh.sampling import codes_of, to_rgb, window
from ugclab.engines.mesh.topology import Floats
from ugclab.media.frames import Frame

FACE_PX = 512
"""Side of the face pictures, square."""
FACE_ROOM = 1.3
"""How much larger than the face's box its picture is: as the official preprocessing cuts it."""
NOSE, RIGHT_EAR, LEFT_EAR, CHIN = 1, 234, 454, 152
LIMBS = (
    ("nose", "neck", (0, 0, 255)), ("neck", "right shoulder", (255, 0, 0)), ("neck", "left shoulder", (255, 85, 0)),
    ("nose", "right eye", (85, 0, 255)), ("right eye", "right ear", (170, 0, 255)), ("nose", "left eye", (255, 0, 255)),
    ("left eye", "left ear", (255, 0, 170)),
)  # fmt: skip
"""What OpenPose draws of a head and shoulders, in its colours, RGB."""
SHOULDERS = (0.95, 1.1)
"""Where shoulders are guessed to be, from the middle of the face: to the side and down, in heights of the face."""


@dataclass(frozen=True, slots=True)
class Streams:
    """Pictures of one segment, uint8, one a generated frame."""

    pose: list[Image]
    face: list[Image]
    background: list[Image]
    mask: list[Image]
    """(height, width), 255 where the head is to be drawn."""


def streams(
    segment: SegmentContext, sampling: Sampling, found: Sequence[Sight], crop: Crop, face_px: int = FACE_PX
) -> Streams:
    """Read the segment once more and make its streams: 4 pictures a frame, held in memory for the model anyway."""
    at_time = {sight.time: sight for sight in found}
    made = Streams([], [], [], [])

    def see(frame: Frame) -> Image:
        sight = at_time[frame.time]
        mask = drawn(sight, crop)
        made.pose.append(pose(sight.face, crop))
        made.face.append(face(frame, sight.face, face_px))
        made.mask.append(mask)
        return np.where(mask[..., None] > 0, 0, crop.see(frame)).astype(np.uint8)

    made.background.extend(canvases(segment, sampling.times, see))
    return made


def face(frame: Frame, points: Floats, size: int = FACE_PX) -> Image:
    """The face as a square picture, upright as it is in the frame; its edge is repeated beyond the footage."""
    low, high = points[:, :2].min(0), points[:, :2].max(0)
    side = float((high - low).max()) * FACE_ROOM
    scale = size / side
    x, y = (low + high) / 2
    to_window = np.array([[scale, 0, size / 2 - scale * x], [0, scale, size / 2 - scale * y]], np.float32)
    rgb = to_rgb(window(frame, to_window, (size, size)), codes_of(frame))
    return np.rint(rgb * 255).astype(np.uint8)


def pose(points: Floats, crop: Crop) -> Image:
    """The skeleton of head and shoulders on black, on the canvas."""
    flat = points[:, :2]
    middle, height = flat[topology.OVAL].mean(0), float(np.linalg.norm(flat[10] - flat[CHIN]))
    down = (flat[CHIN] - flat[10]) / max(height, 1e-6)
    across = np.array([down[1], -down[0]], np.float32)  # to the person's left, which is the picture's right
    side, low = SHOULDERS[0] * height, SHOULDERS[1] * height
    joints = {
        "nose": flat[NOSE],
        "right eye": flat[topology.RIGHT_EYE].mean(0),
        "left eye": flat[topology.LEFT_EYE].mean(0),
        "right ear": flat[RIGHT_EAR],
        "left ear": flat[LEFT_EAR],
        "neck": middle + down * low,
        "right shoulder": middle + down * low - across * side,
        "left shoulder": middle + down * low + across * side,
    }
    to_canvas = crop.to_canvas
    placed = {name: to_canvas[:, :2] @ point + to_canvas[:, 2] for name, point in joints.items()}
    picture = np.zeros((crop.canvas[1], crop.canvas[0], 3), np.uint8)
    thick = max(2, round(min(crop.canvas) / 120))
    for a, b, colour in LIMBS:
        ends = [tuple(round(float(v)) for v in placed[name]) for name in (a, b)]
        cv2.line(picture, ends[0], ends[1], tuple(int(0.6 * c) for c in colour), thick, cv2.LINE_AA)
    for name, point in placed.items():
        colour = next((c for a, b, c in LIMBS if name == b), (255, 255, 255))
        cv2.circle(picture, tuple(round(float(v)) for v in point), thick, colour, -1, cv2.LINE_AA)
    return picture
