"""Wearing a face: what may change and what must not, on planes of any depth, at any place, in any light."""

from fractions import Fraction

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.engines.mesh.test_pose import rotation
from ugclab.engines.mesh import pose, shape, topology
from ugclab.engines.mesh.composite import Wearer
from ugclab.engines.mesh.sampling import codes_of, to_rgb, to_yuv, window
from ugclab.engines.mesh.shape import Delta
from ugclab.engines.mesh.texture import HEIGHT, WIDTH, ring_mask, texture_points
from ugclab.engines.mesh.topology import Floats
from ugclab.media.frames import Frame
from ugclab.schema.media import Colour

SIZE = (320, 240)
CANONICAL = topology.canonical()
SKIN = np.array([0.75, 0.55, 0.45], np.float32)
NOTHING = Delta(np.zeros_like(CANONICAL), *np.zeros((3, 3), np.float32))
BT709 = Colour(matrix="bt709")


def texture(tone: Floats = SKIN) -> Floats:
    """A face of one tone with darker brows and lips, and some pores."""
    face = np.tile(tone, (HEIGHT, WIDTH, 1)).astype(np.float32)
    for ring in (topology.RIGHT_BROW, topology.LEFT_BROW, topology.OUTER_LIPS):
        face *= 1 - 0.4 * ring_mask(ring, (1.1, 1.1), 0.02)[..., None]
    pores = np.random.default_rng(2).normal(0, 0.015, (HEIGHT, WIDTH, 1)).astype(np.float32)
    return np.clip(face + pores, 0, 1)


def landmarks(
    x: float = 160, y: float = 120, face_px: float = 120, turn: tuple[float, float, float] = (0, 0, 0)
) -> Floats:
    scale = face_px / float(np.ptp(CANONICAL[:, 0]))
    return (scale * CANONICAL @ rotation(*turn).T + [x, y, 0]).astype(np.float32)


def scene(colour: Colour = BT709, tone: Floats = SKIN * 0.8, size: tuple[int, int] = SIZE, light: float = 1) -> Frame:
    """Grain everywhere, so that a pixel that was written is seen to be; full of skin, so that any place is a face."""
    frame = Frame.allocate(*size, pts=0, time=Fraction(0), colour=colour)
    rng = np.random.default_rng(9)
    rgb = np.clip(light * tone + rng.normal(0, 0.02, (size[1], size[0], 3)), 0, 1).astype(np.float32)
    yuv = to_yuv(rgb, codes_of(frame)) * (1 << (colour.bit_depth - 8))
    frame.y[:] = np.rint(yuv[..., 0])
    for index, plane in ((1, frame.u), (2, frame.v)):
        plane[:] = np.rint(yuv[::2, ::2, index])
    return frame


def copy(frame: Frame) -> dict[str, NDArray[np.generic]]:
    return {name: getattr(frame, name).copy() for name in "yuv"}


def changed(before: dict[str, NDArray[np.generic]], frame: Frame) -> dict[str, NDArray[np.bool_]]:
    return {name: before[name] != getattr(frame, name) for name in "yuv"}


def wear(frame: Frame, points: Floats, *, strength: float = 1, wearer: Wearer | None = None) -> bool:
    wearer = wearer or Wearer(texture(), NOTHING)
    return wearer.wear(frame, points, pose.fit(points, CANONICAL), strength)


def hull(points: Floats, shape: tuple[int, ...], grown: int) -> NDArray[np.bool_]:
    """The face's outline, some px larger: outside it every weight is 0."""
    mask = np.zeros(shape, np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(np.rint(points[:, :2]).astype(np.int32)), 1)
    return cv2.dilate(mask, np.ones((2 * grown + 1, 2 * grown + 1))).astype(bool)


def skin_of(frame: Frame, points: Floats) -> Floats:
    """Mean RGB of both cheeks."""
    rgb = to_rgb(window(frame, np.eye(2, 3, dtype=np.float32), (frame.width, frame.height)), codes_of(frame))
    parts = [rgb[y - 3 : y + 4, x - 3 : x + 4].reshape(-1, 3) for x, y in np.rint(points[[50, 280], :2]).astype(int)]
    return np.concatenate(parts).mean(0)


