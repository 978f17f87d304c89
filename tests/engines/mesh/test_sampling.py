"""Looking through a window: geometry against ramps, colours against the standards' own code values."""

from dataclasses import dataclass

import cv2
import numpy as np
import pytest

from ugclab.engines.mesh.sampling import Floats, Plane, Still, codes, codes_of, to_rgb, to_yuv, window
from ugclab.schema.media import Colour

LIMITED_BT709 = {  # ITU-R BT.709, table of 8-bit code values of a colour bar at 100 %
    (1, 1, 1): (235, 128, 128),
    (0, 0, 0): (16, 128, 128),
    (1, 0, 0): (63, 102, 240),
    (0, 1, 0): (173, 42, 26),
    (0, 0, 1): (32, 240, 118),
}
LIMITED_BT601 = {
    (1, 1, 1): (235, 128, 128),
    (1, 0, 0): (81, 90, 240),
    (0, 1, 0): (145, 54, 34),
    (0, 0, 1): (41, 240, 110),
}
LIMITED_BT2020 = {(1, 1, 1): (235, 128, 128), (1, 0, 0): (74, 97, 240), (0, 0, 1): (29, 240, 119)}
FULL_BT601 = {  # as JFIF has it
    (1, 1, 1): (255, 128, 128),
    (1, 0, 0): (76, 85, 255),
    (0, 1, 0): (150, 44, 21),
}
BARS = (
    (Colour(matrix="bt709"), LIMITED_BT709),
    (Colour(matrix="smpte170m"), LIMITED_BT601),
    (Colour(matrix="bt470bg"), LIMITED_BT601),
    (Colour(matrix="bt2020nc"), LIMITED_BT2020),
    (Colour(matrix="smpte170m", full_range=True), FULL_BT601),
)


@dataclass
class Planes:
    y: Plane
    u: Plane
    v: Plane
    colour: Colour


