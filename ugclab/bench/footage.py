"""Footage of any length and shape, made of the sample that comes with the package; made once and kept."""

import subprocess
from pathlib import Path

import imageio_ffmpeg

from ugclab.bench.scenarios import Footage
from ugclab.errors import MediaError
from ugclab.media.output import unfinished, whole_file
from ugclab.media.probe import probe
from ugclab.sample import CLIP
from ugclab.storage.artefacts import canonical_key
from ugclab.storage.store import file_sha256

ENCODER = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "18", "-pix_fmt", "yuv420p")
"""What the pipeline's own encoder is set to, so that a plain transcode does comparable work."""
_TURNED_BACK = {0: "", 90: ",transpose=cclock", 180: ",hflip,vflip", 270: ",transpose=clock"}


def ffmpeg() -> str:
    """Path of the FFmpeg program that comes with imageio-ffmpeg."""
    return str(imageio_ffmpeg.get_ffmpeg_exe())


def make_footage(wanted: Footage, cache: Path) -> Path:
    """The file, made below `cache` if it is not there. Raises MediaError with FFmpeg's last line.

    The sample's packets are repeated as they are where its size is wanted; else its middle is cut to the wanted
    shape and scaled. A rotation is put into the tag, the coded picture turned against it, as phones do.
    """
    key = canonical_key({"sample": file_sha256(CLIP), **wanted.model_dump(), "encoder": ENCODER})[:16]
    path = cache / f"{wanted.width}x{wanted.height}-{wanted.seconds}s-{key}.mp4"
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    sample = probe(CLIP)
    looped = ("-stream_loop", "-1", "-i", str(CLIP), "-t", str(wanted.seconds), "-map_metadata", "-1")
    with whole_file(path) as part:
        if (wanted.width, wanted.height, wanted.rotation) == (sample.width, sample.height, 0):
            run_ffmpeg(*looped, "-c", "copy", str(part))
            return path
        shape = f"{wanted.width}/{wanted.height}"
        cut = f"crop='min(iw,ih*{shape})':'min(ih,iw*{shape})'"
        scaled = f"{cut},scale={wanted.width}:{wanted.height}:flags=lanczos,setsar=1{_TURNED_BACK[wanted.rotation]}"
        if not wanted.rotation:
            run_ffmpeg(*looped, "-vf", scaled, *ENCODER, "-c:a", "copy", str(part))
            return path
        with unfinished(path.with_stem(f"{path.stem}-coded")) as coded:
            run_ffmpeg(*looped, "-vf", scaled, *ENCODER, "-c:a", "copy", str(coded))
            run_ffmpeg("-display_rotation:v:0", str(-wanted.rotation), "-i", str(coded), "-c", "copy", str(part))
    return path


def run_ffmpeg(*words: str) -> None:
    """Run FFmpeg to its end. Raises MediaError with the last line it said."""
    command = [ffmpeg(), "-nostdin", "-v", "error", "-y", *words]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise MediaError(f"FFmpeg failed: {last}", hint="see whether the disk is full")