@pytest.mark.parametrize("turn", [(0.0, 0.0, 0.0), (25.0, -10.0, 30.0), (-35.0, 8.0, -60.0)])
@pytest.mark.parametrize("bit_depth", [8, 10])
def test_nothing_outside_the_face_is_touched(turn: tuple[float, float, float], bit_depth: int) -> None:
    frame = scene(Colour(matrix="bt709", bit_depth=bit_depth))
    before, points = copy(frame), landmarks(turn=turn)
    assert wear(frame, points)
    low, high = np.floor(points[:, :2].min(0)).astype(int), np.ceil(points[:, :2].max(0)).astype(int)
    inside = hull(points, frame.y.shape, 4)
    for name, mask in changed(before, frame).items():
        step = 1 if name == "y" else 2
        rows, columns = np.nonzero(mask)
        assert len(rows) > 2000 / step**2, "and the face itself is"
        assert rows.min() * step >= low[1] - 1 - step
        assert rows.max() * step <= high[1] + step
        assert columns.min() * step >= low[0] - 1 - step
        assert columns.max() * step <= high[0] + step
        assert not mask[~inside[::step, ::step]].any()


@pytest.mark.parametrize(
    ("points", "strength"),
    [
        (landmarks(), 0.0),
        (landmarks(), 0.01),
        (landmarks(turn=(62, 0, 0)), 1.0),
        (landmarks(turn=(0, -52, 0)), 1.0),
        (landmarks(x=-200), 1.0),
        (landmarks(y=900), 1.0),
        (landmarks(x=-59.5), 1.0),
    ],
    ids=["strength 0", "hardly any strength", "profile", "from above", "left of it", "below it", "one column of it"],
)
def test_a_face_that_is_not_worn_leaves_no_trace(points: Floats, strength: float) -> None:
    frame = scene()
    before = copy(frame)
    assert wear(frame, points, strength=strength) is False
    assert not any(mask.any() for mask in changed(before, frame).values())


def test_strength_goes_from_one_face_to_the_other() -> None:
    points = landmarks()
    faces = []
    for strength in (0.0, 0.5, 1.0):
        frame = scene()
        wear(frame, points, strength=strength)
        faces.append(frame.y.astype(np.float32))
    none, half, whole = faces
    there = np.abs(whole - none) > 12
    assert there.sum() > 100
    assert np.median(((half - none) / np.where(there, whole - none, 1))[there]) == pytest.approx(0.5, abs=0.08)


def test_a_face_turning_away_fades() -> None:
    """No face pops out of the picture: the change of the picture falls steadily to nothing at 60 degrees."""
    changes = []
    for yaw in (30, 45, 50, 55, 59):
        frame = scene()
        before = copy(frame)
        wear(frame, landmarks(turn=(yaw, 0, 0)))
        changes.append(float(np.abs(frame.y.astype(float) - before["y"]).mean()))
    assert changes == sorted(changes, reverse=True)
    assert changes[-1] < 0.1 * changes[0]


@pytest.mark.parametrize("size", [(320, 240), (321, 241), (319, 240)])
@pytest.mark.parametrize("place", [(3.3, 5.7), (317.2, 236.4), (160.5, -20.3), (301.7, 118.2), (100.1, 251.9)])
def test_a_face_over_the_edge(place: tuple[float, float], size: tuple[int, int]) -> None:
    """Odd places, odd sizes: no error, planes of one another's size, nothing written elsewhere."""
    frame = scene(size=size)
    before, points = copy(frame), landmarks(*place)
    assert wear(frame, points)
    masks = changed(before, frame)
    inside = hull(points, frame.y.shape, 4)
    assert masks["y"].any()
    assert not masks["y"][~inside].any()
    assert not masks["u"][~inside[::2, ::2]].any()


