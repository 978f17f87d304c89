"""What is known of a piece of footage: exact times, geometry, colour."""

from fractions import Fraction
from typing import Literal, Self

from pydantic import Field, model_validator

from ugclab.schema.base import Frozen, Rational


class TimeRange(Frozen):
    """A half-open range [start, end) in seconds from the first instant of the footage."""

    start: Rational
    end: Rational

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.start < 0:
            raise ValueError("a range starts at 0 or later")
        if self.end <= self.start:
            raise ValueError("a range ends after it starts")
        return self

    @property
    def duration(self) -> Fraction:
        """Length in seconds."""
        return self.end - self.start

    def __contains__(self, time: Fraction) -> bool:
        return self.start <= time < self.end

    def __str__(self) -> str:
        return f"{float(self.start):.2f}-{float(self.end):.2f} s"


class Colour(Frozen):
    """How code values mean colours, by FFmpeg's names ("bt709", "smpte2084", …; "unknown" where the file is silent)."""

    primaries: str = "unknown"
    transfer: str = "unknown"
    matrix: str = "unknown"
    full_range: bool = False
    bit_depth: int = 8

    @property
    def hdr(self) -> bool:
        """Whether the transfer is PQ or HLG."""
        return self.transfer in {"smpte2084", "arib-std-b67"}


class AudioTrack(Frozen):
    """One audio stream, as the container has it."""

    index: int
    codec: str
    channels: int
    layout: str
    sample_rate: int
    language: str = ""


class Gop(Frozen):
    """How the coded pictures hang together."""

    keyframes: int
    longest_s: Rational
    closed: bool = Field(description="every keyframe is an IDR: nothing after it refers to anything before it")


class MediaInfo(Frozen):
    """A video file, probed. Width, height and frames are those a viewer sees: rotated upright, edit list applied."""

    schema_version: Literal[1] = 1
    container: str
    size_bytes: int
    width: int = Field(description="px, upright")
    height: int = Field(description="px, upright")
    rotation: Literal[0, 90, 180, 270] = Field(0, description="degrees clockwise that turn a coded picture upright")
    mirrored: bool = Field(False, description="a coded picture is mirrored left to right before it is turned")
    pixel_aspect: Rational = Fraction(1)
    frame_rate: Rational = Field(description="frames over duration: the average where the rate varies")
    variable_frame_rate: bool
    time_base: Rational = Field(description="seconds a tick of the video stream's timestamps")
    start: Rational = Field(description="when the first picture is shown, in seconds of the container's clock")
    duration: Rational = Field(description="seconds from the first picture's start to the last one's end")
    frames: int
    video_codec: str
    profile: str = ""
    pixel_format: str
    interlaced: bool = False
    colour: Colour
    gop: Gop
    audio: tuple[AudioTrack, ...] = ()
    left_out: tuple[str, ...] = Field((), description="what no result carries: subtitles, chapters, data, …")

    @property
    def has_audio(self) -> bool:
        """Whether there is any audio stream."""
        return bool(self.audio)


class Asset(Frozen):
    """Immutable bytes in a store."""

    key: str = Field(description="where they lie in the store")
    name: str = Field(max_length=200, description="what a person calls the file; never a path")
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    size_bytes: int = Field(ge=1)
    media_type: str = Field(description='"video/mp4", "image/jpeg", …')
    info: MediaInfo | None = Field(None, description="of footage; None for a picture")
