"""Glasses: found where they are drawn, taken off an avatar, kept on whoever wears them in the footage."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.engines.mesh.conftest import Models
from tests.engines.mesh.people import Actor
from tests.engines.mesh.test_composite import CANONICAL, NOTHING, copy, landmarks, scene, texture, wear
from ugclab.engines.mesh import bare, eyewear, glasses, pose, spectacles, unrolling
from ugclab.engines.mesh.avatar import Avatar, prepare
from ugclab.engines.mesh.composite import Wearer
from ugclab.engines.mesh.sampling import Still
from ugclab.engines.mesh.spectacles import SIZE, Look, Spectacles, Views, to_picture
from ugclab.engines.mesh.texture import LUMA, texture_points
from ugclab.engines.mesh.topology import LEFT_EYE, RIGHT_EYE, Floats
from ugclab.media.images import read_image
from ugclab.sample import AVATAR

Mask = NDArray[np.bool_]


def glasses_on(shape: tuple[int, ...], points: Floats, thickness: int) -> Mask:
    """Rims, a bridge and arms, drawn round the eyes of an upright face about 310 px wide."""
    drawn = np.zeros(shape[:2], np.uint8)
    rims = []
    for ring, side in ((RIGHT_EYE, -1), (LEFT_EYE, 1)):
        x, y = np.rint(points[ring, :2].mean(0) + np.array([4 * side, 12])).astype(int).tolist()
        cv2.ellipse(drawn, (x, y), (50, 40), 0, 0, 360, 1, thickness)
        edge = x + side * 50
        cv2.line(drawn, (edge, y - 18), (edge + side * 30, y - 20), 1, thickness)
        rims.append((x, y))
    cv2.line(drawn, (rims[0][0] + 50, rims[0][1] - 8), (rims[1][0] - 50, rims[1][1] - 8), 1, thickness)
    return drawn > 0


@pytest.fixture(scope="module")
def plain(models: Models, talker: Actor) -> Floats:
    """The texture of somebody without glasses."""
    return unrolling.unroll(talker.picture, talker.points)


@pytest.mark.parametrize("thickness", [2, 4, 8])
@pytest.mark.parametrize("tone", [0.05, 0.95])
def test_drawn_glasses_are_found(plain: Floats, thickness: int, tone: float) -> None:
    points, worn = texture_points(), plain.copy()
    drawn = glasses_on(worn.shape, points, thickness)
    worn[drawn] = tone
    cover = eyewear.cover(eyewear.find(worn @ LUMA, points), 1.0) > 0.5
    assert cover[drawn].mean() > 0.8
    assert cover.sum() < 3 * drawn.sum() + 4000, "and not the whole face"
    for eye in (RIGHT_EYE, LEFT_EYE):
        x, y = np.rint(points[eye].mean(0)).astype(int)
        assert not cover[y - 5 : y + 6, x - 12 : x + 13].any(), "nor the eyes"


@pytest.mark.parametrize(("thickness", "tone"), [(1, 0.8), (2, 1.15), (4, 0.5)])
def test_rims_are_clearer_than_a_bare_face(plain: Floats, thickness: int, tone: float) -> None:
    points, worn = texture_points(), plain.copy()
    worn[glasses_on(worn.shape, points, thickness)] *= tone
    bare_face, rims = (eyewear.clearness(part @ LUMA, points) for part in (plain, worn))
    assert bare_face < 0.2
    assert rims > 0.45


@pytest.mark.parametrize("thickness", [3, 8])
def test_an_avatar_s_glasses_are_taken_off(plain: Floats, thickness: int) -> None:
    points, worn = texture_points(), plain.copy()
    drawn = glasses_on(worn.shape, points, thickness)
    worn[drawn] = 0.08
    taken = bare.without_glasses(worn)
    before, after = (np.abs(np.log(part @ LUMA + 0.05) - np.log(plain @ LUMA + 0.05))[drawn] for part in (worn, taken))
    assert after.mean() < 0.35 * before.mean()
    for cheek, chin in ((187, 152), (411, 152)):
        for landmark in (cheek, chin):
            x, y = np.rint(points[landmark]).astype(int)
            assert np.array_equal(taken[y - 8 : y, x - 4 : x + 5], worn[y - 8 : y, x - 4 : x + 5])


def test_the_sample_s_avatar_comes_without_its_glasses(models: Models, tmp_path: Path) -> None:
    photo = read_image(AVATAR)
    worn = prepare(photo, *models)
    assert worn.bare
    assert any("taken off" in warning for warning in worn.warnings)
    flat = np.column_stack([texture_points(), np.zeros(468, np.float32)]).astype(np.float32)
    left = glasses.bridge(Still.from_rgb(np.rint(worn.texture * 255).astype(np.uint8)), flat)
    assert left < glasses.MIN_LINE_STILL < 15
    worn.save(tmp_path / "avatar.npz")
    assert Avatar.load(tmp_path / "avatar.npz").bare


def test_an_avatar_without_glasses_is_left_alone(models: Models, talker: Actor) -> None:
    worn = prepare(talker.picture, *models)
    assert not worn.bare
    assert not any("glasses" in warning for warning in worn.warnings)


@pytest.mark.parametrize("turn", [(0, 0, 0), (20, 5, 12), (-25, -8, -20)])
def test_the_plane_turns_with_the_face(turn: tuple[float, float, float]) -> None:
    """A place on the plane, carried by the pose as a landmark is."""
    seen = pose.fit(landmarks(turn=turn), CANONICAL)
    affine = to_picture(seen, CANONICAL)
    scale = spectacles.FACE_PX / float(np.ptp(CANONICAL[:, 0]))
    for x, y in ((0.0, 0.0), (0.7, 0.3), (-0.9, -0.1)):
        place = CANONICAL[168] + np.array([x, y, spectacles.BEHIND], np.float32)
        flat = np.array([SIZE[0] / 2 + x * scale, SIZE[1] / 3 + y * scale, 1])
        assert affine @ flat == pytest.approx(seen.apply(place[None])[0, :2], abs=0.02)


def wearer_of(drawn: Mask, points: Floats) -> Still:
    """Grey skin with the glasses `drawn` on the plane, at a face's pose."""
    affine = to_picture(pose.fit(points, CANONICAL), CANONICAL)
    luma = cv2.warpAffine(np.where(drawn, 40, 150).astype(np.uint8), affine, (640, 480), borderValue=150)
    rgb = np.repeat(luma[..., None], 3, axis=2)
    return Still.from_rgb(cv2.GaussianBlur(rgb, (0, 0), 0.7))