def test_luma_and_chroma_meet() -> None:
    """The worn face's colour must lie where its brightness lies: both masks have one middle, at even and odd places."""
    for x in (160.0, 161.0, 161.5):
        frame = scene(tone=np.array([0.2, 0.4, 0.6], np.float32))
        before = copy(frame)
        wear(frame, landmarks(x=x), wearer=Wearer(texture(np.array([0.9, 0.4, 0.3], np.float32)), NOTHING))
        middles = []
        for name, step, shift in (("y", 1, 0.0), ("v", 2, 0.5)):
            weight = np.abs(getattr(frame, name).astype(float) - before[name])
            weight[weight < 4] = 0
            middles.append(step * float((weight.sum(0) * np.arange(weight.shape[1])).sum() / weight.sum()) + shift)
        assert middles[0] == pytest.approx(x, abs=1.5)
        assert middles[1] == pytest.approx(x, abs=1.5)


def test_ten_bits_look_as_eight() -> None:
    """The same scene in both depths: the same face, within two 8-bit steps; and its finer steps are used."""
    points = landmarks()
    eight, ten = scene(BT709), scene(Colour(matrix="bt709", bit_depth=10))
    wear(eight, points)
    wear(ten, points)
    for name in "yuv":
        difference = getattr(ten, name) / 4 - getattr(eight, name)
        assert np.abs(difference).max() <= 3, name
        assert np.abs(difference).mean() < 0.6, name
    face = ten.y[100:140, 130:190]
    assert len(np.unique(face % 4)) == 4


@pytest.mark.parametrize("matrix", ["bt709", "smpte170m", "bt2020nc"])
@pytest.mark.parametrize("full_range", [False, True])
def test_the_face_has_the_scene_s_brightness_whatever_the_coding(matrix: str, full_range: bool) -> None:
    """One scene, coded in six ways: the RGB that is worn is the same."""
    points = landmarks()
    worn = []
    for colour in (BT709, Colour(matrix=matrix, full_range=full_range)):
        frame = scene(colour)
        wear(frame, points)
        worn.append(skin_of(frame, points))
    assert np.abs(worn[0] - worn[1]).max() < 0.04


@pytest.mark.parametrize("light", [0.1, 0.25, 0.4, 0.6, 1.0, 1.25])
def test_the_face_takes_the_scene_s_light(light: float) -> None:
    """An avatar of one tone on skin of another takes the brightness the scene has, dim or bright."""
    points = landmarks()
    frame = scene(light=light)
    scene_skin = skin_of(frame, points).mean()
    wear(frame, points)
    assert skin_of(frame, points).mean() == pytest.approx(scene_skin, rel=0.2)


def test_light_from_one_side_stays_on_that_side() -> None:
    frame = scene()
    shade = np.linspace(1.2, 0.5, SIZE[0])
    frame.y[:] = 16 + (frame.y.astype(float) - 16) * shade
    points = landmarks()
    wear(frame, points)
    left, right = (
        float(frame.y[int(y) - 4 : int(y) + 5, int(x) - 4 : int(x) + 5].mean()) - 16 for x, y in points[[50, 280], :2]
    )
    assert left > 1.1 * right


@pytest.mark.parametrize("bit_depth", [8, 10])
@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("level", [0.97, 0.99, 0.02, 0.5])
def test_code_values_stay_legal(bit_depth: int, full_range: bool, level: float) -> None:
    """Nearly white and nearly black scenes, a bright avatar and a dark one: no code value leaves the coding's range."""
    colour = Colour(matrix="bt709", full_range=full_range, bit_depth=bit_depth)
    steps = 1 << (bit_depth - 8)
    low, high = (0, 255) if full_range else (16, 235)
    for tone in ((0.98, 0.95, 0.93), (0.1, 0.07, 0.05)):
        frame = scene(colour, np.full(3, level, np.float32))
        wear(frame, landmarks(), wearer=Wearer(texture(np.array(tone, np.float32)), NOTHING))
        assert frame.y.max() <= (high + 1) * steps
        assert frame.y.min() >= (low - 1) * steps
        for plane in (frame.u, frame.v):
            assert plane.max() <= 255 * steps
            assert 112 * steps < np.median(plane) < 144 * steps


