"""Tiny media files for rules that read them: an MP4 of an index alone, and pictures of a header alone."""

import struct
from pathlib import Path


def box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


MATRICES = {
    0: (1, 0, 0, 1),
    90: (0, 1, -1, 0),
    180: (-1, 0, 0, -1),
    270: (0, -1, 1, 0),
}


def write_mp4(
    path: Path,
    *,
    frames: int = 150,
    fps: int = 30,
    size: tuple[int, int] = (1280, 720),
    rotation: int = 0,
    deltas: list[tuple[int, int]] | None = None,
) -> Path:
    """An MP4 whose index speaks of such a video track; it has no media. `deltas` are (frames, ticks of 1/9000 s)."""
    entries = deltas or [(frames, 9000 // fps)]
    a, b, c, d = (value * 65536 for value in MATRICES[rotation])
    matrix = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    tkhd = box(b"tkhd", struct.pack(">I", 7), bytes(36), matrix, struct.pack(">II", size[0] << 16, size[1] << 16))
    mdhd = box(b"mdhd", struct.pack(">IIIII", 0, 0, 0, 9000, sum(n * t for n, t in entries)), bytes(4))
    hdlr = box(b"hdlr", bytes(8), b"vide", bytes(13))
    entry = box(b"avc1", bytes(24), struct.pack(">HH", *size), bytes(50))
    stsd = box(b"stsd", struct.pack(">II", 0, 1), entry)
    stts = box(b"stts", struct.pack(">II", 0, len(entries)), *(struct.pack(">II", n, t) for n, t in entries))
    minf = box(b"minf", box(b"stbl", stsd, stts))
    moov = box(b"moov", box(b"mvhd", bytes(100)), box(b"trak", tkhd, box(b"mdia", mdhd, hdlr, minf)))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(box(b"ftyp", b"isom", bytes(4)) + box(b"mdat", bytes(100)) + moov)
    return path


def write_png(path: Path, size: tuple[int, int] = (1280, 720)) -> Path:
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", *size) + bytes(9))
    return path


def write_heic(path: Path) -> Path:
    path.write_bytes(box(b"ftyp", b"heic", bytes(4), b"mif1heic"))
    return path


def write_streams(
    folder: Path, *, frames: int = 150, size: tuple[int, int] = (1280, 720), replace: bool = True
) -> Path:
    """What the preprocessing leaves."""
    for name in ("src_pose.mp4", "src_bg.mp4", "src_mask.mp4") if replace else ("src_pose.mp4",):
        write_mp4(folder / name, frames=frames, size=size)
    write_mp4(folder / "src_face.mp4", frames=frames, size=(512, 512))
    return folder


def write_environment(root: Path, packages: dict[str, str], *, files: tuple[str, ...] = ()) -> Path:
    """A Python environment of metadata alone."""
    site = root / "lib" / "python3.11" / "site-packages"
    site.mkdir(parents=True)
    for name, version in packages.items():
        info = site / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    for file in files:
        (site / file).parent.mkdir(parents=True, exist_ok=True)
        (site / file).write_text("")
    return root