def flat(code: tuple[int, int, int], colour: Colour, *, size: int = 32) -> Planes:
    kind = np.uint8 if colour.bit_depth == 8 else np.uint16
    y, u, v = (np.full((n, n), c, kind) for n, c in zip((size, size // 2, size // 2), code, strict=True))
    return Planes(y, u, v, colour)


def ramp(colour: Colour, width: int = 120, height: int = 90) -> Planes:
    """Every plane a slanted ramp; chroma samples lie between their four luma samples."""
    x, y = np.meshgrid(np.arange(width, dtype=float), np.arange(height, dtype=float))
    half_x, half_y = (a[::2, ::2] + 0.5 for a in (x, y))
    steps = 1 << (colour.bit_depth - 8)
    kind = np.uint8 if colour.bit_depth == 8 else np.uint16
    planes = (ramp_at(0, x, y), ramp_at(1, half_x, half_y), ramp_at(2, half_x, half_y))
    return Planes(*(np.rint(p * steps).astype(kind) for p in planes), colour)


def ramp_at(plane: int, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.array([30 + 1.2 * x + 0.5 * y, 60 + 0.9 * x + 0.6 * y, 210 - 0.8 * x - 0.7 * y][plane])


def affine(scale: float, angle: float, centre: tuple[float, float], size: tuple[int, int]) -> Floats:
    c, s = np.cos(angle) * scale, np.sin(angle) * scale
    x, y = centre
    return np.array([[c, s, size[0] / 2 - c * x - s * y], [-s, c, size[1] / 2 + s * x - c * y]], np.float32)


@pytest.mark.parametrize(
    ("colour", "bars"), BARS, ids=lambda v: f"{v.matrix}-{v.full_range}" if isinstance(v, Colour) else ""
)
def test_colours_agree_with_the_standards(colour: Colour, bars: dict[tuple, tuple]) -> None:
    for rgb, code in bars.items():
        seen = to_rgb(
            window(flat(code, colour), np.eye(2, 3, dtype=np.float32), (32, 32)), codes_of(flat(code, colour))
        )
        assert np.abs(seen - np.array(rgb)).max() < 1.5 / 219 * 2, (rgb, seen[0, 0])


def test_untagged_footage_is_bt709_when_it_is_large_and_bt601_when_not() -> None:
    assert np.array_equal(codes("unknown", False, 8, 720).matrix, codes("bt709", False, 8, 720).matrix)
    assert np.array_equal(codes("unknown", False, 8, 576).matrix, codes("smpte170m", False, 8, 576).matrix)
    assert not np.array_equal(codes("bt709", False, 8, 720).matrix, codes("smpte170m", False, 8, 720).matrix)


@pytest.mark.parametrize("matrix", ["bt709", "smpte170m", "bt2020nc", "smpte240m"])
@pytest.mark.parametrize("full_range", [False, True])
def test_rgb_survives_being_turned_into_code_values_and_back(matrix: str, full_range: bool) -> None:
    rgb = np.random.default_rng(3).random((16, 16, 3), np.float32)
    conversion = codes(matrix, full_range, 8, 720)
    yuv = to_yuv(rgb, conversion)
    assert np.abs(to_rgb(yuv.copy(), conversion) - rgb).max() < 1e-4
    low, high = (0, 255) if full_range else (16, 240)
    assert low - 0.5 <= yuv.min() <= yuv.max() <= high + 0.5


@pytest.mark.parametrize("scale", [2.0, 1.0, 0.6, 0.3, 0.12])
@pytest.mark.parametrize("angle", [0.0, 0.5])
def test_a_window_shows_what_lies_under_it(scale: float, angle: float) -> None:
    """At 0.3 and 0.12 the picture is halved by area first: neither may move it."""
    picture = ramp(Colour(matrix="bt709"), 600 if scale < 0.5 else 120, 450 if scale < 0.5 else 90)
    gentle = 0.2 if scale < 0.5 else 1.0
    if scale < 0.5:
        x, y = np.meshgrid(np.arange(600.0), np.arange(450.0))
        picture.y = np.rint(ramp_at(0, gentle * x, gentle * y)).astype(np.uint8)
    size = (20, 16)
    to_window = affine(scale, angle, (picture.y.shape[1] / 2, picture.y.shape[0] / 2), size)
    seen = window(picture, to_window, size)
    back = cv2.invertAffineTransform(to_window.astype(np.float64))
    column, row = np.meshgrid(np.arange(size[0], dtype=float), np.arange(size[1], dtype=float))
    x, y = (back[i, 0] * column + back[i, 1] * row + back[i, 2] for i in (0, 1))
    assert np.abs(seen[..., 0] - ramp_at(0, gentle * x, gentle * y)).max() < 1.5
    if scale >= 0.5:
        for plane in (1, 2):
            assert np.abs(seen[..., plane] - ramp_at(plane, x, y)).max() < 1.5


def test_shrinking_does_not_alias() -> None:
    """A fine chequer seen from afar is grey; bilinear taps alone would find black or white."""
    chequer = (np.indices((240, 240)).sum(0) % 2 * 200 + 20).astype(np.uint8)
    grey = np.full((120, 120), 128, np.uint8)
    seen = window(Planes(chequer, grey, grey, Colour()), affine(0.2, 0.0, (120, 120), (40, 40)), (40, 40))
    assert np.abs(seen[..., 0] - 120).max() < 12


def test_ten_bits_are_seen_as_eight_within_a_step() -> None:
    to_window = affine(0.8, 0.3, (60, 45), (24, 24))
    eight, ten = (window(ramp(Colour(matrix="bt709", bit_depth=depth)), to_window, (24, 24)) for depth in (8, 10))
    assert np.abs(eight - ten).max() <= 1.0
    assert np.abs(ten - np.rint(ten)).max() > 0.2, "the finer steps must not be lost"


def test_outside_the_picture_is_its_edge_or_what_is_asked_for() -> None:
    picture = flat((90, 100, 150), Colour())
    beside = affine(1.0, 0.0, (-40, 16), (16, 16))
    assert np.array_equal(window(picture, beside, (16, 16))[0, 0], [90, 100, 150])
    assert np.array_equal(window(picture, beside, (16, 16), fill=16.0)[0, 0], [16, 128, 128])
    ten = flat((360, 400, 600), Colour(bit_depth=10))
    assert np.array_equal(window(ten, beside, (16, 16), fill=16.0)[0, 0], [16, 128, 128])


@pytest.mark.parametrize("size", [(64, 48), (63, 47)])
def test_a_photo_keeps_its_colours_as_planes(size: tuple[int, int]) -> None:
    x, y = np.meshgrid(np.linspace(0, 1, size[0]), np.linspace(0, 1, size[1]))
    rgb = np.rint(255 * np.dstack([x, y, 0.5 + 0.3 * x])).astype(np.uint8)
    still = Still.from_rgb(rgb)
    assert still.u.shape == still.v.shape == (still.y.shape[0] // 2, still.y.shape[1] // 2)
    seen = to_rgb(window(still, np.eye(2, 3, dtype=np.float32), size), codes_of(still))
    assert np.abs(seen - rgb / 255)[2:-2, 2:-2].max() < 0.03