@pytest.mark.parametrize("bit_depth", [8, 10])
@pytest.mark.parametrize("full_range", [False, True])
def test_a_glint_on_a_bright_scene_stays_legal(bit_depth: int, full_range: bool) -> None:
    """A dark avatar with glints, as glasses have, is brightened much: 1054 was given out for a 10-bit plane."""
    dark = texture(np.array([0.25, 0.17, 0.12], np.float32))
    for landmark in (4, 50, 280):
        x, y = (int(v) for v in texture_points()[landmark])
        cv2.circle(dark, (x, y), 5, (1, 1, 1), -1)
    frame = scene(Colour(matrix="bt709", full_range=full_range, bit_depth=bit_depth), np.full(3, 0.9, np.float32))
    wear(frame, landmarks(), wearer=Wearer(dark, NOTHING))
    steps = 1 << (bit_depth - 8)
    assert frame.y.max() <= (256 * steps - 1 if full_range else 235 * steps)
    assert frame.y.max() > (225 if full_range else 215) * steps, "the glint is there"


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_a_scene_without_any_light_or_structure_gives_no_nonsense(level: float) -> None:
    """Every statistic of it is 0 over 0: nothing may become NaN, which would be written as 0."""
    frame = scene()
    frame.y[:], frame.u[:], frame.v[:] = 16 + 219 * level, 128, 128
    with np.errstate(all="raise"):
        wear(frame, landmarks())
    spread = np.ptp(frame.y.astype(int))
    assert spread < 90, "a face may be seen, holes may not"
    assert np.abs(frame.u.astype(int) - 128).max() < 60


