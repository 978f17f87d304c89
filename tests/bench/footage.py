"""Footage that is only a MediaInfo: predictions open no file."""

from fractions import Fraction

from ugclab.bench.estimate import Footage, footage
from ugclab.schema.media import Colour, Gop, MediaInfo


def media(width: int = 1280, height: int = 720, rate: Fraction = Fraction(30), seconds: int = 30) -> MediaInfo:
    return MediaInfo(
        container="mp4",
        size_bytes=10_000_000,
        width=width,
        height=height,
        frame_rate=rate,
        variable_frame_rate=False,
        time_base=Fraction(1, 90_000),
        start=Fraction(0),
        duration=Fraction(seconds),
        frames=int(seconds * rate),
        video_codec="h264",
        pixel_format="yuv420p",
        colour=Colour(),
        gop=Gop(keyframes=3, longest_s=Fraction(10), closed=True),
    )


def ugc(plan: str = "default", **changes: object) -> Footage:
    """30 s of 720p at 30 frames a second; the default plan swaps two times 5 s."""
    return footage(media(**changes), plan)  # type: ignore[arg-type]
