"""Where a head is: an oval round face, hair and the beginning of the neck, from the face's landmarks, soft at its edge.

It is generous, since hair is not seen by the landmark model: what the model draws beside the head is the background it
was given, so a wide mask costs nothing there, while a narrow one would cut through somebody's hair. Hair that falls
on the shoulders is beyond it and stays the source's.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ugclab.engines.mesh import pose, topology
from ugclab.engines.mesh.topology import Floats

ACROSS, UP, DOWN = 0.98, 1.16, 0.80
"""Half axes of the oval in widths of the face, to the sides, above and below its middle: the face's own half width is
0.5, its half height about 0.62; hair stands 0.3 to 0.4 above it."""
BACK = 0.45
"""How far the oval's middle moves towards the back of a head that is turned by 90 degrees, in widths of the face."""
FEATHER = 0.22
"""Share of the oval's radius over which it fades."""
CALM = 4.0
"""Standard deviation, in frames, of the smoothing over time: an edge that trembles is seen at once."""
SQUARE = 2.4
"""Exponent of the superellipse: a little fuller than an ellipse at the corners, where hair is."""


@dataclass(frozen=True, slots=True)
class Head:
    """An oval in a picture, px."""

    x: float
    y: float
    angle: float
    """Radians clockwise from upright."""
    across: float
    up: float
    down: float

    @property
    def box(self) -> Floats:
        """(4,) left, top, right, bottom of all that the mask touches."""
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        corners = np.array([[x, y] for x in (-self.across, self.across) for y in (-self.up, self.down)])
        turned = corners @ np.array([[cos, sin], [-sin, cos]]) + (self.x, self.y)
        return np.concatenate([turned.min(0), turned.max(0)]).astype(np.float32)

    def on(self, to_canvas: Floats) -> "Head":
        """The same oval on a canvas; `to_canvas` (2, 3) scales and shifts."""
        scale, (x, y) = float(to_canvas[0, 0]), to_canvas @ np.array([self.x, self.y, 1], np.float32)
        return Head(float(x), float(y), self.angle, self.across * scale, self.up * scale, self.down * scale)

    def mask(self, box: tuple[int, int, int, int]) -> Floats:
        """Alpha (height, width), 0 to 1, of the rectangle `box` (left, top, width, height) of the picture."""
        left, top, width, height = box
        x = np.arange(left, left + width, dtype=np.float32)[None] - np.float32(self.x)
        y = np.arange(top, top + height, dtype=np.float32)[:, None] - np.float32(self.y)
        cos, sin = np.float32(np.cos(self.angle)), np.float32(np.sin(self.angle))
        side, down = x * cos + y * sin, y * cos - x * sin
        tall = np.where(down < 0, down / np.float32(self.up), down / np.float32(self.down))
        radius = (np.abs(side / np.float32(self.across)) ** SQUARE + np.abs(tall) ** SQUARE) ** (1 / SQUARE)
        share = np.clip((1 - radius) / FEATHER, 0, 1)
        alpha: Floats = (share * share * (3 - 2 * share)).astype(np.float32)
        return alpha


def of_face(points: Floats) -> Head:
    """The head round a face's landmarks (468, 3), px."""
    turned = pose.fit(points, topology.canonical())
    # The canonical shape seen from the front: a turned face is as wide as it was, the outline of it is not.
    front = topology.canonical() * np.float32(turned.scale)
    width = float(np.ptp(front[:, 0]))
    angle = turned.roll
    middle = points[topology.OVAL, :2].mean(0)
    yaw = np.radians(turned.yaw / pose.FLATTENED)
    nose = points[1, :2] - middle
    towards = np.sign(nose @ np.array([np.cos(angle), np.sin(angle)]))
    back = -towards * BACK * width * abs(np.sin(np.clip(yaw, -np.pi / 2, np.pi / 2)))
    x, y = middle + back * np.array([np.cos(angle), np.sin(angle)])
    return Head(float(x), float(y), float(angle), ACROSS * width, UP * width, DOWN * width)


def calmed(heads: Sequence[Head], numbers: Sequence[int]) -> list[Head]:
    """The same heads, smoothed over time; `numbers` are their frames', rising: nothing is smoothed over a gap."""
    values = np.array([[h.x, h.y, h.angle, h.across, h.up, h.down] for h in heads], np.float64).reshape(-1, 6)
    values[:, 2] = np.unwrap(values[:, 2])
    smooth = values.copy()
    breaks = np.flatnonzero(np.diff(numbers) > 1) + 1
    for part in np.split(np.arange(len(heads)), breaks):
        offsets = (part[:, None] - part[None]).astype(np.float64)
        weights = np.exp(-(offsets**2) / (2 * CALM**2)) * (np.abs(offsets) <= 3 * CALM)
        # The place follows the head closely, its size and turn do not: those tremble with the expression.
        near = np.exp(-(offsets**2) / 2.0) * (np.abs(offsets) <= 3)
        smooth[part, 2:] = (weights @ values[part, 2:]) / weights.sum(1, keepdims=True)
        smooth[part, :2] = (near @ values[part, :2]) / near.sum(1, keepdims=True)
    return [Head(*(float(v) for v in row)) for row in smooth]
