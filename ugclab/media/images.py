"""Still pictures: a photo becomes upright sRGB, an array becomes a PNG."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from av.video.reformatter import Interpolation
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from ugclab.errors import AvatarError
from ugclab.media.colour import FULL_RANGE, LIMITED_RANGE, MATRICES, code_point
from ugclab.media.frames import Frame

LONGEST_SIDE_PX = 4096
"""Larger photos are scaled down to this: a face in them stays larger than in any footage, memory stays bounded."""
LARGEST_PICTURE_PX = 250_000_000
"""More pixels than any phone takes: not decoded, since a small file can claim any size."""

HD_ROWS = 720
"""From here on untagged footage is bt709."""
_CAREFUL = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
_HEIF_BRANDS = {b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"}
_FORMATS = (
    "JPEG",
    "PNG",
    "WEBP",
    "AVIF",
    "BMP",
    "TIFF",
    "GIF",
    "PPM",
)  # JPEG includes MPO, the two-picture files of phones
_HINT = "give a JPEG, PNG, WebP or AVIF photo of one person, looking at the camera"


def read_image(path: Path) -> NDArray[np.uint8]:
    """Read a photo as uint8 RGB of shape (height, width, 3): turned upright, in sRGB, transparency on mid-grey.

    Raises AvatarError for what is missing, empty, incomplete, too large or no picture.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise AvatarError(f"{path} cannot be read ({error.strerror or error})", hint="check the path") from error
    if not data:
        raise AvatarError(f"{path} is empty", hint=_HINT)
    return decode_image(data, path.name)


def decode_image(data: bytes, name: str) -> NDArray[np.uint8]:
    """Do the same for a picture in memory; `name` is for messages."""
    with _explained(data, name):
        picture = _open(data)
        if picture.width * picture.height > LARGEST_PICTURE_PX:
            raise AvatarError(f"{name} claims {picture.width}x{picture.height} pixels", hint="make it smaller")
        picture.draft("RGB", (LONGEST_SIDE_PX, LONGEST_SIDE_PX))  # a JPEG is decoded at the scale that is needed
        profile = picture.info.get("icc_profile")
        picture = ImageOps.exif_transpose(picture)
        picture.thumbnail((LONGEST_SIDE_PX, LONGEST_SIDE_PX), Image.Resampling.LANCZOS)
        return np.array(_to_srgb(picture, profile))


@dataclass(frozen=True, slots=True)
class PictureHead:
    """What a picture says of itself before it is decoded."""

    format: str
    """Pillow's name: "JPEG", "PNG", …"""
    width: int
    height: int


def read_head(data: bytes, name: str) -> PictureHead:
    """Look at a picture in memory without decoding it. Raises AvatarError."""
    with _explained(data, name):
        picture = _open(data)
        return PictureHead(picture.format or "", picture.width, picture.height)


def _open(data: bytes) -> Image.Image:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limits are ours
        return Image.open(io.BytesIO(data), formats=_FORMATS)


@contextmanager
def _explained(data: bytes, name: str) -> Iterator[None]:
    """Turn what Pillow says about a file into AvatarError."""
    try:
        yield
    except UnidentifiedImageError as error:
        if data[4:8] == b"ftyp" and data[8:12] in _HEIF_BRANDS:
            raise AvatarError(f"{name} is a HEIC photo, which cannot be read here", hint="export it as JPEG") from error
        raise AvatarError(f"{name} is no picture that can be read", hint=_HINT) from error
    except Image.DecompressionBombError as error:
        raise AvatarError(f"{name} claims more pixels than can be read here", hint="make it smaller") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise AvatarError(f"{name} is damaged or incomplete ({error})", hint="download or export it again") from error


def _to_srgb(picture: Image.Image, profile: bytes | None) -> Image.Image:
    """Convert any mode to RGB; a colour profile (phones write Display P3) is applied, not dropped."""
    if picture.mode.startswith(("I", "F")):  # 16-bit grey: Pillow's own conversion would clip it
        grey = np.asarray(picture, np.float64)
        picture = Image.fromarray((grey / max(grey.max(), 1) * 255).astype(np.uint8))
    if "A" in picture.getbands() or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, (128, 128, 128, 255)), picture).convert("RGB")
    if profile and picture.mode in {"RGB", "L", "CMYK"}:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
        except (ImageCms.PyCMSError, OSError):
            converted = None  # a damaged profile says nothing about the pixels
        picture = converted or picture
    return picture.convert("RGB")


def encode_png(rgb: NDArray[np.uint8]) -> bytes:
    """Compress uint8 RGB of shape (height, width, 3) as a PNG."""
    out = io.BytesIO()
    Image.fromarray(rgb).save(out, "PNG", optimize=True)
    return out.getvalue()


def encode_jpeg(rgb: NDArray[np.uint8], quality: int = 92) -> bytes:
    """Compress uint8 RGB of shape (height, width, 3) as a JPEG."""
    out = io.BytesIO()
    Image.fromarray(rgb).save(out, "JPEG", quality=quality)
    return out.getvalue()


def fitted(rgb: NDArray[np.uint8], width: int) -> NDArray[np.uint8]:
    """The picture scaled down, at its aspect, where it is wider than `width` px."""
    if rgb.shape[1] <= width:
        return rgb
    size = (width, max(1, round(rgb.shape[0] * width / rgb.shape[1])))
    return np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.LANCZOS))


def frame_rgb(frame: Frame) -> NDArray[np.uint8]:
    """The frame as uint8 RGB, for looking at: never on the way into a video, where it would cost 16 dB.

    Footage that does not name its matrix is taken for bt709 from 720 rows on and for bt601 below, as players do.
    """
    matrix = frame.colour.matrix if frame.colour.matrix in MATRICES.values() else ""
    number = code_point(MATRICES, matrix or ("bt709" if frame.height >= HD_ROWS else "smpte170m"))
    picture = frame.buffer.reformat(
        format="rgb24",
        src_colorspace=number,
        dst_colorspace=number,
        src_color_range=FULL_RANGE if frame.colour.full_range else LIMITED_RANGE,
        dst_color_range=FULL_RANGE,
        interpolation=_CAREFUL,
    )
    return np.ascontiguousarray(picture.to_ndarray()[: frame.height, : frame.width])
