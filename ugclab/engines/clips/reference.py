"""The avatar as the model is shown it: a picture of the canvas's own shape."""

import cv2
import numpy as np

from ugclab.engines.base import Image


def framed(avatar: Image, canvas: tuple[int, int]) -> Image:
    """The whole avatar (height, width, 3), uint8 RGB, widened or heightened to the canvas's shape.

    What is added has the mean colour of the photo's edge: the scripts would add black bars (T31), and bars beside a
    reference end up in the result.
    """
    height, width = avatar.shape[:2]
    shape = canvas[0] / canvas[1]
    wide, tall = max(width, round(height * shape)), max(height, round(width / shape))
    edge = np.concatenate([avatar[0], avatar[-1], avatar[:, 0], avatar[:, -1]])
    picture = np.empty((tall, wide, 3), np.uint8)
    picture[:] = edge.mean(0).round().astype(np.uint8)
    top, left = (tall - height) // 2, (wide - width) // 2
    picture[top : top + height, left : left + width] = avatar
    return picture


def scaled(picture: Image, canvas: tuple[int, int]) -> Image:
    """A picture of the canvas's shape in its size."""
    shrinks = picture.shape[1] > canvas[0]
    resized = cv2.resize(picture, canvas, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
    return np.asarray(resized, np.uint8)
