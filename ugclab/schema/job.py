"""What is asked for: which face, how it is stitched, how a result is marked."""

from enum import StrEnum
from typing import Literal, Self

from pydantic import Field

from ugclab.errors import InputError
from ugclab.schema.base import Frozen


class JobType(StrEnum):
    """The kinds of work the platform knows; this package does the first."""

    FACE_TRANSFORM = "face_transform"


class StitchMode(StrEnum):
    """How untouched footage stays untouched (media/stitch.py)."""

    AUTO = "auto"
    SMART = "smart"
    PREPARED = "prepared"
    FULL = "full"


class EyewearMode(StrEnum):
    """What becomes of glasses in the footage (engines/mesh/spectacles.py)."""

    KEEP = "keep"
    COVER = "cover"


class FaceSelector(Frozen):
    """Which face is swapped: "largest", "left", "right", "all", "index:N" (from the left, from 0) or "like:PHOTO"."""

    kind: Literal["largest", "left", "right", "all", "index", "like"] = "largest"
    index: int = Field(0, ge=0)
    photo: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the command line's form. Raises InputError."""
        kind, _, argument = text.strip().partition(":")
        if kind in {"largest", "left", "right", "all"} and not argument:
            return cls(kind=kind)
        if kind == "index" and argument.isdecimal():
            return cls(kind="index", index=int(argument))
        if kind == "like" and argument:
            return cls(kind="like", photo=argument)
        raise InputError(
            f"'{text}' does not say which face", hint="use largest, left, right, all, index:N or like:PHOTO"
        )

    def __str__(self) -> str:
        argument = {"index": f":{self.index}", "like": f":{self.photo}"}.get(self.kind, "")
        return self.kind + argument


class SwapOptions(Frozen):
    """Everything that changes a result beside source, avatar, plan and engine."""

    face: FaceSelector = FaceSelector()
    eyewear: EyewearMode = Field(
        EyewearMode.KEEP, description="glasses in the footage: kept on, or covered by the face"
    )
    min_swapped: float = Field(0.5, ge=0, le=1, description="least share of a segment's frames that must be swapped")
    stitch: StitchMode = StitchMode.AUTO
    crf: int = Field(18, ge=0, le=40, description="x264 quality of swapped frames; lower is better and larger")
    watermark: str = Field("", max_length=80, description="text shown on swapped frames; empty for none")
    tone_map: bool = Field(False, description="turn HDR footage into bt709 instead of keeping it")
    seed: int = 0
