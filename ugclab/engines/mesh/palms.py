"""Hands before a face: MediaPipe Hands (Zhang et al., 2020), lite: palms near the face, then each one's 21 joints.

The face's landmark model draws a whole face under a hand and is as sure of it as ever, so the avatar is painted over
the hand. Nobody can mend that without a matte of the hand; it can be told before anything is swapped.

A palm alone proves nothing: over 20 clips of people and figures chins and necks were taken for palms with up to 0.86,
and a real hand's palm lies below the face while its fingers are before it. The joints tell both apart.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ugclab.engines.mesh.interpreter import Model
from ugclab.engines.mesh.sampling import Floats, Picture, codes_of, to_rgb, window

LOOK_EVERY = 15
"""Frames between looks, half a second: a hand shorter than that before the face may be missed."""
SIZE = 192
LAYERS = ((24, 2), (12, 6))
"""Cells a side and anchors a cell: stride 8, then 16 three times over, two anchors each."""
VALUES = 18  # centre, size, then 7 points: wrist, the knuckles from index to little finger, two of the thumb
WRIST, MIDDLE_KNUCKLE = 0, 2
REACH = 2.2
"""Side of the searched window over the face's longer side: a hand is about as large as the face."""
MIN_PALM = 0.5
MAX_PALMS = 2
"""Palms looked at closely in one look; clutter has many, a person two."""
HAND_SIZE = 224
JOINTS = 21
GROW, TOWARDS_FINGERS = 2.6, 0.5
"""From a palm's box to its hand's: what the joints' model was trained on (MediaPipe's hand_landmark graphs)."""
MIN_HAND = 0.7
"""Presence above which the joints are believed: the hand before a face had 0.96 to 0.99, whatever was taken for
one in 83 looks over 24 other clips 0.54 at most, and 0.36 next."""
MIN_JOINTS = 2
"""Joints inside the face's outline from which on a hand is before it: one fingertip at the chin hides nothing."""


@dataclass(frozen=True, slots=True)
class Hand:
    """A hand found near a face."""

    joints: Floats
    """(21, 2) picture pixels: wrist, then four joints a finger, thumb first."""
    presence: float
    """The model's belief, 0-1, that it looked at a hand."""


@dataclass(frozen=True, slots=True)
class _Palm:
    box: Floats
    """(4,) middle, width and height, px."""
    angle: float
    """Radians clockwise from fingers up."""
    score: float

    @property
    def size(self) -> float:
        return float(self.box[2:].max())

    def hand(self) -> tuple[Floats, float]:
        """Middle and side, px, of the square round the whole hand."""
        up = np.array([np.sin(self.angle), -np.cos(self.angle)], np.float32)
        return self.box[:2] + up * TOWARDS_FINGERS * self.box[3], self.size * GROW


class HandDetector:
    """Finds hands near a face. One thread."""

    def __init__(self, palms: Path, joints: Path) -> None:
        self._palms, self._joints = Model(palms), Model(joints)
        layers = []
        for cells, each in LAYERS:
            middles = (np.arange(cells, dtype=np.float32) + 0.5) / cells
            layers.append(np.repeat(np.stack(np.meshgrid(middles, middles), axis=-1).reshape(-1, 2), each, axis=0))
        self._anchors = np.concatenate(layers)

    def near(self, picture: Picture, points: Floats) -> list[Hand]:
        """Hands that may reach the face with landmarks `points` (468, 3)."""
        low, high = points[:, :2].min(0), points[:, :2].max(0)
        palms = []
        for palm in self._find_palms(picture, (low + high) / 2, REACH * float((high - low).max())):
            middle, side = palm.hand()
            if (np.abs(middle - (low + high) / 2) < (side + high - low) / 2).all():
                palms.append(palm)
        hands = [self._look(picture, palm) for palm in palms[:MAX_PALMS]]
        return [hand for hand in hands if hand.presence > MIN_HAND]

    def _find_palms(self, picture: Picture, centre: Floats, side: float) -> list[_Palm]:
        """Palms by falling score, each once."""
        scale = SIZE / side
        shift = SIZE / 2 - scale * centre
        to_window = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]], np.float32)
        values, logits = self._palms.run(to_rgb(window(picture, to_window, (SIZE, SIZE), fill=16.0), codes_of(picture)))
        logits = logits.reshape(-1)
        kept: list[_Palm] = []
        for hit in np.argsort(-logits):
            if logits[hit] < np.log(MIN_PALM / (1 - MIN_PALM)):
                break
            pairs = values.reshape(-1, VALUES // 2, 2)[hit] / SIZE  # offset from the anchor, size, points' offsets
            box = np.concatenate([(pairs[0] + self._anchors[hit] - 0.5) * side + centre, pairs[1] * side])
            if all(np.hypot(*(box[:2] - other.box[:2])) > other.size / 2 for other in kept):
                x, y = pairs[2 + MIDDLE_KNUCKLE] - pairs[2 + WRIST]
                score = 1 / (1 + np.exp(-min(float(logits[hit]), 30.0)))
                kept.append(_Palm(box.astype(np.float32), float(np.arctan2(x, -y)), float(score)))
        return kept

    def _look(self, picture: Picture, palm: _Palm) -> Hand:
        (x, y), side = palm.hand()
        scale = HAND_SIZE / side
        c, s = np.cos(palm.angle) * scale, np.sin(palm.angle) * scale
        half = HAND_SIZE / 2
        to_window = np.array([[c, s, half - c * x - s * y], [-s, c, half + s * x - c * y]], np.float32)
        rgb = to_rgb(window(picture, to_window, (HAND_SIZE, HAND_SIZE), fill=16.0), codes_of(picture))
        joints, presence, *_ = self._joints.run(rgb)
        back = cv2.invertAffineTransform(to_window)
        placed = joints.reshape(JOINTS, 3)[:, :2] @ back[:, :2].T + back[:, 2]
        return Hand(placed.astype(np.float32), float(presence.reshape(-1)[0]))


def covers(hand: Hand, points: Floats) -> bool:
    """Whether a hand is before the face with landmarks `points` (468, 3)."""
    outline = cv2.convexHull(np.ascontiguousarray(points[:, :2]))
    inside = sum(cv2.pointPolygonTest(outline, (float(x), float(y)), False) >= 0 for x, y in hand.joints)
    return bool(inside >= MIN_JOINTS)
