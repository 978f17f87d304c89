"""A still portrait set in motion: the face by its expression, the head as a height field, the camera.

The head's turn fades out over neck and background, so that nothing tears; a frame costs some small sums, one inversion
by fixed point and one resampling of the texture.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import RBFInterpolator

from sample_media.expression import Expression, Points, Pose
from sample_media.warp import Field, invert, sample, smooth


@dataclass(frozen=True, slots=True)
class Still:
    """A picture, where its face is, and how much of the picture is filmed."""

    path: Path
    face: tuple[float, float, float]
    """Centre x, centre y and size of a rough square round the face, px."""
    zoom: float
    """Output px to a picture px."""
    centre: tuple[float, float]
    """Where in the picture the camera looks, px."""
    head: tuple[float, float, float, float]
    """The head with its hair or hat as an ellipse: centre x, centre y, half width, half height, px."""
    smiles: bool
    """Whether the picture shows teeth; they are drawn where it does not."""


def find_landmarks(image: NDArray[np.uint8], face: tuple[float, float, float], model: Path) -> Points:
    """Find the mesh in a BGR picture: (468, 3), px. The mean over shifted crops is steadier than one answer."""
    from ai_edge_litert.interpreter import Interpreter

    net = Interpreter(str(model), num_threads=1)
    net.allocate_tensors()
    entry = net.get_input_details()[0]["index"]
    mesh = next(o["index"] for o in net.get_output_details() if int(np.prod(o["shape"])) == 1404)
    x, y, size = face
    found: list[Points] = []
    for step in range(14):
        if step == 2:
            found.clear()  # the first two only centre the crop
        angle = step * 2.4
        wobble = 0.03 * size * (step > 1)
        centre = np.array([x + wobble * np.cos(angle), y + wobble * np.sin(angle)])
        scale = 192 / (size * (1 + 0.05 * np.sin(3 * angle) * (step > 1)))
        affine = np.array([[scale, 0, 96 - scale * centre[0]], [0, scale, 96 - scale * centre[1]]])
        crop = cv2.warpAffine(image, affine, (192, 192), flags=cv2.INTER_AREA)
        net.set_tensor(entry, crop[None, ..., ::-1].astype(np.float32) / 255)
        net.invoke()
        points = net.get_tensor(mesh).reshape(468, 3) / scale
        points[:, :2] += centre - 96 / scale
        found.append(points)
        if step < 2:
            low, high = points[:, :2].min(0), points[:, :2].max(0)
            (x, y), size = (low + high) / 2, float((high - low).max()) * 1.5
    return np.mean(found, axis=0).astype(np.float32)


class Portrait:
    """A still, prepared; `render` gives a frame of any pose."""

    def __init__(self, still: Still, model: Path, width: int = 1280, height: int = 720) -> None:
        picture = cv2.imread(str(still.path))
        if picture is None:
            raise FileNotFoundError(still.path)
        self.width, self.height = width, height
        zoom = still.zoom
        large = cv2.resize(picture, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_LANCZOS4)
        soft = cv2.GaussianBlur(large, (0, 0), zoom * 0.6)
        self.texture = cv2.addWeighted(large, 1.5, soft, -0.5, 0)
        landmarks = find_landmarks(picture, still.face, model)
        self.points = (landmarks + [0.5, 0.5, 0]) * zoom - [0.5, 0.5, 0]
        self.face_width = float(np.ptp(self.points[:, 0]))
        self._centre = np.array(still.centre) * zoom
        self._head = np.array(still.head) * zoom
        self._expression = Expression(self.texture, self.points, has_teeth=still.smiles)
        self._build_head()

    def _build_head(self) -> None:
        """Make the head a height field, stiff inside, its motion fading over neck and background: every 8 px."""
        f = self.face_width
        rows, columns = self.texture.shape[:2]
        grid = np.mgrid[0 : rows + 8 : 8, 0 : columns + 8 : 8].astype(np.float32)
        self._head_grid = np.stack([grid[1], grid[0]], axis=-1)
        cx, cy, ax, ay = self._head
        ring = np.linspace(0, 2 * np.pi, 24, endpoint=False)
        around = np.concatenate(
            [np.stack([cx + k * ax * np.cos(ring), cy + k * ay * np.sin(ring)], 1) for k in (1, 1.6, 2.4)]
        )
        depth = np.repeat([0.5 * f, 0.6 * f, 0.6 * f], len(ring))
        low = self.points[:, :2].min(0)
        high = self.points[:, :2].max(0)
        outside = ~((around > low - 0.05 * f) & (around < high + 0.05 * f)).all(1)  # a chin may reach the ellipse
        z = self.points[:, 2] - float(self.points[[234, 454], 2].mean()) + 0.3 * f
        places = np.concatenate([self.points[:, :2], around[outside]]) / f
        spline = RBFInterpolator(places, np.concatenate([z, depth[outside]]), neighbors=60, smoothing=1e-3)
        self._depth = spline(self._head_grid.reshape(-1, 2) / f).reshape(self._head_grid.shape[:2])
        self._depth = cv2.GaussianBlur(self._depth.astype(np.float32), (0, 0), 1.0)
        away = np.linalg.norm((self._head_grid - [cx, cy]) / [ax, ay], axis=-1)
        self._stiff = smooth((1.9 - away) / 0.85)
        self._pivot = np.array([cx, float(self.points[152, 1]) + 0.25 * f, 0.6 * f], np.float32)

    def render(self, pose: Pose) -> NDArray[np.uint8]:
        """Film one frame: BGR, (height, width, 3)."""
        where = self._texture_places(pose)
        frame = cv2.remap(self.texture, where, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
        x0, y0, x1, y1 = self._expression.box
        inside = (
            (where[..., 0] > x0 + 1) & (where[..., 0] < x1 - 2) & (where[..., 1] > y0 + 1) & (where[..., 1] < y1 - 2)
        )
        rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
        part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        frame[part] = np.where(inside[part][..., None], self._expression.render(where[part], pose), frame[part])
        return frame

    def project(self, pose: Pose, places: Points) -> Points:
        """Tell where texture places (n, 2) appear in the output, px, expression aside."""
        moved = self._displace_head(pose)
        shown = places + sample(moved, (places / 8).reshape(1, -1, 2)).reshape(-1, 2)
        return (shown - self._centre + pose.pan) * pose.zoom + [self.width / 2, self.height / 2]

    def _displace_head(self, pose: Pose) -> Field:
        """Displace the head's grid by its turn and sway, texture px."""
        solid = np.concatenate([self._head_grid, self._depth[..., None]], axis=-1) - self._pivot
        turned = solid @ (turn(pose) - np.eye(3, dtype=np.float32))[:2].T
        moved = (turned + np.array(pose.shift, np.float32) * self.face_width) * self._stiff[..., None]
        return moved.astype(np.float32)

    def _texture_places(self, pose: Pose) -> Field:
        """Tell where in the texture each px of the output lies, expression aside."""
        y, x = np.mgrid[0 : self.height + 8 : 8, 0 : self.width + 8 : 8].astype(np.float32)
        target = np.stack([x, y], axis=-1)
        centre = np.array([self.width / 2, self.height / 2])
        target = ((target - centre) / pose.zoom + self._centre - pose.pan).astype(np.float32)
        coarse = invert(self._displace_head(pose), target, np.zeros(2), 8.0)
        full_y, full_x = np.mgrid[0 : self.height, 0 : self.width].astype(np.float32) / 8
        return cv2.remap(coarse, full_x, full_y, cv2.INTER_LINEAR)


def turn(pose: Pose) -> NDArray[np.float32]:
    """Rotate by a pose's angles: (3, 3)."""
    yaw, pitch, roll = np.radians([pose.yaw, pose.pitch, pose.roll])
    turn_y = np.array([[np.cos(yaw), 0, -np.sin(yaw)], [0, 1, 0], [np.sin(yaw), 0, np.cos(yaw)]])
    turn_x = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
    turn_z = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    return (turn_z @ turn_x @ turn_y).astype(np.float32)
