"""Windows and canvases: the model's sizes, and a way there and back that moves nothing."""

from fractions import Fraction

import cv2
import numpy as np
import pytest

from ugclab.engines.clips.crop import GRID, Crop, canvas_of, choose
from ugclab.engines.mesh.sampling import codes_of, to_yuv
from ugclab.engines.wan_cli.commands import fitting_area
from ugclab.errors import EngineError
from ugclab.media.frames import Frame
from ugclab.schema.job import ReplaceMode
from ugclab.schema.media import Colour


def smooth_frame(width: int = 320, height: int = 240) -> Frame:
    """Soft blobs of every colour, so that a shift by a pixel is seen and resampling is not."""
    rng = np.random.default_rng(3)
    blobs = rng.uniform(0.15, 0.85, (6, 8, 3)).astype(np.float32)
    rgb = cv2.resize(blobs, (width, height), interpolation=cv2.INTER_CUBIC)
    frame = Frame.allocate(width, height, pts=0, time=Fraction(0), colour=Colour(matrix="bt709"))
    yuv = to_yuv(np.clip(rgb, 0, 1), codes_of(frame))
    frame.y[...] = np.rint(yuv[..., 0])
    for plane, index in ((frame.u, 1), (frame.v, 2)):
        plane[...] = np.rint(cv2.resize(yuv[..., index], plane.shape[::-1], interpolation=cv2.INTER_AREA))
    return frame


@pytest.mark.parametrize("area", [(512, 512), (832, 480), (1280, 720)])
@pytest.mark.parametrize("shape", [(1, 1), (16, 9), (9, 16), (4, 3), (21, 9), (1062, 720), (333, 777)])
def test_a_canvas_is_what_the_model_and_its_preprocessing_take(shape: tuple[int, int], area: tuple[int, int]) -> None:
    width, height = canvas_of(*shape, area)
    assert width % GRID == height % GRID == 0
    assert 0.85 <= width * height / (area[0] * area[1]) <= 1
    assert width / height == pytest.approx(shape[0] / shape[1], rel=0.06)
    assert fitting_area((width, height))


def test_an_impossible_canvas_is_told() -> None:
    with pytest.raises(EngineError):
        fitting_area((500, 500))


@pytest.mark.parametrize(
    "crop", [Crop(0, 0, 320, 240, (320, 240)), Crop(40, 20, 200, 200, (512, 512)), Crop(60, 30, 180, 120, (96, 64))]
)
def test_there_and_back_nothing_moves(crop: Crop) -> None:
    frame = smooth_frame()
    rgb = crop.see(frame)
    assert rgb.shape == (*crop.canvas[::-1], 3)
    planes = crop.planes_of(rgb, frame)
    box = (int(crop.left) + 10, int(crop.top) + 10, 100, 80)
    for index, plane in enumerate((frame.y, frame.u, frame.v)):
        step = 2 if index else 1
        back = crop.back(np.ascontiguousarray(planes[..., index]), box, half=index > 0)
        part = plane[box[1] // step :, box[0] // step :][: back.shape[0], : back.shape[1]]
        assert np.abs(back - part).mean() < 0.8, "yuv"[index]
        # shifted by a pixel it would be seen
        assert np.abs(back[:, 1:] - part[:, :-1]).mean() > 1.2 * np.abs(back - part).mean()


def test_a_heads_window_holds_all_heads_and_has_no_bars() -> None:
    heads = np.array([[500, 100, 700, 360], [560, 120, 760, 380]], np.float32)
    crop = choose(ReplaceMode.HEAD, (1920, 1080), heads, (512, 512))
    assert crop.canvas == (512, 512)
    assert crop.left < 500
    assert crop.top < 100
    assert crop.left + crop.width > 760
    assert crop.top + crop.height > 380
    assert crop.inside == (0, 0, 512, 512)


@pytest.mark.parametrize("heads", [[[-40, -60, 300, 330]], [[1000, 500, 1400, 900]], [[-500, -500, 3000, 3000]]])
def test_a_window_stays_within_the_picture(heads: list[list[float]]) -> None:
    crop = choose(ReplaceMode.HEAD, (1280, 720), np.array(heads, np.float32), (832, 480))
    assert crop.left >= 0
    assert crop.top >= 0
    assert crop.left + crop.width <= 1280
    assert crop.top + crop.height <= 720
    left, top, right, bottom = crop.inside
    assert left + top + (crop.canvas[0] - right) + (crop.canvas[1] - bottom) <= 1


def test_a_person_is_seen_in_the_whole_picture() -> None:
    crop = choose(ReplaceMode.PERSON, (1080, 1920), np.zeros((1, 4), np.float32), (832, 480))
    assert (crop.left, crop.top, crop.width, crop.height) == (0, 0, 1080, 1920)
    assert crop.canvas == (464, 832)
    assert crop.inside[0] == 0 or crop.inside[1] == 0
