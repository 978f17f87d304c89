"""What is painted: where, in which light, how sharp. The network is a stand-in whose drawing is known."""

from collections.abc import Callable
from fractions import Fraction

import cv2
import numpy as np
import pytest

from tests.engines.mesh.conftest import Models
from tests.engines.mesh.people import Actor, find, wall
from ugclab.engines.inswapper import identity, painter
from ugclab.engines.inswapper.painter import SIDE, Painter, face_mask, feature_mask
from ugclab.engines.mesh import pose, topology
from ugclab.engines.mesh.sampling import Floats, Picture, Still
from ugclab.media.frames import Frame
from ugclab.media.images import frame_rgb
from ugclab.schema.media import Colour

LATENT = np.zeros((1, 512), np.float32)
Drawing = Callable[[Floats], Floats]


class Stand:
    """A network that draws what a function makes of the crop (SIDE, SIDE, 3)."""

    def __init__(self, drawing: Drawing) -> None:
        self._drawing = drawing
        self.seen: list[Floats] = []

    def run(self, crop: Floats, latent: Floats) -> Floats:
        self.seen.append(crop)
        return identity.planes_first(self._drawing(crop[0].transpose(1, 2, 0)))


@pytest.fixture(scope="module")
def scene(models: Models, talker: Actor) -> tuple[np.ndarray, Floats]:
    """A face 240 px wide on a wall, and its landmarks."""
    canvas = wall()
    talker.play(canvas, 320, 210, 240)
    return canvas, find(canvas, *models)


def frame_of(rgb: np.ndarray, bits: int = 8) -> Frame:
    still = Still.from_rgb(rgb)
    colour = Colour(matrix="bt709", full_range=True, bit_depth=bits)
    frame = Frame.allocate(rgb.shape[1], rgb.shape[0], pts=0, time=Fraction(0), colour=colour)
    for plane in ("y", "u", "v"):
        getattr(frame, plane)[:] = getattr(still, plane).astype(np.uint16) << (bits - 8)
    return frame


def worn(rgb: np.ndarray, points: Floats, drawing: Drawing, *, bits: int = 8, frames: int = 1) -> tuple[Frame, Frame]:
    """A frame before and after."""
    person = Painter(Stand(drawing), LATENT)  # type: ignore[arg-type]
    for _ in range(frames):
        before, after = frame_of(rgb, bits), frame_of(rgb, bits)
        assert person.wear(after, points, pose.fit(points, topology.canonical()))
    return before, after


def change(before: Picture, after: Picture, plane: str = "y") -> np.ndarray:
    return np.abs(getattr(before, plane).astype(int) - getattr(after, plane).astype(int))


def face_of(points: Floats, shape: tuple[int, int], grow: float) -> np.ndarray:
    """Where the face's oval is, grown about its middle."""
    rim = points[topology.OVAL, :2]
    rim = (rim - rim.mean(0)) * grow + rim.mean(0)
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [np.rint(rim).astype(np.int32)], 1)
    return mask.astype(bool)


def test_the_five_points_lie_where_the_networks_expect_them(scene: tuple[np.ndarray, Floats]) -> None:
    _, points = scene
    for template in (identity.FIVE, identity.swap_template(SIDE)):
        affine = identity.to_crop(points, template)
        placed = identity.five_points(points) @ affine[:, :2].T + affine[:, 2]
        assert np.abs(placed - template).max() < 5  # of 35 px between the eyes: faces differ from the template
        assert affine[0, 0] == pytest.approx(affine[1, 1])
        assert affine[0, 1] == pytest.approx(-affine[1, 0])


def test_the_crop_is_the_least_squares_similarity() -> None:
    """Of points that are the template turned, scaled and moved, the way back exactly."""
    template = identity.swap_template(SIDE)
    angle, scale, shift = 0.4, 2.7, np.array([130.0, 80.0])
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    five = template @ turn.T + shift
    points = np.zeros((468, 3), np.float32)
    for ring, place in zip((topology.RIGHT_EYE, topology.LEFT_EYE), five, strict=False):
        points[ring, :2] = place
    points[[identity.NOSE, identity.MOUTH_RIGHT, identity.MOUTH_LEFT], :2] = five[2:]
    affine = identity.to_crop(points, template)
    assert np.allclose(affine[:, :2] @ turn, np.eye(2), atol=1e-4)