def test_glasses_of_the_footage_are_found_at_any_turn() -> None:
    scale = spectacles.FACE_PX / float(np.ptp(CANONICAL[:, 0]))
    flat = (CANONICAL[:, :2] - CANONICAL[168, :2]) * scale + [SIZE[0] / 2, SIZE[1] / 3]
    drawn, views = glasses_on((SIZE[1], SIZE[0]), flat.astype(np.float32), 4), Views()
    for number in range(8):
        points = landmarks(320 + 4 * number, 240, 260, turn=(4 * number - 16, number - 4, 3 * number - 10))
        views.add(3, wearer_of(drawn, points), points)
    assert views.look([1], CANONICAL) is None, "nobody looked at that one"
    look = views.look([1, 3], CANONICAL)
    assert look is not None
    assert look.clear
    cover = look.cover()
    moment = Views()
    points = landmarks(300, 250, 240, turn=(18, 6, -9))
    moment.add(1, wearer_of(drawn, points), points)
    alone = moment.look([1], CANONICAL)
    assert alone is not None
    assert alone.clear, "a preview has one frame"
    alpha = np.ones((380, 400), np.float32)
    Spectacles(cover, CANONICAL).spare(alpha, pose.fit(points, CANONICAL), (100, 60))
    over = alpha < 0.5
    truth = (wearer_of(drawn, points).y < 90)[60:440, 100:500]
    assert over[truth].mean() > 0.8
    assert over.sum() < 4 * truth.sum()


def test_the_most_frontal_views_are_kept() -> None:
    views, few = Views(), spectacles.VIEWS
    drawn = np.zeros((SIZE[1], SIZE[0]), bool)
    for number in range(2 * few):
        points = landmarks(320, 240, 260, turn=(20 - 0.4 * number, 0, 0))
        views.add(1, wearer_of(drawn, points), points)
    side = landmarks(320, 240, 260, turn=(60, 0, 0))
    views.add(2, wearer_of(drawn, side), side)
    assert views.look([2], CANONICAL) is None
    kept = [view.turned for view in views._views[1]]
    assert len(kept) == few
    assert max(kept) < 10.5, "of 48 from 20 degrees to 1.2, those nearest to the front"


@pytest.mark.parametrize(("tone", "whole"), [(40, False), (147, True)])
def test_what_is_inside_faint_rims_stays_too(tone: int, whole: bool) -> None:
    points = spectacles._from_front(CANONICAL)
    drawn = glasses_on((SIZE[1], SIZE[0]), points, 2)
    light = np.where(drawn, tone, 150).astype(np.float32) / 255
    look = Look(light, points, eyewear.clearness(light, points))
    assert look.clear != whole
    cover = look.cover() > 127
    assert cover[drawn].mean() > 0.8
    for eye in (RIGHT_EYE, LEFT_EYE):
        x, y = np.rint(points[eye].mean(0)).astype(int)
        inside = cover[y - 12 : y + 25, x - 25 : x + 26]
        assert inside.all() if whole else inside.mean() < 0.3
    nose = np.rint(points[4]).astype(int)
    assert not cover[nose[1] - 5 :, nose[0] - 20 : nose[0] + 21].any(), "the rest is the avatar's"


@pytest.mark.parametrize("bit_depth", [8, 10])
def test_what_is_kept_stays_bit_for_bit(bit_depth: int) -> None:
    frame, points = scene(colour=scene().colour.model_copy(update={"bit_depth": bit_depth})), landmarks(face_px=160)
    before = copy(frame)
    cover = np.zeros((SIZE[1], SIZE[0]), np.uint8)
    cover[70:110] = 255
    kept = Spectacles(cover, CANONICAL)
    assert wear(frame, points, wearer=Wearer(texture(), NOTHING, kept))
    alpha = np.ones(frame.y.shape, np.float32)
    kept.spare(alpha, pose.fit(points, CANONICAL), (0, 0))
    assert 0.02 < (alpha == 0).mean() < 0.2
    assert np.array_equal(frame.y[alpha == 0], before["y"][alpha == 0])
    assert (frame.y != before["y"])[alpha > 0.99].any()


@pytest.mark.parametrize("place", [(-900.0, 0.0), (0.0, 900.0), (10.0, 235.0)])
def test_glasses_outside_the_picture_do_no_harm(place: tuple[float, float]) -> None:
    alpha = np.ones((240, 320), np.float32)
    cover = np.full((SIZE[1], SIZE[0]), 255, np.uint8)
    points = landmarks(*place, face_px=120)
    Spectacles(cover, CANONICAL).spare(alpha, pose.fit(points, CANONICAL), (0, 0))
    assert (alpha == 0).any() == (place == (10.0, 235.0))
    Spectacles(np.zeros_like(cover), CANONICAL).spare(alpha, pose.fit(points, CANONICAL), (0, 0))
