"""Rewriting mp4 boxes, to make files no encoder makes on purpose."""

import struct
from collections.abc import Sequence
from pathlib import Path


def _children(data: bytes, start: int, end: int) -> list[tuple[int, int, bytes]]:
    found, position = [], start
    while position + 8 <= end:
        size, kind = struct.unpack(">I4s", data[position : position + 8])
        size = size or end - position
        found.append((position, position + size, kind))
        position += size
    return found


def set_edits(path: Path, edits: Sequence[tuple[float, int]], *, track: int = 0) -> None:
    """Give a track of an mp4 whose index is at its end another edit list: (seconds, media time or -1) each."""
    data = path.read_bytes()
    moov = next(box for box in _children(data, 0, len(data)) if box[2] == b"moov")
    assert moov[1] == len(data), "the index must be at the end"
    boxes = _children(data, moov[0] + 8, moov[1])
    movie = next(box for box in boxes if box[2] == b"mvhd")
    scale = struct.unpack(">I", data[movie[0] + 20 : movie[0] + 24])[0]
    trak = [box for box in boxes if box[2] == b"trak"][track]
    inner = _children(data, trak[0] + 8, trak[1])
    edts = next((box for box in inner if box[2] == b"edts"), None)
    entries = b"".join(struct.pack(">IiI", round(seconds * scale), time, 1 << 16) for seconds, time in edits)
    elst = struct.pack(">I4sII", 16 + len(entries), b"elst", 0, len(edits)) + entries
    new = struct.pack(">I4s", 8 + len(elst), b"edts") + elst
    start, end = (edts[0], edts[1]) if edts else (inner[0][1], inner[0][1])
    grown = len(new) - (end - start)
    data = bytearray(data[:start] + new + data[end:])
    for box in (moov, trak):
        struct.pack_into(">I", data, box[0], box[1] - box[0] + grown)
    path.write_bytes(bytes(data))
