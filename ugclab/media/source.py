"""Opening footage: which stream is the picture, and which words a file that is none deserves."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from ugclab.errors import MediaError

_NOT_FOOTAGE = frozenset({"tty", "image2", "lrc", "srt", "webvtt", "ass", "concat", "hls", "dash", "sdp", "txt"})
"""Demuxers that read text as video, a lone picture, or other files a playlist names: never a UGC source."""


def check_file(path: Path) -> None:
    """Raise MediaError unless `path` is a file that can be read and is not empty."""
    if not path.exists():
        raise MediaError(f"{path} does not exist", hint="check the path")
    if not path.is_file():
        raise MediaError(f"{path} is not a file", hint="give a video file")
    if not os.access(path, os.R_OK):
        raise MediaError(f"{path} cannot be read", hint="check its permissions")
    if path.stat().st_size == 0:
        raise MediaError(f"{path} is empty", hint="download or record it again")


@contextmanager
def open_source(path: Path) -> Iterator[InputContainer]:
    """Open footage for reading; FFmpeg's errors inside the block become MediaError."""
    check_file(path)
    try:
        # Only local files: a playlist or a reference track must not make us read another file or an address.
        with av.open(
            str(path), "r", metadata_errors="replace", options={"fflags": "+genpts", "protocol_whitelist": "file"}
        ) as container:
            if set(container.format.name.split(",")) & _NOT_FOOTAGE or "pipe" in container.format.name:
                raise MediaError(f"{path.name} is no video ({container.format.long_name})", hint="give a video file")
            yield container
    except av.error.FFmpegError as error:
        raise MediaError(
            f"{path.name} cannot be read as video ({error.strerror or error})",
            hint="it may be incomplete or no video at all: play it, then download or export it again",
        ) from error


def video_stream(container: InputContainer, name: str) -> VideoStream:
    """The picture: the default video stream, else the first; covers and thumbnails are none. Raises MediaError."""
    covers = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
    streams = [s for s in container.streams.video if not s.disposition & covers]
    if not streams:
        kind = "only audio" if container.streams.audio else "no video stream"
        raise MediaError(f"{name} holds {kind}", hint="give a file with a moving picture")
    stream = next((s for s in streams if s.disposition & Disposition.default), streams[0])
    if stream.codec_context is None:
        raise MediaError(f"{name} is in a video codec that cannot be decoded", hint="convert it to H.264 first")
    return stream
