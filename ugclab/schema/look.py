"""Looks: what a page wants to see before a job runs, or of one that is done; and what it is shown.

Pictures and files are named by their keys in the store; all of one look lie in one folder.
"""

from typing import Annotated, Literal

from pydantic import Field

from ugclab.schema.base import Frozen, Rational
from ugclab.schema.job import Name, SwapOptions
from ugclab.schema.media import Asset, TimeRange


class _Asked(Frozen):
    """Who asks, and for which project."""

    user: Name
    project: Name
    page: str = Field("", max_length=200, description="a newer look of this page and kind takes the place of this one")

    @property
    def files(self) -> dict[str, Asset]:
        """What the look needs, by role."""
        found = {name: getattr(self, name, None) for name in ("source", "avatar", "photo", "output")}
        return {name: asset for name, asset in found.items() if asset is not None}


class FrameLook(_Asked):
    """One frame before and after."""

    kind: Literal["frame"] = "frame"
    source: Asset
    avatar: Asset
    photo: Asset | None = Field(None, description="of the face to replace, for the selector like:PHOTO")
    at: Rational = Field(description="seconds of footage: the frame a player shows then")
    plan: str = Field("faces", max_length=10_000, description="what was found for it (FacesLook) is made use of")
    engine: str = "mesh"
    options: SwapOptions = SwapOptions()


class StripLook(_Asked):
    """The whole footage as a row of small pictures."""

    kind: Literal["strip"] = "strip"
    source: Asset
    count: int = Field(48, ge=1, le=48)


class FacesLook(_Asked):
    """Who is in the footage, and what a run with this plan would meet."""

    kind: Literal["faces"] = "faces"
    source: Asset
    avatar: Asset | None = Field(None, description="without one, nothing is said of it")
    photo: Asset | None = None
    plan: str = Field("faces", max_length=10_000)
    engine: str = "mesh"
    options: SwapOptions = SwapOptions()


class ProofLook(_Asked):
    """A finished job's source and result as files that every browser plays; `Queue.proof` makes it."""

    kind: Literal["proof"] = "proof"
    job_id: str = Field(pattern="^[0-9A-Z]{26}$")
    source: Asset
    output: Asset


Look = Annotated[FrameLook | StripLook | FacesLook | ProofLook, Field(discriminator="kind")]


class FrameSeen(Frozen):
    """One frame before and after, as JPEGs of one size."""

    kind: Literal["frame"] = "frame"
    before: str
    after: str
    width: int = Field(description="px of the pictures")
    height: int
    time: Rational = Field(description="of the frame, in seconds of footage")
    swapped: bool = Field(description="False where the frame shows no face that would be replaced")


class StripSeen(Frozen):
    """A row of small pictures in one JPEG, tile beside tile, and what the footage is."""

    kind: Literal["strip"] = "strip"
    picture: str
    tile_width: int
    tile_height: int
    times: tuple[Rational, ...] = Field(description="each tile stands for; the picture may be of the keyframe near it")
    frame_rate: Rational
    duration: Rational
    width: int = Field(description="px of the footage, upright")
    height: int

    @property
    def count(self) -> int:
        """Tiles in the row."""
        return len(self.times)


class PersonSeen(Frozen):
    """Somebody in the footage."""

    index: int = Field(description="from the left: what the selector index:N means")
    picture: str = Field(description="the face, a square JPEG")
    share: float = Field(description="of the frames that were looked at")
    width_px: float = Field(description="of the face, median")


class Refusal(Frozen):
    """Why a run would fail: as an error says it."""

    code: str
    message: str
    hint: str = ""


class FacesSeen(Frozen):
    """What a run would meet."""

    kind: Literal["faces"] = "faces"
    people: tuple[PersonSeen, ...] = Field(description="from left to right; empty where the engine cannot tell")
    ranges: tuple[TimeRange, ...] = Field(description="where the face is found that would be replaced")
    looked_at: tuple[TimeRange, ...] = Field(description="all of what the plan swaps, or moments of it if `sampled`")
    sampled: bool
    plan: str = Field(description="the plan of the run, written out; empty if `sampled` and made of what is found")
    warnings: tuple[str, ...] = Field(description="in the words of the run")
    refused: Refusal | None = Field(None, description="what the run would fail with, as far as faces go")
    stitch_mode: str = Field("", description="how untouched footage will be kept; empty if not known yet")
    stitch_reason: str = ""


class ProofSeen(Frozen):
    """A job's source and result as H.264 with the source's timestamps: the same frame at the same time in both."""

    kind: Literal["proof"] = "proof"
    before: str
    after: str
    width: int
    height: int
    frames: int
    frame_rate: Rational
    duration: Rational


Seen = Annotated[FrameSeen | StripSeen | FacesSeen | ProofSeen, Field(discriminator="kind")]
