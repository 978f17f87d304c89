"""What an MP4 or MOV file says of its video track, read from its boxes with the standard library.

Enough to decide what Wan2.2-Animate makes of it: frames, rate, size, rotation, whether the rate varies. Other
containers, and fragmented files, give None: nothing is said about them rather than something wrong.
Box layout: ISO/IEC 14496-12, sections 8.3.2 (tkhd), 8.4.2 (mdhd), 8.6.1.2 (stts).
"""

import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

from ugclab.schema.base import Frozen, Rational

LARGEST_MOOV = 64 * 2**20
"""Bytes of index read at most: hours of video need a few MiB."""

Box = tuple[bytes, int, int]  # type, first byte of its content, end


class VideoTrack(Frozen):
    """The first video track. Width and height are as coded, before rotation."""

    frames: int
    rate: Rational
    width: int
    height: int
    rotation: int
    variable: bool

    @property
    def duration_s(self) -> float:
        """Seconds shown."""
        return float(self.frames / self.rate)


def read_video_track(path: Path) -> VideoTrack | None:
    """The first video track of a file; None where the file is no MP4/MOV, is fragmented, damaged or has none."""
    try:
        with path.open("rb") as file:
            moov = _moov(file)
        return None if moov is None else _track(moov)
    except (OSError, struct.error, IndexError, ValueError, ZeroDivisionError):
        return None


def _moov(file: BinaryIO) -> bytes | None:
    """The content of the index box, the media skipped over."""
    at, end = 0, file.seek(0, 2)
    while at + 8 <= end:
        file.seek(at)
        header = file.read(16)
        size, kind = struct.unpack(">I4s", header[:8])
        start = 8
        if size == 1:
            size, start = struct.unpack(">Q", header[8:16])[0], 16
        elif size == 0:
            size = end - at
        if size < start or (at == 0 and not kind.isalnum()):
            return None
        if kind == b"moov":
            file.seek(at + start)
            return file.read(min(size - start, LARGEST_MOOV))
        at += size
    return None


def _boxes(data: bytes, start: int, end: int) -> Iterator[Box]:
    while start + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, start)
        body = start + 8
        if size == 1:
            size, body = struct.unpack_from(">Q", data, start + 8)[0], start + 16
        stop = end if size == 0 else min(start + size, end)
        if stop < body:
            return
        yield kind, body, stop
        start = stop


def _find(data: bytes, start: int, end: int, *path: bytes) -> Box | None:
    for kind, body, stop in _boxes(data, start, end):
        if kind == path[0]:
            return (kind, body, stop) if len(path) == 1 else _find(data, body, stop, *path[1:])
    return None


def _track(moov: bytes) -> VideoTrack | None:
    if _find(moov, 0, len(moov), b"mvex"):
        return None
    for kind, body, stop in _boxes(moov, 0, len(moov)):
        handler = _find(moov, body, stop, b"mdia", b"hdlr") if kind == b"trak" else None
        if handler and moov[handler[1] + 8 : handler[1] + 12] == b"vide":
            return _video(moov, body, stop)
    return None


def _video(moov: bytes, body: int, stop: int) -> VideoTrack | None:
    tkhd = _find(moov, body, stop, b"tkhd")
    mdhd = _find(moov, body, stop, b"mdia", b"mdhd")
    stts = _find(moov, body, stop, b"mdia", b"minf", b"stbl", b"stts")
    stsd = _find(moov, body, stop, b"mdia", b"minf", b"stbl", b"stsd")
    if not (tkhd and mdhd and stts and stsd):
        return None
    timescale = struct.unpack_from(">I", moov, mdhd[1] + (20 if moov[mdhd[1]] == 1 else 12))[0]
    count = struct.unpack_from(">I", moov, stts[1] + 4)[0]
    entries = [struct.unpack_from(">II", moov, stts[1] + 8 + 8 * i) for i in range(count)]
    frames, ticks = sum(n for n, _ in entries), sum(n * delta for n, delta in entries)
    matrix = struct.unpack_from(">9i", moov, tkhd[1] + (52 if moov[tkhd[1]] == 1 else 40))
    # stsd: version, count, then the first sample entry: its size and type, 24 bytes, width, height.
    width, height = struct.unpack_from(">HH", moov, stsd[1] + 8 + 8 + 24)
    if frames < 1 or ticks < 1:
        return None
    return VideoTrack(
        frames=frames,
        rate=Fraction(frames * timescale, ticks),
        width=width,
        height=height,
        rotation=_rotation(matrix[0], matrix[1]),
        variable=_varies(entries),
    )


def _rotation(a: int, b: int) -> int:
    """Degrees clockwise a player turns the picture, from the first row of the track's matrix (16.16 fixed)."""
    one = 1 << 16
    return {(one, 0): 0, (0, one): 90, (-one, 0): 180, (0, -one): 270}.get((a, b), 0)


def _varies(entries: list[tuple[int, int]]) -> bool:
    """Whether more than 1 % of the frames last another time than most, by more than 5 %: a jitter of ticks is none."""
    totals: dict[int, int] = {}
    for frames, delta in entries:
        totals[delta] = totals.get(delta, 0) + frames
    usual = max(totals, key=lambda delta: totals[delta])
    odd = sum(frames for delta, frames in totals.items() if abs(delta - usual) > max(1, usual * 0.05))
    return odd > max(1, sum(totals.values()) * 0.01)
