"""The avatar photo: what is refused, with which words, and what a good one becomes."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.engines.mesh.conftest import Models
from tests.engines.mesh.people import Actor, wall, width
from tests.engines.mesh.test_pose import rotation
from ugclab.engines.mesh import avatar, one_sided, pose, skin, topology, unrolling
from ugclab.engines.mesh.avatar import prepare
from ugclab.engines.mesh.texture import HEIGHT, WIDTH, texture_points
from ugclab.engines.mesh.warp import inverse_map
from ugclab.errors import AvatarError
from ugclab.media.images import read_image
from ugclab.sample import AVATAR

Image = NDArray[np.uint8]
Cast = tuple[Actor, Actor]


@pytest.fixture(scope="module")
def photo() -> Image:
    return read_image(AVATAR)


def nobody(_: Cast) -> Image:
    return wall()


def two(cast: Cast) -> Image:
    canvas = wall()
    cast[0].play(canvas, 180, 200, 130)
    cast[1].play(canvas, 470, 200, 120)
    return canvas


def small(cast: Cast) -> Image:
    canvas = wall()
    cast[0].play(canvas, 320, 200, 50)
    return canvas


def tiny(_: Cast) -> Image:
    return np.full((40, 300, 3), 90, np.uint8)


def blurred(cast: Cast) -> Image:
    canvas = wall()
    cast[0].play(canvas, 320, 200, 200)
    return cv2.GaussianBlur(canvas, (0, 0), 8)


@pytest.mark.parametrize(
    ("make", "message", "hint"),
    [
        (nobody, "no face was found", "sharp photo of one face"),
        (two, "shows 2 faces", "crop the photo"),
        (small, r"only \d\d px wide", "150 px"),
        (tiny, "only 300x40 px", "150 px"),
        (blurred, "blurred", "sharper"),
    ],
)
def test_a_photo_that_cannot_be_worn_is_refused(
    models: Models, talker: Actor, officer: Actor, make: Callable[[Cast], Image], message: str, hint: str
) -> None:
    with pytest.raises(AvatarError, match=message) as caught:
        prepare(make((talker, officer)), *models)
    assert hint in caught.value.hint
    assert caught.value.exit_code == 13


def turned(actor: Actor, yaw: float) -> Image:
    """The actor's face, without the rest of the head, turned in space."""
    canvas = wall()
    shape = pose.fit(actor.points, topology.canonical()).invert(actor.points)
    points = (80 * shape @ rotation(yaw, 0, 0).T + [320, 200, 0]).astype(np.float32)
    looks, covered = inverse_map(points[:, :2], actor.points[:, :2], canvas.shape[1::-1], depth=points[:, 2])
    canvas[covered] = cv2.remap(actor.picture, looks, None, cv2.INTER_LINEAR)[covered]
    return canvas


