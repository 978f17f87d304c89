"""What a picture's first bytes say: its format and size. Decides whether OpenCV will read it."""

import struct
from pathlib import Path
from typing import Literal

from ugclab.schema.base import Frozen

Format = Literal["jpeg", "png", "webp", "bmp", "tiff", "gif", "avif", "heic", "jxl", "unknown"]

READ_BY_OPENCV = {"jpeg", "png", "webp", "bmp", "tiff"}
"""By every build of opencv-python. AVIF and GIF came with 4.11 and 4.12, not to every build; HEIC never."""

_HEIC = {b"heic", b"heix", b"hevc", b"hevx", b"mif1", b"msf1", b"heim", b"heis"}


class Picture(Frozen):
    """Format and, where the header gives it, size in pixels as stored."""

    format: Format
    width: int | None = None
    height: int | None = None


def read_picture(path: Path) -> Picture | None:
    """The format of a picture file; None where it cannot be opened."""
    try:
        with path.open("rb") as file:
            head = file.read(2**18)
    except OSError:
        return None
    try:
        return _sniff(head)
    except (struct.error, IndexError):
        return Picture(format="unknown")


def _sniff(head: bytes) -> Picture:
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        width, height = struct.unpack_from(">II", head, 16)
        return Picture(format="png", width=width, height=height)
    if head.startswith(b"\xff\xd8\xff"):
        return _jpeg(head)
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return Picture(format="webp")
    if head[4:8] == b"ftyp":
        brand = head[8:12]
        return Picture(format="avif" if brand in {b"avif", b"avis"} else "heic" if brand in _HEIC else "unknown")
    if head[:2] == b"BM":
        width, height = struct.unpack_from("<ii", head, 18)
        return Picture(format="bmp", width=width, height=abs(height))
    if head[:4] in {b"II*\0", b"MM\0*"}:
        return Picture(format="tiff")
    if head[:6] in {b"GIF87a", b"GIF89a"}:
        width, height = struct.unpack_from("<HH", head, 6)
        return Picture(format="gif", width=width, height=height)
    if head[:2] == b"\xff\x0a" or head[4:8] == b"JXL ":
        return Picture(format="jxl")
    return Picture(format="unknown")


def _jpeg(head: bytes) -> Picture:
    """The size stands in the first start-of-frame segment, C0 to CF without C4, C8 and CC."""
    at = 2
    while at + 9 < len(head) and head[at] == 0xFF:
        marker, length = head[at + 1], struct.unpack_from(">H", head, at + 2)[0]
        if 0xC0 <= marker <= 0xCF and marker not in {0xC4, 0xC8, 0xCC}:
            height, width = struct.unpack_from(">HH", head, at + 5)
            return Picture(format="jpeg", width=width, height=height)
        at += 2 + length
    return Picture(format="jpeg")
