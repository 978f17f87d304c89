"""Photos as people have them: turned, tagged, transparent, cut short, or no photos at all."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from ugclab.errors import AvatarError
from ugclab.media.images import LONGEST_SIDE_PX, decode_image, encode_png, read_image

CORNER = np.zeros((40, 60, 3), np.uint8)
CORNER[:20, :20] = (250, 10, 10)  # red top left, upright


def saved(picture: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "AVIF", "BMP", "TIFF"])
def test_common_formats(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "photo"
    path.write_bytes(saved(Image.fromarray(CORNER), kind, **({"quality": 100} if kind in {"WEBP", "AVIF"} else {})))
    assert np.abs(read_image(path).astype(int) - CORNER).mean() < 4


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_is_turned_upright(orientation: int) -> None:
    stored = {  # how a camera stores the upright picture under each tag: the inverse of what the viewer must do
        1: CORNER,
        2: CORNER[:, ::-1],
        3: CORNER[::-1, ::-1],
        4: CORNER[::-1],
        5: CORNER.transpose(1, 0, 2),
        6: np.rot90(CORNER),
        7: np.rot90(CORNER, 2).transpose(1, 0, 2),
        8: np.rot90(CORNER, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    read = decode_image(saved(Image.fromarray(np.ascontiguousarray(stored)), "JPEG", quality=98, exif=exif), "p.jpg")
    assert read.shape == CORNER.shape
    assert read[5:15, 5:15, 0].mean() > 200
    assert read[25:, 25:].mean() < 30


def test_transparency_grey_and_sixteen_bits() -> None:
    clear = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    assert decode_image(saved(clear, "PNG"), "p")[0, 0].tolist() == [128, 128, 128]
    assert decode_image(saved(Image.new("L", (4, 4), 77), "PNG"), "p")[0, 0].tolist() == [77, 77, 77]
    deep = Image.fromarray(np.array([[0, 30000, 60000]], np.uint16))
    assert decode_image(saved(deep, "PNG"), "p")[0, :, 0].tolist() == [0, 127, 255]
    assert decode_image(saved(Image.new("P", (4, 4)), "GIF"), "p").shape == (4, 4, 3)


def test_a_colour_profile_is_applied_and_a_broken_one_ignored() -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert decode_image(saved(Image.fromarray(CORNER), "PNG", icc_profile=lab), "p")[0, 0].tolist() == [250, 10, 10]
    broken = saved(Image.fromarray(CORNER), "PNG", icc_profile=b"no profile")
    assert decode_image(broken, "p")[0, 0].tolist() == [250, 10, 10]


def test_a_large_photo_is_scaled_down() -> None:
    read = decode_image(saved(Image.new("RGB", (9000, 3000), (10, 200, 10)), "JPEG"), "p")
    assert read.shape[:2] == (round(LONGEST_SIDE_PX / 3), LONGEST_SIDE_PX)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"hello, I am text", "is no picture"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        (
            saved(Image.fromarray(np.random.default_rng(0).integers(0, 255, (99, 99, 3), np.uint8)), "PNG")[:2000],
            "incomplete",
        ),
        (saved(Image.fromarray(CORNER), "JPEG")[:100], "p.jpg is"),
        (b"P6 60000 60000 255\n", "claims|incomplete"),
    ],
)
def test_what_is_no_whole_picture_is_an_avatar_error(data: bytes, message: str) -> None:
    with pytest.raises(AvatarError, match=message) as caught:
        decode_image(data, "p.jpg")
    assert caught.value.hint


def test_missing_empty_and_folders(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    for path, message in (
        (tmp_path / "none.jpg", "cannot be read"),
        (tmp_path, "cannot be read"),
        (tmp_path / "empty.jpg", "is empty"),
    ):
        with pytest.raises(AvatarError, match=message):
            read_image(path)


def test_a_png_is_lossless() -> None:
    assert np.array_equal(decode_image(encode_png(CORNER), "p"), CORNER)