@pytest.mark.parametrize("bits", [8, 10])
def test_a_network_that_draws_what_it_sees_changes_nearly_nothing(scene: tuple[np.ndarray, Floats], bits: int) -> None:
    """The frame's own detail, which the crop cannot hold, comes back: a face 240 px wide stays as sharp as it was."""
    before, after = worn(*scene, lambda crop: crop, bits=bits)
    skin = face_of(scene[1], before.y.shape, 0.6)
    assert change(before, after)[skin].mean() < 1.6 * (1 << bits - 8)
    energy = [float(np.var(cv2.Laplacian(f.y.astype(np.float32), cv2.CV_32F)[skin])) for f in (before, after)]
    assert 0.85 < energy[1] / energy[0] < 1.6
    assert int(after.y.max()) < 1 << bits


def test_without_the_frames_own_detail_it_would_be_soft(
    scene: tuple[np.ndarray, Floats], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The judge of the test above sees a soft face."""
    monkeypatch.setattr(painter, "_own_detail", lambda seen, drawn, features: np.zeros((SIDE, SIDE), np.float32))
    before, after = worn(*scene, lambda crop: crop)
    skin = face_of(scene[1], before.y.shape, 0.6) & ~features_of(scene[1], before.y.shape)
    energy = [float(np.var(cv2.Laplacian(f.y.astype(np.float32), cv2.CV_32F)[skin])) for f in (before, after)]
    assert energy[1] / energy[0] < 0.6


def features_of(points: Floats, shape: tuple[int, int]) -> np.ndarray:
    affine = identity.to_crop(points, identity.swap_template(SIDE))
    mask = feature_mask(points[:, :2] @ affine[:, :2].T + affine[:, 2])
    return cv2.warpAffine(mask, affine, shape[::-1], flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP) > 0.1


@pytest.mark.parametrize("bits", [8, 10])
def test_nothing_changes_outside_the_face(scene: tuple[np.ndarray, Floats], bits: int) -> None:
    before, after = worn(*scene, lambda crop: 1 - crop, bits=bits)
    assert change(before, after).max() > 20
    for plane, scale in (("y", 1), ("u", 2), ("v", 2)):
        shape = getattr(before, plane).shape
        outside = ~face_of(scene[1] / scale, shape, 1.12)
        assert change(before, after, plane)[outside].max() == 0


def test_eyes_and_mouth_come_from_the_network(scene: tuple[np.ndarray, Floats]) -> None:
    """A black bar over both eyes, drawn by the network, is there."""
    _, points = scene
    five = identity.five_points(points)
    affine = identity.to_crop(points, identity.swap_template(SIDE))
    row = round(float((five[:2] @ affine[:, :2].T + affine[:, 2])[:, 1].mean()))

    def bar(crop: Floats) -> Floats:
        drawn = crop.copy()
        drawn[row - 3 : row + 4, 25:105] = 0.05
        return drawn

    before, after = worn(*scene, bar, frames=3)
    x, y = np.rint(five[0]).astype(int)
    assert after.y[y - 2 : y + 3, x - 10 : x + 10].mean() < 0.7 * before.y[y - 12 : y + 13, x - 25 : x + 25].mean()
    assert after.y[y - 2 : y + 3, x - 10 : x + 10].std() < 8


@pytest.mark.parametrize("cast", [(-0.10, -0.10, -0.10), (0.05, 0.0, -0.04)])
def test_the_footages_light_is_kept(scene: tuple[np.ndarray, Floats], cast: tuple[float, ...]) -> None:
    """A network that draws darker, or in another tint, is corrected: the skin's mean stays the footage's."""
    before, after = worn(*scene, lambda crop: np.clip(crop + np.array(cast, np.float32), 0, 1))
    skin = face_of(scene[1], before.y.shape, 0.6)
    for plane, region in (("y", skin), ("u", skin[::2, ::2]), ("v", skin[::2, ::2])):
        means = [float(getattr(f, plane)[region].mean()) for f in (before, after)]
        assert abs(means[1] - means[0]) < 2.5, plane


def test_a_blurred_face_gets_a_blurred_one(scene: tuple[np.ndarray, Floats]) -> None:
    """Motion blur: what is drawn crisp over it is taken back."""
    picture, points = scene
    blurred = cv2.GaussianBlur(picture, (0, 0), 5)
    crisp = identity.to_crop(points, identity.swap_template(SIDE))
    sharp = cv2.warpAffine(picture, crisp, (SIDE, SIDE), flags=cv2.INTER_AREA).astype(np.float32) / 255
    before, after = worn(blurred, points, lambda crop: sharp, frames=8)
    _, plain = worn(picture, points, lambda crop: sharp, frames=8)
    skin = face_of(points, before.y.shape, 0.6)
    edges = [float(np.var(cv2.Laplacian(f.y.astype(np.float32), cv2.CV_32F)[skin])) for f in (after, plain)]
    assert edges[0] < 0.4 * edges[1]


def test_it_does_not_flicker(scene: tuple[np.ndarray, Floats]) -> None:
    """A network whose brightness jumps from frame to frame: what is seen moves less than half of it."""
    picture, points = scene
    jumps = iter([0.0, 0.06, -0.06, 0.06, -0.06, 0.06])
    person = Painter(Stand(lambda crop: np.clip(crop + next(jumps), 0, 1)), LATENT)  # type: ignore[arg-type]
    skin = face_of(points, picture.shape[:2], 0.5)
    levels = []
    for _ in range(6):
        frame = frame_of(picture)
        person.wear(frame, points, pose.fit(points, topology.canonical()))
        levels.append(float(frame.y[skin].mean()))
    assert np.abs(np.diff(levels[1:])).max() < 0.12 * 255


def test_a_face_turned_away_is_left_alone(scene: tuple[np.ndarray, Floats]) -> None:
    picture, points = scene
    turned = pose.fit(points, topology.canonical())
    half = np.radians(70 * pose.FLATTENED)
    yaw = np.array([[np.cos(half), 0, -np.sin(half)], [0, 1, 0], [np.sin(half), 0, np.cos(half)]], np.float32)
    stand = Stand(lambda crop: 1 - crop)
    frame = frame_of(picture)
    away = pose.Pose(yaw, turned.scale, turned.centre)
    assert not Painter(stand, LATENT).wear(frame, points, away)  # type: ignore[arg-type]
    assert stand.seen == []
    assert np.array_equal(frame.y, frame_of(picture).y)


@pytest.mark.parametrize("shift", [(-330, 0), (330, 0), (0, -220), (0, 240), (2000, 0)])
def test_a_face_half_out_of_the_picture(scene: tuple[np.ndarray, Floats], shift: tuple[int, int]) -> None:
    picture, points = scene
    moved = cv2.warpAffine(picture, np.float32([[1, 0, shift[0]], [0, 1, shift[1]]]), picture.shape[1::-1])
    points = (points + np.array([*shift, 0], np.float32)).astype(np.float32)
    frame = frame_of(moved)
    Painter(Stand(lambda crop: 1 - crop), LATENT).wear(  # type: ignore[arg-type]
        frame, points, pose.fit(points, topology.canonical())
    )
    outside = ~face_of(points, frame.y.shape, 1.12)
    assert change(frame_of(moved), frame)[outside].max() == 0


def test_numbers_that_are_none_are_no_noise(scene: tuple[np.ndarray, Floats]) -> None:
    _, after = worn(*scene, lambda crop: np.full_like(crop, np.nan))
    assert np.isfinite(frame_rgb(after)).all()


def test_the_mask_ends_before_the_crop_and_the_face(scene: tuple[np.ndarray, Floats]) -> None:
    _, points = scene
    affine = identity.to_crop(points, identity.swap_template(SIDE))
    placed = points[:, :2] @ affine[:, :2].T + affine[:, 2]
    mask = face_mask(placed)
    assert mask.max() > 0.98
    assert max(mask[0].max(), mask[-1].max(), mask[:, 0].max(), mask[:, -1].max()) == 0
    assert np.abs(np.diff(mask, axis=0)).max() < 0.25
    features = feature_mask(placed)
    for ring in (topology.RIGHT_EYE, topology.LEFT_EYE, topology.OUTER_LIPS):
        x, y = np.rint(placed[ring].mean(0)).astype(int)
        assert features[y, x] > 0.95
    x, y = np.rint(placed[50]).astype(int)  # a cheek
    assert features[y, x] < 0.05
