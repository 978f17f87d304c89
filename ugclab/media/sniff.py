"""What a file is by its first bytes, before FFmpeg sees it.

FFmpeg follows what it recognises: a playlist makes it open the files and addresses it names. So only containers that
hold their pictures themselves are let through to it, and its verdict has to be the same as the one here.
"""

from dataclasses import dataclass
from pathlib import Path

from ugclab.errors import MediaError
from ugclab.media.source import check_file

HEAD_BYTES = 4096

_BOXES = {b"ftyp", b"moov", b"mdat", b"free", b"wide"}
"""What MP4 and QuickTime begin with; of rarer ones FFmpeg is not sure enough to look no further."""
_PHOTO_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1", b"avif", b"avis", b"jxl ", b"jp2 ", b"jpx "}
_TS_PACKETS = ((0, 188), (4, 192), (0, 204))
"""Offset of the first sync byte and size of a packet: broadcast, Blu-ray and AVCHD, with error correction."""
_PLAYLISTS = (b"#EXTM3U", b"ffconcat", b"<MPD", b"[playlist]", b"[Reference]")
_HINT = "convert it to MP4 with H.264"


@dataclass(frozen=True, slots=True)
class Container:
    """A container by its own bytes."""

    media_type: str
    suffix: str
    demuxer: str
    """One of the names FFmpeg gives it."""


_MP4 = Container("video/mp4", ".mp4", "mp4")
_MOV = Container("video/quicktime", ".mov", "mov")
_WEBM = Container("video/webm", ".webm", "webm")
_MATROSKA = Container("video/x-matroska", ".mkv", "matroska")
_TS = Container("video/mp2t", ".ts", "mpegts")
_BY_BEGINNING = (
    (b"FLV\x01", Container("video/x-flv", ".flv", "flv")),
    (b"\x00\x00\x01\xba", Container("video/mpeg", ".mpg", "mpeg")),
    (bytes.fromhex("3026b2758e66cf11a6d9"), Container("video/x-ms-asf", ".wmv", "asf")),
    (b"OggS", Container("video/ogg", ".ogv", "ogg")),
    (bytes.fromhex("060e2b3402050101"), Container("application/mxf", ".mxf", "mxf")),
)


def sniff_footage(path: Path) -> Container:
    """Tell the container of a video. Raises MediaError for what is none, saying what it is where that is plain."""
    check_file(path)
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if container := _container(head):
        return container
    if head[4:8] == b"ftyp":
        raise MediaError(f"{path.name} is a photo, not a video", hint="give a video file")
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(_PLAYLISTS):
        raise MediaError(f"{path.name} is a playlist, not a video", hint="download the video that it plays")
    if looks_like_a_page(head):
        raise MediaError(f"{path.name} is a web page or XML, not a video", hint="give the address of the file itself")
    raise MediaError(f"{path.name} is no video, or in a container that is not taken", hint=_HINT)


def looks_like_a_page(head: bytes) -> bool:
    """Whether a file begins as HTML or XML does: what a login page or a store's refusal looks like."""
    return head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")


def _container(head: bytes) -> Container | None:
    if head[4:8] in _BOXES:
        brand = head[8:12]
        if head[4:8] != b"ftyp" or brand == b"qt  ":
            return _MOV
        return None if brand in _PHOTO_BRANDS else _MP4
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return _WEBM if b"\x42\x82\x84webm" in head[:64] else _MATROSKA
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return Container("video/x-msvideo", ".avi", "avi")
    for start, size in _TS_PACKETS:
        syncs = head[start::size]
        if len(syncs) >= 3 and set(syncs) == {0x47}:
            return _TS
    return next((container for beginning, container in _BY_BEGINNING if head.startswith(beginning)), None)