def test_a_turned_face_is_refused(models: Models, talker: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is lowered: of a face without a head the model reads 34 degrees where there are 50."""
    monkeypatch.setattr(avatar, "MAX_YAW", 20.0)
    with pytest.raises(AvatarError, match=r"turned by [45]\d degrees") as caught:
        prepare(turned(talker, 50), *models)
    assert "looks at the camera" in caught.value.hint
    prepare(turned(talker, 0), *models)


def test_a_bystander_in_the_background_is_no_second_face(models: Models, talker: Actor, officer: Actor) -> None:
    canvas = wall()
    talker.play(canvas, 220, 200, 200)
    officer.play(canvas, 540, 120, 60)
    worn = prepare(canvas, *models)
    alone = wall()
    talker.play(alone, 220, 200, 200)
    assert np.abs(worn.shape - prepare(alone, *models).shape).max() < 0.05, "it is the larger one that is worn"


def test_a_small_face_is_warned_of(models: Models, talker: Actor, photo: Image) -> None:
    canvas = wall()
    talker.play(canvas, 320, 200, 100)
    (warning,) = prepare(canvas, *models).warnings
    assert "px wide" in warning
    assert not any("px wide" in other for other in prepare(photo, *models).warnings)


def test_a_good_photo_becomes_a_texture_and_a_shape(models: Models, photo: Image) -> None:
    worn = prepare(photo, *models)
    assert worn.texture.shape == (HEIGHT, WIDTH, 3)
    assert worn.texture.dtype == np.float32
    assert worn.texture.min() >= 0
    assert worn.texture.max() <= 1
    assert np.isfinite(worn.texture).all()
    assert np.abs(worn.shape - topology.canonical()).max() < 0.45
    lips, cheeks = (worn.texture[tuple(texture_points()[ring].mean(0).astype(int)[::-1])] for ring in
                    ([0, 17, 61, 291], [50, 280]))  # fmt: skip
    assert cheeks.mean() > 0.2
    assert lips[0] - lips[1] > 0


def test_the_photo_s_light_is_taken_off(models: Models, photo: Image) -> None:
    """Lit from one side, the texture's sides must not differ half as much as the photo's."""
    across = np.linspace(1.25, 0.45, photo.shape[1], dtype=np.float32)[None, :, None]
    lit = np.clip(photo * across, 0, 255).astype(np.uint8)
    texture = prepare(lit, *models).texture
    points = texture_points()
    left, right = (float(np.log(texture[int(points[i, 1]) - 6 : int(points[i, 1]) + 6, int(points[i, 0]) - 6 :
                                        int(points[i, 0]) + 6].mean())) for i in (50, 280))  # fmt: skip
    assert abs(left - right) < 0.15


def lit_from_one_side(photo: Image, points: NDArray[np.float32]) -> Image:
    """The photo under a hard lamp: beyond the ridge of the nose a third of the light."""
    middle = float(points[[168, 6, 1, 152], 0].mean())
    columns = np.arange(photo.shape[1], dtype=np.float32)
    shade = 1 - 0.67 * np.clip((columns - middle) / (0.04 * width(points)) - 0.5, 0, 1)
    return np.rint(photo * shade[None, :, None]).astype(np.uint8)


def shadow_edge(texture: NDArray[np.float32]) -> float:
    """Step in log-luma from the nose's bright side to its dark one, over cheeks and nose."""
    luma = np.log(np.maximum(texture @ np.float32([0.2126, 0.7152, 0.0722]), 0.03))
    rows = np.s_[round(0.45 * HEIGHT) : round(0.60 * HEIGHT)]
    near = round(0.09 * WIDTH)
    left, right = (luma[rows, WIDTH // 2 + a : WIDTH // 2 + b].mean() for a, b in ((-near, -4), (4, near)))
    return float(abs(left - right))


def test_a_shadow_down_the_face_is_evened_out_and_told(
    models: Models, photo: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    points, _ = avatar._find(photo, *models)
    hard = lit_from_one_side(photo, points)
    worn = prepare(hard, *models)
    assert any("lit from one side" in warning for warning in worn.warnings)
    monkeypatch.setattr(one_sided, "LEAN", (8.0, 9.0))
    before = prepare(hard, *models)
    assert shadow_edge(before.texture) > 0.06
    assert shadow_edge(worn.texture) < 0.6 * shadow_edge(before.texture)


def test_soft_light_is_no_shadow(models: Models, photo: Image) -> None:
    for picture in (photo, np.ascontiguousarray(photo[:, ::-1])):
        assert not any("one side" in warning for warning in prepare(picture, *models).warnings)


def test_the_same_photo_gives_the_same_avatar(models: Models, photo: Image) -> None:
    first, second = prepare(photo, *models), prepare(photo, *models)
    assert np.array_equal(first.texture, second.texture)
    assert np.array_equal(first.shape, second.shape)


def test_the_photo_is_not_changed(models: Models, photo: Image) -> None:
    before = photo.copy()
    prepare(photo, *models)
    assert np.array_equal(photo, before)


def test_where_the_face_lies_in_the_photo_does_not_matter(models: Models, officer: Actor) -> None:
    shapes = []
    for x, y, roll in ((320, 200, 0.0), (250, 220, 0.3)):
        canvas = wall()
        officer.play(canvas, x, y, 180, roll=roll)
        shapes.append(prepare(canvas, *models).shape)
    assert np.abs(shapes[0] - shapes[1]).max() < 0.12
    assert width(shapes[0]) == pytest.approx(width(shapes[1]), rel=0.03)


def with_hair(photo: Image, points: NDArray[np.float32], low: int, columns: slice) -> Image:
    """Dark strands from the top of the photo down to landmark `low`, over some of the face's columns (as shares)."""
    hairy = photo.copy()
    left, across = float(points[:, 0].min()), float(np.ptp(points[:, 0]))
    begin, end = round(left + across * columns.start), round(left + across * columns.stop)
    strands = 30 + 25 * np.random.default_rng(3).random(end - begin)
    hairy[: int(points[low, 1]), begin:end] = strands[None, :, None] * np.array([1.1, 0.9, 0.7])
    return hairy


def seen(share: NDArray[np.float32], ring: list[int]) -> float:
    x, y = texture_points()[ring].mean(0).astype(int).tolist()
    return float(share[y - 3 : y + 4, x - 3 : x + 4].mean())


def test_hair_over_one_side_is_replaced_by_the_other(models: Models, photo: Image) -> None:
    """A strand over one temple and the end of its brow: the other side, mirrored, stands for it."""
    points, _ = avatar._find(photo, *models)
    worn = prepare(with_hair(photo, points, 50, slice(-0.2, 0.12)), *models)
    free = prepare(photo, *models)
    temple = np.s_[int(0.42 * HEIGHT) : int(0.52 * HEIGHT), int(0.12 * WIDTH) : int(0.17 * WIDTH)]
    assert abs(float(np.log(worn.texture[temple].mean() / free.texture[temple].mean()))) < 0.2


def test_under_a_fringe_the_brows_are_nobody_s(models: Models, officer: Actor, photo: Image) -> None:
    """Hair over both brows: nothing is worn there, so the footage's own stay, and it is told."""
    points, _ = avatar._find(photo, *models)
    worn = prepare(with_hair(photo, points, 159, slice(-0.2, 1.2)), *models)
    assert seen(worn.share, topology.RIGHT_BROW.tolist()) < 0.3
    assert seen(worn.share, topology.LEFT_BROW.tolist()) < 0.3
    assert seen(worn.share, [50]) > 0.9
    assert any("brows are covered" in warning for warning in worn.warnings)
    free = prepare(photo, *models)
    assert seen(free.share, topology.RIGHT_BROW.tolist()) > 0.9
    assert not any("brows" in warning for warning in free.warnings)


def test_a_large_photo_makes_no_grain(models: Models, photo: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four times as large and with fine noise, which looked up pixel by pixel would be grain on the skin."""
    large = cv2.resize(photo, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC).astype(np.int16)
    noise = np.random.default_rng(5).normal(0, 25, large.shape[:2])[..., None]
    grainy = np.clip(large + noise, 0, 255).astype(np.uint8)
    cheek = np.s_[int(0.5 * HEIGHT) : int(0.6 * HEIGHT), int(0.25 * WIDTH) : int(0.35 * WIDTH)]

    def grain() -> float:
        return float(cv2.Laplacian(prepare(grainy, *models).texture[cheek].mean(-1), cv2.CV_32F).std())

    reduced = grain()
    monkeypatch.setattr(unrolling, "LARGEST", 99.0)
    assert grain() > 1.6 * reduced


def test_what_lies_on_one_cheek_is_not_worn(models: Models, photo: Image) -> None:
    """A finger at the cheek, redder and darker than it: the other cheek stands for both."""
    points, _ = avatar._find(photo, *models)
    touched = photo.copy()
    x, y = points[205, :2].astype(int).tolist()
    radius = round(0.07 * width(points))
    mask = cv2.circle(np.zeros(photo.shape[:2], np.float32), (x, y), radius, 1.0, -1)
    mask = cv2.GaussianBlur(mask, (0, 0), 2)[..., None]
    touched = np.rint(photo * (1 - mask * np.float32([0.2, 0.45, 0.5]))).astype(np.uint8)
    cheek = tuple(slice(int(v) - 6, int(v) + 7) for v in texture_points()[205, ::-1])
    free, worn = (prepare(picture, *models).texture[cheek].mean((0, 1)) for picture in (photo, touched))
    assert np.abs(np.log(worn / free)).max() < 0.2


@pytest.mark.parametrize("kind", ["black", "white", "noise", "stripes"])
def test_no_texture_is_too_odd_for_the_fit(kind: str) -> None:
    """Whatever the model took for a face: something comes out, and nothing that is not a number."""
    texture = {
        "black": np.zeros((HEIGHT, WIDTH, 3), np.float32),
        "white": np.ones((HEIGHT, WIDTH, 3), np.float32),
        "noise": np.random.default_rng(1).random((HEIGHT, WIDTH, 3), np.float32),
        "stripes": np.tile((np.arange(HEIGHT) // 8 % 2).astype(np.float32)[:, None, None], (1, WIDTH, 3)),
    }[kind]
    looks = skin.fit(texture)
    known = skin.face(looks)
    even = one_sided.evened(texture, known, looks.lean)
    for part in (looks.apart, known, skin.like_skin(looks), skin.wearable(known), even):
        assert np.isfinite(part).all()
    assert np.isfinite(looks.lean)
