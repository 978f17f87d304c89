"""Planes of code values: views of a picture's memory, turning, and the conversions that swscale gets right."""

from typing import Any

import cv2
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation
from numpy.typing import NDArray

from ugclab.media.colour import FULL_RANGE, LIMITED_RANGE, MATRICES, code_point
from ugclab.schema.media import Colour

Plane = NDArray[np.uint8] | NDArray[np.uint16]

PIXEL_FORMATS = {8: "yuv420p", 10: "yuv420p10le"}
"""What frames are held in, by bit depth."""
_AS_IT_IS = frozenset({"yuv420p", "yuvj420p", "yuv420p10le"})
_TURNS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}
# The default conversion costs 16 dB of luma against these flags.
_CAREFUL = (
    Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP
)


def frame_colour(coded: Colour, bit_depth: int | None = None) -> Colour:
    """Colour of the frames that footage is read as: its own, in 8 or 10 bits, RGB turned into bt709."""
    depth = bit_depth or (8 if coded.bit_depth <= 8 else 10)
    if coded.matrix == "gbr":
        return Colour(primaries="bt709", transfer=coded.transfer, matrix="bt709", bit_depth=depth)
    return coded.model_copy(update={"bit_depth": depth})


def to_420(picture: VideoFrame, coded: Colour, wanted: Colour) -> VideoFrame:
    """The picture in planar 4:2:0 of the wanted depth: itself where it is that already, else converted by swscale."""
    target = PIXEL_FORMATS[wanted.bit_depth]
    if picture.format.name in _AS_IT_IS and (picture.format.name == "yuv420p10le") == (wanted.bit_depth == 10):
        return picture
    rgb = picture.format.is_rgb or coded.matrix == "gbr"
    matrix = code_point(MATRICES, wanted.matrix)
    return picture.reformat(
        format=target,
        src_colorspace=None if rgb else matrix,
        dst_colorspace=matrix,
        src_color_range=FULL_RANGE if rgb or coded.full_range else LIMITED_RANGE,
        dst_color_range=FULL_RANGE if wanted.full_range else LIMITED_RANGE,
        interpolation=_CAREFUL,
        threads=1,
    )


def views(picture: VideoFrame, width: int, height: int) -> tuple[Plane, Plane, Plane]:
    """Planes y, u and v of a 4:2:0 picture as arrays on its memory; chroma is (ceil(height / 2), ceil(width / 2))."""
    dtype = np.uint16 if picture.format.name == "yuv420p10le" else np.uint8
    chroma = ((height + 1) // 2, (width + 1) // 2)
    y, u, v = (
        _view(plane, dtype)[:rows, :columns]
        for plane, (rows, columns) in zip(picture.planes, ((height, width), chroma, chroma), strict=True)
    )
    return y, u, v


def _view(plane: Any, dtype: Any) -> Plane:
    flat = np.frombuffer(plane, dtype)
    return flat.reshape(-1, plane.line_size // flat.itemsize)


def turn(source: Plane, target: Plane, rotation: int, *, mirrored: bool = False) -> None:
    """Write `source`, mirrored left to right if asked and then turned clockwise, into `target`: one copy."""
    if mirrored:
        source = source[:, ::-1].copy()
    if rotation == 0:
        np.copyto(target, source)
    else:
        turned = cv2.rotate(source, _TURNS[rotation], dst=target)
        if turned.ctypes.data != target.ctypes.data:
            np.copyto(target, turned)


def turn_back(source: Plane, target: Plane, rotation: int, *, mirrored: bool = False) -> None:
    """The inverse of `turn`."""
    if mirrored:  # turning by r after a mirror is undone by mirroring after turning by -r
        turned = np.empty(target.shape, target.dtype)
        turn(source, turned, -rotation % 360)
        np.copyto(target, turned[:, ::-1])
    else:
        turn(source, target, -rotation % 360)


def pad_to_even(planes: tuple[Plane, Plane, Plane], picture: VideoFrame) -> None:
    """Repeat the last column and row of odd-sized planes in the even-sized picture they are views of."""
    height, width = planes[0].shape
    if width % 2 or height % 2:
        y = views(picture, picture.width, picture.height)[0]
        y[:height, width:] = y[:height, width - 1 : width]
        y[height:] = y[height - 1 : height]
