"""A portrait cut out of its background: it can be put anywhere, and its head turned until one side of it is hidden."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sample_media.expression import Pose
from sample_media.portrait import Portrait, Still, turn
from sample_media.warp import sample

Layer = tuple[NDArray[np.uint8], NDArray[np.float32]]
"""BGR (height, width, 3) and opacity 0-1 (height, width)."""


class Cutout(Portrait):
    """A whole picture as a layer, as large as the picture times the still's zoom."""

    def __init__(self, still: Still, landmark_model: Path, matte_model: Path) -> None:
        picture = cv2.imread(str(still.path))
        rows, columns = (round(side * still.zoom) for side in picture.shape[:2])
        middle = (picture.shape[1] / 2, picture.shape[0] / 2)
        super().__init__(replace(still, centre=middle), landmark_model, width=columns, height=rows)
        self._matte = find_matte(picture, matte_model, self.texture.shape[:2])

    def film(self, pose: Pose) -> Layer:
        """Give one frame as a layer."""
        places = self._texture_places(pose)
        opacity = cv2.remap(self._matte, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
        return self.render(pose), opacity

    def turn_far(self, pose: Pose) -> Layer:
        """Give a frame whose head may be turned so far that it hides a part of itself.

        Every px of the head is moved as a point in space and painted from far to near into a map of half the size,
        through which the picture is then looked up. Pose's camera and sway are left out.
        """
        flat = self.render(replace(pose, yaw=0, pitch=0, roll=0, shift=(0, 0), pan=(0, 0), zoom=1))
        rows, columns = self._matte.shape
        y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
        grid = np.stack([x / 8, y / 8], axis=-1)
        depth, stiff = sample(self._depth, grid), sample(self._stiff, grid)
        solid = np.stack([x, y, depth], axis=-1) - self._pivot
        turned = (solid @ turn(pose).T - solid) * stiff[..., None]
        seen = self._matte > 0.5
        place = (np.stack([x, y], axis=-1) + turned[..., :2])[seen]
        order = np.argsort(-(depth + turned[..., 2])[seen], kind="stable")
        column, row = (place[order] / 2 + 0.5).astype(int).T
        inside = (column >= 0) & (row >= 0) & (column < columns // 2) & (row < rows // 2)
        where = np.zeros((rows // 2, columns // 2, 2), np.float32)
        filled = np.zeros((rows // 2, columns // 2), np.float32)
        where[row[inside], column[inside]] = np.stack([x[seen], y[seen]], axis=-1)[order][inside]
        filled[row[inside], column[inside]] = 1
        for _ in range(3):  # stretched skin leaves gaps between its points
            near = cv2.blur(filled, (3, 3))
            blurred = cv2.blur(where * filled[..., None], (3, 3)) / np.maximum(near, 1e-6)[..., None]
            gap = (filled == 0) & (near > 0.3)
            where[gap], filled[gap] = blurred[gap], 1
        where = cv2.resize(where, (columns, rows), interpolation=cv2.INTER_LINEAR)
        opacity = cv2.GaussianBlur(cv2.resize(filled, (columns, rows)), (0, 0), 1.5)
        return sample(flat, where), np.clip(opacity * 2 - 1, 0, 1)

    def project_far(self, pose: Pose, points: NDArray[np.floating]) -> NDArray[np.floating]:
        """Tell where mesh points (n, 3) lie in a frame of `turn_far`: (n, 2), px."""
        depth = sample(self._depth, (points[:, :2] / 8).reshape(1, -1, 2).astype(np.float32)).reshape(-1, 1)
        solid = np.concatenate([points[:, :2], depth], axis=1) - self._pivot
        return points[:, :2] + (solid @ turn(pose).T - solid)[:, :2]


def find_matte(picture: NDArray[np.uint8], model: Path, size: tuple[int, int]) -> NDArray[np.float32]:
    """Segment the person in a BGR picture: opacity 0-1 of `size` (rows, columns)."""
    from ai_edge_litert.interpreter import Interpreter

    net = Interpreter(str(model), num_threads=1)
    net.allocate_tensors()
    small = cv2.resize(picture, (256, 256), interpolation=cv2.INTER_AREA)
    net.set_tensor(net.get_input_details()[0]["index"], small[None, ..., ::-1].astype(np.float32) / 255)
    net.invoke()
    coarse = net.get_tensor(net.get_output_details()[0]["index"])[0, ..., 0]
    large = cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC)
    return np.clip((large - 0.5) * 2.5 + 0.4, 0, 1).astype(np.float32)


def paste(canvas: NDArray[np.uint8], layer: Layer, x: float, y: float) -> None:
    """Put a layer onto a BGR canvas, its left upper corner at (x, y), px."""
    picture, opacity = layer
    size = (canvas.shape[1], canvas.shape[0])
    shift = np.array([[1, 0, x], [0, 1, y]], np.float32)
    moved = cv2.warpAffine(picture, shift, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    share = cv2.warpAffine(opacity, shift, size, flags=cv2.INTER_LINEAR, borderValue=0)
    canvas[:] = cv2.blendLinear(moved, canvas, share, 1 - share)