def test_the_wearer_s_own_eyes_and_mouth_stay() -> None:
    """Painted green in the footage, their middles must come out as green as they were."""
    points = landmarks(face_px=180)
    frame = scene(size=(400, 300))
    points[:, :2] += [40, 30]
    rings = (topology.RIGHT_EYE, topology.LEFT_EYE, topology.INNER_LIPS)
    for ring in rings:
        x, y = np.rint(points[ring, :2].mean(0)).astype(int)
        frame.y[y - 2 : y + 3, x - 6 : x + 7] = 90
        frame.u[y // 2 - 1 : y // 2 + 2, x // 2 - 3 : x // 2 + 4] = 60
    before = copy(frame)
    wear(frame, points)
    for ring in rings:
        x, y = np.rint(points[ring, :2].mean(0)).astype(int)
        assert abs(int(frame.y[y, x]) - int(before["y"][y, x])) <= 4
        assert abs(int(frame.u[y // 2, x // 2]) - int(before["u"][y // 2, x // 2])) <= 4


@pytest.mark.parametrize("bit_depth", [8, 10])
def test_painted_lids_take_the_tint_of_the_face_round_them(bit_depth: int) -> None:
    """Bluish all round the wearer's eye: what stays of it is nearer to the worn skin, whose tint is the scene's."""
    points, frame = landmarks(face_px=180), scene(Colour(matrix="bt709", bit_depth=bit_depth))
    (x, y), wide = points[topology.RIGHT_EYE, :2].mean(0) / 2, float(np.ptp(points[topology.RIGHT_EYE, 0])) / 2
    step = 1 << (bit_depth - 8)
    skin = float(np.median(frame.u)) / step
    cv2.ellipse(frame.u, (round(x), round(y)), (round(0.8 * wide), round(0.5 * wide)), 0, 0, 360, (skin + 8) * step, -1)
    wear(frame, points)
    kept = float(frame.u[round(y), round(x - 0.4 * wide) : round(x + 0.4 * wide)].mean()) / step - skin
    assert 1 < kept < 6


def test_eyes_and_mouth_move_to_where_the_avatar_has_them() -> None:
    """An avatar whose mouth is lower carries the wearer's own mouth down."""
    lower = CANONICAL.copy()
    for ring in (topology.OUTER_LIPS, topology.INNER_LIPS):
        lower[ring, 1] += 0.12
    delta = shape.identity_delta(lower, CANONICAL)
    points = landmarks(face_px=180)
    frame = scene()
    x, y = np.rint(points[topology.INNER_LIPS, :2].mean(0)).astype(int)
    frame.y[y - 2 : y + 3, x - 6 : x + 7] = 30
    wear(frame, points, wearer=Wearer(texture(), delta))
    column = frame.y[y - 12 : y + 24, x].astype(float)
    dark = float((np.arange(-12, 24) * (110 - np.minimum(column, 110))).sum() / (110 - np.minimum(column, 110)).sum())
    assert dark == pytest.approx(delta.mouth[1] * 180 / float(np.ptp(CANONICAL[:, 0])), abs=1.5)
    assert dark > 2


def test_eyes_move_apart_where_the_avatar_s_are() -> None:
    """Each to its own side, and each pupil's luma with its colour."""
    apart = CANONICAL.copy()
    apart[topology.LEFT_EYE, 0] += 0.1
    apart[topology.RIGHT_EYE, 0] -= 0.1
    delta = shape.identity_delta(apart, CANONICAL)
    points = landmarks(face_px=200)
    frame = scene()
    before = copy(frame)
    eyes = {}
    for ring, shift in ((topology.LEFT_EYE, delta.left_eye), (topology.RIGHT_EYE, delta.right_eye)):
        x, y = np.rint(points[ring, :2].mean(0)).astype(int)
        frame.y[y - 2 : y + 3, x - 2 : x + 3] = 30
        eyes[x, y] = shift[0] * 200 / float(np.ptp(CANONICAL[:, 0]))
    wear(frame, points, wearer=Wearer(texture(), delta))
    for (x, y), expected in eyes.items():
        row = 60 - np.minimum(frame.y[y, x - 12 : x + 13].astype(float), 60)
        assert abs(expected) > 2
        assert float((np.arange(-12, 13) * row).sum() / row.sum()) == pytest.approx(expected, abs=1.5)
    assert before["y"].min() > 60


def test_coloured_light_stays_on_its_side() -> None:
    """A warm lamp at the left, a cold one at the right: the face is warm at the left and cold at the right."""
    frame = scene(tone=np.full(3, 0.5, np.float32))
    across = np.linspace(-1, 1, SIZE[0] // 2)
    frame.u[:], frame.v[:] = np.rint(128 + 12 * across), np.rint(128 - 12 * across)
    before, points = copy(frame), landmarks(face_px=160)
    wear(frame, points)
    for x, y in np.rint(points[[50, 280], :2] / 2).astype(int):
        for name in "uv":
            part = np.s_[y - 3 : y + 4, x - 3 : x + 4]
            assert abs(float(getattr(frame, name)[part].mean()) - float(before[name][part].mean())) < 4


def test_black_and_white_footage_stays_black_and_white() -> None:
    frame = scene(tone=np.full(3, 0.5, np.float32))
    frame.u[:], frame.v[:] = 128, 128
    wear(frame, landmarks(), wearer=Wearer(blushing(), NOTHING))
    assert max(np.abs(plane.astype(int) - 128).max() for plane in (frame.u, frame.v)) <= 3


def blushing() -> Floats:
    """A face with blue and red patches on its cheeks."""
    face = texture()
    for landmark, tint in ((50, (1.1, 0.8, 0.8)), (280, (0.8, 0.9, 1.3))):
        x, y = (int(v) for v in texture_points()[landmark])
        face[y - 15 : y + 16, x - 15 : x + 16] *= np.array(tint, np.float32)
    return np.clip(face, 0, 1)


def test_a_still_scene_gives_a_still_face() -> None:
    """The running light settles: after some frames a picture that does not change comes out unchanged."""
    wearer, points, made = Wearer(texture(), NOTHING), landmarks(), []
    for _ in range(24):
        frame = scene()
        wear(frame, points, wearer=wearer)
        made.append(frame.y.astype(int))
    assert np.abs(made[-1] - made[-2]).max() <= 1
    assert np.abs(made[0] - made[-1]).max() <= 6, "nor does it start elsewhere"


def test_a_small_face_and_a_huge_one() -> None:
    for face_px in (24, 600):
        frame = scene(size=(640, 480))
        before, points = copy(frame), landmarks(320, 240, face_px)
        assert wear(frame, points)
        mask = changed(before, frame)["y"]
        assert mask.any()
        # The mask's grid has 76 cells over 1.13 face widths; softened, it reaches a cell or two over the outline.
        assert not mask[~hull(points, frame.y.shape, 1 + face_px // 33)].any()
